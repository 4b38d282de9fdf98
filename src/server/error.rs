//! Why a server could not start, or not change.

use super::config::ReloadError;
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
