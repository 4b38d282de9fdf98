//! Clients on the wire and clients in process are one company: subjects, groups, requests and their ends.

use crate::fixture::*;
use postroom::request::RequestManyOptions;
use postroom::server::ServerOptions;
use postroom::{HeaderMap, StatusCode, SubscribeOptions};
use std::collections::BTreeMap;

const NONE: [&str; 0] = [];

#[test]
fn s9_c15_messages_go_in_both_directions_and_a_pong_is_a_barrier() {
    Fixture::each(ServerOptions::new(), |fixture| {
        let client = fixture.client();
        let inside = client.subscribe("to.inside.>").unwrap();
        let mut wire = fixture.wire();
        assert_eq!(wire.ask("SUB to.wire.* 7\r\n"), NONE);
        // In force: the PONG came.
        assert_eq!(client.publish("to.wire.a", "1").unwrap(), 1);
        assert_eq!(wire.ask("PUB to.inside.a.b back 1\r\n2\r\n"), ["MSG to.wire.a 7 1|1"]);
        // C16: routed, into a queue in the process too: the PONG came.
        let got = inside.try_recv().unwrap();
        assert_eq!(
            (got.subject().as_str(), got.payload(), got.reply().unwrap().as_str()),
            ("to.inside.a.b", &b"2"[..], "back")
        );
        assert_eq!(client.publish_with_reply("to.wire.b", "answers", "").unwrap(), 1);
        assert_eq!(wire.flush(), ["MSG to.wire.b 7 answers 0|"]);
    });
}

#[test]
fn c15_one_clients_barrier_counts_for_another() {
    Fixture::each(ServerOptions::new(), |fixture| {
        let (mut a, mut b) = (fixture.wire(), fixture.wire());
        for round in 0..200 {
            let subject = format!("round.{round}");
            assert_eq!(b.ask(format!("SUB {subject} {round}\r\n")), NONE);
            assert_eq!(a.ask(format!("PUB {subject} 1\r\nx\r\n")), NONE);
            assert_eq!(b.ask(format!("UNSUB {round}\r\n")), [format!("MSG {subject} {round} 1|x")]);
            assert_eq!(a.ask(format!("PUB {subject} 1\r\nx\r\n")), NONE);
            assert_eq!(b.flush(), NONE);
        }
    });
}

#[test]
fn q1_a_group_of_both_kinds_gets_each_message_once() {
    Fixture::each(ServerOptions::new(), |fixture| {
        let client = fixture.client();
        let inside = [(); 2].map(|()| client.queue_subscribe("work.*", "workers").unwrap());
        let mut outside = [fixture.wire(), fixture.wire()];
        for wire in &mut outside {
            assert_eq!(wire.ask("SUB work.> workers 1\r\n"), NONE);
        }
        let mut publisher = fixture.wire();
        for n in 0..200 {
            match n % 2 {
                0 => assert_eq!(client.publish("work.x", n.to_string()).unwrap(), 1),
                _ => publisher.send(format!("PUB work.x {}\r\n{n}\r\n", n.to_string().len())),
            }
        }
        assert_eq!(publisher.flush(), NONE);
        let mut shares: Vec<Vec<u32>> = Vec::new();
        for subscriber in &inside {
            shares.push(subscriber.try_iter().map(|got| got.payload_str().unwrap().parse().unwrap()).collect());
        }
        for wire in &mut outside {
            let number = |op: String| op.split('|').nth(1).unwrap().parse().unwrap();
            shares.push(wire.flush().into_iter().map(number).collect());
        }
        // Q3: each member has a share.
        assert!(shares.iter().all(|share| share.len() > 10), "{shares:?}");
        let mut all: Vec<_> = shares.concat();
        all.sort_unstable();
        assert_eq!(all, (0..200).collect::<Vec<_>>());
    });
}

