//! Every time that a server is built with, at zero and at `Duration::MAX`; and clocks at the end of all time.

use crate::fixture::*;
use postroom::server::config::Config;
use postroom::server::{ConnzOptions, ServerOptions};
use std::time::Duration;

const NONE: [&str; 0] = [];
const TOKEN: &str = r#""auth_token":"t""#;

type Setting = fn(ServerOptions, Duration) -> ServerOptions;

const SETTINGS: [(&str, Setting); 4] = [
    ("ping_interval", ServerOptions::ping_interval),
    ("write_deadline", ServerOptions::write_deadline),
    ("auth_timeout", ServerOptions::auth_timeout),
    ("lame_duck", |options, time| options.lame_duck(time, time)),
];

#[test]
fn each_time_may_be_zero_or_without_end() {
    for (name, set) in SETTINGS {
        for time in [Duration::ZERO, Duration::MAX] {
            Fixture::each(set(ServerOptions::new().token("t"), time), |fixture| {
                // So that zero plus the longest is past all time.
                fixture.clock.advance(SECOND);
                let mut wire = fixture.wire_with(TOKEN);
                assert_eq!(wire.ask("SUB a 1\r\n"), NONE, "{name} {time:?}");
                let got = wire.ask("PUB a 2\r\nhi\r\n");
                assert_eq!(got, ["MSG a 1 2|hi"], "{name} {time:?}");
                fixture.clock.advance(SECOND);
                assert_eq!(wire.flush(), NONE, "{name} {time:?}");
                assert_eq!(fixture.connections(), 1, "{name} {time:?}");
            });
        }
    }
}

/// As nats-server, to which zero is a time that was not given.
#[test]
fn zero_means_the_default() {
    for (name, set) in &SETTINGS[..3] {
        assert_eq!(set(ServerOptions::new().token("t"), Duration::ZERO), ServerOptions::new().token("t"), "{name}");
    }
}

#[test]
fn a_lame_duck_without_any_time_ends_at_once_and_one_with_all_of_it_does_not() {
    for time in [Duration::ZERO, Duration::MAX] {
        let fixture = Fixture::new(Way::Pipe, ServerOptions::new().lame_duck(time, time));
        fixture.clock.advance(SECOND);
        let mut wire = fixture.wire();
        fixture.server.lame_duck();
        if time.is_zero() {
            assert_eq!(wire.rest(), NONE);
            fixture.wait_for_connections(0);
        } else {
            fixture.clock.advance(SECOND);
            assert_eq!(wire.flush(), NONE);
        }
    }
}

#[test]
fn a_server_goes_on_at_the_end_of_all_time() {
    // One PING, soon after CONNECT, and then no more.
    Fixture::each(ServerOptions::new().token("t").ping_interval(Duration::MAX), |fixture| {
        let mut early = fixture.wire_with(TOKEN);
        let before_end = Duration::MAX - SECOND;
        fixture.clock.advance(before_end);
        early.expect("PING");
        assert_eq!(early.ask("PONG\r\n"), NONE);
        let mut late = fixture.wire_with(TOKEN);
        assert_eq!(late.ask("SUB a 1\r\n"), NONE);
        assert_eq!(late.ask("PUB a 0\r\n\r\n").len(), 1);
        fixture.clock.advance(Duration::MAX);
        assert_eq!(fixture.clock.now(), Duration::MAX);
        assert_eq!(late.ask("PUB a 0\r\n\r\n").len(), 1);
        let mut last = fixture.wire_with(TOKEN);
        assert_eq!(last.flush(), NONE);
        assert_eq!((fixture.connections(), early.flush()), (3, NONE.map(String::from).to_vec()));
        let seen = fixture.server.connz(&ConnzOptions::default()).unwrap();
        assert!(seen.connections.iter().all(|one| one.last_activity >= one.start), "{seen:?}");
        let text = serde_json::to_string(&seen).unwrap();
        assert!(text.contains("9999-12-30T22:00:00Z"), "{text}");
    });
}

#[test]
fn times_of_a_configuration_may_be_zero_or_the_longest_there_are() {
    let texts = [
        "ping_interval: TIME",
        "write_deadline: TIME",
        "lame_duck_duration: \"9223372036s\"; lame_duck_grace_period: \"TIMEs\"",
        "authorization { token: t, timeout: TIME }",
        "authorization { users: [{ user: a, password: b, permissions: { allow_responses: { expires: \"TIMEs\" } } }] }",
    ];
    for text in texts {
        // The longest that Go has are 9,223,372,036 s.
        for time in ["0", "9223372035"] {
            let text = text.replace("TIME", time);
            let config = Config::parse(&text, None).unwrap_or_else(|error| panic!("{text}: {error}"));
            let fixture = Fixture::new(Way::Pipe, config.server_options());
            fixture.clock.advance(SECOND);
            let mut wire = fixture.wire_with(r#""auth_token":"t","user":"a","pass":"b""#);
            assert_eq!(wire.flush(), NONE, "{text}");
        }
    }
}
