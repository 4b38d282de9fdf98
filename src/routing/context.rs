//! The parts of a connection that routing may touch; the files beside this one see no other.

use crate::account::{Account, Subscription};
use crate::connection::{Connection, PublisherState};
use crate::delivery::Envelope;
use crate::services::Services;
use crate::subject::Subject;
use std::fmt;
use std::sync::Arc;

/// The connection that publishes, seen from routing.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a>(&'a Connection);

/// The same for actions that run after the publish: it keeps the connection.
pub(super) struct KeptContext(Arc<Connection>);

/// A point at which an observer may delay a message, or the copy of it for one subscription.
#[derive(Clone, Copy, Debug)]
pub(super) struct DelayPoint<'a> {
    pub(super) cx: Context<'a>,
    pub(super) routed: &'a str,
    pub(super) to: Option<&'a Arc<Subscription>>,
}

impl<'a> Context<'a> {
    #[inline]
    pub(crate) fn of(connection: &'a Connection) -> Self {
        Context(connection)
    }

    #[inline]
    pub(super) fn account(self) -> &'a Account {
        &self.0.account
    }

    #[inline]
    pub(super) fn publisher(self) -> &'a PublisherState {
        &self.0.publisher
    }

    #[inline]
    pub(super) fn services(self) -> &'a Services {
        &self.0.services
    }

    /// The envelope of a message that this connection publishes.
    #[inline]
    pub(super) fn envelope(self, routed: &'a str, weight: usize) -> Envelope<'a> {
        Envelope { routed, publisher: Some(self.0.publisher.id), weight }
    }

    /// Whether responses there go to requests of this connection.
    pub(super) fn owns_inbox(self, reply: &Subject) -> bool {
        self.0.inbox.owns(reply)
    }

    pub(super) fn keep(self) -> KeptContext {
        KeptContext(self.0.me())
    }
}

impl KeptContext {
    pub(super) fn context(&self) -> Context<'_> {
        Context(&self.0)
    }
}

impl fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Context").field(&self.publisher().id).finish()
    }
}
