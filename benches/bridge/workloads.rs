//! The workloads by name: what each does, what is asked of it, and what does it both ways.

use crate::{flow, local, requests};

/// One round: where the server is, and how many messages; nanoseconds for each.
type Round = fn(&str, u64) -> f64;

/// A row of the table.
pub(crate) struct Workload {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    /// The ratio aimed at.
    pub(crate) target: Option<f64>,
    /// Messages in a round, chosen so that a round takes some tenths of a second.
    pub(crate) messages: u64,
    /// Without a bridge.
    pub(crate) theirs: Round,
    /// With one.
    pub(crate) ours: Round,
}

/// 0.9 times as many messages a second.
const THROUGHPUT: Option<f64> = Some(1.0 / 0.9);

/// 15 % more time for a request.
const LATENCY: Option<f64> = Some(1.15);

/// 5 % more time for a publish that does not concern the bridge.
const LOCAL: Option<f64> = Some(1.05);

/// All of them, in the order of the report.
pub(crate) const ALL: &[Workload] = &[
    Workload {
        name: "out_16",
        about: "published on the bus, received by a client of the server, 16 bytes; per message",
        target: THROUGHPUT,
        messages: 300_000,
        theirs: flow::direct::<16>,
        ours: flow::out::<16>,
    },
    Workload {
        name: "out_1k",
        about: "the same with 1 KiB",
        target: THROUGHPUT,
        messages: 200_000,
        theirs: flow::direct::<1024>,
        ours: flow::out::<1024>,
    },
    Workload {
        name: "in_16",
        about: "published by a client of the server, received on the bus, 16 bytes; per message",
        target: THROUGHPUT,
        messages: 300_000,
        theirs: flow::direct::<16>,
        ours: flow::in_::<16>,
    },
    Workload {
        name: "in_1k",
        about: "the same with 1 KiB",
        target: THROUGHPUT,
        messages: 200_000,
        theirs: flow::direct::<1024>,
        ours: flow::in_::<1024>,
    },
    Workload {
        name: "call",
        about: "request on the bus, answered by a client of the server, one after the other",
        target: LATENCY,
        messages: 4_000,
        theirs: requests::direct,
        ours: requests::call,
    },
    Workload {
        name: "call_tokio_main",
        about: "the same, beside a client in a runtime with several threads",
        target: LATENCY,
        messages: 4_000,
        theirs: requests::direct_threads,
        ours: requests::call,
    },
    Workload {
        name: "serve",
        about: "request by a client of the server, answered on the bus, one after the other",
        target: LATENCY,
        messages: 4_000,
        theirs: requests::direct,
        ours: requests::serve,
    },
    Workload {
        name: "serve_tokio_main",
        about: "the same, beside a service in a runtime with several threads",
        target: LATENCY,
        messages: 4_000,
        theirs: requests::direct_threads_answer,
        ours: requests::serve,
    },
    Workload {
        name: "local_16",
        about: "published and received on the bus, no rule matches; without a bridge and with one",
        target: LOCAL,
        messages: 3_000_000,
        theirs: local::alone,
        ours: local::bridged,
    },
];
