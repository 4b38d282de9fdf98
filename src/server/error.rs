//! Why a server could not start, or not change.

use std::io;

/// Why a server was not started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// The address could not be listened on: it is taken, not this machine's, or no address at all.
    #[error("can't listen on {address}: {error}")]
    Bind {
        /// As it was given.
        address: String,
        /// The error of the operating system.
        error: io::Error,
    },
    /// Monitoring can't be served there: the address is taken, not this machine's, or no address at all.
    #[error("can't listen to the monitor port {address}: {error}")]
    Monitor {
        /// As it was given.
        address: String,
        /// The error of the operating system.
        error: io::Error,
    },
    /// The operating system gave no thread for a runtime; or the one that the server lives on has ended.
    #[error("no runtime: {0}")]
    Runtime(io::Error),
    /// The certificates or keys for TLS can't be used.
    #[error("TLS: {0}")]
    Tls(String),
    /// Options that contradict each other, or that the bus contradicts.
    #[error("{0}")]
    Options(String),
    /// An option that can't change while the server runs.
    #[error("{0}")]
    Reload(ReloadError),
    /// JetStream can't be started.
    #[cfg(feature = "jetstream")]
    #[error("Can't start JetStream: {0}")]
    JetStream(#[from] crate::jetstream::server::StartError),
    /// The bus is closed: there is nothing left to serve.
    #[error("the bus is closed")]
    BusClosed,
    /// The server has no listener that could be opened again.
    #[error("the server listens nowhere: it was made without an address")]
    NoListener,
}

impl From<ReloadError> for ServerError {
    fn from(error: ReloadError) -> Self {
        ServerError::Reload(error)
    }
}

/// A difference that a running server cannot take over. The old configuration stays in force as a whole.
///
/// The texts are nats-server's, with its names for the options.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("config reload not supported for {option}{}", values(old, new))]
#[non_exhaustive]
pub struct ReloadError {
    /// The option, by the name that nats-server has for it in this text: `ServerName` for `server_name`.
    pub option: &'static str,
    /// Its value in force. Empty, as `new` is, where nats-server does not show the values.
    pub old: String,
    /// The value that it cannot get.
    pub new: String,
}

fn values(old: &str, new: &str) -> String {
    if old.is_empty() && new.is_empty() { String::new() } else { format!(": old={old}, new={new}") }
}
