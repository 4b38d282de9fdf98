//! Key-value buckets and object stores: one body of tests on four systems, and two clients that read and watch what the other writes.
//!
//! | system | client | streams |
//! |---|---|---|
//! | in process | the context | ours, on the same bus |
//! | our server | async-nats | ours, behind a socket |
//! | the real server | async-nats | nats-server |
//! | across a bridge | the context | nats-server |

mod both;
mod context;
mod foreign;
mod four_systems;
mod places;
mod system;

use postroom_nats_tests as support;
