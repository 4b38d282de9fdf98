//! Questions that have no answer.

/// Why a monitor does not answer; its text is nats-server's (M1).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MonitorError {
    /// Not one of the words of [`SortBy`](super::SortBy).
    #[error("invalid sorting option: {0}")]
    SortOption(String),
    /// Open connections have no end yet.
    #[error("sort by stop only valid on closed connections")]
    SortByStop,
    /// Open connections have no reason yet.
    #[error("sort by reason only valid on closed connections")]
    SortByReason,
    /// A filter by subject needs an account.
    #[error("filter by subject only valid with account filtering")]
    FilterWithoutAccount,
    /// The test subject has wildcards, or an empty token.
    #[error("invalid test subject, must be valid publish subject: {0}")]
    TestSubject(String),
    /// There is no such account.
    #[error("Account {0} does not exist")]
    UnknownAccount(String),
}
