//! The permissions of a user (P2 to P7), on the wire and in process: the same lists, the same
//! outcome.

use crate::fixture::*;
use crate::wire::Wire;
use postroom::server::{ServerOptions, User};
use postroom::{AllowResponses, ConnectOptions, Permissions, PublishError, SubscribeError, SubscribeOptions};
use std::time::Duration;

const NONE: [&str; 0] = [];

/// The operations that both kinds of clients are asked for; gives back whether they were allowed.
trait Kind {
    fn publish(&mut self, subject: &str) -> bool;
    fn subscribe(&mut self, pattern: &str, queue: Option<&str>) -> bool;
}

struct OnTheWire(Wire, u32);

impl Kind for OnTheWire {
    fn publish(&mut self, subject: &str) -> bool {
        let told = self.0.ask(format!("PUB {subject} 0\r\n\r\n"));
        let told: Vec<_> = told.iter().filter(|op| op.starts_with("-ERR")).collect();
        let expected = format!("-ERR 'Permissions Violation for Publish to \"{subject}\"'");
        assert!(told.is_empty() || told == [&expected], "{told:?}");
        told.is_empty()
    }

    fn subscribe(&mut self, pattern: &str, queue: Option<&str>) -> bool {
        self.1 += 1;
        let sid = self.1;
        let told = self.0.ask(format!("SUB {pattern} {} {sid}\r\nUNSUB {sid}\r\n", queue.unwrap_or_default()));
        let mut expected = format!("-ERR 'Permissions Violation for Subscription to \"{pattern}\"");
        if let Some(queue) = queue {
            expected += &format!(" using queue \"{queue}\"");
        }
        assert!(told.is_empty() || told == [expected + "'"], "{told:?}");
        told.is_empty()
    }
}

struct InProcess(postroom::Client);

impl Kind for InProcess {
    fn publish(&mut self, subject: &str) -> bool {
        match self.0.publish(subject, "") {
            Ok(_) => true,
            Err(PublishError::PermissionDenied { subject: denied }) if denied.as_str() == subject => false,
            Err(other) => panic!("{other}"),
        }
    }

    fn subscribe(&mut self, pattern: &str, queue: Option<&str>) -> bool {
        let with = queue.into_iter().fold(SubscribeOptions::new(), |with, queue| with.queue(queue));
        match self.0.subscribe_with(pattern, with) {
            Ok(_) => true,
            Err(SubscribeError::PermissionDenied { .. }) => false,
            Err(other) => panic!("{other}"),
        }
    }
}

