//! The part of a stream that a server without a store directory keeps over a restart.

use crate::jetstream::engine::{Recovery, Stream, Unreadable};

/// All that the log of the stream would have, if it had one.
pub(super) fn copy(machine: &Stream) -> Result<Recovery, Unreadable> {
    let mut recovery = Recovery::default();
    let mut taken = Ok(());
    machine.state_records(|record| {
        if taken.is_ok() {
            taken = recovery.apply(record);
        }
    });
    taken?;
    let mut next = 0;
    while let Some(message) = machine.messages().next_match(&[] as &[&str], next) {
        if let Some(record) = machine.message_record(message.seq()) {
            recovery.apply(record)?;
        }
        next = message.seq() + 1;
    }
    Ok(recovery)
}
