//! The interface between a session and its driver.

use super::{Connect, ProtocolError};
use crate::message::Payload;

/// A message that the peer publishes (PUB, HPUB).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Publish<'a> {
    /// As it came, unchecked (S6, S7). Bytes that are not UTF-8 are escaped: see [`text`](super::text).
    pub subject: &'a str,
    /// As it came, unchecked (S5).
    pub reply: Option<&'a str>,
    /// The header block as it came, unchecked (H2); `None` if it has no bytes (H3).
    pub headers: Option<Payload<'a>>,
    /// The payload: a reference into what was read. It is borrowed unless it fills most of the memory that it lies in, so that a
    /// message that is kept keeps no more than its own size; see [`Decoder::reserve`](super::Decoder::reserve).
    pub payload: Payload<'a>,
}

/// An interest that the peer announces (SUB).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Subscribe<'a> {
    /// As it came, unchecked.
    pub subject: &'a str,
    /// As it came, unchecked (S5).
    pub queue: Option<&'a str>,
    /// As it came; opaque (C23).
    pub sid: &'a [u8],
}

/// The effects of a session, implemented by its driver. Nothing here may block.
pub trait SessionHandler {
    /// Appends bytes to what goes to the peer, behind everything that went there before (C15).
    fn send(&mut self, bytes: &[u8]);

    /// The line `INFO {…} \r\n` that is to be sent now: as a greeting, or again with `connect_info` (C1, C9). See
    /// [`Info::to_line`](super::Info::to_line).
    fn info(&mut self, connect_info: bool) -> Vec<u8>;

    /// Whether the handler can say at once what becomes of a CONNECT with these options. Where it can't, because it has to find out
    /// whether credentials are right, the session waits: it does nothing more of what the peer sends, and asks again at the next
    /// [`handle_input`](super::Session::handle_input). The time for credentials still runs. A peer that began without CONNECT is not waited for.
    fn is_ready(&mut self, options: &Connect) -> bool {
        let _ = options;
        true
    }

    /// The peer's options are known, or have changed: from its CONNECT, or from their defaults if it began without one (C8, C11,
    /// C12). Called before any operation; and again at each further CONNECT, with all options merged. `headers` is true only
    /// where the server supports them too (C10).
    ///
    /// # Errors
    ///
    /// A refusal that closes: `Authorization Violation` and the like (P1, P8).
    fn connect(&mut self, options: &Connect) -> Result<(), ProtocolError>;

    /// Whether [`publish`](SessionHandler::publish) would refuse a message by its subject or reply (P4, S9, S10). Asked only for verbose
    /// peers, right before `publish`, because their `+OK` goes out before the message's own deliveries (C13). `publish` must
    /// check all the same.
    ///
    /// # Errors
    ///
    /// The refusal that `publish` would give.
    fn check_publish(&mut self, subject: &str, reply: Option<&str>) -> Result<(), ProtocolError>;

    /// Publishes. A subject with an empty token is passed on all the same, and reaches no
    /// subscriber (S6).
    ///
    /// # Errors
    ///
    /// Why the message was not published: a refusal of P4 or S10. A message without receivers is
    /// not an error.
    fn publish(&mut self, message: Publish<'_>) -> Result<(), ProtocolError>;

    /// Subscribes, unless the sid is taken by a subscription that lives: then it does nothing and succeeds (C24).
    ///
    /// # Errors
    ///
    /// Why not: `Invalid Subject`, `maximum subscriptions exceeded`, a violation of permissions.
    fn subscribe(&mut self, interest: Subscribe<'_>) -> Result<(), ProtocolError>;

    /// Ends the subscription now (`None`), or once it has got `max` messages over its whole life (D2). Unknown: does nothing.
    fn unsubscribe(&mut self, sid: &[u8], max: Option<u64>);

    /// Asked after each operation that did not end the session: true ends the call of [`handle_input`](super::Session::handle_input) there.
    /// The rest of the input stays in it, for the next call. The default is to continue.
    #[inline]
    fn pauses(&mut self) -> bool {
        false
    }

    /// Ends all subscriptions: a further CONNECT came, before the call of [`connect`](SessionHandler::connect) for it (C12).
    fn unsubscribe_all(&mut self);
}
