//! Postroom: an embeddable, in-process message bus with NATS subject semantics.
#![forbid(unsafe_code)]

pub mod message;
pub mod subject;
