//! JetStream as a part of the server: its INFO, its order, permissions, and a restart.

use super::places::{Ours, Place, Real, Setup};
use super::support::nats_server::NatsServer;
use super::support::wire::{Frame, Wire, dial};
use postroom::jetstream::JetStreamOptions;
use postroom::{Bus, Server};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(20);

fn connect(addr: &str, connect: &str) -> (Wire, String) {
    let mut wire = Wire::new(dial(addr).expect("a server"), PATIENCE);
    let info = wire.next().expect("INFO");
    wire.send(format!("CONNECT {connect}\r\nPING\r\n").as_bytes());
    wire.until_pong(1).expect("a connection");
    (wire, String::from_utf8_lossy(info.info().expect("INFO")).into_owned())
}

/// A request, and its answer's headers and payload.
fn request(wire: &mut Wire, subject: &str, body: &str) -> String {
    request_to(wire, "answers", subject, body)
}

/// The same, answered on a subject of one's own.
fn request_to(wire: &mut Wire, reply: &str, subject: &str, body: &str) -> String {
    wire.send(format!("SUB {reply} 99\r\nPUB {subject} {reply} {}\r\n{body}\r\n", body.len()).as_bytes());
    let frames = wire.until(|frame| matches!(frame, Frame::Message(_))).expect("an answer");
    let Some(Frame::Message(message)) = frames.into_iter().next_back() else { panic!("the connection ended") };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    message.header.as_deref().map(text).unwrap_or_default() + &text(&message.payload)
}

/// Leaves a pull request to wait at the consumer `c`, with an inbox that is subscribed to.
fn pull(wire: &mut Wire, stream: &str) {
    let body = r#"{"batch":5,"expires":60000000000}"#;
    let request = format!("PUB $JS.API.CONSUMER.MSG.NEXT.{stream}.c later {}\r\n{body}\r\n", body.len());
    wire.send(format!("SUB later 7\r\n{request}PING\r\n").as_bytes());
    wire.until_pong(1).expect("the PONG");
}

const PLAIN: &str = r#"{"verbose":false,"headers":true,"no_responders":true}"#;

/// JL1.
#[test]
fn info_says_that_jetstream_is_there() {
    fn of(place: &impl Place) -> Vec<Option<serde_json::Value>> {
        let (_, info) = connect(&place.addr(), PLAIN);
        let info: serde_json::Value = serde_json::from_str(&info).expect("JSON");
        ["jetstream", "domain", "api_lvl"].map(|key| info.get(key).cloned()).to_vec()
    }
    for domain in ["", "hub"] {
        let setup = Setup { domain, ..Setup::default() };
        assert_eq!(of(&Ours::start(setup)), of(&Real::start(setup)));
    }
}

/// JL1: without JetStream nothing responds.
#[test]
fn without_jetstream_its_api_has_no_responders() {
    let (real, bus) = (NatsServer::start(""), Bus::new());
    let ours = Server::bind(&bus, "127.0.0.1:0").expect("it starts");
    let ask = |addr: &str| {
        let (mut wire, info) = connect(addr, PLAIN);
        assert!(!info.contains("jetstream"), "{info}");
        ["$JS.API.INFO", "$JS.API.STREAM.INFO.S", "$JS.ACK.a.b"].map(|subject| request(&mut wire, subject, ""))
    };
    assert_eq!(ask(&ours.address().expect("it listens").to_string()), ask(&real.addr()));
}

