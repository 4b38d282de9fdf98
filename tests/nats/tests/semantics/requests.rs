//! R rules: requests, answers, and the news that there are no responders.
//!
//! Goal: a 503 exactly when R2 says so, to exactly one subscription, counted nowhere. Method: requests by hand over inboxes
//! that the test subscribes to, and the connection's own `request` beside them.

use crate::system::*;

on_every_system!(
    r8_requests_tell_no_responders_from_answers;
    not_across:
    r1_the_reply_is_passed_through because "a reply is an inbox of the bridge's own on the other side",
    r2_a_503_only_when_all_conditions_hold because "who asks and who listens on the inbox is not the same connection across a bridge",
    r2_own_subscriptions_under_no_echo_are_nobody because "across a bridge nobody is both publisher and subscriber, so there is no echo to be kept away",
    r2_a_subscription_at_its_limit_is_nobody because "who asks and who listens on the inbox is not the same connection across a bridge",
    r3_the_503_looks_as_servers_write_it because "who asks and who listens on the inbox is not the same connection across a bridge",
    r4_one_of_several_inboxes_gets_the_503 because "who asks and who listens on the inbox is not the same connection across a bridge",
    r9_request_many_gathers_from_all because "interest is kept by rule: while somebody on the bus wants anything of it, the server knows somebody for all of it",
    r10_an_answer_to_nobody_is_dropped_and_a_reply_with_a_reply_can_meet_nobody because "a reply is an inbox of the bridge's own on the other side",
);

in_process_only!(
    r2_no_503_for_a_connection_that_did_not_ask_for_it because "async-nats always asks for it",
    r5_503s_do_not_count_towards_the_limit because "async-nats itself counts a 503, and ends its subscription at the limit",
);

fn r1_the_reply_is_passed_through<S: System>() {
    let system = S::start(Setup::default());
    let connection = system.connect();
    let subscription = connection.subscribe("foo");
    connection.ask("foo", "any.old.subject");
    let got = subscription.next().expect("it comes");
    assert_eq!(got.reply.as_deref(), Some("any.old.subject"));
    let echo = system.connect();
    let _service = echo.serve("echo", Box::new(|question| vec![question.text().to_uppercase()]));
    assert_eq!(connection.request("echo", "hello").expect("an answer").text(), "HELLO");
}

fn r2_a_503_only_when_all_conditions_hold<S: System>() {
    let system = S::start(Setup::default());
    let (connection, other) = (system.connect(), system.connect());
    let inbox = connection.subscribe("inb.*");
    let foreign = other.subscribe("inb.>");
    // All hold.
    connection.ask("nobody", "inb.1");
    connection.flush();
    assert_eq!(inbox.arrived().len(), 1);
    // (1) No reply.
    connection.send("nobody", "");
    // (3) A subscription gets it, which may be in a queue group.
    let somebody = other.queue_subscribe("somebody", "g");
    other.flush();
    connection.ask("somebody", "inb.2");
    // (4) No plain subscription of the publisher's own on the reply.
    connection.ask("nobody", "elsewhere.1");
    other.ask("nobody", "elsewhere.1");
    let member = connection.queue_subscribe("group.*", "g");
    connection.ask("nobody", "group.1");
    connection.flush();
    assert_eq!((inbox.arrived(), member.arrived(), foreign.arrived()), (vec![], vec![], vec![]));
    assert_eq!(somebody.arrived().len(), 1);
}

/// The second condition.
fn r2_no_503_for_a_connection_that_did_not_ask_for_it<S: System>() {
    let system = S::start(Setup::default());
    let plain = system.connect_with(With { without_no_responders: true, ..With::default() });
    let own = plain.subscribe("inb.*");
    plain.ask("nobody", "inb.3");
    plain.flush();
    assert_eq!(own.arrived(), []);
}

/// X5.
fn r2_own_subscriptions_under_no_echo_are_nobody<S: System>() {
    let system = S::start(Setup::default());
    let connection = system.connect_with(With { no_echo: true, ..With::default() });
    let (own, inbox) = (connection.subscribe("foo"), connection.subscribe("inb"));
    connection.ask("foo", "inb");
    connection.flush();
    assert_eq!(own.arrived(), []);
    assert_eq!(inbox.next().and_then(|got| got.status), Some(503));
    assert_eq!(refused(connection.request("foo", "")), Refusal::NoResponders);
}

