//! Messages that are routed by another subject than receivers see, on the wire.
//!
//! Goal: the same bytes as from a real nats-server, whose JetStream delivers a stored message to a consumer's deliver subject and shows the
//! subject that it is stored under. Method: the same raw clients on both, with a stream and a push consumer there and
//! [`Client::publish_message_to`](postroom::Client::publish_message_to) here.

use crate::wire::Wire;
use postroom::server::{ServerOptions, User};
use postroom::{Bus, Message, Permissions, Server};
use postroom_nats_tests::nats_server::{self, NatsServer};
use serde_json::{Value, json};
use std::net::SocketAddr;

/// Users, and the subject that each may not subscribe to.
const USERS: [(&str, Option<&str>); 3] = [("all", None), ("seen", Some("orders.eu")), ("routed", Some("deliver.7"))];

/// Subscribes as each user, has the messages 1 and 2 delivered, and gives back what each user is sent of the first.
fn deliveries(address: SocketAddr, deliver: impl FnOnce(&mut Wire)) -> [Vec<String>; 3] {
    let connect = |user: &str| Wire::tcp(address).connect(&format!(r#""user":"{user}","pass":"p""#));
    let mut wires = USERS.map(|(user, _)| connect(user));
    for wire in &mut wires {
        assert_eq!(wire.ask("SUB > 5\r\n"), Vec::<String>::new());
    }
    deliver(&mut connect("all"));
    let mut before: Vec<String> = Vec::new();
    while !before.last().is_some_and(|op| is_delivery(op, 2)) {
        before.push(wires[0].next().expect("a delivery"));
    }
    // The first went to all of them before the second went to any.
    let mut all = wires.map(|mut wire| wire.flush());
    all[0].splice(0..0, before);
    all.map(|ops| {
        let ops = ops.iter().filter(|op| is_delivery(op, 1));
        ops.map(|op| {
            op.split(' ')
                .map(|word| if word.starts_with("$JS.ACK.") { "$JS.ACK" } else { word })
                .collect::<Vec<_>>()
                .join(" ")
        })
        .collect()
    })
}

/// Whether this is what a consumer delivers: the publisher's own message has no reply.
fn is_delivery(op: &str, number: u32) -> bool {
    op.contains(" $JS.ACK.") && op.ends_with(&format!("|{number}"))
}

fn by_a_stream_of_nats_server() -> [Vec<String>; 3] {
    let folder = nats_server::target().join(format!("routed-{}", std::process::id()));
    let users = USERS.map(|(user, deny)| {
        let deny = deny.map(|deny| format!(", permissions: {{subscribe: {{deny: \"{deny}\"}}}}")).unwrap_or_default();
        format!("{{user: {user}, password: p{deny}}}")
    });
    let (store, users) = (folder.display().to_string(), users.join(", "));
    let server = NatsServer::start(&format!("jetstream {{store_dir: {store:?}}}\nauthorization {{users: [{users}]}}"));
    let address: SocketAddr = server.addr().parse().expect("an address");
    // nats-server delivers only while a subscription names the deliver subject itself; a wildcard does not count.
    let mut receiver = Wire::tcp(address).connect(r#""user":"all","pass":"p""#);
    assert_eq!(receiver.ask("SUB deliver.7 9\r\n"), Vec::<String>::new());
    let all = deliveries(address, |wire| {
        assert_eq!(wire.ask("SUB answers 1\r\n"), Vec::<String>::new());
        let mut ask = |subject: &str, request: &str| {
            wire.send(format!("PUB {subject} answers {}\r\n{request}\r\n", request.len()));
            let answer = wire.next().expect("an answer");
            assert!(answer.starts_with("MSG answers 1 ") && !answer.contains("\"error\""), "{answer}");
        };
        let api = |ask: &mut dyn FnMut(&str, &str), subject: &str, request: Value| {
            ask(&format!("$JS.API.{subject}"), &request.to_string());
        };
        api(&mut ask, "STREAM.CREATE.O", json!({ "name": "O", "subjects": ["orders.>"], "storage": "memory" }));
        let config = json!({ "durable_name": "C", "deliver_subject": "deliver.7", "ack_policy": "none" });
        api(&mut ask, "CONSUMER.DURABLE.CREATE.O.C", json!({ "stream_name": "O", "config": config }));
        ask("orders.eu", "1");
        ask("orders.eu", "2");
    });
    drop(server);
    // A file that can't be removed is in the target directory anyhow.
    let _ = std::fs::remove_dir_all(&folder);
    all
}

fn by_a_client_of_the_bus() -> [Vec<String>; 3] {
    let bus = Bus::new();
    let options = USERS.iter().fold(ServerOptions::new(), |options, (user, deny)| {
        let rules = deny.iter().fold(Permissions::new(), |rules, deny| rules.deny_subscribe(*deny).expect("a pattern"));
        options.user(User::new(*user, "p").permissions(rules))
    });
    let server = Server::builder(&bus).options(options).bind("127.0.0.1:0").expect("good options");
    deliveries(server.address().expect("it listens"), |_| {
        for number in ["1", "2"] {
            let message = Message::new("orders.eu", number).unwrap().with_reply("$JS.ACK.O.C.1").unwrap();
            bus.connect().publish_message_to("deliver.7", &message).unwrap();
        }
    })
}

#[test]
fn jc80_p5_a_delivery_has_its_own_subject_and_the_sid_of_the_subscription_that_was_routed_to() {
    let there = by_a_stream_of_nats_server();
    let line = vec!["MSG orders.eu 5 $JS.ACK 1|1".to_owned()];
    assert_eq!(there, [line.clone(), Vec::new(), line]);
    assert_eq!(by_a_client_of_the_bus(), there);
}
