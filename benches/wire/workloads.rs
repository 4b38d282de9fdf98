//! The workloads by name: what each does, what is asked of it, and what does it.

use crate::process::Place;
use crate::{client, pipe, raw, start};

/// One round of one side.
pub(crate) struct Round {
    /// Nanoseconds a message took, or a delivery, or whatever the workload counts.
    pub(crate) ns: f64,
    /// The divisor of the server's cpu time.
    pub(crate) messages: u64,
}

/// The system that a workload runs on.
#[derive(Clone, Copy)]
pub(crate) enum How {
    /// On both servers, over the loopback interface.
    Wire(fn(&Place, u64) -> Round),
    /// The start of each server, in nanoseconds.
    Start { theirs: fn() -> f64, ours: fn() -> f64 },
    /// In this process, beside a reference figure in nanoseconds.
    Pipe { run: fn(u64) -> f64, reference: f64 },
}

/// A row of the table.
pub(crate) struct Workload {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    /// The ratio aimed at; without one the row is there to be seen.
    pub(crate) target: Option<f64>,
    /// Messages in a round, chosen so that a round takes some tenths of a second.
    pub(crate) messages: u64,
    pub(crate) how: How,
}

/// An embedded nats-server in Go: 1.0 million messages a second.
const EMBEDDED_GO: f64 = 1_000.0;

/// All of them, in the order of the report.
pub(crate) const ALL: &[Workload] = &[
    Workload {
        name: "raw_1to1_16",
        about: "raw bytes: one publisher, one subscriber, 16 bytes; per message",
        target: Some(1.0),
        messages: 600_000,
        how: How::Wire(raw::flow::<1, 16>),
    },
    Workload {
        name: "raw_1to1_1k",
        about: "the same with 1 KiB",
        target: Some(1.0),
        messages: 300_000,
        how: How::Wire(raw::flow::<1, 1024>),
    },
    Workload {
        name: "raw_1to8_16",
        about: "raw bytes: one publisher, 8 subscribers, 16 bytes; per delivery",
        target: Some(1.0),
        messages: 200_000,
        how: How::Wire(raw::flow::<8, 16>),
    },
    Workload {
        name: "raw_1to8_1k",
        about: "the same with 1 KiB",
        target: Some(1.0),
        messages: 60_000,
        how: How::Wire(raw::flow::<8, 1024>),
    },
    Workload {
        name: "raw_1to8_1m",
        about: "the same with 1 MiB",
        target: Some(1.0),
        messages: 100,
        how: How::Wire(raw::flow::<8, { 1 << 20 }>),
    },
    Workload {
        name: "raw_request",
        about: "raw bytes: request and answer, one after the other",
        target: Some(1.0),
        messages: 8_000,
        how: How::Wire(raw::requests),
    },
    Workload {
        name: "client_1to1_16",
        about: "async-nats: one publisher, one subscriber, 16 bytes; per message",
        target: Some(1.0),
        messages: 300_000,
        how: How::Wire(client::flow::<1, 16>),
    },
    Workload {
        name: "client_1to1_1k",
        about: "the same with 1 KiB",
        target: Some(1.0),
        messages: 200_000,
        how: How::Wire(client::flow::<1, 1024>),
    },
    Workload {
        name: "client_1to8_16",
        about: "async-nats: one publisher, 8 subscribers, 16 bytes; per delivery",
        target: Some(1.0),
        messages: 60_000,
        how: How::Wire(client::flow::<8, 16>),
    },
    Workload {
        name: "client_1to8_1k",
        about: "the same with 1 KiB",
        target: Some(1.0),
        messages: 40_000,
        how: How::Wire(client::flow::<8, 1024>),
    },
    Workload {
        name: "client_request",
        about: "async-nats: request and answer, one after the other",
        target: Some(1.0),
        messages: 4_000,
        how: How::Wire(client::requests),
    },
    Workload {
        name: "start",
        about: "from the start of the program to the first byte of INFO",
        target: Some(0.05),
        messages: 5,
        how: How::Start { theirs: start::nats_server, ours: start::postroom },
    },
    Workload {
        name: "start_in_process",
        about: "from `Server::bind` on a new bus in this process to the first byte of INFO; the other one as a program",
        target: Some(0.05),
        messages: 5,
        how: How::Start { theirs: start::nats_server, ours: start::in_process },
    },
    Workload {
        name: "pipe_1to1_16",
        about: "raw bytes through two pipes in this process, 16 bytes; per message",
        target: Some(1.0 / 1.5),
        messages: 1_000_000,
        how: How::Pipe { run: pipe::flow::<1, 16>, reference: EMBEDDED_GO },
    },
    Workload {
        name: "pipe_1to8_16",
        about: "the same, 8 subscribers; per delivery",
        target: Some(1.0 / 1.5),
        messages: 200_000,
        how: How::Pipe { run: pipe::flow::<8, 16>, reference: EMBEDDED_GO },
    },
];
