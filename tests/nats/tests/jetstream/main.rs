//! JetStream, seen from the wire.
//!
//! Goal: an unmodified client can't tell our server from nats-server. Method: one body of tests with async-nats on both; and raw
//! requests that are sent to both, whose answers are compared byte for byte, but for instants and names of servers. And one body of
//! tests on four systems: the context of a bus too, with streams of its own and across a bridge.

mod client;
mod compare;
mod four;
mod limits;
mod places;
mod program;
mod raw_consumers;
mod raw_found;
mod raw_messages;
mod raw_requests;
mod serving;
mod systems;

use postroom_nats_tests as support;