#[test]
fn q2_q5_plain_subscriptions_each_get_a_copy_beside_the_group() {
    Fixture::each(ServerOptions::new(), |fixture| {
        let client = fixture.client();
        let plain = client.subscribe("work").unwrap();
        let member = client.queue_subscribe("*", "g").unwrap();
        let mut wire = fixture.wire();
        assert_eq!(wire.ask("SUB work 1\r\nSUB work 2\r\nSUB work g 3\r\nSUB > g 4\r\n"), NONE);
        assert_eq!(client.publish("work", "x").unwrap(), 4);
        let mut got = wire.flush();
        got.retain(|op| op != "MSG work 1 1|x" && op != "MSG work 2 1|x");
        // Q2: members of one group, whatever their patterns.
        assert_eq!(got.len() + member.len(), 1);
        assert_eq!(plain.len(), 1);
    });
}

#[test]
fn q4_an_ended_member_leaves_the_group_to_the_others() {
    Fixture::each(ServerOptions::new(), |fixture| {
        let client = fixture.client();
        let member = client.queue_subscribe("work", "g").unwrap();
        let mut wire = fixture.wire();
        assert_eq!(wire.ask("SUB work g 1\r\nUNSUB 1 3\r\n"), NONE);
        for _ in 0..50 {
            assert_eq!(client.publish("work", "x").unwrap(), 1);
        }
        assert_eq!(wire.flush().len(), 3, "D2, Q8: the limit is the member's own");
        assert_eq!(member.len(), 47);
    });
}

#[test]
fn r1_requests_go_in_both_directions() {
    Fixture::each(ServerOptions::new(), |fixture| {
        let client = fixture.client();
        let _service = client.subscribe_fn("svc.inside", |question| {
            let answer = format!("inside: {}", question.payload_str().unwrap());
            question.respond(answer).unwrap();
        });
        let mut wire = fixture.wire();
        assert_eq!(wire.ask("SUB inbox.* 1\r\nPUB svc.inside inbox.a 2\r\nhi\r\n"), ["MSG inbox.a 1 10|inside: hi"]);

        assert_eq!(wire.ask("SUB svc.wire workers 2\r\n"), NONE);
        let asked = client.request_many("svc.wire", "hi", RequestManyOptions::new().max(1)).unwrap();
        let question = wire.flush().remove(0);
        let words: Vec<_> = question.split([' ', '|']).collect();
        let ["MSG", "svc.wire", "2", inbox, "2", "hi"] = words[..] else { panic!("{question}") };
        assert_eq!(wire.ask(format!("PUB {inbox} 6\r\nanswer\r\n")), NONE);
        let answers: Vec<_> = asked.into_iter().map(|answer| answer.payload().to_vec()).collect();
        assert_eq!(answers, [b"answer"]);
    });
}

