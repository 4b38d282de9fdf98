//! Streams with file storage come back: from their logs, or from the memory of a server that is restarted without a store directory.

use super::bind::Receivers;
use super::shared::Shared;
use super::stream::ServedStream;
use super::streams::Streams;
use crate::jetstream::engine::{Recovery, Stream, Unreadable};
use crate::jetstream::store::{Found, StoreError, StoreEvent};
use std::sync::Arc;

/// Makes a stream of what was kept.
pub(super) fn finish(shared: &Shared, recovery: Recovery) -> Result<Stream, Unreadable> {
    recovery.finish(&shared.limits(), shared.now(), shared.bus.random())
}

/// Brings back the streams in the store directory; none without one. Those that can't be read are offline from then on.
///
/// # Errors
///
/// Those of the operating system, if the streams can't be listed.
pub(super) fn from_disk(shared: &Arc<Shared>, streams: &Streams) -> Result<(), StoreError> {
    let Some(store) = &shared.store else { return Ok(()) };
    let is_watched = shared.bus.watches_streams();
    let mut events = Vec::new();
    let found = store.streams(&mut events, |recovery| finish(shared, recovery));
    for Found { name, outcome } in found? {
        match outcome {
            Ok((machine, log)) => {
                let stream = ServedStream::restored(machine, Some(log), shared, is_watched);
                bring_back(shared, streams, stream);
            }
            Err(error) => {
                events.push(StoreEvent::Offline { stream: name.clone(), error: error.clone() });
                streams.set_offline(name, &error);
            }
        }
    }
    shared.tell(events);
    Ok(())
}

/// Lets a stream take what is published again, and its consumers hand out what there is.
pub(super) fn bring_back(shared: &Arc<Shared>, streams: &Streams, stream: Arc<ServedStream>) {
    let receivers: Vec<_> = stream.push_consumers(|config| Receivers::of(shared, config));
    streams.put(stream.clone());
    let weak = Arc::downgrade(&stream);
    let left = stream.change(|locked| {
        locked.machine.handle_timeout(locked.now);
        for (id, receivers) in receivers {
            receivers.bind(locked, id, weak.clone());
        }
        locked.capture();
    });
    if let Some(((), left)) = left {
        left.run();
    }
}
