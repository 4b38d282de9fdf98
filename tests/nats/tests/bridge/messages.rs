//! Messages that cross in one direction.

use crate::fixture::{PATIENCE, Remote, bus, start, text, wait_until};
use crate::support::nats_server::NatsServer;
use postroom::bridge::Rule;
use postroom::{Bridge, HeaderMap, Message};

#[test]
fn exports_reach_the_server_with_all_they_have() {
    let (server, bus) = (NatsServer::start(""), bus());
    let remote = Remote::connect(&server.url());
    let mut all = remote.subscribe(">");
    let bridge = start(Bridge::builder(&bus).server(server.url()).export("metrics.>"));
    let client = bus.connect();
    let mut headers = HeaderMap::new();
    headers.append("Trace", "1").unwrap();
    headers.append("Trace", "2").unwrap();
    assert_eq!(client.publish("metrics.load", "0.5").unwrap(), 1);
    assert_eq!(client.publish_with_headers("metrics.disk", headers, "9").unwrap(), 1);
    assert_eq!(client.publish("other", "x").unwrap(), 0);
    bridge.flush(PATIENCE).wait().unwrap();
    let mut exported = std::iter::from_fn(|| Some(all.next())).filter(|message| message.subject.starts_with("metrics"));
    let first = exported.next().unwrap();
    assert_eq!((first.subject.as_str(), text(&first), &first.headers), ("metrics.load", "0.5".into(), &None));
    let second = exported.next().unwrap();
    let traces: Vec<_> = second.headers.as_ref().unwrap().get_all("Trace").map(|value| value.as_str()).collect();
    assert_eq!((second.subject.as_str(), traces), ("metrics.disk", vec!["1", "2"]));
    let flow = bridge.stats().outgoing;
    assert_eq!((flow.taken, flow.delivered, flow.in_flight), (2, 2, 0));
    assert!(flow.balances());
}

/// A wire carries one subject: that which the message is routed by, for there the receivers on the other side wait.
#[test]
fn jc80_an_export_goes_to_the_subject_that_it_is_routed_by() {
    let (server, bus) = (NatsServer::start(""), bus());
    let remote = Remote::connect(&server.url());
    let mut all = remote.subscribe("*.*");
    let bridge = start(Bridge::builder(&bus).server(server.url()).export("deliver.*"));
    let client = bus.connect();
    let stored = Message::new("orders.eu", "1").unwrap();
    assert_eq!(client.publish_message_to("orders.eu", &Message::new("deliver.7", "0").unwrap()).unwrap(), 0);
    assert_eq!(client.publish_message_to("deliver.7", &stored).unwrap(), 1);
    bridge.flush(PATIENCE).wait().unwrap();
    let mut exported = std::iter::from_fn(|| Some(all.next())).filter(|got| !got.subject.starts_with("_INBOX."));
    let got = exported.next().unwrap();
    assert_eq!((got.subject.as_str(), text(&got)), ("deliver.7", "1".into()));
}

/// A response of that kind finds its request on the server's side.
#[test]
fn jc80_a_response_goes_to_the_request_that_it_is_routed_to() {
    let (server, bus) = (NatsServer::start(""), bus());
    let (client, remote) = (bus.connect(), Remote::connect(&server.url()));
    let _bridge = start(Bridge::builder(&bus).server(server.url()).serve("next.*"));
    let speaks = client.clone();
    let stored = Message::new("orders.eu", "1").unwrap();
    let answer = move |request: Message| {
        speaks.publish_message_to(request.reply().unwrap(), &stored).unwrap();
    };
    let _engine = client.subscribe_fn("next.*", answer).unwrap();
    wait_until("the server knows of the responder", || {
        remote.block_on(remote.client.request("next.1", "".into())).is_ok_and(|got| text(&got) == "1")
    });
}

