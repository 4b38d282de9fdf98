//! Requests that cross, and their answers.

use crate::fixture::{PATIENCE, Remote, bus, start, text, wait_until};
use crate::support::nats_server::NatsServer;
use postroom::bridge::Rule;
use postroom::request::RequestManyOptions;
use postroom::{Bridge, HeaderMap, RequestOptions, StatusCode};
use std::time::Duration;

#[test]
fn a_call_is_answered_on_the_server() {
    let (server, bus) = (NatsServer::start(""), bus());
    let remote = Remote::connect(&server.url());
    remote.respond("svc.>", |request| vec![format!("{}!", text(request))]);
    let _bridge = start(Bridge::builder(&bus).server(server.url()).call("svc.>"));
    let client = bus.connect();
    let mut headers = HeaderMap::new();
    headers.insert("Trace", "7").unwrap();
    let answer = client.request_with("svc.shout", "hello", RequestOptions::new().headers(headers)).unwrap();
    assert_eq!((answer.payload(), answer.headers().get("Trace")), (&b"hello!"[..], Some("7")));
    assert_eq!(client.publish("svc.shout", "no request").unwrap(), 0, "only requests are called");
}

#[test]
fn a_call_that_nobody_answers_fails_at_once() {
    let (server, bus) = (NatsServer::start(""), bus());
    let bridge = start(Bridge::builder(&bus).server(server.url()).call(Rule::new("svc.>").unwrap().prefix("eu")));
    let client = bus.connect();
    let error = client.request_timeout("svc.nobody", "", PATIENCE * 10).unwrap_err();
    assert!(error.is_no_responders(), "{error:?}");
    // By hand, to see what comes: the subject is that of the bus (R3).
    let inbox = client.new_inbox();
    let answers = client.subscribe(inbox.clone()).unwrap();
    client.publish_with_reply("svc.nobody", inbox, "").unwrap();
    let answer = answers.recv_timeout(PATIENCE).unwrap();
    assert_eq!(answer.status(), Some(StatusCode::NO_RESPONDERS));
    assert_eq!(answer.headers().get("Nats-Subject"), Some("svc.nobody"));
    assert_eq!(bridge.stats().open_requests, 0, "both are over");
}

#[test]
fn who_answers_on_the_bus_is_not_overtaken_by_nobody_on_the_server() {
    let (server, bus) = (NatsServer::start(""), bus());
    let bridge = start(Bridge::builder(&bus).server(server.url()).call("svc.>"));
    let client = bus.connect();
    let slow = client.subscribe("svc.slow").unwrap();
    let answer = std::thread::scope(|scope| {
        let asking = scope.spawn(|| bus.connect().request_timeout("svc.slow", "?", PATIENCE));
        let question = slow.recv_timeout(PATIENCE).unwrap();
        // The server's 503 is here before the answer is.
        bridge.flush(PATIENCE).wait().unwrap();
        question.respond("!").unwrap();
        asking.join().unwrap()
    });
    assert_eq!(answer.unwrap().payload(), b"!");
}

