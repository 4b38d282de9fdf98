//! Each fault on the real nats-server: the same symptom for a client, so that the fault is lawful.
//!
//! Symptoms that a wire can show are observed on both: on the kit's bus through its server, with the fault, and on the real one,
//! which is made to do it.

use crate::relay::Relay;
use crate::support::nats_server::NatsServer;
use crate::support::wire::{Frame, Wire};
use crate::wire::{PATIENCE, barrier, payload, peer, serve};
use crate::{MS, SECOND, client, kit, publish, queued};
use futures_util::StreamExt;
use postroom::Client;
use postroom::testkit::Fault;
use std::process::Command;
use std::time::Duration;

/// A message that is not there after this long does not come.
const NOTHING: Duration = Duration::from_millis(300);

pub(crate) fn signal(server: &NatsServer, name: &str) {
    let sent = Command::new("kill").args([name, &server.pid().to_string()]).status().expect("kill runs");
    assert!(sent.success());
}

/// From when this returns, none of its threads runs.
pub(crate) fn stop(server: &NatsServer) {
    signal(server, "-STOP");
    let tasks = format!("/proc/{}/task", server.pid());
    let is_stopped = || {
        std::fs::read_dir(&tasks).expect("the server is there").flatten().all(|task| {
            let stat = std::fs::read_to_string(task.path().join("stat")).unwrap_or_default();
            stat.rsplit_once(") ").is_some_and(|(_, state)| state.starts_with('T'))
        })
    };
    while !is_stopped() {
        std::thread::yield_now();
    }
}

/// One that listens where the first did, which is gone.
fn again(server: &NatsServer) -> NatsServer {
    NatsServer::start_with("", &["--port", &server.port().to_string()])
}

fn subscribed(addr: &str, name: &str, sub: &str) -> Wire {
    let mut wire = peer(addr, name);
    wire.send(format!("SUB {sub}\r\n").as_bytes());
    barrier(&mut wire);
    wire
}

fn payloads(frames: &[Frame]) -> Vec<String> {
    frames.iter().map(payload).collect()
}

fn texts(frames: &[Frame]) -> Vec<String> {
    frames.iter().filter(|frame| frame.info().is_none()).map(Frame::to_string).collect()
}

/// Until the end of the connection.
fn rest(wire: &mut Wire) -> Vec<String> {
    texts(&wire.until(|_| false).expect("an end"))
}

fn is_silent(wire: &mut Wire) -> bool {
    wire.set_patience(NOTHING);
    let silent = wire.next().is_err();
    wire.set_patience(PATIENCE);
    silent
}

#[test]
fn permission() {
    let symptom = |addr: &str| {
        let mut wire = peer(addr, "app");
        wire.send(b"PUB secret 1\r\nx\r\n");
        texts(&barrier(&mut wire))
    };
    let kit = kit(Fault::permission().on("secret"));
    let (_server, addr) = serve(&kit);
    let config = "authorization { users = [{user: u, password: p, permissions: {publish: {deny: [secret]}}}] }\n\
                  no_auth_user: u\n";
    let real = symptom(&NatsServer::start(config).addr());
    assert_eq!(real, ["-ERR 'Permissions Violation for Publish to \"secret\"'"]);
    assert_eq!(symptom(&addr), real);
}

#[test]
fn subscribe_permission() {
    let symptom = |addr: &str| {
        let mut wire = peer(addr, "app");
        wire.send(b"SUB secret 1\r\nSUB secret group 2\r\n");
        texts(&barrier(&mut wire))
    };
    let kit = kit(Fault::subscribe_permission().on("secret"));
    let (_server, addr) = serve(&kit);
    let config = "authorization { users = [{user: u, password: p, permissions: {subscribe: {deny: [secret]}}}] }\n\
                  no_auth_user: u\n";
    let real = symptom(&NatsServer::start(config).addr());
    let denied = "-ERR 'Permissions Violation for Subscription to \"secret\"";
    assert_eq!(real, [format!("{denied}'"), format!("{denied} using queue \"group\"'")]);
    assert_eq!(symptom(&addr), real);
}