/// Runs a test on clients of both kinds that have these permissions.
fn on_both(permissions: &Permissions, test: impl Fn(&mut dyn Kind)) {
    let options = ServerOptions::new().user(User::new("ann", "pw").permissions(permissions.clone()));
    Fixture::each(options, |fixture| {
        test(&mut OnTheWire(fixture.wire_with(r#""user":"ann","pass":"pw""#), 0));
        let with = ConnectOptions::new().lenient(true).permissions(permissions.clone());
        test(&mut InProcess(fixture.bus.connect_with(with)));
        assert_eq!(fixture.bus.stats().subscriptions, 0);
    });
}

#[test]
fn p2_allow_and_deny_lists_for_publishing() {
    on_both(&Permissions::new().allow_publish("ok.>").unwrap().deny_publish("ok.no").unwrap(), |client| {
        assert!(client.publish("ok.yes") && client.publish("ok.a.b"));
        assert!(!client.publish("ok.no") && !client.publish("ok") && !client.publish("other"));
        assert!(client.subscribe("anything.>", None));
    });
    on_both(&Permissions::new().deny_publish("secret.>").unwrap(), |client| {
        assert!(client.publish("other") && client.publish("secret"));
        assert!(!client.publish("secret.a"));
    });
}

#[test]
fn p3_a_wildcard_is_published_as_the_text_it_is() {
    on_both(&Permissions::new().allow_publish("foo.bar").unwrap(), |client| {
        assert!(client.publish("foo.bar") && !client.publish("foo.*"));
    });
    on_both(&Permissions::new().allow_publish("foo.*").unwrap(), |client| {
        assert!(client.publish("foo.*") && client.publish("foo.bar"));
    });
}

#[test]
fn p5_the_text_of_a_subscription_is_checked_as_if_it_were_literal() {
    on_both(&Permissions::new().allow_subscribe("in.>").unwrap(), |client| {
        for yes in ["in.x", "in.>", "in.*", "in.a.b"] {
            assert!(client.subscribe(yes, None), "{yes}");
        }
        for no in [">", "out", "in", "*", "*.x"] {
            assert!(!client.subscribe(no, None), "{no}");
        }
    });
    on_both(&Permissions::new().deny_subscribe("foo.*").unwrap(), |client| {
        for no in ["foo.a", "foo.*", "foo.>"] {
            assert!(!client.subscribe(no, None), "{no}");
        }
        for yes in [">", "foo", "foo.a.b"] {
            assert!(client.subscribe(yes, None), "{yes}");
        }
    });
}

#[test]
fn p6_queue_permissions() {
    on_both(&Permissions::new().allow_queue_subscribe("qq", "v1").unwrap(), |client| {
        assert!(client.subscribe("qq", Some("v1")));
        assert!(!client.subscribe("qq", None) && !client.subscribe("qq", Some("v2")));
    });
    on_both(&Permissions::new().allow_subscribe("foo").unwrap(), |client| {
        assert!(client.subscribe("foo", None) && client.subscribe("foo", Some("any")));
    });
    let both = Permissions::new().allow_subscribe("foo").unwrap().allow_queue_subscribe("foo", "v1").unwrap();
    on_both(&both, |client| {
        assert!(client.subscribe("foo", None) && client.subscribe("foo", Some("v1")));
        assert!(!client.subscribe("foo", Some("v2")));
    });
    on_both(&Permissions::new().deny_queue_subscribe("foo", "q").unwrap(), |client| {
        assert!(client.subscribe("foo", None) && client.subscribe("foo", Some("other")));
        assert!(!client.subscribe("foo", Some("q")));
    });
    on_both(&Permissions::new().allow_queue_subscribe("foo", "*.dev").unwrap(), |client| {
        assert!(client.subscribe("foo", Some("a.dev")) && !client.subscribe("foo", Some("a.prod")));
    });
}

/// A server with `ann`, who has these permissions, and `root`, who may do all.
fn with_ann(permissions: Permissions) -> ServerOptions {
    ServerOptions::new().user(User::new("ann", "pw").permissions(permissions)).user(User::new("root", "pw"))
}

const ANN: &str = r#""user":"ann","pass":"pw""#;
const ROOT: &str = r#""user":"root","pass":"pw""#;

#[test]
fn p5_a_denied_subject_under_an_allowed_wildcard_is_withheld() {
    Fixture::each(with_ann(Permissions::new().deny_subscribe("in.secret").unwrap()), |fixture| {
        let (mut ann, mut root) = (fixture.wire_with(ANN), fixture.wire_with(ROOT));
        assert_eq!(ann.ask("SUB in.> 1\r\nSUB > 2\r\n"), NONE);
        assert_eq!(root.ask("SUB inb 1\r\nPUB in.secret 0\r\n\r\nPUB in.open 0\r\n\r\n"), NONE);
        let mut got = ann.flush();
        got.sort();
        assert_eq!(got, ["MSG in.open 1 0|", "MSG in.open 2 0|"]);
        // Withheld is not delivered (R2).
        let ops = root.ask("PUB in.secret inb 0\r\n\r\n");
        assert_eq!(ops.len(), 1);
        assert!(ops[0].contains("503"), "{ops:?}");
        assert_eq!(fixture.client().publish("in.secret", "").unwrap(), 0);
        // Q4: the group passes the message to another member.
        assert_eq!(ann.ask("UNSUB 1\r\nUNSUB 2\r\nSUB in.* g 3\r\n"), NONE);
        assert_eq!(root.ask("SUB in.* g 2\r\n"), NONE);
        for _ in 0..20 {
            assert_eq!(fixture.client().publish("in.secret", "").unwrap(), 1);
        }
        assert_eq!(root.flush().len(), 20);
        assert_eq!(ann.flush(), NONE);
        assert!(fixture.bus.stats().ledger.balances());
    });
}

#[test]
fn p7_who_gets_a_request_may_answer_it_so_often_and_so_long() {
    let responses = |max: Option<u64>, expires: Duration| {
        let mut responses = AllowResponses::default();
        (responses.max, responses.expires) = (max, expires);
        Permissions::new().allow_publish("only").unwrap().allow_subscribe("svc").unwrap().allow_responses(responses)
    };
    let refused = |reply: &str| [format!("-ERR 'Permissions Violation for Publish to \"{reply}\"'")];
    Fixture::each(with_ann(responses(Some(2), SECOND * 10)), |fixture| {
        let (mut ann, mut root) = (fixture.wire_with(ANN), fixture.wire_with(ROOT));
        assert_eq!(ann.ask("SUB svc 1\r\n"), NONE);
        assert_eq!(ann.ask("PUB r.1 0\r\n\r\n"), refused("r.1"), "not before it was asked");
        assert_eq!(root.ask("SUB r.* 1\r\nPUB svc r.1 0\r\n\r\n"), NONE);
        assert_eq!(ann.flush(), ["MSG svc 1 r.1 0|"]);
        assert_eq!(ann.ask("PUB r.2 0\r\n\r\n"), refused("r.2"), "nor to others");
        assert_eq!(ann.ask("PUB r.1 1\r\na\r\nPUB r.1 1\r\nb\r\n"), NONE);
        assert_eq!(ann.ask("PUB r.1 0\r\n\r\n"), refused("r.1"), "nor more often");
        assert_eq!(root.flush(), ["MSG r.1 1 1|a", "MSG r.1 1 1|b"]);
        // A question from in process counts as well; but only for its time.
        fixture.client().publish_with_reply("svc", "r.3", "").unwrap();
        fixture.client().publish_with_reply("svc", "r.4", "").unwrap();
        assert_eq!(ann.flush().len(), 2);
        assert_eq!(ann.ask("PUB r.3 0\r\n\r\n"), NONE);
        fixture.clock.advance(SECOND * 11);
        let _ = (ann.flush(), root.flush());
        assert_eq!(ann.ask("PUB r.3 0\r\n\r\nPUB r.4 0\r\n\r\n"), [refused("r.3"), refused("r.4")].concat());
    });
    Fixture::each(with_ann(responses(None, Duration::ZERO)), |fixture| {
        let mut ann = fixture.wire_with(ANN);
        assert_eq!(ann.ask("SUB svc 1\r\n"), NONE);
        fixture.client().publish_with_reply("svc", "r", "").unwrap();
        assert_eq!(ann.flush().len(), 1);
        for _ in 0..100 {
            assert_eq!(ann.ask("PUB r 0\r\n\r\n"), NONE, "any number");
        }
    });
}

#[test]
fn p7_an_in_process_responder_may_answer_what_it_was_asked() {
    let fixture = Fixture::new(Way::Pipe, ServerOptions::new());
    let permissions = Permissions::new()
        .allow_publish("only")
        .unwrap()
        .allow_subscribe("svc")
        .unwrap()
        .allow_responses(AllowResponses::default());
    let responder = fixture.bus.connect_with(ConnectOptions::new().permissions(permissions));
    let asked = responder.subscribe("svc").unwrap();
    let mut wire = fixture.wire();
    assert_eq!(wire.ask("SUB r 1\r\nPUB svc r 0\r\n\r\n"), NONE);
    let question = asked.try_recv().unwrap();
    assert_eq!(question.respond("yes").unwrap(), 1);
    question.respond("again").unwrap_err();
    assert_eq!(wire.flush(), ["MSG r 1 3|yes"]);
}

#[test]
fn p4_texts_are_quoted_as_go_does_and_the_connection_stays() {
    let nothing = Permissions::new().deny_publish(">").unwrap().deny_subscribe(">").unwrap();
    Fixture::each(with_ann(nothing), |fixture| {
        let mut ann = fixture.wire_with(ANN);
        for (subject, quoted) in
            [("a\"b", "a\\\"b"), ("a\\b", "a\\\\b"), ("a'b", "a'b"), ("ä", "ä"), ("a\u{1}b", "a\\x01b")]
        {
            for (op, what) in
                [(format!("PUB {subject} 0\r\n\r\n"), "Publish"), (format!("SUB {subject} 1\r\n"), "Subscription")]
            {
                assert_eq!(ann.ask(op), [format!("-ERR 'Permissions Violation for {what} to \"{quoted}\"'")]);
            }
        }
    });
}

#[test]
fn a_refused_message_reaches_nobody_and_leaves_no_trace_in_the_ledger() {
    Fixture::each(with_ann(Permissions::new().deny_publish("no").unwrap()), |fixture| {
        let inside = fixture.client().subscribe("no").unwrap();
        let mut ann = fixture.wire_with(ANN);
        // R2: nor is there a 503.
        assert_eq!(ann.ask("SUB inb 1\r\nPUB no inb 2\r\nhi\r\n").len(), 1);
        assert_eq!(inside.len(), 0);
        assert_eq!(fixture.bus.stats().ledger.matched, 0);
        // S10, P3: the reply itself is not looked at.
        assert_eq!(ann.ask("PUB yes no 0\r\n\r\n"), NONE);
    });
}

#[test]
fn permissions_that_change_in_process_hold_at_once_for_what_comes() {
    let bus = postroom::Bus::new();
    let client = bus.connect();
    client.publish("a", "").unwrap();
    client.set_permissions(Some(Permissions::new().deny_publish("a").unwrap()));
    assert!(matches!(client.publish("a", ""), Err(PublishError::PermissionDenied { .. })));
    client.set_permissions(None);
    client.publish("a", "").unwrap();
}
