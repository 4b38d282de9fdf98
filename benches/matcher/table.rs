//! The figures that have a target: postroom and the hash map in turns, medians, and what came of it.

use crate::common::report;
use crate::fixture::{Fixture, Size, WILD, Workload};
use std::fmt::Write;
use std::time::Duration;

const ROUNDS: usize = 11;

struct Row {
    name: String,
    postroom: Times,
    floor: Times,
    target: Target,
}

/// Nanoseconds for one call. The best round tells how far a busy machine has moved the median.
#[derive(Clone, Copy)]
struct Times {
    median: f64,
    best: f64,
}

impl Times {
    /// The first round only warms up.
    fn of(mut rounds: Vec<f64>) -> Times {
        rounds.remove(0);
        rounds.sort_by(f64::total_cmp);
        Times { median: rounds[rounds.len() / 2], best: rounds[0] }
    }
}

#[derive(Clone, Copy)]
enum Target {
    Nanoseconds(f64),
    Ratio(f64),
    /// Shown beside the others, without a target of its own.
    None,
}

impl Row {
    fn ratio(&self) -> f64 {
        self.postroom.median / self.floor.median
    }

    fn is_met(&self) -> Option<bool> {
        match self.target {
            Target::Nanoseconds(most) => Some(self.postroom.median <= most),
            Target::Ratio(most) => Some(self.ratio() <= most),
            Target::None => None,
        }
    }

    fn target(&self) -> String {
        match self.target {
            Target::Nanoseconds(most) => format!("{most} ns"),
            Target::Ratio(most) => format!("{most} x"),
            Target::None => "-".to_owned(),
        }
    }
}

/// Measures, prints, and writes `target/matcher.json`; with `test` everything runs once and nothing is written.
pub(crate) fn run(sizes: &[&Size], test: bool, quick: bool) {
    let times = match (test, quick) {
        (true, _) => 10,
        (_, true) => 20_000,
        _ => 300_000,
    };
    let rounds = if test { 1 } else { ROUNDS };
    let mut rows = Vec::new();
    for size in sizes {
        for wild in WILD {
            let fixture = Fixture::new(size.entries, wild);
            let label = format!("{}/wild{wild}", size.name);
            measure(&mut rows, &fixture, &label, wild, rounds, times);
        }
    }
    print(&rows);
    if !test {
        match report::write("matcher.json", &json(&rows)) {
            Ok(path) => println!("written to {}", path.display()),
            Err(error) => println!("matcher.json not written: {error}"),
        }
    }
}

fn measure(rows: &mut Vec<Row>, fixture: &Fixture, label: &str, wild: usize, rounds: usize, times: u64) {
    use Workload::{Hit, HitFloor, Rotate, RotateFloor, Uncached, UncachedFloor};
    let all = fixture.entries() as u64;
    let mut row = |name: &str, target, times, ours: &dyn Fn(u64) -> Duration, floor: &dyn Fn(u64) -> Duration| {
        let (postroom, floor) = in_turns(rounds, times, ours, floor);
        rows.push(Row { name: format!("{name}/{label}"), postroom, floor, target });
    };
    let hot = Target::Nanoseconds(20.0);
    let uncached = Target::Nanoseconds(100.0);
    for (name, target, threads, ours, floor) in [
        ("hit", hot, 1, Hit, HitFloor),
        ("hit_2threads", hot, 2, Hit, HitFloor),
        ("uncached", uncached, 1, Uncached, UncachedFloor),
        ("uncached_2threads", Target::None, 2, Uncached, UncachedFloor),
    ] {
        row(name, target, times, &|times| fixture.run(ours, threads, times), &|times| {
            fixture.run(floor, threads, times)
        });
    }
    let target = match (wild, all) {
        (0, 1_000_000) => Target::Ratio(2.0),
        _ => Target::None,
    };
    // A whole walk over all subjects, whatever their number.
    let walk = times.max(if rounds > 1 { all } else { 0 });
    row("rotate", target, walk, &|times| fixture.run(Rotate, 1, times), &|times| fixture.run(RotateFloor, 1, times));
    for (name, wild) in [("change_literal", false), ("change_wildcard", true)] {
        row(name, Target::Nanoseconds(1_000.0), times, &|times| fixture.change(wild, times), &|times| {
            fixture.change_floor(times)
        });
    }
}

/// Both in turns, so that what disturbs one disturbs the other.
fn in_turns(
    rounds: usize,
    times: u64,
    ours: &dyn Fn(u64) -> Duration,
    floor: &dyn Fn(u64) -> Duration,
) -> (Times, Times) {
    let (mut our_rounds, mut floor_rounds) = (Vec::new(), Vec::new());
    for _ in 0..=rounds {
        our_rounds.push(ours(times).as_nanos() as f64 / times as f64);
        floor_rounds.push(floor(times).as_nanos() as f64 / times as f64);
    }
    (Times::of(our_rounds), Times::of(floor_rounds))
}

fn print(rows: &[Row]) {
    println!("\nnanoseconds for one call, median and best of {ROUNDS} rounds, in turns");
    println!(
        "{:<28} {:>9} {:>9} {:>9} {:>9} {:>7}  {:>7}",
        "", "postroom", "best", "hash map", "best", "ratio", "target"
    );
    for row in rows {
        let met = match row.is_met() {
            Some(true) => "met",
            Some(false) => "MISSED",
            None => "",
        };
        println!(
            "{:<28} {:>9.1} {:>9.1} {:>9.1} {:>9.1} {:>7.2}  {:>7} {met}",
            row.name,
            row.postroom.median,
            row.postroom.best,
            row.floor.median,
            row.floor.best,
            row.ratio(),
            row.target()
        );
    }
}

fn json(rows: &[Row]) -> String {
    let mut json = String::from("{\n");
    for (at, row) in rows.iter().enumerate() {
        let (limit, what) = match row.target {
            Target::Nanoseconds(most) => (most.to_string(), "\"ns\""),
            Target::Ratio(most) => (most.to_string(), "\"ratio\""),
            Target::None => ("null".to_owned(), "null"),
        };
        let comma = if at + 1 < rows.len() { "," } else { "" };
        // Writing to a String cannot fail.
        let _ = writeln!(
            json,
            "  \"{}\": {{\"postroom_ns\": {:.2}, \"postroom_best_ns\": {:.2}, \"floor_ns\": {:.2}, \
             \"floor_best_ns\": {:.2}, \"ratio\": {:.3}, \"target\": {limit}, \"target_of\": {what}}}{comma}",
            row.name,
            row.postroom.median,
            row.postroom.best,
            row.floor.median,
            row.floor.best,
            row.ratio()
        );
    }
    json.push_str("}\n");
    json
}