#[test]
fn max_payload() {
    let symptom = |addr: &str| {
        let mut wire = peer(addr, "app");
        wire.send(b"PUB a 8\r\n12345678\r\n");
        barrier(&mut wire);
        wire.send(b"PUB a 9\r\n123456789\r\nPING\r\n");
        rest(&mut wire)
    };
    let kit = kit(Fault::max_payload(8));
    let (_server, addr) = serve(&kit);
    let real = symptom(&NatsServer::start("max_payload: 8\n").addr());
    assert_eq!(real, ["-ERR 'Maximum Payload Violation'", "(closed)"]);
    assert_eq!(symptom(&addr), real);
}

#[test]
fn no_responders() {
    let ask = |wire: &mut Wire, service: Option<&mut Wire>| {
        wire.send(b"PUB ask inbox.1 0\r\n\r\n");
        if let Some(service) = service {
            // The service has the request once its own PONG comes, if the requester has its own.
            let before = texts(&barrier(wire));
            assert_eq!((before, barrier(service).len()), (vec![], 1));
            service.send(b"PUB inbox.1 2\r\n42\r\n");
            barrier(service);
        }
        texts(&barrier(wire))
    };
    let symptom = |addr: &str, kit_has_service: bool| {
        let mut app = subscribed(addr, "app", "inbox.* 1");
        let early = kit_has_service.then(|| subscribed(addr, "service", "ask 1"));
        let first = ask(&mut app, None);
        let mut service = early.unwrap_or_else(|| subscribed(addr, "service", "ask 1"));
        (first, ask(&mut app, Some(&mut service)))
    };
    let kit = kit(Fault::no_responders().times(1));
    let (_server, addr) = serve(&kit);
    let real = symptom(&NatsServer::start("").addr(), false);
    assert!(real.0[0].starts_with("HMSG inbox.1 1 35 35␍␊NATS/1.0 503␍␊"), "{real:?}");
    assert_eq!(real.1, ["MSG inbox.1 1 2␍␊42"]);
    assert_eq!(symptom(&addr, true), real);
}

#[test]
fn disconnect() {
    // The client's view of its end, and the messages that it gets after it has come back.
    let symptom = |addr: &str, cut: &dyn Fn(&mut Wire) -> Option<NatsServer>| {
        let mut app = subscribed(addr, "app", "a 1");
        let mut other = peer(addr, "other");
        other.send(b"PUB a 6\r\nbefore\r\n");
        barrier(&mut other);
        assert_eq!(payloads(&barrier(&mut app)), ["before"]);
        let back = cut(&mut other);
        let end = rest(&mut app);
        let mut other = peer(addr, "other");
        other.send(b"PUB a 9\r\nmeanwhile\r\n");
        barrier(&mut other);
        let mut app = subscribed(addr, "app", "a 1");
        other.send(b"PUB a 5\r\nafter\r\n");
        barrier(&mut other);
        let got = payloads(&barrier(&mut app));
        drop(back);
        (end, got)
    };
    let kit = kit(Fault::disconnect(SECOND).on("cut").of("app").times(1));
    let (_server, addr) = serve(&kit);
    let ours = symptom(&addr, &|other| {
        other.send(b"PUB cut 0\r\n\r\n");
        barrier(other);
        None
    });
    let server = NatsServer::start("");
    let real = symptom(&server.addr(), &|_| {
        signal(&server, "-KILL");
        Some(again(&server))
    });
    assert_eq!(real, (vec!["(closed)".to_owned()], vec!["after".to_owned()]));
    assert_eq!(ours, real);
}

