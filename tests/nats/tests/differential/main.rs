//! The same bytes on our server and on the real one: transcripts must be equal, up to named tolerances.
//!
//! Needs nats-server 2.15.1: see `NatsServer::get`. `POSTROOM_SEQUENCES` sets how many random sequences are run.
#![allow(missing_docs)]

mod harness;
mod jetstream;
mod nkeys;
mod slow;

use harness::campaign::{Settings, campaign};
use harness::cases;
use harness::profile::{MIX, OPEN};
use harness::servers::{ours, ours_by_pipe, real};
use postroom::server::config::Config;
use postroom_nats_tests as support;

#[test]
fn ours_and_the_real_server_are_equal() {
    let report = campaign(&Settings::from_environment(2_000), &|profile| [ours(profile), real(profile)]);
    assert!(report.failures.is_empty(), "{report}");
    println!("{report}");
}

/// The base of the other tests: the sequences leave nothing to luck that the tolerances do not allow for. And they get as far as
/// they should: every refusal of a connection that lives is among what they bring.
#[test]
fn two_real_servers_are_equal() {
    let report = campaign(&Settings::from_environment(300), &|profile| [real(profile), real(profile)]);
    assert!(report.failures.is_empty(), "{report}");
    let texts = [
        "Authorization Violation",
        "Invalid Publish Subject",
        "Invalid Subject",
        "Maximum Payload Violation",
        "Permissions Violation for Publish to \"…\"",
        "Permissions Violation for Publish with Reply of \"…\"",
        "Permissions Violation for Subscription to \"…\"",
        "Permissions Violation for Subscription to \"…\" using queue \"…\"",
        "Permissions Violation for Subscription to \"…\", too many tokens",
        "Unknown Protocol Operation",
        "maximum control line exceeded",
        "maximum subscriptions exceeded",
        "no responders requires headers support",
    ];
    let seen = |kind: &str| report.frames.contains_key(kind);
    for text in texts {
        assert!(report.sequences < 300 || seen(&format!("-ERR '{text}'")), "nobody was told {text}");
    }
    for kind in ["INFO", "+OK", "PONG", "MSG", "HMSG", "(closed)"] {
        assert!(report.sequences < 300 || seen(kind), "nobody got {kind}");
    }
    assert!(!seen("(broken)"), "{report}");
}

#[test]
fn a_pipe_is_like_a_socket() {
    let report = campaign(&Settings::from_environment(300), &|profile| [ours_by_pipe(profile), ours(profile)]);
    assert!(report.failures.is_empty(), "{report}");
}

/// The harness itself: what differs is found, and made small.
#[test]
fn a_difference_is_found_and_made_small() {
    let mut settings = Settings::from_environment(200);
    settings.sequences = 0..200;
    settings.profile = Some(OPEN.name.to_owned());
    let other =
        harness::profile::Profile { options: || postroom::server::ServerOptions::new().max_subscriptions(1), ..OPEN };
    let report = campaign(&settings, &|profile| [ours(profile), ours(&other)]);
    let smallest = report.failures.iter().map(|failure| failure.text.matches(" sends ").count()).min();
    assert_eq!(smallest, Some(1), "{report}");
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
