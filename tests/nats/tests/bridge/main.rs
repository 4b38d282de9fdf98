//! A bus and the real nats-server, linked.

mod chains;
mod credentials;
mod cuts;
mod fatal;
mod fixture;
mod jetstream;
mod loops;
mod messages;
mod operator;
mod options;
mod overflow;
mod requests;
mod rules;
mod servers;
mod trouble;
use postroom_nats_tests as support;
