//! Real NATS clients attach to a bus: over any byte stream, or through a listener.

pub mod config;
mod options;

pub use config::Config;
pub use options::{ServerOptions, TlsOptions, User};

use options::{Auth, Secret};
