//! `cargo bench -p postroom-benches --bench matcher`: how long a match, a miss and a change take, beside the same look-ups in a hash map.
//!
//! Two parts. Criterion runs every combination by name (`cargo bench -p postroom-benches --bench matcher -- match/10k/wild10`). Then a table
//! sets the figures that have a target beside it, and the hash map's: the two are run in turns, so that a busy machine hurts
//! both; it is written to `target/matcher.json` too (`-- --table` runs it alone).
//!
//! `-- --test` runs everything but the million once, without measuring; `-- --quick` measures roughly.

#[allow(dead_code, reason = "shared: no bench needs all of it")]
#[path = "../common/mod.rs"]
mod common;
mod fixture;
mod table;

use criterion::Criterion;
use fixture::{Fixture, SIZES, Size, WILD, Workload};
use std::time::Duration;

/// The options of the command line; criterion reads it as well.
struct Args(Vec<String>);

impl Args {
    fn given(&self, flag: &str) -> bool {
        self.0.iter().any(|arg| arg == flag)
    }

    /// The sizes that a run without measuring does not skip.
    fn sizes(&self) -> impl Iterator<Item = &'static Size> {
        let most = if self.given("--test") { 10_000 } else { usize::MAX };
        SIZES.iter().filter(move |size| size.entries <= most)
    }

    /// Whether any of the benchmarks will run, as far as can be told without criterion's reading of patterns.
    fn may_run(&self, names: &[String]) -> bool {
        let mut filters = self.0.iter().filter(|arg| !arg.starts_with('-')).peekable();
        let plain = |filter: &str| filter.trim_matches(['^', '$']).to_owned();
        filters.peek().is_none() || filters.any(|filter| names.iter().any(|name| name.contains(&plain(filter))))
    }
}

fn main() {
    let args = Args(std::env::args().skip(1).collect());
    if !args.given("--table") {
        let mut criterion = Criterion::default()
            .sample_size(20)
            .warm_up_time(Duration::from_millis(200))
            .measurement_time(Duration::from_millis(500))
            .configure_from_args();
        matches(&mut criterion, &args);
        changes(&mut criterion, &args);
        criterion.final_summary();
    }
    if args.may_run(&["table".to_owned()]) {
        let sizes: Vec<_> = args.sizes().collect();
        table::run(&sizes, args.given("--test"), args.given("--quick"));
    }
}

fn matches(criterion: &mut Criterion, args: &Args) {
    for size in args.sizes() {
        for wild in WILD {
            let group = format!("match/{}/wild{wild}", size.name);
            let ids = Workload::ALL.iter().flat_map(|workload| {
                [1, 2].map(|threads| (*workload, threads, format!("{}/{threads}t", workload.name())))
            });
            let names: Vec<_> = ids.clone().map(|(.., id)| format!("{group}/{id}")).collect();
            if !args.may_run(&names) {
                continue;
            }
            let fixture = Fixture::new(size.entries, wild);
            let mut group = criterion.benchmark_group(group);
            for (workload, threads, id) in ids {
                group.bench_function(id, |bencher| {
                    bencher.iter_custom(|times| fixture.run(workload, threads, times));
                });
            }
            group.finish();
        }
    }
}

fn changes(criterion: &mut Criterion, args: &Args) {
    for size in args.sizes() {
        let group = format!("change/{}", size.name);
        let names = ["literal", "wildcard", "floor"].map(|id| format!("{group}/{id}"));
        if !args.may_run(&names) {
            continue;
        }
        let fixture = Fixture::new(size.entries, 10);
        let mut group = criterion.benchmark_group(group);
        for (id, wild) in [("literal", false), ("wildcard", true)] {
            group.bench_function(id, |bencher| {
                bencher.iter_custom(|times| fixture.change(wild, times));
            });
        }
        group.bench_function("floor", |bencher| {
            bencher.iter_custom(|times| fixture.change_floor(times));
        });
        group.finish();
    }
}
