//! Other options while the server runs. The behaviour of nats-server 2.15.1 after a SIGHUP was observed with the same
//! steps.

use crate::fixture::*;
use crate::wire::{Wire, connect_line};
use postroom::Permissions;
use postroom::server::config::Change;
use postroom::server::{ServerError, ServerOptions, TlsOptions, User};

const NONE: [&str; 0] = [];

fn users(users: impl IntoIterator<Item = User>) -> ServerOptions {
    users.into_iter().fold(ServerOptions::new(), ServerOptions::user)
}

fn login(fixture: &Fixture, user: &str) -> Wire {
    fixture.wire_with(&format!(r#""user":"{user}","pass":"pw""#))
}

#[test]
fn users_who_are_removed_go_without_a_word_and_those_with_another_password_with_one() {
    let before = users(["ann", "bob", "cat"].map(|name| User::new(name, "pw")));
    Fixture::each(before, |fixture| {
        let (mut ann, mut bob, mut cat) = (login(&fixture, "ann"), login(&fixture, "bob"), login(&fixture, "cat"));
        for wire in [&mut ann, &mut bob, &mut cat] {
            assert_eq!(wire.ask("SUB foo 1\r\n"), NONE);
        }
        let changes = fixture.server.reload(users([User::new("ann", "pw"), User::new("cat", "other")])).unwrap();
        let [Change::Users { added, removed, changed }] = &changes[..] else { panic!("{changes:?}") };
        assert_eq!((added.len(), &removed[..], &changed[..]), (0, &["bob".to_owned()][..], &["cat".to_owned()][..]));
        assert_eq!(bob.rest(), NONE);
        assert_eq!(cat.rest(), ["-ERR 'Authorization Violation'"]);
        fixture.wait_for_connections(1);
        assert_eq!(ann.ask("PUB foo 1\r\nx\r\n"), ["MSG foo 1 1|x"]);
        // And they don't come in again.
        let mut again = fixture.dial();
        again.expect("INFO");
        again.send(connect_line(r#""user":"bob","pass":"pw""#));
        assert_eq!(again.rest(), ["-ERR 'Authorization Violation'"]);
    });
}

#[test]
fn subscriptions_that_are_no_longer_allowed_end_and_the_others_stay() {
    Fixture::each(users([User::new("ann", "pw"), User::new("root", "pw")]), |fixture| {
        let (mut ann, mut root) = (login(&fixture, "ann"), login(&fixture, "root"));
        assert_eq!(ann.ask("SUB foo 1\r\nSUB bar q 2\r\nSUB > 3\r\nSUB foo q 4\r\n"), NONE);
        let narrow = Permissions::new().allow_subscribe("foo").unwrap().allow_publish("ok").unwrap();
        fixture.server.reload(users([User::new("ann", "pw").permissions(narrow), User::new("root", "pw")])).unwrap();
        let mut told = ann.flush();
        told.sort();
        let ended = [
            r#"-ERR 'Permissions Violation for Subscription to ">" (sid "3")'"#,
            r#"-ERR 'Permissions Violation for Subscription to "bar" using queue "q" (sid "2")'"#,
        ];
        assert_eq!(told, ended);
        assert_eq!(fixture.bus.stats().subscriptions, 2);
        assert_eq!(root.ask("PUB foo 1\r\nx\r\nPUB bar 0\r\n\r\n"), NONE);
        let mut got = ann.flush();
        got.sort();
        assert_eq!(got, ["MSG foo 1 1|x", "MSG foo 4 1|x"]);
        // Its permissions to publish have changed as well; and the sid is free again.
        let refused = [r#"-ERR 'Permissions Violation for Publish to "foo"'"#];
        assert_eq!(ann.ask("PUB foo 0\r\n\r\nPUB ok 0\r\n\r\n"), refused);
        assert_eq!(ann.ask("UNSUB 1\r\nUNSUB 4\r\nSUB foo 3\r\n"), NONE);
        assert_eq!(root.ask("PUB foo 1\r\ny\r\n"), NONE);
        assert_eq!(ann.flush(), ["MSG foo 3 1|y"]);
        assert!(fixture.bus.stats().ledger.balances());
    });
}

#[test]
fn permissions_that_grow_hold_at_once() {
    let nothing = Permissions::new().deny_publish(">").unwrap().deny_subscribe(">").unwrap();
    Fixture::each(users([User::new("ann", "pw").permissions(nothing)]), |fixture| {
        let mut ann = login(&fixture, "ann");
        assert_eq!(ann.ask("SUB foo 1\r\nPUB foo 0\r\n\r\n").len(), 2);
        fixture.server.reload(users([User::new("ann", "pw")])).unwrap();
        assert_eq!(ann.ask("SUB foo 1\r\nPUB foo 1\r\nx\r\n"), ["MSG foo 1 1|x"]);
    });
}

#[test]
fn a_delivery_time_filter_comes_and_goes() {
    Fixture::each(users([User::new("ann", "pw")]), |fixture| {
        let mut ann = login(&fixture, "ann");
        let client = fixture.client();
        assert_eq!(ann.ask("SUB in.> 1\r\n"), NONE);
        let deny = Permissions::new().deny_subscribe("in.secret").unwrap();
        fixture.server.reload(users([User::new("ann", "pw").permissions(deny)])).unwrap();
        // P5.
        assert_eq!(client.publish("in.secret", "").unwrap(), 0);
        assert_eq!(client.publish("in.open", "").unwrap(), 1);
        assert_eq!(ann.flush(), ["MSG in.open 1 0|"]);
        fixture.server.reload(users([User::new("ann", "pw")])).unwrap();
        assert_eq!(client.publish("in.secret", "").unwrap(), 1);
    });
}

#[test]
fn limits_change_while_connections_live() {
    Fixture::each(ServerOptions::new(), |fixture| {
        let mut wires: Vec<_> = (0..4).map(|_| fixture.wire()).collect();
        let options = ServerOptions::new().max_payload(10).max_control_line(50).max_connections(3);
        let changes = fixture.server.reload(options).unwrap();
        let expected = [Change::MaxConnections(3), Change::MaxControlLine(50), Change::MaxPayload(10)];
        assert_eq!(changes, expected);
        // L6: so many as are too many go.
        fixture.wait_for_connections(3);
        let mut last = wires.pop().unwrap();
        assert_eq!(last.rest(), ["-ERR 'maximum connections exceeded'"]);
        assert_eq!(fixture.dial().rest(), ["INFO", "-ERR 'maximum connections exceeded'"]);
        // L4, C21: of the next operation.
        wires[0].send("PUB foo 11\r\n");
        assert_eq!(wires[0].rest(), ["-ERR 'Maximum Payload Violation'"]);
        wires[1].send(format!("SUB {} 1\r\n", "x".repeat(60)));
        assert_eq!(wires[1].rest(), ["-ERR 'maximum control line exceeded'"]);
        assert_eq!(wires[2].ask("SUB foo 1\r\nPUB foo 10\r\n0123456789\r\n").len(), 1);
        fixture.wait_for_connections(1);
        fixture.server.reload(ServerOptions::new()).unwrap();
        assert_eq!(wires[2].ask("PUB foo 11\r\n0123456789A\r\n"), ["MSG foo 1 11|0123456789A"]);
        assert_eq!(fixture.wire().info["max_payload"], 1_048_576);
    });
}

#[test]
fn a_new_ping_interval_holds_from_the_next_ping_on() {
    Fixture::each(ServerOptions::new(), |fixture| {
        let mut wire = fixture.wire();
        let first = fixture.next_deadline(SECOND * 2..=SECOND * 12 / 5);
        fixture.server.reload(ServerOptions::new().ping_interval(SECOND * 5).ping_max(1)).unwrap();
        fixture.clock.advance(first);
        wire.expect("PING");
        fixture.clock.advance(fixture.next_deadline(SECOND * 5..=SECOND * 5));
        assert_eq!(wire.rest(), ["-ERR 'Stale Connection'"]);
    });
}

#[test]
fn what_cannot_change_live_is_refused_and_everything_stays() {
    Fixture::each(users([User::new("ann", "pw")]), |fixture| {
        let mut ann = login(&fixture, "ann");
        assert_eq!(ann.ask("SUB foo 1\r\n"), NONE);
        let before = fixture.server.options();
        for refused in [
            ServerOptions::new().name("other"),
            ServerOptions::new().max_pending(1 << 21),
            ServerOptions::new().max_subscriptions(3),
            ServerOptions::new().max_subscription_tokens(3),
            ServerOptions::new().headers(false),
            ServerOptions::new().lame_duck(SECOND, SECOND),
        ] {
            // All of these would also send ann away.
            let error = fixture.server.reload(refused).unwrap_err();
            assert!(matches!(error, ServerError::Reload(_)), "{error:?}");
            assert!(error.to_string().starts_with("config reload not supported for "), "{error}");
        }
        let wrong = fixture.server.reload(users([User::new("bob", "pw"), User::new("bob", "pw")])).unwrap_err();
        assert!(matches!(wrong, ServerError::Options(_)), "{wrong:?}");
        let broken = ServerOptions::new().tls(TlsOptions::new("nonsense", "nonsense"));
        assert!(matches!(fixture.server.reload(broken), Err(ServerError::Tls(_))));
        assert_eq!(fixture.server.options(), before);
        assert_eq!(ann.ask("PUB foo 1\r\nx\r\n"), ["MSG foo 1 1|x"]);
    });
}

#[test]
fn a_server_that_was_open_and_closes_lets_those_go_who_cannot_show_who_they_are() {
    Fixture::each(ServerOptions::new(), |fixture| {
        let mut nobody = fixture.wire();
        let mut named = login(&fixture, "ann");
        let mut stranger = login(&fixture, "eve");
        let mut silent = fixture.dial();
        silent.expect("INFO");
        fixture.server.reload(users([User::new("ann", "pw")])).unwrap();
        assert_eq!(nobody.rest(), ["-ERR 'Authorization Violation'"]);
        assert_eq!(stranger.rest(), NONE);
        assert_eq!(named.flush(), NONE);
        // It is asked when it speaks.
        silent.send(connect_line(r#""user":"ann","pass":"x""#));
        assert_eq!(silent.rest(), ["-ERR 'Authorization Violation'"]);
        let mut greeted = fixture.dial();
        greeted.expect("INFO");
        assert_eq!(greeted.info["auth_required"], true);
    });
}

#[test]
fn a_reload_without_changes_does_nothing() {
    Fixture::each(users([User::new("ann", "pw")]), |fixture| {
        let mut ann = login(&fixture, "ann");
        assert_eq!(fixture.server.reload(fixture.server.options()).unwrap(), []);
        assert_eq!(ann.flush(), NONE);
    });
    Fixture::each(ServerOptions::new(), |fixture| {
        // C8: on an open server names mean nothing, and still don't when something else changes.
        let mut eve = login(&fixture, "eve");
        fixture.server.reload(ServerOptions::new().max_payload(10)).unwrap();
        assert_eq!(eve.flush(), NONE);
    });
}

#[test]
fn reloads_beside_traffic_lose_nothing() {
    Fixture::each(users([User::new("ann", "pw")]), |fixture| {
        let mut ann = login(&fixture, "ann");
        assert_eq!(ann.ask("SUB foo 1\r\n"), NONE);
        let client = fixture.client();
        std::thread::scope(|scope| {
            let publishing = scope.spawn(|| {
                for n in 0..2_000 {
                    assert_eq!(client.publish("foo", n.to_string()).unwrap(), 1);
                }
            });
            let mut round = 0;
            while !publishing.is_finished() {
                round += 1;
                let who =
                    User::new("ann", "pw").permissions(Permissions::new().deny_publish(format!("n{round}")).unwrap());
                fixture.server.reload(users([who])).unwrap();
            }
            publishing.join().unwrap();
        });
        let expected: Vec<_> = (0..2_000).map(|n: u32| format!("MSG foo 1 {}|{n}", n.to_string().len())).collect();
        assert_eq!(ann.flush(), expected);
    });
}
