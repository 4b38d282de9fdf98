//! What several test targets, examples and benches share. Each includes this folder with `#[path]` and uses a part of it.
//!
//! | file | what |
//! |---|---|
//! | `nats_server` | finds the real nats-server, starts it on a free port, ends it |
//! | `wire` | a connection of raw bytes, and what comes back, taken apart |
#![allow(dead_code, reason = "each target uses a part")]

pub(crate) mod nats_server;
pub(crate) mod wire;
