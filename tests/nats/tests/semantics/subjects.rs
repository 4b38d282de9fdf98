//! S rules and C25: which subscription gets which subject.
//!
//! Goal: matching as NATS does it, seen through deliveries. Method: publish, flush, look at every subscription's queue.

use crate::system::*;

on_every_system!(
    s2_only_a_whole_token_is_a_wildcard,
    s3_star_is_one_token_and_tail_is_one_or_more,
    s4_bad_patterns_are_refused_and_change_nothing,
    s7_a_published_wildcard_reaches_no_literal_subscription,
    s8_an_empty_payload_is_a_message,
    s1_subjects_are_case_sensitive_utf8;
    not_across:
    s9_no_subject_is_reserved because "a rule that begins with a wildcard takes no inboxes",
    c25_no_echo_keeps_own_messages_away_from_own_subscriptions_only because "across a bridge nobody is both publisher and subscriber, so there is no echo to be kept away",
);

by_turns_across_a_bridge!(c25_no_echo_keeps_own_messages_away_from_own_subscriptions_only);

fn s2_only_a_whole_token_is_a_wildcard<S: System>() {
    let system = S::start(Setup::default());
    let (connection, subscriber) = (system.connect(), system.connect());
    for literal in ["foo*", "*foo", "foo.*bar", "f>o", "**", "foo.>bar", ">>", "a.*x.b"] {
        let exact = subscriber.subscribe(literal);
        let other = subscriber.subscribe("other");
        connection.send(literal, "1");
        connection.send("foobar", "2");
        connection.send("foo.xbar", "3");
        connection.send("fo", "4");
        connection.flush();
        assert_eq!(exact.subjects(), [literal], "{literal} is plain text");
        assert_eq!(other.arrived(), []);
    }
}

fn s3_star_is_one_token_and_tail_is_one_or_more<S: System>() {
    let system = S::start(Setup::default());
    let (connection, subscriber) = (system.connect(), system.connect());
    let table = [
        ("foo.*", &["foo.bar", "foo.baz"][..]),
        ("*.bar", &["foo.bar"]),
        ("*", &["foo"]),
        ("foo.>", &["foo.bar", "foo.baz", "foo.bar.baz"]),
        ("foo.*.>", &["foo.bar.baz"]),
        ("*.*.baz", &["foo.bar.baz"]),
        (">", &["foo", "foo.bar", "foo.baz", "foo.bar.baz", "fo.o"]),
        ("foo", &["foo"]),
    ];
    let subscriptions = table.map(|(pattern, _)| subscriber.subscribe(pattern));
    for subject in ["foo", "foo.bar", "foo.baz", "foo.bar.baz", "fo.o"] {
        connection.send(subject, "");
    }
    connection.flush();
    for ((pattern, wanted), subscription) in table.iter().zip(&subscriptions) {
        assert_eq!(subscription.subjects(), *wanted, "{pattern}");
    }
}

fn s4_bad_patterns_are_refused_and_change_nothing<S: System>() {
    let system = S::start(Setup::default());
    let connection = system.connect();
    let all = connection.subscribe(">");
    for pattern in ["", "foo.", ".foo", "foo..bar", ".", ">.foo", "foo.>.bar", "a b", "a\tb", "a\r\nb"] {
        let refusal = refused(connection.subscribe_with(How { pattern, ..How::default() }));
        assert_eq!(refusal, Refusal::Pattern, "{pattern:?}");
    }
    connection.send("foo", "still open");
    connection.flush();
    assert_eq!(all.payloads(), ["still open"]);
}

/// S6, S7: strict connections refuse it, lenient ones route it as text; either way no literal subscription gets it.
fn s7_a_published_wildcard_reaches_no_literal_subscription<S: System>() {
    let system = S::start(Setup::default());
    let (connection, subscriber) = (system.connect(), system.connect());
    let literals = ["foo", "foo.bar", "bar"].map(|subject| subscriber.subscribe(subject));
    for subject in ["foo.*", ">", "*", "foo.>", "*.bar"] {
        match connection.publish(Out { subject, ..Out::default() }) {
            Ok(()) | Err(Refusal::Subject) => {}
            Err(other) => panic!("{subject}: {other:?}"),
        }
    }
    connection.flush();
    for literal in &literals {
        assert_eq!(literal.arrived(), []);
    }
}

fn s8_an_empty_payload_is_a_message<S: System>() {
    let system = S::start(Setup::default());
    let (connection, subscriber) = (system.connect(), system.connect());
    let subscription = subscriber.subscribe("foo");
    connection.send("foo", "");
    let got = subscription.next().expect("it comes");
    assert_eq!(got, Got { subject: "foo".into(), reply: None, status: None, headers: vec![], payload: vec![] });
}

fn s9_no_subject_is_reserved<S: System>() {
    let system = S::start(Setup::default());
    let (connection, subscriber) = (system.connect(), system.connect());
    let all = subscriber.subscribe(">");
    let subjects = ["$SYS.x", "_INBOX.x", "$JS.API.STREAM.NAMES", "_R_.x", "$GNR.x"];
    for subject in subjects {
        connection.send(subject, "");
    }
    connection.flush();
    assert_eq!(all.subjects(), subjects);
}

fn s1_subjects_are_case_sensitive_utf8<S: System>() {
    let system = S::start(Setup::default());
    let (connection, subscriber) = (system.connect(), system.connect());
    let (upper, umlaut) = (subscriber.subscribe("Foo.A"), subscriber.subscribe("grüße.*"));
    for subject in ["foo.a", "Foo.A", "FOO.A", "grüße.日本", "gru\u{308}ße.x"] {
        connection.send(subject, "");
    }
    connection.flush();
    assert_eq!(upper.subjects(), ["Foo.A"]);
    assert_eq!(umlaut.subjects(), ["grüße.日本"]);
}

fn c25_no_echo_keeps_own_messages_away_from_own_subscriptions_only<S: System>() {
    let system = S::start(Setup::default());
    let silent = system.connect_with(With { no_echo: true, ..With::default() });
    let other = system.connect();
    let own = [silent.subscribe("foo"), silent.subscribe("*"), silent.queue_subscribe("foo", "q")];
    let foreign = other.subscribe("foo");
    silent.send("foo", "from the silent one");
    silent.flush();
    other.send("foo", "from the other");
    other.flush();
    for subscription in &own {
        assert_eq!(subscription.payloads(), ["from the other"]);
    }
    assert_eq!(foreign.payloads(), ["from the silent one", "from the other"]);
}
