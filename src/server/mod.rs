//! Real NATS clients attach to a bus: over any byte stream, or through a listener.

mod options;

pub use options::{ServerOptions, TlsOptions, User};
