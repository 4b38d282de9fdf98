//! What a server tells of itself, beside what nats-server 2.15.1 tells.
//!
//! Goal: tools that read nats-server's monitoring read ours: the same keys, types, texts and, where they do not depend on the
//! process, values. Method: both servers get the same bytes over a connection each, and the answers of all paths are compared;
//! what may differ is named. nats-top and the Prometheus exporter are written in Go and not run here: the fields that they read,
//! taken from their sources, are asserted instead.
#![allow(missing_docs)]

mod both;
mod queries;
mod same;
mod tools;
mod typed;
use postroom_nats_tests as support;
