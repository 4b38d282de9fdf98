//! Why an operation or a connection is refused: the texts of `-ERR`, and why connections end.

use super::Quoted;

/// Why a server closed a connection, in nats-server's words (M4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the text says it")]
pub enum Close {
    #[error("Client Closed")]
    ClientClosed,
    #[error("Authentication Timeout")]
    AuthenticationTimeout,
    #[error("Authentication Failure")]
    AuthenticationFailure,
    #[error("TLS Handshake Failure")]
    TlsHandshakeFailure,
    #[error("Slow Consumer (Pending Bytes)")]
    SlowConsumerPendingBytes,
    #[error("Slow Consumer (Write Deadline)")]
    SlowConsumerWriteDeadline,
    #[error("Write Error")]
    WriteError,
    #[error("Read Error")]
    ReadError,
    #[error("Parse Error")]
    ParseError,
    #[error("Stale Connection")]
    StaleConnection,
    #[error("Protocol Violation")]
    ProtocolViolation,
    #[error("Bad Client Protocol Version")]
    BadClientProtocolVersion,
    #[error("Maximum Connections Exceeded")]
    MaxConnectionsExceeded,
    #[error("Maximum Message Payload Exceeded")]
    MaxPayloadExceeded,
    #[error("Maximum Control Line Exceeded")]
    MaxControlLineExceeded,
    #[error("Server Shutdown")]
    ServerShutdown,
    #[error("Message Header Violation")]
    HeaderViolation,
    #[error("No Responders Requires Headers")]
    NoRespondersRequiresHeaders,
    #[error("Kicked")]
    Kicked,
    #[error("Credentials Revoked")]
    CredentialsRevoked,
}

/// Why an operation is refused; its `Display` is the text of the `-ERR` (C7, P4).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the text says it")]
pub enum Refusal {
    #[error("Unknown Protocol Operation")]
    UnknownOperation,
    #[error("Maximum Payload Violation")]
    MaxPayload,
    #[error("maximum control line exceeded")]
    MaxControlLine,
    #[error("invalid client protocol")]
    ClientProtocol,
    #[error("no responders requires headers support")]
    NoRespondersWithoutHeaders,
    #[error("Authorization Violation")]
    Authorization,
    #[error("Authentication Timeout")]
    AuthenticationTimeout,
    #[error("maximum connections exceeded")]
    MaxConnections,
    #[error("Stale Connection")]
    Stale,
    #[error("User Authentication Revoked")]
    Revoked,
    #[error("Invalid Subject")]
    SubscribeSubject,
    #[error("Invalid Publish Subject")]
    PublishSubject,
    #[error("maximum subscriptions exceeded")]
    MaxSubscriptions,
    #[error("Permissions Violation for Publish to {0}")]
    PublishPermission(Quoted),
    #[error("Permissions Violation for Publish with Reply of {0}")]
    ReplyPermission(Quoted),
    #[error("Permissions Violation for Subscription to {0}")]
    SubscribePermission(Quoted),
    #[error("Permissions Violation for Subscription to {0} using queue {1}")]
    QueuePermission(Quoted, Quoted),
    #[error("Permissions Violation for Subscription to {0}, too many tokens")]
    TooManyTokens(Quoted),
    #[error("Permissions Violation for Subscription to {subject} (sid {sid})")]
    SubscriptionEnded { subject: Quoted, sid: Quoted },
    #[error("Permissions Violation for Subscription to {subject} using queue {queue} (sid {sid})")]
    QueueSubscriptionEnded { subject: Quoted, queue: Quoted, sid: Quoted },
}

impl Refusal {
    /// Why the connection is closed after this refusal; `None` if it stays open (C7).
    ///
    /// # Example
    ///
    /// ```
    /// use postroom::protocol::{Close, Refusal};
    ///
    /// assert_eq!(Refusal::SubscribeSubject.close(), None);
    /// assert_eq!(Refusal::Authorization.close(), Some(Close::AuthenticationFailure));
    /// ```
    #[must_use]
    pub fn close(&self) -> Option<Close> {
        match self {
            Refusal::UnknownOperation => Some(Close::ProtocolViolation),
            Refusal::MaxPayload => Some(Close::MaxPayloadExceeded),
            Refusal::MaxControlLine => Some(Close::MaxControlLineExceeded),
            Refusal::ClientProtocol => Some(Close::BadClientProtocolVersion),
            Refusal::NoRespondersWithoutHeaders => Some(Close::NoRespondersRequiresHeaders),
            Refusal::Authorization => Some(Close::AuthenticationFailure),
            Refusal::AuthenticationTimeout => Some(Close::AuthenticationTimeout),
            Refusal::MaxConnections => Some(Close::MaxConnectionsExceeded),
            Refusal::Stale => Some(Close::StaleConnection),
            Refusal::Revoked => Some(Close::CredentialsRevoked),
            Refusal::SubscribeSubject
            | Refusal::PublishSubject
            | Refusal::MaxSubscriptions
            | Refusal::PublishPermission(_)
            | Refusal::ReplyPermission(_)
            | Refusal::SubscribePermission(_)
            | Refusal::QueuePermission(..)
            | Refusal::TooManyTokens(_)
            | Refusal::SubscriptionEnded { .. }
            | Refusal::QueueSubscriptionEnded { .. } => None,
        }
    }
}
