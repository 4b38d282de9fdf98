//! The machine of JetStream, driven by hand: what it answers, what it holds, and when things happen.
//!
//! Goal: the rules of streams (JS), of errors (JE) and of removal on acknowledgement (JC) that a machine without a bus can show.
//! Method: each rule with the texts and numbers that nats-server 2.15.1 gave, and random commands against a model that keeps a list.
#![allow(missing_docs)]

mod bench;

mod acks;
mod batches;
mod config;
mod config_updates;
mod consumer_config;
mod consumer_model;
mod lifetimes;
mod limits;
mod model;
mod priorities;
mod publishing;
mod pulling;
mod pushing;
mod reading;
mod removal;
mod schedules;
mod size;
mod times;
