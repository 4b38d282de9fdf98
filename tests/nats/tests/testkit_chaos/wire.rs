//! Faults of real clients that are attached to the kit's bus.

use crate::support::wire::{Frame, Wire, dial};
use crate::{SECOND, client, kit, permitted, queued};
use futures_util::StreamExt;
use postroom::testkit::Fault;
use postroom::{Server, TestKit};
use std::time::Duration;

pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A client of raw bytes, connected under this name.
pub(crate) fn peer(addr: &str, name: &str) -> Wire {
    let mut wire = Wire::new(dial(addr).expect("somebody listens"), PATIENCE);
    let connect = format!(
        "CONNECT {{\"verbose\":false,\"pedantic\":false,\"headers\":true,\"no_responders\":true,\"protocol\":1,\
         \"name\":\"{name}\"}}\r\n"
    );
    wire.send(connect.as_bytes());
    barrier(&mut wire);
    wire
}

/// The frames that came until now, without those in which a server describes itself.
pub(crate) fn barrier(wire: &mut Wire) -> Vec<Frame> {
    wire.send(b"PING\r\n");
    let mut frames = wire.until_pong(1).unwrap_or_else(|(frames, stalled)| panic!("{stalled:?} after {frames:?}"));
    frames.retain(|frame| frame.info().is_none() && !frame.is_pong());
    frames
}

/// The payload of a message.
pub(crate) fn payload(frame: &Frame) -> String {
    match frame {
        Frame::Message(message) => String::from_utf8(message.payload.clone()).unwrap(),
        other => panic!("{other:?} is no message"),
    }
}

pub(crate) fn serve(kit: &TestKit) -> (Server, String) {
    let server = Server::bind(kit.bus(), "127.0.0.1:0").unwrap();
    let addr = server.address().unwrap().to_string();
    (server, addr)
}

#[test]
fn what_a_wire_client_is_refused_is_in_the_journal() {
    let kit = TestKit::new();
    let (_server, addr) = serve(&kit);
    let tap = kit.tap(">");
    let mut wire = peer(&addr, "wire");
    wire.send(b"PUB $NRG.a 5\r\nhello\r\nPUB fine 2\r\nhi\r\n");
    barrier(&mut wire);
    let entries: Vec<_> = tap.entries().iter().map(ToString::to_string).collect();
    assert_eq!(
        entries,
        ["#1 0ns wire: $NRG.a hello, refused: permission to publish to \"$NRG.a\" denied", "#2 0ns wire: fine hi"]
    );
}

#[test]
fn nothing_is_slow_to_a_wire_client_that_asks_with_a_ping() {
    let kit = kit(Fault::slow_delivery(SECOND));
    let (_server, addr) = serve(&kit);
    let mut wire = peer(&addr, "wire");
    wire.send(b"SUB a 1\r\n");
    barrier(&mut wire);
    client(&kit, "app").publish("a", "x").unwrap();
    assert_eq!(barrier(&mut wire).iter().map(payload).collect::<Vec<_>>(), ["x"]);
    assert_eq!(kit.faults(), []);
}

#[test]
fn a_wire_client_is_cut_off_without_a_word_and_may_come_back() {
    let kit = kit(Fault::disconnect(SECOND).on("cut").of("wire").times(1));
    let (_server, addr) = serve(&kit);
    let mut wire = peer(&addr, "wire");
    wire.send(b"SUB a 1\r\n");
    barrier(&mut wire);
    let app = client(&kit, "app");
    app.publish("a", "before").unwrap();
    app.publish("cut", "").unwrap();
    let frames = wire.until(|_| false).expect("an end");
    assert_eq!((frames.len(), payload(&frames[0]).as_str(), &frames[1]), (2, "before", &Frame::Closed));
    assert_eq!(app.publish("a", "meanwhile"), Ok(0), "its subscription is gone");

    let mut wire = peer(&addr, "wire");
    wire.send(b"SUB a 1\r\n");
    barrier(&mut wire);
    app.publish("a", "after").unwrap();
    assert_eq!(barrier(&mut wire).iter().map(payload).collect::<Vec<_>>(), ["after"]);
    assert_eq!(permitted(&kit), ["C18, D6"]);
}

#[test]
fn a_wire_client_loses_what_it_publishes_when_that_cuts_it_off() {
    let kit = kit(Fault::disconnect(SECOND).on("a").times(1));
    let (_server, addr) = serve(&kit);
    let all = kit.client().subscribe("a").unwrap();
    let mut wire = peer(&addr, "wire");
    wire.send(b"PUB a 4\r\nlost\r\nPING\r\n");
    assert_eq!(wire.until(|_| false).expect("an end").last(), Some(&Frame::Closed));
    let mut wire = peer(&addr, "wire");
    wire.send(b"PUB a 4\r\nback\r\n");
    barrier(&mut wire);
    assert_eq!(queued(&all), ["back"]);
}

#[test]
fn a_pong_is_the_truth_whatever_is_delayed_or_late() {
    let kit = kit(Fault::delay(SECOND));
    kit.inject(Fault::late_subscription(9));
    let (_server, addr) = serve(&kit);
    let all = kit.client().subscribe("a").unwrap();
    let (mut one, mut other) = (peer(&addr, "one"), peer(&addr, "other"));
    one.send(b"SUB a 1\r\n");
    barrier(&mut one);
    other.send(b"PUB a 1\r\nx\r\n");
    barrier(&mut other);
    assert_eq!(queued(&all), ["x"]);
    assert_eq!(barrier(&mut one).len(), 1);
    assert_eq!(kit.faults(), []);
}

#[tokio::test]
async fn a_real_client_reconnects_and_goes_on() {
    let kit = kit(Fault::disconnect(SECOND).on("cut").of("real").times(1));
    let (server, _) = serve(&kit);
    let (tell, mut events) = tokio::sync::mpsc::unbounded_channel();
    let real = async_nats::ConnectOptions::new().name("real").event_callback(move |event| {
        let tell = tell.clone();
        async move { drop(tell.send(event)) }
    });
    let real = real.connect(server.url().unwrap()).await.unwrap();
    let mut orders = real.subscribe("orders").await.unwrap();
    real.flush().await.unwrap();
    let app = client(&kit, "app");
    let mine = app.subscribe("from.real").unwrap();
    until_interest(&kit, "orders").await;
    app.publish("orders", "1").unwrap();
    assert_eq!(orders.next().await.unwrap().payload, "1");
    app.publish("cut", "").unwrap();
    // Connected, disconnected, connected again.
    for expected in [async_nats::Event::Connected, async_nats::Event::Disconnected, async_nats::Event::Connected] {
        assert_eq!(events.recv().await.unwrap().to_string(), expected.to_string());
    }
    real.publish("from.real", "buffered or new".into()).await.unwrap();
    assert_eq!(mine.recv_async().await.unwrap().payload(), b"buffered or new");
    until_interest(&kit, "orders").await;
    app.publish("orders", "2").unwrap();
    assert_eq!(orders.next().await.unwrap().payload, "2");
}

/// Waits until a client is subscribed there.
async fn until_interest(kit: &TestKit, subject: &str) {
    while !kit.bus().has_interest(subject) {
        tokio::task::yield_now().await;
    }
}
