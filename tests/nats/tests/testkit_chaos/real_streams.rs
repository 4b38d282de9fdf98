//! Each fault of JetStream on the real nats-server: the same symptom for a client, so that the fault is lawful.

use crate::kit;
use crate::real::{signal, stop};
use crate::relay::Relay;
use crate::support::nats_server::{NatsServer, target};
use crate::support::wire::{Delivery, Frame, Wire};
use crate::wire::{PATIENCE, barrier, peer, serve};
use postroom::jetstream::{JetStreamOptions, JetStreamServer};
use postroom::testkit::Fault;
use postroom::{Server, TestKit};
use std::path::PathBuf;
use std::time::Duration;

const MS: Duration = Duration::from_millis(1);
const ACK_WAIT: Duration = Duration::from_millis(500);

/// JetStream on a kit's bus, for wire clients.
struct Ours {
    kit: TestKit,
    addr: String,
    _streams: JetStreamServer,
    _server: Server,
}

fn ours(fault: Fault) -> Ours {
    let kit = kit(fault);
    let _streams = JetStreamServer::start(kit.bus(), JetStreamOptions::new()).unwrap();
    let (_server, addr) = serve(&kit);
    Ours { kit, addr, _streams, _server }
}

/// The real server, with a folder of its own for what it stores.
struct Real {
    folder: PathBuf,
    config: String,
}

impl Real {
    fn new(test: &str) -> Self {
        let folder = target().join(format!("chaos-streams-{test}-{}", std::process::id()));
        let config = format!("jetstream {{ store_dir: {:?} }}\n", folder.display().to_string());
        Real { folder, config }
    }

    fn start(&self) -> NatsServer {
        NatsServer::start(&self.config)
    }
}

