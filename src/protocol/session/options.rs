//! The settings of a session.

use crate::protocol::ServerVersion;
use std::time::Duration;

/// How a [`Session`](super::Session) behaves. Defaults are those of nats-server without authentication.
///
/// # Example
///
/// ```
/// use postroom::protocol::SessionOptions;
///
/// let mut options = SessionOptions::default();
/// options.auth_required = true;
/// assert_eq!(options.limits.max_payload, 1 << 20);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct SessionOptions {
    /// Which server it speaks like, where versions differ (C9, C12).
    pub version: ServerVersion,
    /// Whether the server supports headers (H4). Default true.
    pub headers: bool,
    /// Whether the peer must show credentials: its first operation must be CONNECT, and come within `auth_timeout` (P1). Default
    /// false.
    pub auth_required: bool,
    /// Only with `auth_required`: a first operation other than CONNECT is taken for a CONNECT without credentials, because there
    /// is a user for those (P1). A silent peer still runs into the timeout. Default false.
    pub no_auth_user: bool,
    /// Default 2 s.
    pub auth_timeout: Duration,
    /// By which part the first PING after CONNECT is late: 0 to 0.2, drawn by luck (C17). Default 0.
    pub jitter: f64,
    /// The settings that may change while the session lives.
    pub limits: SessionLimits,
}

impl Default for SessionOptions {
    fn default() -> Self {
        SessionOptions {
            version: ServerVersion::default(),
            headers: true,
            auth_required: false,
            no_auth_user: false,
            auth_timeout: Duration::from_secs(2),
            jitter: 0.0,
            limits: SessionLimits::default(),
        }
    }
}

/// The settings that may change while a [`Session`](super::Session) lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionLimits {
    /// Bytes of header block and payload (L4). Default 1,048,576.
    pub max_payload: usize,
    /// Bytes of an operation's arguments (C21). Default 4,096.
    pub max_control_line: usize,
    /// Time between two PINGs (C17). Default 2 min.
    pub ping_interval: Duration,
    /// PINGs that may be unanswered (C17). Default 2.
    pub ping_max: u32,
}

impl Default for SessionLimits {
    fn default() -> Self {
        SessionLimits {
            max_payload: 1 << 20,
            max_control_line: 4_096,
            ping_interval: Duration::from_secs(120),
            ping_max: 2,
        }
    }
}
