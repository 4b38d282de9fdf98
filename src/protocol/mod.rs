//! The NATS client protocol as a pure state machine: bytes in, operations and bytes out. No IO and no clock.
//!
//! A [`Session`] is the server's end of one connection: it reads what a client sends and asks a [`Host`] to do it. Its parts
//! can be used alone: [`Decoder`] and [`ServerDecoder`] take operations out of a stream of bytes, one for each direction;
//! [`encode`] writes what a server sends.
//!
//! | file | reason to change |
//! |---|---|
//! | `connect` | what a client says of itself |
//! | `decode` | what clients send |
//! | `encode` | what servers send, as bytes |
//! | `frame` | how operations are found in a stream |
//! | `host` | what a session asks of whoever runs it |
//! | `info` | what a server says of itself |
//! | `json` | how nats-server reads JSON |
//! | `quote` | how Go writes texts in quotation marks |
//! | `receive` | what servers send, read |
//! | `refusal` | why an operation is refused, and why a connection ends |
//! | `session` | what the server's end of a connection does |
//! | `text` | bytes that are no text |
//! | `version` | which server it speaks like |

mod connect;
mod decode;
pub mod encode;
mod frame;
mod host;
mod info;
mod json;
mod quote;
mod receive;
mod refusal;
mod session;
pub mod text;
mod version;

pub use connect::{Connect, ConnectError};
pub use decode::{DecodeError, Decoder, DecoderLimits, Operation};
pub use encode::Delivery;
pub use host::{Host, Publish, Subscribe};
pub use info::{Info, InfoError};
pub use quote::Quoted;
pub use receive::{ServerDecoder, ServerOperation};
pub use refusal::{Close, Refusal};
pub use session::{Session, SessionLimits, SessionOptions};
pub use version::ServerVersion;
