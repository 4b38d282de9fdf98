//! How a bridge stands to its server.

/// How a bridge stands to its server; see [`Bridge::state`](crate::Bridge::state).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BridgeState {
    /// It has not been connected yet.
    Connecting {
        /// The failure of the last attempt, if there was one.
        reason: Option<String>,
    },
    /// It is connected, its subscriptions are there, and messages flow.
    Connected {
        /// The server's id.
        server_id: String,
        /// Its address, without user and password.
        server: String,
    },
    /// The connection was lost, and is being made again.
    Disconnected {
        /// The failure of the last attempt, if there was one.
        reason: Option<String>,
    },
    /// It was closed, or drained to the end.
    Closed,
}

impl BridgeState {
    /// Whether messages flow.
    pub fn is_connected(&self) -> bool {
        matches!(self, BridgeState::Connected { .. })
    }
}