#[test]
fn several_answers_come_through() {
    let (server, bus) = (NatsServer::start(""), bus());
    let remote = Remote::connect(&server.url());
    remote.respond("svc.many", |_| (0..100).map(|n| n.to_string()).collect());
    let _bridge = start(Bridge::builder(&bus).server(server.url()).call("svc.>"));
    let client = bus.connect();
    let until = RequestManyOptions::new().max(100).deadline(PATIENCE);
    let answers = client.request_many("svc.many", "", until).unwrap();
    let all: Vec<String> = answers.into_iter().map(|answer| answer.payload_str().unwrap().to_owned()).collect();
    assert_eq!(all, (0..100).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[test]
fn a_request_from_the_server_is_served_on_the_bus() {
    let (server, bus) = (NatsServer::start(""), bus());
    let remote = Remote::connect(&server.url());
    let mut spy = remote.subscribe("_INBOX.>");
    let client = bus.connect();
    let _adder = client
        .subscribe_fn("add", |question| {
            let sum: i64 = question.payload_str().unwrap().split(' ').map(|n| n.parse::<i64>().unwrap()).sum();
            assert!(question.reply().unwrap().as_str().starts_with("_INBOX."));
            question.respond(sum.to_string()).unwrap();
        })
        .unwrap();
    let rule = Rule::new("svc.>").unwrap().strip_prefix("svc");
    let bridge = start(Bridge::builder(&bus).server(server.url()).serve(rule));
    let answer = remote.block_on(remote.client.request("svc.add", "1 2".into())).unwrap();
    assert_eq!(text(&answer), "3");
    let seen = std::iter::from_fn(|| Some(spy.next())).find(|message| message.payload == "3").unwrap();
    assert_eq!(seen.subject, answer.subject, "what the bus calls it is not seen");
    wait_until("it is counted", || bridge.stats().incoming.delivered == 1);
}

#[test]
fn who_asks_from_the_server_is_told_that_nobody_is_there() {
    let (server, bus) = (NatsServer::start(""), bus());
    let remote = Remote::connect(&server.url());
    let client = bus.connect();
    let _one = client.subscribe("svc.one").unwrap();
    // No subscription wants it: the server itself says so.
    let ask = |subject: &'static str| remote.block_on(remote.client.request(subject, "".into()));
    let bridge = start(Bridge::builder(&bus).server(server.url()).serve("other.>").serve("svc.>"));
    let error = ask("other.x").unwrap_err();
    assert_eq!(error.kind(), async_nats::RequestErrorKind::NoResponders);
    // A subscription wants something else of the same rule: the bridge says so, at once.
    let told = ask("svc.two").unwrap();
    let headers = told.headers.unwrap();
    assert_eq!(headers.get("Status").map(|status| status.as_str()), Some("503"));
    assert_eq!(headers.get("Nats-Subject").map(|subject| subject.as_str()), Some("svc.two"));
    assert_eq!(bridge.stats().subscriptions, 1);
}

#[test]
fn a_callback_that_was_called_from_the_server_may_call_the_server() {
    let (server, bus) = (NatsServer::start(""), bus());
    let remote = Remote::connect(&server.url());
    remote.respond("far.double", |request| vec![(2 * text(request).parse::<i64>().unwrap()).to_string()]);
    let (client, asking) = (bus.connect(), bus.connect());
    let _relay = client
        .subscribe_fn("near.quadruple", move |question| {
            let once = asking.request_timeout("far.double", question.payload_bytes(), PATIENCE).unwrap();
            let twice = asking.request_timeout("far.double", once.payload_bytes(), PATIENCE).unwrap();
            question.respond(twice.payload_bytes()).unwrap();
        })
        .unwrap();
    let _bridge = start(Bridge::builder(&bus).server(server.url()).serve("near.>").call("far.>"));
    let answer = remote.block_on(remote.client.request("near.quadruple", "3".into())).unwrap();
    assert_eq!(text(&answer), "12");
}

#[test]
fn a_request_waits_as_long_as_it_says() {
    let (server, bus) = (NatsServer::start(""), bus());
    let remote = Remote::connect(&server.url());
    remote.respond("svc.silent", |_| Vec::new());
    let _bridge = start(Bridge::builder(&bus).server(server.url()).call("svc.>"));
    let error = bus.connect().request_timeout("svc.silent", "", Duration::from_millis(50)).unwrap_err();
    assert!(!error.is_no_responders(), "{error:?}");
}

#[test]
fn nobody_is_nobody_beside_an_import_of_everything() {
    let (server, bus) = (NatsServer::start(""), bus());
    let client = bus.connect();
    let _all = client.subscribe("in.>").unwrap();
    let bridge = start(Bridge::builder(&bus).server(server.url()).import(">").call("svc.>"));
    // The server gives a 503 to one subscription that matches, whichever that is (R4).
    for n in 0..100 {
        let error = client.request_timeout(format!("svc.{n}"), "", PATIENCE).unwrap_err();
        assert!(error.is_no_responders(), "{n}: {error:?}");
    }
    assert_eq!(bridge.stats().late_replies, 0);
}