#[test]
fn what_is_published_without_a_connection_follows() {
    let ours = {
        let kit = kit(Fault::disconnect(SECOND).on("cut").of("app").times(1));
        let (app, other) = (client(&kit, "app"), client(&kit, "other"));
        let all = other.subscribe("a").unwrap();
        other.publish("cut", "").unwrap();
        publish(&app, "a", &["1", "2", "3"]);
        assert!(all.is_empty());
        kit.clock().advance(SECOND);
        queued(&all)
    };
    let server = NatsServer::start("");
    let relay = Relay::to(server.addr());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let real = runtime.block_on(async {
        let mut all = async_nats::connect(server.url()).await.unwrap().subscribe("a").await.unwrap();
        let (tell, mut events) = tokio::sync::mpsc::unbounded_channel();
        let app = async_nats::ConnectOptions::new().event_callback(move |event| {
            let tell = tell.clone();
            async move { drop(tell.send(event.to_string())) }
        });
        let app = app.connect(format!("nats://{}", relay.addr)).await.unwrap();
        assert_eq!(events.recv().await.unwrap(), async_nats::Event::Connected.to_string());
        relay.cut();
        assert_eq!(events.recv().await.unwrap(), async_nats::Event::Disconnected.to_string());
        for payload in ["1", "2", "3"] {
            app.publish("a", payload.into()).await.unwrap();
        }
        assert!(tokio::time::timeout(NOTHING, all.next()).await.is_err());
        relay.mend();
        let mut got = Vec::new();
        for _ in 0..3 {
            let message = tokio::time::timeout(PATIENCE, all.next()).await.expect("it comes").unwrap();
            got.push(String::from_utf8(message.payload.to_vec()).unwrap());
        }
        got
    });
    assert_eq!(real, ["1", "2", "3"]);
    assert_eq!(ours, real);
}

#[test]
fn slow_consumer() {
    // A client that does not read is cut off without a word, somewhere in the messages that are
    // sent to it.
    let cut_off_without_a_word = |frames: Vec<String>, sent: usize| {
        let (last, messages) = frames.split_last().expect("an end");
        let only_messages = messages.iter().all(|frame| frame.starts_with("MSG a 1 "));
        assert!(last == "(closed)" || last.starts_with("(broken"), "{last}");
        only_messages && messages.len() < sent
    };
    let real = NatsServer::start("max_pending: 2097152\n");
    let mut slow = subscribed(&real.addr(), "slow", "a 1");
    let mut fast = peer(&real.addr(), "fast");
    let payload = vec![b'x'; 1 << 20];
    for _ in 0..40 {
        fast.send(b"PUB a 1048576\r\n");
        fast.send(&payload);
        fast.send(b"\r\n");
    }
    barrier(&mut fast);
    assert!(cut_off_without_a_word(rest(&mut slow), 40));
    assert!(real.log().contains("Slow Consumer"), "{}", real.log());

    let kit = kit(Fault::slow_consumer().on("a").of("slow").messages(2..));
    let (_server, addr) = serve(&kit);
    let mut slow = subscribed(&addr, "slow", "a 1");
    publish(&client(&kit, "fast"), "a", &["1", "2", "3", "4"]);
    assert!(cut_off_without_a_word(rest(&mut slow), 4));
}

#[test]
fn delay() {
    // Nothing comes for a while, then all, in its order.
    let symptom = |addr: &str, publisher: &mut dyn FnMut(&str), ease: &dyn Fn()| {
        let mut all = subscribed(addr, "test", "a 1");
        ["1", "2"].iter().for_each(|payload| publisher(payload));
        assert!(is_silent(&mut all));
        ease();
        [(); 2].map(|()| payload(&all.next().expect("a message")))
    };
    let kit = kit(Fault::delay(SECOND).of("app"));
    let (_server, addr) = serve(&kit);
    let app = client(&kit, "app");
    let ours = symptom(&addr, &mut |payload| publish(&app, "a", &[payload]), &|| kit.clock().advance(SECOND));
    let server = NatsServer::start("");
    let mut app = peer(&server.addr(), "app");
    let mut stopped = false;
    let real = symptom(
        &server.addr(),
        &mut |payload| {
            if !std::mem::replace(&mut stopped, true) {
                stop(&server);
            }
            app.send(format!("PUB a 1\r\n{payload}\r\n").as_bytes());
        },
        &|| signal(&server, "-CONT"),
    );
    assert_eq!(real, ["1", "2"]);
    assert_eq!(ours, real);
}

