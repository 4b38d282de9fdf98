//! The errors of a bridge's operations, one type for each.

use super::rule::{Rule, RuleError, RuleKind};
use crate::SubscribeError;
use std::time::Duration;

/// Why a bridge was not started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// No server was named.
    #[error("no server was named")]
    NoServer,
    /// A server's address cannot be parsed.
    #[error("{url:?} is no address of a server: {error}")]
    InvalidUrl {
        /// The given text.
        url: String,
        /// The fault in it.
        error: std::io::Error,
    },
    /// A rule can't be used.
    #[error("rule {number} ({kind:?}): {error}")]
    Rule {
        /// Which one, counted from 1 in the order of being added.
        number: usize,
        /// Its kind.
        kind: RuleKind,
        /// The reason.
        error: RuleError,
    },
    /// The bus refused the subscription of a rule.
    #[error("{rule:?}: {error}")]
    Subscribe {
        /// The rule.
        rule: Box<Rule>,
        /// The bus's reason.
        error: SubscribeError,
    },
    /// A buffer's bound is zero.
    #[error("a buffer for {messages} messages and {bytes} bytes holds nothing")]
    InvalidCapacity {
        /// Messages asked for.
        messages: usize,
        /// Bytes asked for.
        bytes: usize,
    },
    /// [`OverflowPolicy::Block`](crate::OverflowPolicy::Block) for incoming messages: no publisher on the server's side can be
    /// made to wait.
    #[error("what comes from a server can't be made to wait")]
    UnsupportedOverflow,
    /// The operating system lets no thread be made.
    #[error("no thread: {0}")]
    Thread(std::io::Error),
    /// There was no connection in the time given to
    /// [`require_connected`](crate::bridge::BridgeBuilder::require_connected).
    #[error("not connected within {after:?}: {reason}")]
    NotConnected {
        /// How long was waited, on the bus's clock.
        after: Duration,
        /// The failure of the last attempt.
        reason: String,
    },
    /// The server refused the credentials, and [`require_connected`](crate::bridge::BridgeBuilder::require_connected) was asked for. If
    /// there are several servers, each refused them, one after the other.
    #[error("the server refused the credentials: {reason}")]
    Refused {
        /// In its words.
        reason: String,
    },
    /// The bus is closed.
    #[error("the bus is closed")]
    BusClosed,
}

/// Why a flush, or a drain, did not get through.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FlushError {
    /// The time was up.
    #[error("not done after {after:?}")]
    Timeout {
        /// How long was waited, on the bus's clock.
        after: Duration,
    },
    /// Messages were lost, or may have been, since the last flush.
    #[error("{count} messages were lost, or may have been")]
    Lost {
        /// How many.
        count: u64,
    },
    /// The bridge was closed.
    #[error("the bridge is closed")]
    Closed,
}