#[test]
fn r2_r3_nobody_to_answer_is_known_at_once_in_both_directions() {
    Fixture::each(ServerOptions::new(), |fixture| {
        let mut wire = fixture.wire();
        let status =
            |inbox: &str, sid: u32| format!(r"HMSG {inbox} {sid} 38 38|NATS/1.0 503\r\nNats-Subject: nobody\r\n\r\n");
        assert_eq!(wire.ask("SUB inb.* 2\r\nPUB nobody inb.1 0\r\n\r\n"), [status("inb.1", 2)]);
        // R5, X4: it does not count.
        assert_eq!(wire.ask("UNSUB 2 1\r\nPUB nobody inb.2 0\r\n\r\n"), [status("inb.2", 2)]);
        assert_eq!(wire.ask("PUB inb.3 0\r\n\r\n"), ["MSG inb.3 2 0|"]);
        // X6: a queue member gets none; nor does another's inbox (R4).
        let mut other = fixture.wire();
        assert_eq!(other.ask("SUB inb.* 1\r\n"), NONE);
        assert_eq!(wire.ask("SUB inb.* q 3\r\nPUB nobody inb.4 0\r\n\r\n"), NONE);
        assert_eq!(other.flush(), ["MSG inb.3 1 0|"][..0]);
        // Nor one that did not ask for it.
        let mut quiet = fixture.wire_with(r#""no_responders":false"#);
        assert_eq!(quiet.ask("SUB inb.* 1\r\nPUB nobody inb.5 0\r\n\r\n"), NONE);

        let client = fixture.client();
        assert!(client.request("nobody", "").unwrap_err().is_no_responders());
        let inbox = client.subscribe("in.*").unwrap();
        assert_eq!(client.publish_with_reply("nobody", "in.1", "").unwrap(), 0);
        assert_eq!(inbox.try_recv().unwrap().status(), Some(StatusCode::NO_RESPONDERS));
        // A subscriber on the wire counts as a responder.
        assert_eq!(wire.ask("SUB nobody 9\r\n"), NONE);
        assert_eq!(client.publish_with_reply("nobody", "in.2", "").unwrap(), 1);
        assert_eq!(wire.flush(), ["MSG nobody 9 in.2 0|"]);
        assert!(inbox.is_empty());
        // And there is no responder again, once it is gone.
        drop(wire);
        fixture.wait_for_connections(2);
        assert!(client.request("nobody", "").unwrap_err().is_no_responders());
    });
}

#[test]
fn r2_someone_in_process_who_takes_it_is_a_responder() {
    Fixture::each(ServerOptions::new(), |fixture| {
        let inside = fixture.client().subscribe("svc").unwrap();
        let mut wire = fixture.wire();
        assert_eq!(wire.ask("SUB inb 1\r\nPUB svc inb 0\r\n\r\n"), NONE);
        assert_eq!(inside.len(), 1);
        drop(inside);
        assert_eq!(wire.ask("PUB svc inb 0\r\n\r\n").len(), 1);
    });
}

#[test]
fn h1_h7_headers_mean_the_same_on_both_sides() {
    Fixture::each(ServerOptions::new(), |fixture| {
        let client = fixture.client();
        let inside = client.subscribe("in").unwrap();
        let mut wire = fixture.wire();
        assert_eq!(wire.ask("SUB out 1\r\nHPUB in 30 32\r\nNATS/1.0\r\nA: 1\r\na: 2\r\nA: 3\r\n\r\nhi\r\n"), NONE);
        let got = inside.try_recv().unwrap();
        assert_eq!(got.headers().get_all("A").collect::<Vec<_>>(), ["1", "3"]);
        assert_eq!(got.headers().get("a"), Some("2"));
        assert_eq!(got.payload(), b"hi");
        let mut headers = HeaderMap::new();
        headers.insert("Id", "7").unwrap();
        client.publish_with_headers("out", headers, "x").unwrap();
        assert_eq!(wire.flush(), [r"HMSG out 1 19 20|NATS/1.0\r\nId: 7\r\n\r\nx"]);
    });
}

#[test]
fn h2_header_blocks_pass_untouched_whatever_they_hold() {
    Fixture::each(ServerOptions::new(), |fixture| {
        let client = fixture.client();
        let inside = client.subscribe("foo").unwrap();
        let (mut from, mut to) = (fixture.wire(), fixture.wire());
        assert_eq!(to.ask("SUB foo 1\r\n"), NONE);
        assert_eq!(from.ask("HPUB foo 5 7\r\nABCDEhi\r\nHPUB foo 0 2\r\nhi\r\n"), NONE);
        // H3: a header block of no bytes counts as none.
        assert_eq!(to.flush(), ["HMSG foo 1 5 7|ABCDEhi", "MSG foo 1 2|hi"]);
        let block = "NATS/1.0   200  Odd \r\nb:2\r\nA:   1\r\nb: 3\r\n folded\r\n\r\n";
        assert_eq!(from.ask(format!("HPUB foo r {0} {0}\r\n{block}\r\n", block.len())), NONE);
        let escaped = block.escape_default().to_string();
        assert_eq!(to.flush(), [format!("HMSG foo 1 r {0} {0}|{escaped}", block.len())]);
        // In process, too, the bytes are there.
        let blocks: Vec<_> = inside.try_iter().map(|got| got.header_block().map(|block| block.to_vec())).collect();
        assert_eq!(blocks, [Some(b"ABCDE".to_vec()), None, Some(block.as_bytes().to_vec())]);
    });
}

#[test]
fn h5_who_knows_no_headers_gets_the_payload_alone() {
    Fixture::each(ServerOptions::new(), |fixture| {
        let client = fixture.client();
        let mut old = fixture.wire_with(r#""headers":false,"no_responders":false"#);
        assert_eq!(old.ask("SUB foo 1\r\n"), NONE);
        let mut headers = HeaderMap::new();
        headers.insert("Id", "7").unwrap();
        client.publish_with_headers("foo", headers.clone(), "hi").unwrap();
        client.publish_with_headers("foo", headers, "").unwrap();
        assert_eq!(old.flush(), ["MSG foo 1 2|hi", "MSG foo 1 0|"]);
        // H4: and may send none.
        old.send("HPUB foo 12 12\r\nNATS/1.0\r\n\r\n\r\n");
        assert_eq!(old.rest(), NONE);
    });
}

#[test]
fn c25_without_echo_only_others_get_it() {
    Fixture::each(ServerOptions::new(), |fixture| {
        let inside = fixture.client().subscribe("foo").unwrap();
        let mut wire = fixture.wire_with(r#""echo":false"#);
        assert_eq!(wire.ask("SUB foo 1\r\nPUB foo 1\r\nx\r\n"), NONE);
        assert_eq!(inside.len(), 1);
        fixture.client().publish("foo", "y").unwrap();
        assert_eq!(wire.flush(), ["MSG foo 1 1|y"]);
        // Q4: the foreign member of the group gets each.
        let member = fixture.client().queue_subscribe("work", "g").unwrap();
        assert_eq!(wire.ask("SUB work g 2\r\n"), NONE);
        for _ in 0..20 {
            wire.send("PUB work 0\r\n\r\n");
        }
        assert_eq!(wire.flush(), NONE);
        assert_eq!(member.len(), 20);
        // X5: without another subscriber there is no responder.
        let ops = wire.ask("SUB own 3\r\nSUB inb 4\r\nPUB own inb 0\r\n\r\n");
        assert_eq!(ops, [r"HMSG inb 4 35 35|NATS/1.0 503\r\nNats-Subject: own\r\n\r\n"]);
    });
}

#[test]
fn d1_d2_d3_limits_count_deliveries_of_the_whole_life() {
    Fixture::each(ServerOptions::new(), |fixture| {
        let client = fixture.client();
        let mut wire = fixture.wire();
        let publish = |count: usize| (0..count).map(|_| client.publish("foo", "x").unwrap()).sum::<usize>();
        // X3.
        assert_eq!(wire.ask("SUB foo 1\r\n"), NONE);
        assert_eq!(publish(2), 2);
        assert_eq!(wire.ask("UNSUB 1 3\r\n").len(), 2);
        assert_eq!(publish(4), 1);
        assert_eq!(wire.flush().len(), 1);
        assert!(!client.has_interest("foo"));
        // C24: and then the sid is free again.
        assert_eq!(wire.ask("SUB foo 1\r\nUNSUB 1 5\r\nUNSUB 1 2\r\n"), NONE);
        assert_eq!(publish(4), 2);
        assert_eq!(wire.flush().len(), 2, "D3");
        for end in ["UNSUB 2\r\n", "UNSUB 2 0\r\n", "UNSUB 2 x\r\n"] {
            assert_eq!(wire.ask("SUB foo 2\r\n"), NONE);
            assert_eq!(publish(1), 1);
            assert_eq!(wire.ask(end), ["MSG foo 2 1|x"]);
            assert_eq!(publish(1), 0, "{end}");
        }
        assert_eq!(wire.ask("UNSUB 99\r\nUNSUB 99 3\r\n"), NONE, "D1");
        assert_eq!(fixture.bus.stats().subscriptions, 0);
    });
}

#[test]
fn d2_when_the_last_message_has_come_the_subscription_is_gone_for_publishers_too() {
    Fixture::each(ServerOptions::new(), |fixture| {
        let mut wire = fixture.wire();
        assert_eq!(wire.ask("SUB inb 1\r\nUNSUB 1 1\r\nSUB r 2\r\n"), NONE);
        let client = fixture.client();
        assert_eq!(client.publish("inb", "").unwrap(), 1);
        assert!(!fixture.bus.has_interest("inb"));
        assert_eq!(client.publish("inb", "").unwrap(), 0);
        // R2: subscriptions that have reached their limit do not count as responders.
        let ops = wire.ask("PUB inb r 0\r\n\r\n");
        assert_eq!(ops, ["MSG inb 1 0|", r"HMSG r 2 35 35|NATS/1.0 503\r\nNats-Subject: inb\r\n\r\n"]);
    });
}

#[test]
fn d7_what_was_published_before_the_unsub_arrives_before_the_pong() {
    Fixture::each(ServerOptions::new(), |fixture| {
        let mut wire = fixture.wire();
        assert_eq!(wire.ask("SUB foo 1\r\n"), NONE);
        let client = fixture.client();
        for _ in 0..100 {
            client.publish("foo", "x").unwrap();
        }
        assert_eq!(wire.ask("UNSUB 1\r\n").len(), 100);
        assert_eq!(client.publish("foo", "x").unwrap(), 0);
    });
}

#[test]
fn d8_an_in_process_drain_hands_over_what_wire_clients_published() {
    Fixture::each(ServerOptions::new(), |fixture| {
        let client = fixture.client();
        let inside = client.subscribe("foo").unwrap();
        let mut wire = fixture.wire();
        assert_eq!(wire.ask("PUB foo 1\r\na\r\nPUB foo 1\r\nb\r\n"), NONE);
        let drain = client.drain();
        assert_eq!(wire.ask("PUB foo 1\r\nc\r\n"), NONE);
        let got: Vec<_> = inside.iter().map(|got| got.payload().to_vec()).collect();
        assert_eq!(got, [b"a", b"b"]);
        drain.wait();
        assert!(client.is_closed());
    });
}

#[test]
fn s6_s7_what_is_no_subject_to_others_reaches_wildcards_or_nobody() {
    Fixture::each(ServerOptions::new(), |fixture| {
        let client = fixture.client();
        let all = client.subscribe(">").unwrap();
        let literal = client.subscribe("foo.bar").unwrap();
        let mut wire = fixture.wire();
        // X7.
        assert_eq!(wire.ask("SUB foo.* 1\r\nSUB foo.bar 2\r\nPUB foo.* 2\r\nhi\r\n"), ["MSG foo.* 1 2|hi"]);
        assert_eq!(all.try_recv().unwrap().subject(), "foo.*");
        assert!(literal.is_empty());
        for nowhere in ["foo.", ".foo", "foo..bar", "."] {
            assert_eq!(wire.ask(format!("PUB {nowhere} 0\r\n\r\n")), NONE, "{nowhere}");
        }
        assert!(all.is_empty());
        // In process the same is refused, with the reason.
        client.publish("foo.*", "").unwrap_err();
    });
}

#[test]
fn a_callback_in_process_may_publish_to_the_wire_that_it_serves() {
    Fixture::each(ServerOptions::new(), |fixture| {
        let client = fixture.client();
        let again = client.clone();
        let _guard = client.subscribe_fn("in", move |message| {
            for n in 0..3 {
                again.publish("out", format!("{n}{}", message.payload_str().unwrap())).unwrap();
            }
        });
        let mut wire = fixture.wire();
        assert_eq!(wire.ask("SUB out 1\r\nPUB in 1\r\na\r\n"), ["MSG out 1 2|0a", "MSG out 1 2|1a", "MSG out 1 2|2a"]);
        // G9: a panic there does not concern the wire.
        let _bad = client.subscribe_fn("bad", |_| panic!("on purpose"));
        assert_eq!(wire.ask("PUB bad 0\r\n\r\nPUB out 1\r\nx\r\n"), ["MSG out 1 1|x"]);
        assert_eq!(fixture.bus.stats().traffic.panics, 1);
    });
}

#[test]
fn a_slow_queue_in_process_loses_by_its_own_policy_and_the_wire_never_notices() {
    Fixture::each(ServerOptions::new(), |fixture| {
        let client = fixture.client();
        let slow = client.subscribe_with("foo", SubscribeOptions::new().capacity(2)).unwrap();
        let mut wire = fixture.wire();
        assert_eq!(wire.ask("SUB foo 1\r\n"), NONE);
        (0..10).for_each(|_| wire.send("PUB foo 1\r\nx\r\n"));
        assert_eq!(wire.flush().len(), 10);
        assert_eq!((slow.len(), slow.ledger().dropped.total()), (2, 8));
    });
}

#[test]
fn messages_of_one_publisher_arrive_in_order_whatever_their_size() {
    Fixture::each(ServerOptions::new(), |fixture| {
        let client = fixture.client();
        let inside = client.subscribe("n").unwrap();
        let (mut from, mut to) = (fixture.wire(), fixture.wire());
        assert_eq!(to.ask("SUB n 1\r\n"), NONE);
        let sizes = [0, 1, 30, 500, 5_000, 70_000];
        let payload = |n: usize| format!("{n}:{}", "x".repeat(sizes[n % sizes.len()]));
        for n in 0..60 {
            from.send(format!("PUB n {}\r\n{}\r\n", payload(n).len(), payload(n)));
        }
        assert_eq!(from.flush(), NONE);
        let expected: Vec<_> = (0..60).map(payload).collect();
        assert_eq!(inside.try_iter().map(|got| got.payload_str().unwrap().to_owned()).collect::<Vec<_>>(), expected);
        let arrived: Vec<_> = to.flush().iter().map(|op| op.split_once('|').unwrap().1.to_owned()).collect();
        assert_eq!(arrived, expected);
    });
}

#[test]
fn a_wire_client_has_no_power_over_the_names_and_ends_of_others() {
    Fixture::each(ServerOptions::new(), |fixture| {
        let client = fixture.client();
        let inside = client.subscribe("foo").unwrap();
        let (mut a, mut b) = (fixture.wire(), fixture.wire());
        // C23: sids are each connection's own.
        assert_eq!(a.ask("SUB foo 1\r\n"), NONE);
        assert_eq!(b.ask("SUB foo 1\r\nUNSUB 1\r\nUNSUB 2\r\n"), NONE);
        assert_eq!(client.publish("foo", "x").unwrap(), 2);
        assert_eq!(a.flush(), ["MSG foo 1 1|x"]);
        assert_eq!(inside.len(), 1);
        // Nor over subjects that are the system's.
        let ops = a.ask("PUB $NRG.x 0\r\n\r\nPUB foo _R_.abc 0\r\n\r\nPUB foo $JS.ACK.x 0\r\n\r\n");
        let expected = [
            r#"-ERR 'Permissions Violation for Publish to "$NRG.x"'"#,
            r#"-ERR 'Permissions Violation for Publish with Reply of "_R_.abc"'"#,
            r#"-ERR 'Permissions Violation for Publish with Reply of "$JS.ACK.x"'"#,
        ];
        assert_eq!(ops, expected, "S9, S10");
    });
}

#[test]
fn the_limits_of_the_bus_hold_for_the_wire() {
    let mut limits = postroom::Limits::default();
    limits.max_payload = 100;
    let bus = postroom::Bus::builder().limits(limits).build();
    let server = postroom::Server::builder(&bus).build().unwrap();
    let mut wire = crate::wire::Wire::pipe(server.pipe()).connect("");
    assert_eq!(wire.info["max_payload"], 100, "L4");
    assert_eq!(wire.ask(format!("SUB foo 1\r\nPUB foo 100\r\n{}\r\n", "x".repeat(100))).len(), 1);
    wire.send("PUB foo 101\r\n");
    assert_eq!(wire.rest(), ["-ERR 'Maximum Payload Violation'"], "X9");
}

#[test]
fn each_connection_is_a_client_of_its_own() {
    Fixture::each(ServerOptions::new(), |fixture| {
        let before = fixture.bus.stats().clients;
        let wires: BTreeMap<_, _> = (0..5).map(|n| (n, fixture.wire_with(&format!(r#""name":"n{n}""#)))).collect();
        assert_eq!(fixture.bus.stats().clients, before + 5);
        drop(wires);
        fixture.wait_for_connections(0);
        assert_eq!(fixture.bus.stats().clients, before);
    });
}
