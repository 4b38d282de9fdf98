//! The same bytes on our server and on the real one: transcripts must be equal, up to named tolerances.
//!
//! Needs nats-server 2.15.1: see `NatsServer::get`. `POSTROOM_SEQUENCES` sets how many random sequences are run.
#![allow(missing_docs)]

mod harness;
#[path = "../support/mod.rs"]
mod support;

use harness::campaign::{Settings, campaign};
use harness::cases;
use harness::profile::MIX;
use harness::servers::{ours, real};
use postroom::server::Config;

#[test]
fn ours_and_the_real_server_are_equal() {
    let report = campaign(&Settings::from_environment(2_000), &|profile| [ours(profile), real(profile)]);
    assert!(report.failures.is_empty(), "{report}");
    println!("{report}");
}

/// What the others rest on: the sequences leave nothing to luck that the tolerances do not allow for.
#[test]
fn two_real_servers_are_equal() {
    let report = campaign(&Settings::from_environment(300), &|profile| [real(profile), real(profile)]);
    assert!(report.failures.is_empty(), "{report}");
}

#[test]
fn directed_cases_are_as_written_down() {
    let report = cases::run_all();
    assert!(report.wrong.is_empty(), "{report}");
    println!("{report}");
}

#[test]
fn both_languages_configure_alike() {
    for profile in MIX {
        let parsed = Config::parse(profile.config, None).unwrap_or_else(|error| panic!("{}: {error}", profile.name));
        assert_eq!(parsed.server_options(), (profile.options)(), "{}", profile.name);
    }
}
