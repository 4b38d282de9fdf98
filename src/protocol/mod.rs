//! The NATS client protocol as a pure state machine: bytes in, operations and bytes out. No IO and no clock.
//!
//! A [`Session`] is the server's end of one connection: it reads what a client sends and asks a [`SessionHandler`] to do it. Its parts
//! can be used alone: [`Decoder`] and [`ServerDecoder`] take operations out of a stream of bytes, one for each direction;
//! [`encode`] writes what a server sends.
//!
//! | file | reason to change |
//! |---|---|
//! | `connect` | CONNECT: the options of a client |
//! | `decode` | the operations of clients |
//! | `encode` | the operations of servers, as bytes |
//! | `error` | why input is not decoded, why an operation is refused, why a connection ends |
//! | `frame` | finding operations in a stream |
//! | `handler` | the interface between a session and its driver |
//! | `info` | INFO: the options of a server |
//! | `json` | reading JSON as nats-server does |
//! | `quote` | writing quoted texts as Go does |
//! | `receive` | reading the operations of servers |
//! | `session` | the server's end of a connection |
//! | `text` | bytes that are no text |
//! | `version` | which server it speaks like |

mod connect;
mod decode;
pub mod encode;
mod error;
mod frame;
mod handler;
mod info;
mod json;
mod quote;
mod receive;
mod session;
pub mod text;
mod version;

pub use connect::{Connect, ConnectError};
pub use decode::{Decoder, DecoderLimits, Operation};
pub use error::{DecodeError, DisconnectReason, ProtocolError};
pub use handler::{Publish, SessionHandler, Subscribe};
pub use info::{Info, InfoError};
pub use quote::Quoted;
pub use receive::{ServerDecoder, ServerOperation};
pub use session::{Session, SessionLimits, SessionOptions};
pub use version::ServerVersion;
