//! The common interface of the rivals: a name, and the workloads they can do.

use crate::harness::Setup;

/// The rivals. The words are those of the floor bench, where each is described in full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Workload {
    Pair,
    ThreadsTwoCores,
    Fanout8,
    RequestInline,
    RequestThreads,
    RequestAsync,
}

impl Workload {
    /// In the order of the report.
    pub(crate) const ALL: [Self; 6] = [
        Self::Pair,
        Self::ThreadsTwoCores,
        Self::Fanout8,
        Self::RequestInline,
        Self::RequestThreads,
        Self::RequestAsync,
    ];

    /// As in the files and on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pair => "pair",
            Self::ThreadsTwoCores => "threads_2core",
            Self::Fanout8 => "fanout8",
            Self::RequestInline => "request_inline",
            Self::RequestThreads => "request_threads",
            Self::RequestAsync => "request_async",
        }
    }

    /// For the text file.
    pub(crate) fn about(self) -> &'static str {
        match self {
            Self::Pair => "publish 16 bytes and receive them, one thread of ours, pinned",
            Self::ThreadsTwoCores => "one thread publishes, one receives, pinned to a core each, nothing dropped",
            Self::Fanout8 => "one publish, 8 subscribers, per delivery, one thread of ours",
            Self::RequestInline => "request and answer, answered by a callback on whatever thread the system calls it",
            Self::RequestThreads => "request and answer, asker and answerer two threads pinned to one core",
            Self::RequestAsync => "request and answer, asker and answerer two tasks of a current-thread runtime",
        }
    }
}

/// Something that carries messages.
pub(crate) trait Rival: Send + Sync {
    /// As in the files and on the command line.
    fn name(&self) -> &'static str;

    /// The exact measurement, with what the rival does not do.
    fn about(&self) -> String;

    /// Nanoseconds a message (or a round trip) took; `None` where the system has no such thing. Panics when a message is
    /// lost: figures of work not done are worth nothing.
    fn run(&self, workload: Workload, setup: &Setup, iterations: u64) -> Option<f64>;

    /// Makes and holds `count` idle subscriptions, and says how many bytes each made resident; `None` where there is no
    /// such thing. Runs in a process of its own.
    fn memory(&self, count: usize) -> Option<f64>;

    /// How many idle subscriptions show their price well enough.
    fn memory_count(&self) -> usize {
        100_000
    }
}

/// How to make a rival, by its name, so that a child process can make that one alone.
pub(crate) type Maker = (&'static str, fn() -> Result<Box<dyn Rival>, String>);

/// All of them, in the order of the report: the floor, the bus, then from near to far.
pub(crate) const MAKERS: &[Maker] = &[
    ("crossbeam", crate::channels::crossbeam),
    #[cfg(feature = "postroom")]
    ("postroom", crate::bus::postroom),
    ("flume", crate::channels::flume),
    ("tokio", crate::channels::tokio),
    ("zenoh", crate::zenoh_session::open),
    ("rumqttd", crate::rumqttd_link::start),
    ("nats-server", crate::nats_loopback::connect),
];
