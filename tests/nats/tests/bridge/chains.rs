//! Requests over several bridges: one after the other (a bus that calls, the server, and a bus that serves), or side by side.

use crate::fixture::{PATIENCE, Remote, bus, start, text, wait_until};
use crate::support::nats_server::NatsServer;
use postroom::bridge::Rule;
use postroom::{Bridge, Bus, HeaderMap, RequestOptions, StatusCode};
use std::time::Duration;

/// Two buses and the server between them.
struct Chain {
    server: NatsServer,
    /// Where it is asked.
    near: Bus,
    /// Where it is answered.
    far: Bus,
    calls: Bridge,
    serves: Bridge,
}

impl Chain {
    /// `svc.>` is asked here and served there. A server subscription that is not wanted is kept for
    /// `grace`.
    fn new(grace: Duration) -> Self {
        let (server, near, far) = (NatsServer::start(""), bus(), bus());
        let calls = start(Bridge::builder(&near).server(server.url()).call("svc.>"));
        let serves = start(Bridge::builder(&far).server(server.url()).serve("svc.>").grace(grace));
        Chain { server, near, far, calls, serves }
    }

    /// Asks as a component does that knows nothing of bridges; true if it is told that there are no
    /// responders.
    #[track_caller]
    fn assert_nobody(&self, subject: &str) {
        let before = self.calls.stats().open_requests;
        let error = self.near.connect().request_timeout(subject, "", PATIENCE * 10).unwrap_err();
        assert!(error.is_no_responders(), "{error:?}");
        assert_eq!(self.calls.stats().open_requests, before, "it is over");
    }

    /// The answer that a client of the server's gets.
    fn ask(&self, subject: &str) -> Result<async_nats::Message, async_nats::RequestError> {
        let remote = Remote::connect(&self.server.url());
        remote.block_on(remote.client.request(subject.to_owned(), "".into()))
    }
}

#[test]
fn what_is_asked_on_one_bus_is_answered_on_the_other() {
    let chain = Chain::new(Duration::ZERO);
    let _adder = chain.far.connect().subscribe_fn("svc.twice", |question| {
        let mut headers = HeaderMap::new();
        headers.insert("Trace", question.headers().get("Trace").unwrap()).unwrap();
        let answer = format!("{0}{0}", question.payload_str().unwrap());
        question.respond_with_headers(headers, answer).unwrap();
    });
    chain.serves.flush(PATIENCE).wait().unwrap();
    let mut headers = HeaderMap::new();
    headers.insert("Trace", "7").unwrap();
    let answer = chain.near.connect().request_with("svc.twice", "ab", RequestOptions::new().headers(headers)).unwrap();
    assert_eq!((answer.payload(), answer.headers().get("Trace")), (&b"abab"[..], Some("7")));
}

#[test]
fn nobody_on_the_other_bus_is_nobody_at_once() {
    let chain = Chain::new(Duration::ZERO);
    chain.assert_nobody("svc.one");
    assert_eq!(chain.serves.stats().subscriptions, 0, "the server itself says so");
    assert_eq!(chain.ask("svc.one").unwrap_err().kind(), async_nats::RequestErrorKind::NoResponders);
    assert_eq!(chain.serves.stats().incoming.taken, 0);
}

#[test]
fn somebody_for_another_subject_of_the_rule_is_nobody_for_this() {
    let chain = Chain::new(Duration::ZERO);
    let _other = chain.far.connect().subscribe("svc.other").unwrap();
    chain.serves.flush(PATIENCE).wait().unwrap();
    assert_eq!(chain.serves.stats().subscriptions, 1);
    chain.assert_nobody("svc.one");
    // The bridge that serves it said so, and not the server.
    wait_until("it is counted", || chain.serves.stats().incoming.delivered == 1);
    // A client of the server's that looks at the message finds the status in headers (H7).
    let told = chain.ask("svc.one").unwrap();
    assert_eq!((text(&told).as_str(), told.headers.unwrap().get("Status").unwrap().as_str()), ("", "503"));
    // By hand, what reaches the bus: a true status, and the subject that was asked here (R3).
    let client = chain.near.connect();
    let (inbox, mut seen) = (client.new_inbox(), Vec::new());
    let answers = client.subscribe(inbox.clone()).unwrap();
    client.publish_with_reply("svc.one", inbox, "").unwrap();
    seen.push(answers.recv_timeout(PATIENCE).unwrap());
    chain.calls.flush(PATIENCE).wait().unwrap();
    seen.extend(answers.try_iter());
    assert_eq!(seen.len(), 1);
    assert_eq!(
        (seen[0].status(), seen[0].headers().get("Nats-Subject")),
        (Some(StatusCode::NO_RESPONDERS), Some("svc.one"))
    );
    assert_eq!(seen[0].headers().get("Status"), None, "not twice");
}

#[test]
fn somebody_who_has_gone_a_moment_ago_is_nobody() {
    // The subscription stays, so that the request comes as one does that was on its way.
    let chain = Chain::new(Duration::from_secs(3_600));
    let one = chain.far.connect().subscribe("svc.one").unwrap();
    chain.serves.flush(PATIENCE).wait().unwrap();
    drop(one);
    chain.serves.flush(PATIENCE).wait().unwrap();
    assert_eq!(chain.serves.stats().subscriptions, 1);
    chain.assert_nobody("svc.one");
    wait_until("it is counted", || chain.serves.stats().incoming.delivered == 1);
}

