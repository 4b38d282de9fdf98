//! Hostile clients: what one connection can do to the others, to the process and to its memory.
//!
//! Goal: every resource that a client controls is bounded, and no client can hold up the others. Method: raw clients over
//! loopback, each bounded in bytes and in count; the assertions count bytes, steps and answers, never time.
#![allow(missing_docs)]

mod credentials;
mod ends;
mod held;
mod inboxes;
mod monitoring_port;
mod slices;
use postroom_nats_tests as support;