/// X17: what was sent before a PING is applied before its PONG.
#[test]
fn publishes_without_a_reply_are_stored_before_the_pong() {
    let ours = Ours::start(Setup::default());
    let (mut wire, _) = connect(&ours.addr(), PLAIN);
    let (mut other, _) = connect(&ours.addr(), PLAIN);
    request(&mut wire, "$JS.API.STREAM.CREATE.S", r#"{"name":"S","subjects":["s.>"]}"#);
    let mut sent = Vec::new();
    (0..5_000).for_each(|number| sent.extend(format!("PUB s.{number} 5\r\nhello\r\n").bytes()));
    sent.extend(b"PING\r\n");
    wire.send(&sent);
    wire.until_pong(1).expect("the PONG");
    let info = request(&mut other, "$JS.API.STREAM.INFO.S", "");
    assert!(info.contains(r#""messages":5000"#), "{info}");
}

/// P2: permissions hold for the API and for acknowledgements, by their subjects.
#[test]
fn permissions_hold_for_the_api_and_for_acknowledgements() {
    let users = r#"authorization { users = [
        { user: all, password: x }
        { user: one, password: x, permissions: {
            publish: { allow: ["$JS.API.STREAM.INFO.S", "$JS.API.CONSUMER.MSG.NEXT.S.c", "s.>"], deny: ["s.no"] }
            subscribe: { allow: ["answers"] } } }
    ] }"#;
    let setup = Setup { top: users, ..Setup::default() };
    fn talk(place: &impl Place) -> Vec<String> {
        let login = |user: &str| {
            format!(r#"{{"verbose":false,"headers":true,"no_responders":true,"user":"{user}","pass":"x"}}"#)
        };
        let (mut admin, _) = connect(&place.addr(), &login("all"));
        request_to(&mut admin, "admin", "$JS.API.STREAM.CREATE.S", r#"{"name":"S","subjects":["s.>"]}"#);
        let config = r#"{"stream_name":"S","config":{"name":"c","durable_name":"c","ack_policy":"explicit"}}"#;
        request_to(&mut admin, "admin", "$JS.API.CONSUMER.CREATE.S.c", config);
        let (mut wire, _) = connect(&place.addr(), &login("one"));
        let mut said = vec![request(&mut wire, "s.yes", "hello")];
        for subject in ["$JS.API.INFO", "$JS.API.STREAM.DELETE.S", "s.no", "$JS.ACK.S.c.1.1.1.1.0"] {
            wire.send(format!("PUB {subject} answers 0\r\n\r\nPING\r\n").as_bytes());
            let frames = wire.until_pong(1).expect("the PONG");
            let lines = frames.iter().filter(|frame| !frame.is_pong()).map(|frame| format!("{frame:?}"));
            said.extend(lines);
        }
        let next = request(&mut wire, "$JS.API.CONSUMER.MSG.NEXT.S.c", "");
        said.push(next);
        let info = request_to(&mut admin, "admin", "$JS.API.CONSUMER.INFO.S.c", "");
        let pending = info.find("\"num_ack_pending\"").map(|at| info[at..at + 20].to_owned());
        said.extend(pending);
        said
    }
    let (ours, real) = (talk(&Ours::start(setup)), talk(&Real::start(setup)));
    assert_eq!(ours, real);
    assert_eq!(ours.len(), 7, "{ours:?}");
}

/// JS7: streams with file storage outlive a restart of the server, those with memory storage do not.
#[test]
fn a_restart_keeps_streams_with_file_storage() {
    let bus = Bus::new();
    let server = Server::builder(&bus).jetstream(JetStreamOptions::new()).bind("127.0.0.1:0").expect("it starts");
    let addr = server.address().expect("it listens").to_string();
    let (mut wire, _) = connect(&addr, PLAIN);
    for (name, storage) in [("F", "file"), ("M", "memory")] {
        let config = format!(r#"{{"name":"{name}","subjects":["{name}.>"],"storage":"{storage}"}}"#);
        request(&mut wire, &format!("$JS.API.STREAM.CREATE.{name}"), &config);
        request(&mut wire, &format!("{name}.x"), "hello");
    }
    let config = r#"{"stream_name":"F","config":{"name":"c","durable_name":"c","ack_policy":"explicit"}}"#;
    request(&mut wire, "$JS.API.CONSUMER.CREATE.F.c", config);
    pull(&mut wire, "F");
    server.restart().expect("it listens again");
    assert_eq!(server.jetstream_report().map(|report| report.api_total), Some(0));

    let (mut wire, info) = connect(&addr, PLAIN);
    assert!(info.contains(r#""jetstream":true"#), "{info}");
    let file = request(&mut wire, "$JS.API.STREAM.INFO.F", "");
    assert!(file.contains(r#""messages":1"#) && file.contains(r#""consumer_count":1"#), "{file}");
    assert!(file.contains(&format!(r#""cluster":{{"leader":"{}"}}"#, server.name())), "{file}");
    assert!(request(&mut wire, "$JS.API.STREAM.INFO.M", "").contains("10059"));
    assert_eq!(request(&mut wire, "F.y", "again"), r#"{"stream":"F","seq":2}"#);

    server.shutdown();
    assert!(bus.connect().request("$JS.API.INFO", "").unwrap_err().is_no_responders());
    assert_eq!(server.jetstream_report(), None);
}

/// JC76.
#[test]
fn requests_that_wait_are_ended_before_their_connection_is() {
    let server =
        Server::builder(&Bus::new()).jetstream(JetStreamOptions::new()).bind("127.0.0.1:0").expect("it starts");
    let (mut wire, _) = connect(&server.address().expect("it listens").to_string(), PLAIN);
    request(&mut wire, "$JS.API.STREAM.CREATE.S", r#"{"name":"S","subjects":["s"]}"#);
    let config = r#"{"stream_name":"S","config":{"name":"c","durable_name":"c","ack_policy":"explicit"}}"#;
    request(&mut wire, "$JS.API.CONSUMER.CREATE.S.c", config);
    pull(&mut wire, "S");
    server.shutdown();
    let frames = wire.until(Frame::is_last).expect("the end");
    let ended = frames.iter().any(|frame| {
        matches!(frame, Frame::Message(message)
        if message.header.as_deref().is_some_and(|head| head.starts_with(b"NATS/1.0 409 Server Shutdown")))
    });
    assert!(ended, "{frames:?}");
}
