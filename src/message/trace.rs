//! The mark of a message on an observed bus.

use crate::activity::ActivityGuard;
use crate::id::MessageId;
use std::sync::Arc;

/// The observer's number of a message, and what makes the message count as going on while a copy of it is there.
#[derive(Clone, Debug)]
pub(crate) struct Trace {
    id: MessageId,
    /// Shared by all copies; `None` if this copy does not count.
    hold: Option<Arc<ActivityGuard>>,
}

impl Trace {
    pub(crate) fn new(id: MessageId, hold: ActivityGuard) -> Self {
        Trace { id, hold: Some(Arc::new(hold)) }
    }

    pub(crate) fn id(&self) -> MessageId {
        self.id
    }

    /// The same number for a copy that does not count.
    pub(crate) fn untracked(&self) -> Self {
        Trace { id: self.id, hold: None }
    }

    /// Whether this copy counts.
    pub(crate) fn counts(&self) -> bool {
        self.hold.is_some()
    }
}