#[test]
fn imports_reach_the_bus_with_all_they_have() {
    let (server, bus) = (NatsServer::start(""), bus());
    let client = bus.connect();
    let orders = client.subscribe("orders.*").unwrap();
    let bridge = start(Bridge::builder(&bus).server(server.url()).import("orders.>"));
    assert_eq!(bridge.stats().subscriptions, 1);
    let remote = Remote::connect(&server.url());
    let mut headers = async_nats::HeaderMap::new();
    headers.append("Trace", "1");
    headers.append("Trace", "2");
    remote.block_on(remote.client.publish_with_headers("orders.eu", headers, "hello".into())).unwrap();
    remote.publish("orders.us", &"x".repeat(10_000));
    let first = orders.recv_timeout(PATIENCE).unwrap();
    assert_eq!((first.subject().as_str(), first.payload()), ("orders.eu", &b"hello"[..]));
    assert_eq!(first.headers().get_all("Trace").collect::<Vec<_>>(), ["1", "2"]);
    let second = orders.recv_timeout(PATIENCE).unwrap();
    assert_eq!((second.subject().as_str(), second.payload().len()), ("orders.us", 10_000));
    assert!(second.headers().is_empty());
    wait_until("both are counted", || bridge.stats().incoming.delivered == 2);
    assert!(bridge.stats().incoming.balances());
}

#[test]
fn subjects_are_mapped_both_ways() {
    let (server, bus) = (NatsServer::start(""), bus());
    let remote = Remote::connect(&server.url());
    let mut all = remote.subscribe("eu.>");
    let client = bus.connect();
    let here = client.subscribe(">").unwrap();
    let rule = |pattern: &str| Rule::new(pattern).unwrap();
    let bridge = start(
        Bridge::builder(&bus)
            .server(server.url())
            .export(rule("load.>").prefix("eu"))
            .export(rule("disk.*.*").to("eu.$2.disk.{{wildcard(1)}}"))
            .import(rule("eu.orders.>").strip_prefix("eu")),
    );
    client.publish("load.a.b", "1").unwrap();
    client.publish("disk.a.b", "2").unwrap();
    bridge.flush(PATIENCE).wait().unwrap();
    assert_eq!(all.next().subject.as_str(), "eu.load.a.b");
    assert_eq!(all.next().subject.as_str(), "eu.b.disk.a");
    remote.publish("eu.orders.new", "3");
    let imported = here.iter().find(|message| message.payload() == b"3").unwrap();
    assert_eq!(imported.subject(), "orders.new");
}

#[test]
fn a_bridge_works_in_a_runtime() {
    let server = NatsServer::start("");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let bus = bus();
        let bridge = Bridge::builder(&bus).server(server.url()).export("a").require_connected(PATIENCE);
        let bridge = bridge.start_async().await.unwrap();
        let remote = async_nats::connect(server.url()).await.unwrap();
        let mut a = remote.subscribe("a").await.unwrap();
        remote.request("nobody.there", "".into()).await.unwrap_err();
        bus.connect().publish_async("a", "1").await.unwrap();
        bridge.flush(PATIENCE).await.unwrap();
        assert_eq!(futures_util::StreamExt::next(&mut a).await.unwrap().payload, "1");
        bridge.drain(PATIENCE).await.unwrap();
    });
}

#[test]
fn order_is_kept_over_all_subjects_of_a_thread() {
    let (server, bus) = (NatsServer::start(""), bus());
    let remote = Remote::connect(&server.url());
    let mut all = remote.subscribe("n.>");
    let bridge = start(Bridge::builder(&bus).server(server.url()).export("n.a.*").export("n.b.*"));
    let client = bus.connect();
    for n in 0..20_000 {
        let side = if n % 3 == 0 { "a" } else { "b" };
        assert_eq!(client.publish(format!("n.{side}.{n}"), n.to_string()).unwrap(), 1);
    }
    bridge.flush(PATIENCE).wait().unwrap();
    for n in 0..20_000 {
        assert_eq!(text(&all.next()), n.to_string());
    }
}

