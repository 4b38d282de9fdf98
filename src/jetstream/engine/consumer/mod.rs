//! A consumer: a place in a stream, what is on its way, and what waits for it. No bus, no clock, no JSON.
//!
//! | file | reason to change |
//! |---|---|
//! | `config`, `builder` | the fields of a consumer, and how they are set |
//! | `request` | how a consumer is asked for |
//! | `validate`, `names`, `update` | defaults, refusals, permitted changes |
//! | `ack` | the forms of acknowledgements |
//! | `cursor` | where it begins, which message is next |
//! | `pending` | what waits for acknowledgements, and comes again |
//! | `durable`, `held` | what of it outlives its process |
//! | `pull` | requests that wait |
//! | `pin` | the client that gets everything |
//! | `push` | interest, heartbeats, flow control |
//! | `pace` | replay as stored, rate limit |
//! | `status`, `info` | what is said of requests, and of the consumer |
//! | `context` | what a consumer works with |
//! | `machine` | what a consumer is told |
//! | `serve` | what it hands out |

pub(super) mod ack;
mod builder;
pub(super) mod config;
pub(super) mod context;
mod cursor;
pub(super) mod durable;
pub(super) mod held;
pub(super) mod info;
pub(super) mod machine;
mod names;
mod pace;
mod pending;
mod pin;
pub(super) mod pull;
mod push;
pub(super) mod request;
mod serve;
pub(super) mod status;
pub(super) mod update;
pub(super) mod validate;

pub use ack::{Ack, AckSubject};
pub use config::{AckPolicy, ConsumerConfig, DeliverPolicy, PriorityPolicy, ReplayPolicy, WrittenTime};
pub use context::{Everything, Interest};
pub use held::{HeldDelivery, Progress};
pub use info::{ConsumerInfo, ConsumerLedger, PriorityGroup, SequencePair};
pub use pull::PullRequest;
pub use request::{ConsumerAction, ConsumerAddress, ConsumerRequest};
pub use status::Status;

pub(crate) use names::is_group_name;
pub(super) use pin::random_name;
