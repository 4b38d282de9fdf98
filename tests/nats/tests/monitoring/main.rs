//! A server's monitoring, compared with that of nats-server 2.15.1.
//!
//! Goal: tools that read nats-server's monitoring read ours: the same keys, types, texts and, where they do not depend on the
//! process, values. Method: both servers get the same bytes over a connection each, and the answers of all paths are compared;
//! permitted differences are named.
#![allow(missing_docs)]

mod both;
mod jetstream;
mod queries;
mod same;
mod tools;
mod typed;
use postroom_nats_tests as support;
