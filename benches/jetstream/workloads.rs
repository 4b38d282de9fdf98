//! The workloads by name: what each does, what is asked of it, and what does it.

use crate::process::{Cpu, Place};
use crate::{client, inside, raw};

/// One round on one server.
pub(crate) struct Round {
    /// Nanoseconds of a step.
    pub(crate) ns: f64,
    /// The divisor of the server's cpu time.
    pub(crate) steps: u64,
    pub(crate) before: Cpu,
    pub(crate) after: Cpu,
}

/// Runs so many steps on a server; the number of the round counts from 0.
pub(crate) type OnServer = fn(&Place, u64, usize) -> Round;

/// The system that a workload runs on.
#[derive(Clone, Copy)]
pub(crate) enum How {
    /// On both servers, over the loopback interface.
    Wire(OnServer),
    /// In this process: the nanoseconds of a step of each.
    Inside { base: fn(u64) -> f64, ours: fn(u64) -> f64 },
}

impl How {
    /// The name of the other side in the file.
    pub(crate) fn other(self) -> &'static str {
        match self {
            How::Wire(_) => "nats_server",
            How::Inside { .. } => "base",
        }
    }
}

/// A row of the table.
pub(crate) struct Workload {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    /// The ratio aimed at.
    pub(crate) target: Option<f64>,
    /// Steps of a round, chosen so that a round takes some tenths of a second.
    pub(crate) steps: u64,
    pub(crate) how: How,
}

const fn wire(name: &'static str, about: &'static str, target: f64, steps: u64, run: OnServer) -> Workload {
    Workload { name, about, target: Some(target), steps, how: How::Wire(run) }
}

const fn inside(name: &'static str, about: &'static str, target: f64, steps: u64, ours: fn(u64) -> f64) -> Workload {
    Workload { name, about, target: Some(target), steps, how: How::Inside { base: inside::request, ours } }
}

/// All of them, in the order of the report.
pub(crate) const ALL: &[Workload] = &[
    wire(
        "raw_publish_16",
        "raw bytes: publishes of 16 bytes, 256 acknowledgements under way",
        0.5,
        100_000,
        raw::publish::<16>,
    ),
    wire("raw_publish_1k", "the same with 1 KiB", 0.5, 50_000, raw::publish::<1024>),
    wire("raw_publish_alone", "raw bytes: each publish waits for its acknowledgement", 0.9, 5_000, raw::publish_alone),
    wire(
        "raw_fetch_200",
        "raw bytes: pull requests of 200 messages, each acknowledged; per message",
        0.5,
        50_000,
        raw::fetch,
    ),
    wire("raw_push", "raw bytes: a push consumer with flow control; per message", 0.5, 100_000, raw::push),
    wire("raw_wide_consumer", "raw bytes: a consumer on a wildcard of 1,000,000 subjects is made", 0.5, 10, raw::wide),
    wire(
        "client_publish_16",
        "async-nats: publishes of 16 bytes, 256 acknowledgements under way",
        0.85,
        40_000,
        client::publish::<16>,
    ),
    wire("client_publish_1k", "the same with 1 KiB", 0.85, 30_000, client::publish::<1024>),
    wire(
        "client_publish_alone",
        "async-nats: each publish waits for its acknowledgement",
        0.9,
        3_000,
        client::publish_alone,
    ),
    wire(
        "client_fetch_200",
        "async-nats: fetch of 200 messages, each acknowledged; per message",
        0.85,
        20_000,
        client::fetch,
    ),
    wire("client_ordered", "async-nats: an ordered push consumer; per message", 0.85, 40_000, client::ordered),
    wire("client_kv_put", "async-nats: key-value put", 0.9, 3_000, client::kv_put),
    wire("client_kv_get", "async-nats: key-value get", 0.9, 3_000, client::kv_get),
    wire("client_kv_watch", "async-nats: a watch of 10,000 keys; per key", 0.8, 10_000, client::kv_watch),
    inside(
        "publish_ack_128",
        "publish of 128 bytes and wait for the acknowledgement; base: a request",
        2.0,
        100_000,
        inside::publish,
    ),
    inside(
        "fetch_200",
        "fetch of 200 messages, each acknowledged; per message; base: a request",
        1.2,
        100_000,
        inside::fetch,
    ),
    Workload {
        name: "publish_behind_1m",
        about: "publish into a stream of 1,000,000 messages; base: of 10",
        target: Some(1.2),
        steps: 50_000,
        how: How::Inside { base: inside::publish_behind::<10>, ours: inside::publish_behind::<1_000_000> },
    },
    Workload {
        name: "publish_beside_10k",
        about: "publish beside 10,000 consumers whose filters do not match; base: beside 10",
        target: Some(1.5),
        steps: 50_000,
        how: How::Inside { base: inside::publish_beside::<10>, ours: inside::publish_beside::<10_000> },
    },
];
