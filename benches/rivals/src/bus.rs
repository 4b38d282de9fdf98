//! Postroom, through the floor bench's own functions.

use crate::harness::Setup;
use crate::memory;
use crate::ours;
use crate::rival::{Rival, Workload};

struct Postroom;

pub(crate) fn postroom() -> Result<Box<dyn Rival>, String> {
    Ok(Box::new(Postroom))
}

impl Rival for Postroom {
    fn name(&self) -> &'static str {
        "postroom"
    }

    fn about(&self) -> String {
        "postroom, default settings".to_owned()
    }

    fn run(&self, workload: Workload, setup: &Setup, iterations: u64) -> Option<f64> {
        Some(match workload {
            Workload::Pair => ours::pair(setup, iterations),
            Workload::ThreadsTwoCores => ours::threads_two_cores(setup, iterations),
            Workload::Fanout8 => ours::fanout::<8>(setup, iterations),
            Workload::RequestInline => ours::request_inline(setup, iterations),
            Workload::RequestThreads => ours::request_threads(setup, iterations),
            Workload::RequestAsync => ours::request_async(setup, iterations),
        })
    }

    fn memory(&self, count: usize) -> Option<f64> {
        let client = postroom::Bus::new().connect();
        Some(memory::each(count, |number| client.subscribe(format!("dev.{number:08}.temp")).expect("a subscription")))
    }

    fn memory_count(&self) -> usize {
        1_000_000
    }
}
