//! The NATS client protocol as a pure state machine: bytes in, operations and bytes out. No IO and no clock.
//!
//! | file | reason to change |
//! |---|---|
//! | `connect` | what a client says of itself |
//! | `host` | what a session asks of whoever runs it |
//! | `refusal` | why an operation is refused, and why a connection ends |
//! | `version` | which server it speaks like |

mod connect;
mod host;
mod refusal;
mod version;

pub use connect::Connect;
pub use host::{Host, Publish, Subscribe};
pub use refusal::{Close, Quoted, Refusal};
pub use version::ServerVersion;