#[test]
fn a_rule_that_is_pinned_says_itself_that_nobody_is_there() {
    let (server, near, far) = (NatsServer::start(""), bus(), bus());
    let _calls = start(Bridge::builder(&near).server(server.url()).call(Rule::new("svc.>").unwrap().prefix("eu")));
    let serve = Rule::new("eu.svc.>").unwrap().strip_prefix("eu").unwrap().pinned(true);
    let serves = start(Bridge::builder(&far).server(server.url()).serve(serve));
    let error = near.connect().request_timeout("svc.one", "", PATIENCE * 10).unwrap_err();
    assert!(error.is_no_responders(), "{error:?}");
    wait_until("it is counted", || serves.stats().incoming.delivered == 1);
}

#[test]
fn the_subscription_on_the_server_comes_and_goes_with_who_wants_it() {
    let chain = Chain::new(Duration::ZERO);
    for round in 1..=3 {
        let answering = chain.far.connect().subscribe_fn("svc.one", |question| drop(question.respond("!"))).unwrap();
        chain.serves.flush(PATIENCE).wait().unwrap();
        assert_eq!(chain.near.connect().request("svc.one", "").unwrap().payload(), b"!");
        drop(answering);
        wait_until("nobody wants it", || chain.serves.stats().subscriptions == 0);
        chain.serves.flush(PATIENCE).wait().unwrap();
        chain.assert_nobody("svc.one");
        wait_until("it is counted", || chain.serves.stats().incoming.delivered == round);
    }
}

#[test]
fn nobody_at_the_end_of_a_longer_chain_is_nobody_at_once() {
    let (one, two) = (NatsServer::start(""), NatsServer::start(""));
    let (near, middle) = (bus(), bus());
    let _first = start(Bridge::builder(&near).server(one.url()).call("svc.>"));
    let serves = start(Bridge::builder(&middle).server(one.url()).serve("svc.>"));
    let passes_on = start(Bridge::builder(&middle).server(two.url()).call("svc.>"));
    serves.flush(PATIENCE).wait().unwrap();
    let error = near.connect().request_timeout("svc.one", "", PATIENCE * 10).unwrap_err();
    assert!(error.is_no_responders(), "{error:?}");
    let remote = Remote::connect(&two.url());
    remote.respond("svc.one", |_| vec!["!".to_owned()]);
    assert_eq!(near.connect().request_timeout("svc.one", "", PATIENCE).unwrap().payload(), b"!");
    assert_eq!(passes_on.stats().outgoing.lost.total(), 0);
}

/// Fails at once, and not by its time.
#[track_caller]
fn assert_nobody_on(bus: &Bus, subject: &str) {
    let error = bus.connect().request_timeout(subject, "", PATIENCE * 10).unwrap_err();
    assert!(error.is_no_responders(), "{error:?}");
}

#[test]
fn a_request_that_two_bridges_call_fails_when_both_have_found_nobody() {
    let (one, two, bus) = (NatsServer::start(""), NatsServer::start(""), bus());
    let call = |server: &NatsServer| start(Bridge::builder(&bus).server(server.url()).call("svc.>").export("svc.one"));
    let bridges = [call(&one), call(&two)];
    for _ in 0..100 {
        assert_nobody_on(&bus, "svc.one");
        assert_nobody_on(&bus, "svc.two");
    }
    // A client that asks by hand is told once.
    let client = bus.connect();
    let inbox = client.new_inbox();
    let answers = client.subscribe(inbox.clone()).unwrap();
    client.publish_with_reply("svc.one", inbox, "").unwrap();
    assert_eq!(answers.recv_timeout(PATIENCE).unwrap().status(), Some(StatusCode::NO_RESPONDERS));
    bridges.iter().for_each(|bridge| bridge.flush(PATIENCE).wait().unwrap());
    assert!(answers.try_recv().is_err());
    // An answer is not overtaken by the other side's 503.
    let remote = Remote::connect(&two.url());
    remote.respond("svc.one", |_| vec!["!".to_owned()]);
    for _ in 0..100 {
        assert_eq!(bus.connect().request_timeout("svc.one", "", PATIENCE).unwrap().payload(), b"!");
    }
    assert_eq!(bridges.map(|bridge| bridge.stats().outgoing.lost.total()), [0, 0]);
}

#[test]
fn somebody_on_the_bus_is_somebody_for_two_bridges_as_well() {
    let (one, two, bus) = (NatsServer::start(""), NatsServer::start(""), bus());
    let call = |server: &NatsServer| start(Bridge::builder(&bus).server(server.url()).call("svc.>"));
    let bridges = [call(&one), call(&two)];
    let slow = bus.connect().subscribe("svc.slow").unwrap();
    let answer = std::thread::scope(|scope| {
        let asking = scope.spawn(|| bus.connect().request_timeout("svc.slow", "?", PATIENCE));
        let question = slow.recv_timeout(PATIENCE).unwrap();
        // Both 503s are here before the answer is.
        bridges.iter().for_each(|bridge| bridge.flush(PATIENCE).wait().unwrap());
        question.respond("!").unwrap();
        asking.join().unwrap()
    });
    assert_eq!(answer.unwrap().payload(), b"!");
}

#[test]
fn of_two_bridges_in_one_queue_group_only_the_one_that_was_chosen_has_to_find_nobody() {
    let (server, bus) = (NatsServer::start(""), bus());
    let call = || {
        let rule = Rule::new("svc.>").unwrap().queue("w");
        start(Bridge::builder(&bus).server(server.url()).call(rule))
    };
    let bridges = [call(), call()];
    for _ in 0..20 {
        assert_nobody_on(&bus, "svc.one");
    }
    let taken = bridges.map(|bridge| bridge.stats().outgoing.taken);
    assert!(taken.iter().all(|&taken| taken > 0) && taken[0] + taken[1] == 20, "{taken:?}");
}
