//! Which nats-server a session speaks like, where versions differ.

/// A version of nats-server, as far as its wire behaviour differs from that of others (C9, C12, R3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ServerVersion {
    /// 2.10.26.
    V2_10,
    /// 2.11.0.
    V2_11,
    /// 2.12.0.
    V2_12,
    /// 2.15.1, the default.
    #[default]
    V2_15,
}

impl ServerVersion {
    /// The number that INFO tells.
    ///
    /// # Example
    ///
    /// ```
    /// use postroom::protocol::ServerVersion;
    ///
    /// assert_eq!(ServerVersion::default().as_str(), "2.15.1");
    /// ```
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            ServerVersion::V2_10 => "2.10.26",
            ServerVersion::V2_11 => "2.11.0",
            ServerVersion::V2_12 => "2.12.0",
            ServerVersion::V2_15 => "2.15.1",
        }
    }

    /// The level of JetStream's interface that INFO tells, with or without JetStream; 0 is not told.
    #[must_use]
    pub const fn api_level(self) -> u64 {
        match self {
            ServerVersion::V2_10 | ServerVersion::V2_11 => 0,
            ServerVersion::V2_12 => 2,
            ServerVersion::V2_15 => 5,
        }
    }
}
