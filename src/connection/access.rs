//! The reasons why a publish needs checks, and the names that lenient connections may not use.

use crate::sync::atomic::{AtomicU8, Ordering};

/// The reasons why a publish needs further checks. One word, so that nearly all publishes ask one
/// question.
//
// ORDERING: Relaxed; coherence shows a change to each thread that is told of it afterwards.
#[derive(Debug, Default)]
pub(crate) struct AccessFlags(AtomicU8);

impl AccessFlags {
    pub(crate) const CLOSED: u8 = 1;
    /// There are permissions.
    pub(crate) const RESTRICTED: u8 = 2;
    pub(crate) const LENIENT: u8 = 4;
    pub(crate) const OBSERVED: u8 = 8;

    pub(super) fn new(closed: bool, restricted: bool, lenient: bool, observed: bool) -> Self {
        let flag = |is: bool, flag: u8| if is { flag } else { 0 };
        let permits = flag(closed, Self::CLOSED) | flag(restricted, Self::RESTRICTED) | flag(lenient, Self::LENIENT);
        AccessFlags(AtomicU8::new(permits | flag(observed, Self::OBSERVED)))
    }

    #[inline]
    pub(crate) fn get(&self) -> u8 {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn close(&self) {
        self.0.fetch_or(Self::CLOSED, Ordering::Relaxed);
    }

    pub(super) fn set_restricted(&self, restricted: bool) {
        if restricted {
            self.0.fetch_or(Self::RESTRICTED, Ordering::Relaxed);
        } else {
            self.0.fetch_and(!Self::RESTRICTED, Ordering::Relaxed);
        }
    }
}

/// S9: the subjects that lenient connections may not publish to.
pub(super) fn is_reserved_subject(subject: &str) -> bool {
    subject.starts_with("$NRG.") || is_below(subject, "_GR_.")
}

/// S10: the replies that they may not publish with.
pub(super) fn is_reserved_reply(reply: &str) -> bool {
    reply.starts_with("_R_.") || is_below(reply, "$JS.ACK.") || is_below(reply, "_GR_.")
}

/// A queue group that nats-server keeps for itself.
pub(super) const RESERVED_QUEUE: &str = "_sys_";

fn is_below(text: &str, prefix: &str) -> bool {
    text.len() > prefix.len() && text.starts_with(prefix)
}
