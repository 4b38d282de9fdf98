//! JetStream: streams that keep what is published, and hand it out again.
//!
//! So far only the machine is there, without a bus: see [`engine`].

pub mod engine;