#[test]
fn reorder() {
    let ours = {
        let kit = kit(Fault::reorder(1).of("a").times(1));
        let all = kit.client().subscribe("x").unwrap();
        let (a, b) = (client(&kit, "a"), client(&kit, "b"));
        publish(&a, "x", &["a1", "a2"]);
        publish(&b, "x", &["b1"]);
        queued(&all)
    };
    // A is first to send, and has not sent all of it when B does.
    let server = NatsServer::start("");
    let mut all = subscribed(&server.addr(), "test", "x 1");
    let (mut a, mut b) = (peer(&server.addr(), "a"), peer(&server.addr(), "b"));
    a.send(b"PUB x 2\r\na");
    b.send(b"PUB x 2\r\nb1\r\n");
    barrier(&mut b);
    a.send(b"1\r\nPUB x 2\r\na2\r\n");
    barrier(&mut a);
    let real = payloads(&barrier(&mut all));
    assert_eq!(real, ["b1", "a1", "a2"]);
    assert_eq!(ours, real);
}

#[test]
fn late_subscription() {
    let ours = {
        let kit = kit(Fault::late_subscription(1).of("app"));
        let all = client(&kit, "app").subscribe("a").unwrap();
        publish(&client(&kit, "other"), "a", &["1", "2"]);
        queued(&all)
    };
    // The SUB is on its way while another publishes.
    let server = NatsServer::start("");
    let (mut app, mut other) = (peer(&server.addr(), "app"), peer(&server.addr(), "other"));
    app.send(b"SUB a ");
    other.send(b"PUB a 1\r\n1\r\n");
    barrier(&mut other);
    app.send(b"1\r\n");
    let mut real = payloads(&barrier(&mut app));
    other.send(b"PUB a 1\r\n2\r\n");
    barrier(&mut other);
    real.extend(payloads(&barrier(&mut app)));
    assert_eq!(real, ["2"]);
    assert_eq!(ours, real);
}

#[test]
fn lost_answer() {
    // The request is answered, and the requester never hears of it.
    let ours = {
        let kit = kit(Fault::lost_answer().times(1));
        let (_server, addr) = serve(&kit);
        let mut app = subscribed(&addr, "app", "inbox.* 1");
        let service = client(&kit, "service");
        let _answers = service.subscribe_fn("ask", |question| drop(question.respond("42"))).unwrap();
        app.send(b"PUB ask inbox.1 0\r\n\r\n");
        barrier(&mut app);
        assert_eq!(service.stats().traffic.published, 0, "the answer went nowhere");
        is_silent(&mut app)
    };
    let server = NatsServer::start("");
    let mut app = subscribed(&server.addr(), "app", "inbox.* 1");
    let mut service = subscribed(&server.addr(), "service", "ask 1");
    app.send(b"PUB ask inbox.1 0\r\n\r\n");
    barrier(&mut app);
    assert_eq!(barrier(&mut service).len(), 1);
    // The answer is written, and the server ends before it is read.
    stop(&server);
    service.send(b"PUB inbox.1 2\r\n42\r\n");
    signal(&server, "-KILL");
    assert_eq!(rest(&mut app), ["(closed)"]);
    let back = again(&server);
    let mut app = subscribed(&back.addr(), "app", "inbox.* 1");
    let real = is_silent(&mut app);
    assert!(ours && real);
}

