//! When something is forced onto the disk.

use std::time::Duration;

/// The time at which bytes that were written are forced onto the disk. A process that is killed loses nothing in either case; a machine that loses its power does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SyncPolicy {
    /// Before each acknowledgement, as nats-server's `sync_interval: always`.
    Always,
    /// After this time, as nats-server's `sync_interval`; its default is two minutes.
    Interval(Duration),
}

impl Default for SyncPolicy {
    fn default() -> Self {
        SyncPolicy::Interval(Duration::from_secs(120))
    }
}
