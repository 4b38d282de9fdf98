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