fn r2_a_subscription_at_its_limit_is_nobody<S: System>() {
    let system = S::start(Setup::default());
    let connection = system.connect();
    let (worker, inbox) = (connection.subscribe("foo"), connection.subscribe("inb.*"));
    worker.unsubscribe_after(1);
    connection.ask("foo", "inb.1");
    connection.ask("foo", "inb.2");
    connection.flush();
    assert_eq!(worker.arrived().len(), 1);
    assert_eq!(inbox.subjects(), ["inb.2"]);
}

fn r3_the_503_looks_as_servers_write_it<S: System>() {
    let system = S::start(Setup::default());
    let connection = system.connect();
    let inbox = connection.subscribe("inb.1");
    connection.ask("nobody", "inb.1");
    let got = inbox.next().expect("the news");
    let headers = vec![("Nats-Subject".to_owned(), "nobody".to_owned())];
    assert_eq!(got, Got { subject: "inb.1".into(), reply: None, status: Some(503), headers, payload: vec![] });
}

fn r4_one_of_several_inboxes_gets_the_503<S: System>() {
    let system = S::start(Setup::default());
    let (connection, other) = (system.connect(), system.connect());
    let own = ["inb.*", "inb.1", ">"].map(|pattern| connection.subscribe(pattern));
    let foreign = other.subscribe(">");
    other.flush();
    connection.ask("nobody", "inb.1");
    connection.flush();
    // The request itself reached ">": that is a responder, so no news.
    let got: Vec<Got> = own.iter().flat_map(|inbox| inbox.arrived()).collect();
    assert_eq!(got.len(), 1);
    assert_eq!(got[0].subject, "nobody");
    assert_eq!(foreign.subjects(), ["nobody"]);
    drop((own, foreign));
    let own = ["inb.*", "inb.1", "inb.>"].map(|pattern| connection.subscribe(pattern));
    let foreign = other.subscribe("inb.>");
    other.flush();
    connection.ask("nobody", "inb.1");
    connection.flush();
    assert_eq!(own.iter().map(|inbox| inbox.arrived().len()).sum::<usize>(), 1);
    assert_eq!(foreign.arrived(), []);
}

/// X4, D4.
fn r5_503s_do_not_count_towards_the_limit<S: System>() {
    let system = S::start(Setup::default());
    let connection = system.connect();
    for before in [0, 1, 3] {
        let inbox = connection.subscribe("inb.*");
        for _ in 0..before {
            connection.send("inb.0", "");
        }
        inbox.unsubscribe_after(before + 1);
        connection.ask("nobody", "inb.1");
        connection.ask("nobody", "inb.2");
        connection.send("inb.3", "");
        connection.send("inb.4", "");
        connection.flush();
        let after: Vec<String> = inbox.subjects().split_off(before as usize);
        assert_eq!(after, ["inb.1", "inb.2", "inb.3"], "{before} messages before");
    }
}

fn r8_requests_tell_no_responders_from_answers<S: System>() {
    let system = S::start(Setup::default());
    let (connection, other) = (system.connect(), system.connect());
    assert_eq!(refused(connection.request("nobody", "")), Refusal::NoResponders);
    let _empty = other.serve("empty", Box::new(|_| vec![String::new()]));
    let answer = connection.request("empty", "").expect("an empty answer is an answer");
    assert_eq!((answer.status, answer.payload), (None, vec![]));
}

fn r9_request_many_gathers_from_all<S: System>() {
    let system = S::start(Setup::default());
    let (asker, a, b) = (system.connect(), system.connect(), system.connect());
    let _a = a.serve("who", Box::new(|_| vec!["a1".into(), "a2".into()]));
    let _b = b.serve("who", Box::new(|_| vec!["b".into()]));
    let answers = asker.request_many("who", "", 3).expect("answers");
    assert_eq!(sorted(answers.iter().map(Got::text).collect()), ["a1", "a2", "b"]);
    assert_eq!(asker.request_many("who", "", 2).expect("answers").len(), 2, "no more than wanted");
    assert_eq!(refused(asker.request_many("nobody", "", 2)), Refusal::NoResponders);
}

fn r10_an_answer_to_nobody_is_dropped_and_a_reply_with_a_reply_can_meet_nobody<S: System>() {
    let system = S::start(Setup::default());
    let (asker, server) = (system.connect(), system.connect());
    let questions = server.subscribe("svc");
    let inbox = server.subscribe("next.*");
    let dead = asker.new_inbox();
    assert_ne!(dead, asker.new_inbox(), "inboxes are used once");
    asker.ask("svc", &dead);
    let reply = questions.next().and_then(|question| question.reply).expect("a reply");
    assert_eq!(reply, dead);
    server.send(&reply, "too late");
    server.ask(&reply, "next.1");
    assert_eq!(inbox.next().and_then(|got| got.status), Some(503));
}