#[test]
fn member_away() {
    // A member that leaves in the middle misses the messages that the others get, and each message
    // is got by some member.
    let server = NatsServer::start("");
    let mut members = ["1", "2"].map(|name| subscribed(&server.addr(), name, "q g 1"));
    let mut app = peer(&server.addr(), "app");
    let mut send = |count: usize| {
        (0..count).for_each(|_| app.send(b"PUB q 0\r\n\r\n"));
        barrier(&mut app);
    };
    send(100);
    members[0].send(b"UNSUB 1\r\n");
    let before = barrier(&mut members[0]).len();
    send(50);
    assert_eq!(barrier(&mut members[0]).len(), 0);
    members[0].send(b"SUB q g 1\r\n");
    barrier(&mut members[0]);
    send(100);
    let (first, second) = (before + barrier(&mut members[0]).len(), barrier(&mut members[1]).len());
    assert_eq!(first + second, 250);
    assert!(before > 10 && first > before + 10, "{before} and then {first}");

    let kit = kit(Fault::member_away(50).of("1").messages(30..).times(1));
    let all: Vec<(Client, _)> = ["1", "2"]
        .map(|name| client(&kit, name))
        .map(|member| {
            let queue = member.queue_subscribe("q", "g").unwrap();
            (member, queue)
        })
        .into();
    for _ in 0..250 {
        client(&kit, "app").publish("q", "").unwrap();
    }
    let (first, second) = (all[0].1.len(), all[1].1.len());
    assert_eq!(first + second, 250);
    assert!(first > 40 && first + 40 < second, "{first} and {second}");
}

#[test]
fn redelivery() {
    let ours = {
        let kit = kit(Fault::redelivery_after(MS * 200).times(1));
        let jobs = client(&kit, "worker").subscribe("jobs").unwrap();
        publish(&client(&kit, "app"), "jobs", &["1", "2"]);
        kit.clock().advance(MS * 200);
        queued(&jobs)
    };
    let folder = std::env::temp_dir().join(format!("postroom-chaos-{}", std::process::id()));
    let config = format!("jetstream {{ store_dir: \"{}\" }}\n", folder.display());
    let server = NatsServer::start(&config);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let real = runtime.block_on(async {
        use async_nats::jetstream::{self, consumer, stream};
        let context = jetstream::new(async_nats::connect(server.url()).await.unwrap());
        let config = stream::Config { name: "JOBS".into(), subjects: vec!["jobs".into()], ..Default::default() };
        let stream = context.create_stream(config).await.unwrap();
        let pull = consumer::pull::Config {
            durable_name: Some("worker".into()),
            ack_wait: Duration::from_millis(200),
            ..Default::default()
        };
        let worker = stream.create_consumer(pull).await.unwrap();
        for payload in ["1", "2"] {
            context.publish("jobs", payload.into()).await.unwrap().await.unwrap();
        }
        let mut messages = worker.messages().await.unwrap();
        let mut got = Vec::new();
        while got.len() < 3 {
            let message = messages.next().await.unwrap().unwrap();
            let payload = String::from_utf8(message.payload.to_vec()).unwrap();
            let first = message.info().unwrap().delivered == 1;
            // The first acknowledgement of the first message is lost.
            if !(first && payload == "1") {
                message.ack().await.unwrap();
            }
            got.push(payload);
        }
        got
    });
    drop(server);
    drop(std::fs::remove_dir_all(folder));
    assert_eq!(real, ["1", "2", "1"]);
    assert_eq!(ours, real);
}

#[test]
fn slow_delivery() {
    // The messages of the other client while the slow one has none, and those of the slow one at
    // last.
    let ours = {
        let kit = kit(Fault::slow_delivery(SECOND).of("slow").times(1));
        let (slow, other, app) = (client(&kit, "slow"), client(&kit, "other"), client(&kit, "app"));
        let (late, soon) = (slow.subscribe("a").unwrap(), other.subscribe("a").unwrap());
        publish(&app, "a", &["1", "2"]);
        let soon = queued(&soon);
        assert!(late.is_empty());
        kit.clock().advance(SECOND);
        (soon, queued(&late))
    };
    let server = NatsServer::start("");
    let relay = Relay::to(server.addr());
    let mut slow = subscribed(&relay.addr.to_string(), "slow", "a 1");
    let (mut other, mut app) = (subscribed(&server.addr(), "other", "a 1"), peer(&server.addr(), "app"));
    relay.stop();
    app.send(b"PUB a 1\r\n1\r\nPUB a 1\r\n2\r\n");
    barrier(&mut app);
    let soon = payloads(&barrier(&mut other));
    assert!(is_silent(&mut slow));
    relay.go_on();
    assert_eq!(ours, (soon, payloads(&barrier(&mut slow))));
    assert_eq!(ours.1, ["1", "2"]);
}
