//! The same bytes on our server and on the real one: transcripts must be equal, up to named tolerances.
//!
//! Needs nats-server 2.15.1: see `NatsServer::get`. `POSTROOM_SEQUENCES` sets how many random sequences are run.
#![allow(missing_docs)]

#[path = "../support/mod.rs"]
mod support;

use postroom::{Bus, Server};
use support::differential::campaign::{Settings, campaign};
use support::differential::profile::Profile;
use support::differential::run::Target;
use support::nats_server::NatsServer;
use support::wire::dial;

/// The real server, configured so.
fn real(profile: &Profile) -> Target {
    let server = NatsServer::start(profile.config);
    let open = move || {
        let stream = dial(&server.addr());
        stream.unwrap_or_else(|error| panic!("nats-server has gone: {error}; its last words:\n{}", server.log()))
    };
    Target::new(open, &profile.connect())
}

/// Ours, configured alike.
fn ours(profile: &Profile) -> Target {
    let server = Server::bind_with(&Bus::new(), "127.0.0.1:0", (profile.options)()).expect("a free port");
    let addr = server.address().expect("it listens").to_string();
    let open = move || {
        let _keep = &server;
        dial(&addr).expect("it listens")
    };
    Target::new(open, &profile.connect())
}

#[test]
fn ours_and_the_real_server_are_equal() {
    let report = campaign(&Settings::from_environment(2_000), &|profile| [ours(profile), real(profile)]);
    assert!(report.failures.is_empty(), "{report}");
    println!("{report}");
}

#[test]
fn two_real_servers_are_equal() {
    let report = campaign(&Settings::from_environment(200), &|profile| [real(profile), real(profile)]);
    assert!(report.failures.is_empty(), "{report}");
    println!("{report}");
}
