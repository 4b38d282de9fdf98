//! JetStream: streams that keep what is published, and hand it out again.
//!
//! | part | what it is |
//! |---|---|
//! | [`engine`] | one stream as a machine, without a bus |
//! | [`server`] | streams on a bus, for unmodified NATS clients |

pub mod engine;
mod json;
pub mod server;
