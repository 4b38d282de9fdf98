//! Authentication (P1, P8, C3).

use crate::fixture::*;
use crate::wire::{Wire, connect_line};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use postroom::Permissions;
use postroom::server::{ServerOptions, User};

const NONE: [&str; 0] = [];
const VIOLATION: &str = "-ERR 'Authorization Violation'";

/// Shows these fields in its CONNECT, and gives back what it is told; nothing if it was let in.
fn shows(fixture: &Fixture, fields: &str) -> Vec<String> {
    let mut wire = fixture.dial();
    wire.expect("INFO");
    assert_eq!(wire.info["auth_required"], true, "C3");
    wire.send(connect_line(fields) + "PING\r\n");
    match wire.next() {
        Some(op) if op == "PONG" => Vec::new(),
        Some(op) => std::iter::once(op).chain(wire.rest()).collect(),
        None => panic!("not even an answer"),
    }
}

fn bcrypt(password: &str) -> String {
    bcrypt::hash_with_result(password, 4).unwrap().format_for_version(bcrypt::Version::TwoA)
}

#[test]
fn p1_without_credentials_known_to_the_server_none_are_asked_for() {
    Fixture::each(ServerOptions::new(), |fixture| {
        let mut wire = fixture.dial();
        wire.expect("INFO");
        assert_eq!(wire.info.get("auth_required"), None, "C3");
        assert_eq!(wire.info.get("nonce"), None, "C3");
        // C8: and those that are shown are not looked at.
        wire.send(connect_line(r#""user":"eve","pass":"x","auth_token":"y""#));
        assert_eq!(wire.flush(), NONE);
    });
}

#[test]
fn p1_a_token_plain_and_as_a_hash() {
    for token in ["t0k".to_owned(), bcrypt("t0k")] {
        Fixture::each(ServerOptions::new().token(token.clone()), |fixture| {
            assert_eq!(shows(&fixture, r#""auth_token":"t0k""#), NONE);
            for wrong in [
                "".to_owned(),
                r#""auth_token":"""#.to_owned(),
                r#""auth_token":"t0kk""#.to_owned(),
                r#""auth_token":"T0K""#.to_owned(),
                r#""auth_token":null"#.to_owned(),
                // A token is not accepted as a user or password; nor is a hash itself.
                r#""user":"t0k""#.to_owned(),
                r#""user":"x","pass":"t0k""#.to_owned(),
                format!(r#""auth_token":"{}""#, bcrypt("t0k")),
            ] {
                assert_eq!(shows(&fixture, &wrong), [VIOLATION], "{wrong}");
            }
        });
    }
}

#[test]
fn p1_users_with_plain_and_hashed_passwords() {
    let options = ServerOptions::new().user(User::new("ann", "plain")).user(User::new("bob", bcrypt("hashed")));
    Fixture::each(options, |fixture| {
        assert_eq!(shows(&fixture, r#""user":"ann","pass":"plain""#), NONE);
        assert_eq!(shows(&fixture, r#""user":"bob","pass":"hashed""#), NONE);
        for wrong in [
            r#""user":"ann","pass":"hashed""#,
            r#""user":"ann","pass":"""#,
            r#""user":"ann""#,
            r#""user":"bob","pass":"plain""#,
            r#""user":"Ann","pass":"plain""#,
            r#""user":"eve","pass":"plain""#,
            r#""pass":"plain""#,
            r#""auth_token":"plain""#,
            "",
        ] {
            assert_eq!(shows(&fixture, wrong), [VIOLATION], "{wrong}");
        }
        fixture.wait_for_connections(0);
        assert_eq!(fixture.bus.stats().clients, 0);
    });
}

#[test]
fn p1_an_nkey_signs_the_nonce_of_its_own_connection() {
    let pair = nkeys::KeyPair::new_user();
    let options = ServerOptions::new().user(User::nkey(pair.public_key())).user(User::new("ann", "pw"));
    Fixture::each(options, |fixture| {
        let greeted = || {
            let mut wire = fixture.dial();
            wire.expect("INFO");
            let nonce = wire.info["nonce"].as_str().expect("C3").to_owned();
            assert_eq!(URL_SAFE_NO_PAD.decode(&nonce).unwrap().len(), 11, "C3");
            (wire, nonce)
        };
        let signed = |by: &nkeys::KeyPair, what: &str| {
            let sig = URL_SAFE_NO_PAD.encode(by.sign(what.as_bytes()).unwrap());
            connect_line(&format!(r#""nkey":"{}","sig":"{sig}""#, pair.public_key()))
        };
        let (mut wire, nonce) = greeted();
        wire.send(signed(&pair, &nonce));
        assert_eq!(wire.flush(), NONE);

        // A signature of another's nonce is refused, and so are one with another's key and a
        // missing one.
        let (mut wire, other) = greeted();
        assert_ne!(other, nonce);
        wire.send(signed(&pair, &nonce));
        assert_eq!(wire.rest(), [VIOLATION]);
        let (mut wire, nonce) = greeted();
        wire.send(signed(&nkeys::KeyPair::new_user(), &nonce));
        assert_eq!(wire.rest(), [VIOLATION]);
        for bad in ["", "!!!", "AAAA"] {
            let (mut wire, _) = greeted();
            wire.send(connect_line(&format!(r#""nkey":"{}","sig":"{bad}""#, pair.public_key())));
            assert_eq!(wire.rest(), [VIOLATION], "{bad}");
        }
        // Passwords work beside it.
        assert_eq!(shows(&fixture, r#""user":"ann","pass":"pw""#), NONE);
        assert_eq!(shows(&fixture, &format!(r#""user":"{}","pass":"""#, pair.public_key())), [VIOLATION]);
    });
}

#[test]
fn p1_the_first_operation_must_be_connect_whatever_comes_instead() {
    Fixture::each(ServerOptions::new().token("t0k"), |fixture| {
        for first in ["PING\r\n", "SUB foo 1\r\n", "PUB foo 0\r\n\r\n", "nonsense\r\n", "\r\n", "PONG\r\n"] {
            let mut wire = fixture.dial();
            wire.expect("INFO");
            wire.send(first);
            assert_eq!(wire.rest(), [VIOLATION], "{first:?}");
        }
        assert!(!fixture.bus.has_interest("foo"));
    });
}

#[test]
fn p1_no_auth_user_is_who_shows_no_credentials_with_connect_or_without() {
    let guest = Permissions::new().allow_publish("guest.>").unwrap();
    let options = ServerOptions::new()
        .user(User::new("ann", "pw"))
        .user(User::new("guest", "x").permissions(guest))
        .no_auth_user("guest");
    Fixture::each(options, |fixture| {
        let refused = [r#"-ERR 'Permissions Violation for Publish to "other"'"#];
        let mut wire = fixture.dial();
        wire.expect("INFO");
        assert_eq!(wire.info.get("auth_required"), None, "C3");
        wire.send(connect_line(""));
        assert_eq!(wire.ask("PUB guest.a 0\r\n\r\n"), NONE);
        assert_eq!(wire.ask("PUB other 0\r\n\r\n"), refused);

        let mut silent = fixture.dial();
        silent.expect("INFO");
        // C11: verbose. An operation that was refused gets no +OK (C13).
        assert_eq!(silent.ask("PUB guest.a 0\r\n\r\n"), ["+OK"]);
        assert_eq!(silent.ask("PUB other 0\r\n\r\n"), refused);

        let mut ann = fixture.dial();
        ann.expect("INFO");
        ann.send(connect_line(r#""user":"ann","pass":"pw""#));
        assert_eq!(ann.ask("PUB other 0\r\n\r\n"), NONE);

        // Wrong credentials still fail.
        let mut wrong = fixture.dial();
        wrong.expect("INFO");
        wrong.send(connect_line(r#""user":"ann","pass":"x""#));
        assert_eq!(wrong.rest(), [VIOLATION]);
    });
}

#[test]
fn p2_default_permissions_are_those_of_users_without_their_own() {
    let may = |what: &str| Permissions::new().allow_publish(what).unwrap();
    let options = ServerOptions::new()
        .default_permissions(may("common"))
        .user(User::new("ann", "pw"))
        .user(User::new("bob", "pw").permissions(may("bobs")));
    Fixture::each(options, |fixture| {
        let publish = |user: &str| {
            let mut wire = fixture.wire_with(&format!(r#""user":"{user}","pass":"pw""#));
            let refused = wire.ask("PUB common 0\r\n\r\nPUB bobs 0\r\n\r\n");
            assert_eq!(refused.len(), 1);
            refused[0].contains("bobs")
        };
        assert!(publish("ann"));
        assert!(!publish("bob"));
    });
}

#[test]
fn c12_a_further_connect_changes_who_it_is_and_drops_what_it_had() {
    let may = |what: &str| Permissions::new().allow_subscribe(what).unwrap();
    let options = ServerOptions::new()
        .user(User::new("ann", "a").permissions(may("ann.>")))
        .user(User::new("bob", "b").permissions(may("bob.>")));
    Fixture::each(options, |fixture| {
        let mut wire = fixture.wire_with(r#""user":"ann","pass":"a""#);
        assert_eq!(wire.ask("SUB ann.x 1\r\n"), NONE);
        wire.send(connect_line(r#""user":"bob","pass":"b""#));
        assert_eq!(wire.flush(), NONE);
        assert!(!fixture.bus.has_interest("ann.x"));
        assert_eq!(wire.ask("SUB bob.x 1\r\n"), NONE);
        assert_eq!(wire.ask("SUB ann.x 2\r\n"), [r#"-ERR 'Permissions Violation for Subscription to "ann.x"'"#]);
        wire.send(connect_line(r#""user":"bob","pass":"wrong""#));
        assert_eq!(wire.rest(), [VIOLATION]);
        assert!(!fixture.bus.has_interest("bob.x"));
    });
}

#[test]
fn a_slow_hash_holds_up_nobody_who_is_connected() {
    // Cost 10: tens of milliseconds for each attempt.
    let hash = bcrypt::hash_with_result("pw", 10).unwrap().format_for_version(bcrypt::Version::TwoA);
    Fixture::each(ServerOptions::new().user(User::new("ann", "pw")).user(User::new("bob", hash)), |fixture| {
        let mut ann = fixture.wire_with(r#""user":"ann","pass":"pw""#);
        let mut attempts: Vec<Wire> = (0..8).map(|_| fixture.dial()).collect();
        for wire in &mut attempts {
            wire.expect("INFO");
            wire.send(connect_line(r#""user":"bob","pass":"guess""#));
        }
        for _ in 0..100 {
            assert_eq!(ann.flush(), NONE);
        }
        attempts.iter_mut().for_each(|wire| assert_eq!(wire.rest(), [VIOLATION]));
    });
}
