//! Real NATS clients attach to a bus: over any byte stream, or through a listener.

mod log;
mod options;

pub use log::{LogLevel, Logger};
pub use options::{ServerOptions, TlsOptions, User};
