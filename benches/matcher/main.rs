//! `cargo bench --bench matcher`: how long a match, a miss and a change take, beside the same look-ups in a hash map.
//!
//! Two parts. Criterion runs every combination by name (`cargo bench --bench matcher -- match/10k/wild10`). Then a table
//! sets the figures that have a target beside it, and the hash map's: the two are run in turns, so that a busy machine hurts
//! both; it is written to `target/matcher.json` too (`-- --table` runs it alone).
//!
//! `-- --test` runs everything once, without measuring; `-- --quick` measures roughly.

mod fixture;
mod table;

use criterion::{BenchmarkId, Criterion};
use fixture::{Fixture, SIZES, Size, WILD, Workload};
use std::time::Duration;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let given = |name: &str| args.iter().any(|arg| arg == name);
    // Cargo itself adds `--bench`; whoever names a benchmark wants no table.
    let named = args.iter().any(|arg| !arg.starts_with('-'));
    if !given("--table") {
        let mut criterion = Criterion::default()
            .sample_size(20)
            .warm_up_time(Duration::from_millis(300))
            .measurement_time(Duration::from_millis(1_000))
            .configure_from_args();
        matches(&mut criterion);
        changes(&mut criterion);
        criterion.final_summary();
    }
    if !named {
        table::run(given("--test"), given("--quick"));
    }
}

fn matches(criterion: &mut Criterion) {
    for Size { name, entries } in SIZES {
        for wild in WILD {
            let fixture = Fixture::lazy(entries, wild);
            let mut group = criterion.benchmark_group(format!("match/{name}/wild{wild}"));
            for workload in Workload::ALL {
                for threads in [1, 2] {
                    let id = BenchmarkId::new(workload.name(), format!("{threads}t"));
                    group.bench_function(id, |bencher| {
                        bencher.iter_custom(|times| fixture.run(workload, threads, times));
                    });
                }
            }
            group.finish();
        }
    }
}

fn changes(criterion: &mut Criterion) {
    for Size { name, entries } in SIZES {
        let fixture = Fixture::lazy(entries, 10);
        let mut group = criterion.benchmark_group(format!("change/{name}"));
        for (kind, wild) in [("literal", false), ("wildcard", true)] {
            group.bench_function(kind, |bencher| {
                bencher.iter_custom(|times| fixture.change(wild, times));
            });
        }
        group.bench_function("floor", |bencher| {
            bencher.iter_custom(|times| fixture.change_floor(times));
        });
        group.finish();
    }
}