#[test]
fn a_block_that_can_not_be_read_is_counted_and_told() {
    let (server, bus) = (NatsServer::start(""), bus());
    let bridge = start(Bridge::builder(&bus).server(server.url()).export("a"));
    let wire = bus.connect_with(postroom::ConnectOptions::new().lenient(true));
    let headers = Some(bytes::Bytes::from_static(b"nonsense"));
    wire.publish_raw(postroom::publish::RawMessage::new("a", "").headers(headers)).unwrap();
    let lost = bridge.flush(PATIENCE).wait().unwrap_err();
    assert_eq!(lost, postroom::bridge::FlushError::Lost { count: 1 });
    assert_eq!(bridge.stats().outgoing.lost.of(postroom::bridge::LossReason::Invalid), 1);
    let fine = Message::new("a", "x").unwrap();
    bus.connect().publish_message(&fine).unwrap();
    bridge.flush(PATIENCE).wait().unwrap();
}

/// The server of this crate instead of the real one: two buses, one of them with a listener.
#[test]
fn two_buses_are_linked_without_a_real_server() {
    let (near, far) = (bus(), bus());
    let server = postroom::Server::bind(&far, "127.0.0.1:0").unwrap();
    let far_side = far.connect();
    let there = far_side.subscribe("out.*").unwrap();
    let _answering = far_side.subscribe_fn("svc", |question| drop(question.respond("far"))).unwrap();
    let here = near.connect().subscribe("in.*").unwrap();
    let builder =
        Bridge::builder(&near).server(server.url().unwrap()).export("out.*").import("in.*").call("svc").call("nobody");
    let bridge = start(builder);
    near.connect().publish("out.a", "1").unwrap();
    bridge.flush(PATIENCE).wait().unwrap();
    assert_eq!(there.try_recv().unwrap().payload(), b"1");
    far_side.publish("in.a", "2").unwrap();
    assert_eq!(here.recv_timeout(PATIENCE).unwrap().payload(), b"2");
    assert_eq!(near.connect().request("svc", "").unwrap().payload(), b"far");
    assert!(near.connect().request_timeout("nobody", "", PATIENCE).unwrap_err().is_no_responders());
    bridge.drain(PATIENCE).wait().unwrap();
}

#[test]
fn handles_go_anywhere_and_what_is_awaited_to_any_executor() {
    fn handle<T: Send + Sync + Unpin + std::fmt::Debug + 'static>() {}
    fn future<T: Future + Send + Unpin + std::fmt::Debug + 'static>() {}
    fn error<T: std::error::Error + Send + Sync + 'static>() {}
    handle::<Bridge>();
    handle::<postroom::event::EventStream<postroom::bridge::BridgeEvent>>();
    handle::<postroom::bridge::BridgeStats>();
    handle::<Rule>();
    future::<postroom::bridge::future::BridgeFuture<bool>>();
    error::<postroom::bridge::StartError>();
    error::<postroom::bridge::FlushError>();
    error::<postroom::bridge::RuleError>();
}

#[test]
fn a_recorded_run_is_played_back_onto_the_server() {
    use postroom::TestKit;
    use postroom::testkit::Speed;

    let kit = TestKit::new();
    let app = kit.bus().connect();
    for number in 0..50 {
        app.publish("metrics.load", number.to_string()).unwrap();
    }
    let recording = kit.tap("metrics.>").record();
    assert_eq!(recording.messages.len(), 0, "a tap begins with its making");
    let recording = kit.record();

    let (server, bus) = (NatsServer::start(""), bus());
    let remote = Remote::connect(&server.url());
    let mut load = remote.subscribe("metrics.load");
    let bridge = start(Bridge::builder(&bus).server(server.url()).export("metrics.>"));
    assert_eq!(recording.replay(&bus, Speed::Full).published, 50);
    bridge.flush(PATIENCE).wait().unwrap();
    for number in 0..50 {
        assert_eq!(text(&load.next()), number.to_string());
    }
}