impl Drop for Real {
    fn drop(&mut self) {
        // Not there if the server never started.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// A client that asks.
struct Asker {
    wire: Wire,
    name: &'static str,
    asked: u32,
}

impl Asker {
    fn new(addr: &str, name: &'static str) -> Self {
        let mut wire = peer(addr, name);
        wire.send(format!("SUB _R.{name}.* 1\r\n").as_bytes());
        barrier(&mut wire);
        Asker { wire, name, asked: 0 }
    }

    fn inbox(&mut self) -> String {
        self.asked += 1;
        format!("_R.{}.{}", self.name, self.asked)
    }

    fn send(&mut self, subject: &str, body: &str) {
        let line = format!("PUB {subject} {} {}\r\n{body}\r\n", self.inbox(), body.len());
        self.wire.send(line.as_bytes());
    }

    fn next(&mut self) -> Delivery {
        let found = self.wire.until(|frame| matches!(frame, Frame::Message(_)));
        match found.unwrap_or_else(|(frames, stalled)| panic!("{stalled:?} after {frames:?}")).pop() {
            Some(Frame::Message(message)) => message,
            other => panic!("{other:?}"),
        }
    }

    fn ask(&mut self, subject: &str, body: &str) -> String {
        self.send(subject, body);
        String::from_utf8(self.next().payload).unwrap()
    }

    /// A stream with one message, and a consumer.
    fn set_up(&mut self, consumer: &str) {
        let made = self.ask("$JS.API.STREAM.CREATE.S", r#"{"name":"S","subjects":["s.*"],"storage":"file"}"#);
        assert!(made.contains(r#""name":"S""#), "{made}");
        assert!(self.ask("s.1", "hello").contains(r#""seq":1"#));
        let body = format!(r#"{{"stream_name":"S","config":{{"ack_policy":"explicit",{consumer}}}}}"#);
        let made = self.ask("$JS.API.CONSUMER.CREATE.S.c", &body);
        assert!(made.contains(r#""name":"c""#), "{made}");
    }

    /// The status that comes next.
    fn status(&mut self) -> String {
        String::from_utf8(self.next().header.expect("a status")).unwrap()
    }
}

const NEXT: &str = "$JS.API.CONSUMER.MSG.NEXT.S.c";
const EXPIRES: &str = r#"{"batch":3,"expires":10000000000}"#;
const DURABLE: &str = r#""durable_name":"c","ack_wait":500000000"#;

/// How often a message was delivered, by its reply subject.
fn deliveries(message: &Delivery) -> String {
    let reply = String::from_utf8(message.reply.clone().expect("it is acknowledged there")).unwrap();
    reply.split('.').nth(4).unwrap().to_owned()
}

#[test]
fn lost_ack() {
    // The acknowledgement is sent, and the message comes again.
    let ours = {
        let ours = ours(Fault::lost_ack().times(1));
        let mut app = Asker::new(&ours.addr, "app");
        app.set_up(DURABLE);
        app.send(NEXT, EXPIRES);
        let first = app.next();
        app.send(&String::from_utf8(first.reply.clone().unwrap()).unwrap(), "+ACK");
        barrier(&mut app.wire);
        ours.kit.advance(ACK_WAIT);
        [deliveries(&first), deliveries(&app.next())]
    };
    let place = Real::new("lost-ack");
    let server = place.start();
    let relay = Relay::to(server.addr());
    let mut app = Asker::new(&relay.addr.to_string(), "app");
    app.set_up(DURABLE);
    app.send(NEXT, EXPIRES);
    let first = app.next();
    // A part of it is on its way when the network breaks.
    let reply = String::from_utf8(first.reply.clone().unwrap()).unwrap();
    app.wire.send(format!("PUB {reply} 4\r\n+A").as_bytes());
    relay.cut();
    let mut app = Asker::new(&server.addr(), "again");
    app.send(NEXT, EXPIRES);
    let real = [deliveries(&first), deliveries(&app.next())];
    assert_eq!(real, ["1", "2"]);
    assert_eq!(ours, real);
}

#[test]
fn lost_acknowledgement_of_a_publish() {
    // The publisher hears nothing, publishes again, and hears that it was stored before.
    const HEAD: &str = "NATS/1.0\r\nNats-Msg-Id: 1\r\n\r\n";
    let publish = |app: &mut Asker| {
        let line = format!("HPUB s.2 {} {} {}\r\n{HEAD}\r\n", app.inbox(), HEAD.len(), HEAD.len());
        app.wire.send(line.as_bytes());
    };
    let again = |app: &mut Asker| {
        publish(app);
        String::from_utf8(app.next().payload).unwrap()
    };
    let ours = {
        let ours = ours(Fault::lost_answer().on("s.2").times(1));
        let mut app = Asker::new(&ours.addr, "app");
        app.set_up(DURABLE);
        publish(&mut app);
        assert!(barrier(&mut app.wire).is_empty());
        again(&mut app)
    };
    let place = Real::new("lost-pub-ack");
    let server = place.start();
    let mut app = Asker::new(&server.addr(), "app");
    app.set_up(DURABLE);
    // Its connection ends before the acknowledgement comes.
    let mut gone = Asker::new(&server.addr(), "gone");
    gone.wire.send(b"UNSUB 1\r\n");
    publish(&mut gone);
    barrier(&mut gone.wire);
    drop(gone);
    while !app.ask("$JS.API.STREAM.INFO.S", "").contains(r#""messages":2"#) {}
    let real = again(&mut app);
    assert_eq!(real, r#"{"stream":"S","seq":2,"duplicate": true}"#);
    assert_eq!(ours, real);
}

#[test]
fn late_redelivery() {
    // A redelivery comes later than its time, and a newer message before it.
    let ours = {
        let ours = ours(Fault::late_redelivery(MS * 700));
        let mut app = Asker::new(&ours.addr, "app");
        app.set_up(DURABLE);
        app.send(NEXT, EXPIRES);
        let first = app.next();
        ours.kit.advance(ACK_WAIT);
        assert!(barrier(&mut app.wire).is_empty(), "it is late");
        ours.kit.advance(MS * 700);
        [deliveries(&first), deliveries(&app.next())]
    };
    let place = Real::new("late");
    let server = place.start();
    let mut app = Asker::new(&server.addr(), "app");
    app.set_up(DURABLE);
    app.send(NEXT, EXPIRES);
    let first = app.next();
    // The server has no time to run while the redelivery is due.
    stop(&server);
    app.wire.set_patience(ACK_WAIT + MS * 700);
    assert!(app.wire.next().is_err(), "it is late");
    app.wire.set_patience(PATIENCE);
    signal(&server, "-CONT");
    let real = [deliveries(&first), deliveries(&app.next())];
    assert_eq!(real, ["1", "2"]);
    assert_eq!(ours, real);
}

#[test]
fn consumer_deleted() {
    let consumer = r#""durable_name":"c","filter_subject":"s.none""#;
    let ours = {
        let ours = ours(Fault::consumer_deleted());
        let mut app = Asker::new(&ours.addr, "app");
        app.set_up(consumer);
        app.send(NEXT, EXPIRES);
        app.status()
    };
    let place = Real::new("deleted");
    let server = place.start();
    let mut app = Asker::new(&server.addr(), "app");
    app.set_up(consumer);
    app.send(NEXT, EXPIRES);
    barrier(&mut app.wire);
    Asker::new(&server.addr(), "other").ask("$JS.API.CONSUMER.DELETE.S.c", "");
    let real = app.status();
    assert_eq!(real, "NATS/1.0 409 Consumer Deleted\r\n\r\n");
    assert_eq!(ours, real);
}

#[test]
fn consumer_gone() {
    let consumer = r#""name":"c","inactive_threshold":100000000"#;
    let ours = {
        let ours = ours(Fault::consumer_gone());
        let mut app = Asker::new(&ours.addr, "app");
        app.set_up(consumer);
        app.send(NEXT, EXPIRES);
        app.status()
    };
    let place = Real::new("gone");
    let server = place.start();
    let mut app = Asker::new(&server.addr(), "app");
    app.set_up(consumer);
    while !app.ask("$JS.API.CONSUMER.NAMES.S", "").contains(r#""consumers":[]"#) {}
    app.send(NEXT, EXPIRES);
    let real = app.status();
    assert!(real.starts_with("NATS/1.0 503\r\n"), "{real}");
    assert!(ours.starts_with("NATS/1.0 503\r\n"), "{ours}");
}

#[test]
fn pull_ended() {
    let consumer = r#""durable_name":"c","filter_subject":"s.none""#;
    let ours = {
        let ours = ours(Fault::pull_ended());
        let mut app = Asker::new(&ours.addr, "app");
        app.set_up(consumer);
        app.send(NEXT, EXPIRES);
        app.status()
    };
    let place = Real::new("ended");
    let server = place.start();
    let mut app = Asker::new(&server.addr(), "app");
    app.set_up(consumer);
    app.send(NEXT, EXPIRES);
    barrier(&mut app.wire);
    signal(&server, "-TERM");
    let real = app.status();
    assert!(real.starts_with("NATS/1.0 409 Server Shutdown\r\n"), "{real}");
    assert_eq!(ours, real);
}
