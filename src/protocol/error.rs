//! Protocol errors: why input cannot be decoded or an operation is refused, with the texts of `-ERR`, and why connections end.

use super::Quoted;

/// Why a server closed a connection, in nats-server's words (M4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the text says it")]
pub enum DisconnectReason {
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
pub enum ProtocolError {
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

impl ProtocolError {
    /// Why the connection is closed after this refusal; `None` if it stays open (C7).
    ///
    /// # Example
    ///
    /// ```
    /// use postroom::protocol::{DisconnectReason, ProtocolError};
    ///
    /// assert_eq!(ProtocolError::SubscribeSubject.disconnect_reason(), None);
    /// assert_eq!(ProtocolError::Authorization.disconnect_reason(), Some(DisconnectReason::AuthenticationFailure));
    /// ```
    #[must_use]
    pub fn disconnect_reason(&self) -> Option<DisconnectReason> {
        match self {
            ProtocolError::UnknownOperation => Some(DisconnectReason::ProtocolViolation),
            ProtocolError::MaxPayload => Some(DisconnectReason::MaxPayloadExceeded),
            ProtocolError::MaxControlLine => Some(DisconnectReason::MaxControlLineExceeded),
            ProtocolError::ClientProtocol => Some(DisconnectReason::BadClientProtocolVersion),
            ProtocolError::NoRespondersWithoutHeaders => Some(DisconnectReason::NoRespondersRequiresHeaders),
            ProtocolError::Authorization => Some(DisconnectReason::AuthenticationFailure),
            ProtocolError::AuthenticationTimeout => Some(DisconnectReason::AuthenticationTimeout),
            ProtocolError::MaxConnections => Some(DisconnectReason::MaxConnectionsExceeded),
            ProtocolError::Stale => Some(DisconnectReason::StaleConnection),
            ProtocolError::Revoked => Some(DisconnectReason::CredentialsRevoked),
            ProtocolError::SubscribeSubject
            | ProtocolError::PublishSubject
            | ProtocolError::MaxSubscriptions
            | ProtocolError::PublishPermission(_)
            | ProtocolError::ReplyPermission(_)
            | ProtocolError::SubscribePermission(_)
            | ProtocolError::QueuePermission(..)
            | ProtocolError::TooManyTokens(_)
            | ProtocolError::SubscriptionEnded { .. }
            | ProtocolError::QueueSubscriptionEnded { .. } => None,
        }
    }
}

/// Why what a client sent cannot be taken. The connection ends; some of these are told to the client, others not (C7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// No operation begins like this.
    #[error("unknown protocol operation")]
    UnknownOperation,
    /// The payload is longer or shorter than announced.
    #[error("a payload of {size} bytes is not followed by CR LF")]
    PayloadEnd {
        /// Bytes that were announced.
        size: usize,
    },
    /// Told as soon as there are more bytes than that, whether or not the line has ended.
    #[error("arguments of more than {max} bytes")]
    MaxControlLine {
        /// The limit.
        max: usize,
    },
    /// Told without waiting for the payload.
    #[error("a payload of {size} bytes, {max} are allowed")]
    MaxPayload {
        /// Bytes that were announced.
        size: usize,
        /// The limit.
        max: usize,
    },
    /// Too few or too many (C22).
    #[error("{operation} with {count} arguments")]
    ArgumentCount {
        /// The operation's name.
        operation: &'static str,
        /// How many there are.
        count: usize,
    },
    /// Not 1 to 9 digits.
    #[error("{operation} with a size that is not a number of 1 to 9 digits")]
    Size {
        /// The operation's name.
        operation: &'static str,
    },
    /// The header block is longer than the whole.
    #[error("a header block of {headers} bytes in a message of {size} bytes")]
    HeaderSize {
        /// Bytes of the header block.
        headers: usize,
        /// Bytes of header block and payload.
        size: usize,
    },
    /// HPUB from a peer that has not said that it knows headers (H4).
    #[error("a message with headers on a connection without")]
    HeadersNotSupported,
}

impl DecodeError {
    /// The error for the client; `None` if the client gets none (C7).
    #[must_use]
    pub fn protocol_error(&self) -> Option<ProtocolError> {
        match self {
            DecodeError::UnknownOperation | DecodeError::PayloadEnd { .. } => Some(ProtocolError::UnknownOperation),
            DecodeError::MaxControlLine { .. } => Some(ProtocolError::MaxControlLine),
            DecodeError::MaxPayload { .. } => Some(ProtocolError::MaxPayload),
            DecodeError::ArgumentCount { .. }
            | DecodeError::Size { .. }
            | DecodeError::HeaderSize { .. }
            | DecodeError::HeadersNotSupported => None,
        }
    }

    /// Why the connection is then closed.
    #[must_use]
    pub fn disconnect_reason(&self) -> DisconnectReason {
        self.protocol_error().and_then(|error| error.disconnect_reason()).unwrap_or(DisconnectReason::ProtocolViolation)
    }
}
