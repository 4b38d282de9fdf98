//! Consumers: pull, push, acknowledgements, and their time.

use super::{House, number};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

fn filled() -> House {
    let house = House::new();
    house.api("STREAM.CREATE.S", r#"{"name":"S","subjects":["s.*"],"storage":"memory"}"#);
    for number in 0..3 {
        house.client.publish(format!("s.{number}"), format!("{number}")).unwrap();
    }
    house
}

/// JC60, JC81, JC90: what is pulled has a reply by which it is acknowledged; without that it comes again when its time is up.
#[test]
fn what_is_not_acknowledged_comes_again_on_the_clock_of_the_bus() {
    let house = filled();
    house.api(
        "CONSUMER.CREATE.S.c",
        r#"{"stream_name":"S","config":{"name":"c","durable_name":"c","ack_policy":"explicit","ack_wait":30000000000}}"#,
    );
    let inbox = house.client.subscribe("inbox").unwrap();
    let pull = |batch: &str| house.client.publish_with_reply("$JS.API.CONSUMER.MSG.NEXT.S.c", "inbox", batch).unwrap();
    pull("2");
    let first = inbox.try_recv().unwrap();
    assert_eq!((first.subject().as_str(), first.payload()), ("s.0", &b"0"[..]));
    assert!(first.reply().unwrap().as_str().starts_with("$JS.ACK.S.c.1.1.1."));
    let second = inbox.try_recv().unwrap();
    assert_eq!(house.client.request(first.reply().unwrap(), "+ACK").unwrap().payload(), b"");
    pull("1");
    assert_eq!(inbox.try_recv().unwrap().payload(), b"2");
    pull("5");
    assert!(inbox.try_recv().is_err());
    house.clock.advance(SECOND * 30);
    let again = inbox.try_recv().unwrap();
    assert_eq!(again.payload(), second.payload());
    assert!(again.reply().unwrap().as_str().starts_with("$JS.ACK.S.c.2.2.4."));
    let info = house.api("CONSUMER.INFO.S.c", "");
    assert_eq!((number(&info, "num_ack_pending"), number(&info, "num_redelivered")), (2, 2));
}

/// JC120, JC122: a push consumer delivers while its deliver subject has a subscription, at once when that comes.
#[test]
fn a_push_consumer_follows_its_receivers() {
    let house = filled();
    house.api(
        "CONSUMER.CREATE.S.p",
        r#"{"stream_name":"S","config":{"name":"p","durable_name":"p","deliver_subject":"to"}}"#,
    );
    let watch_all = house.client.subscribe("*").unwrap();
    assert!(watch_all.try_recv().is_err(), "a wildcard does not bind it");
    let receiver = house.client.subscribe("to").unwrap();
    let payloads: Vec<_> = receiver.try_iter().map(|message| message.payload().to_vec()).collect();
    assert_eq!(payloads, [b"0", b"1", b"2"]);
    assert!(house.api("CONSUMER.INFO.S.p", "").contains("\"push_bound\":true"));
    drop(receiver);
    house.client.publish("s.3", "3").unwrap();
    let receiver = house.client.subscribe("to").unwrap();
    assert_eq!(receiver.try_recv().unwrap().payload(), b"3");
    house.client.publish("s.4", "4").unwrap();
    assert_eq!(receiver.try_recv().unwrap().payload(), b"4");
    house.api("CONSUMER.DELETE.S.p", "");
    house.client.publish("s.5", "5").unwrap();
    assert!(receiver.try_recv().is_err());
}

/// JC121: members of the deliver group share, and only they bind it.
#[test]
fn a_deliver_group_binds_a_push_consumer() {
    let house = filled();
    house.api(
        "CONSUMER.CREATE.S.p",
        r#"{"stream_name":"S","config":{"name":"p","durable_name":"p","deliver_subject":"to","deliver_group":"g"}}"#,
    );
    let plain = house.client.subscribe("to").unwrap();
    assert!(plain.try_recv().is_err());
    let member = house.client.queue_subscribe("to", "g").unwrap();
    assert_eq!((member.try_iter().count(), plain.try_iter().count()), (3, 3));
}

/// JC131: an ephemeral goes when it is not used.
#[test]
fn an_ephemeral_goes_on_the_clock_of_the_bus() {
    let house = filled();
    house.api("CONSUMER.CREATE.S.e", r#"{"stream_name":"S","config":{"name":"e"}}"#);
    assert_eq!(number(&house.api("INFO", ""), "consumers"), 1);
    house.clock.advance(SECOND * 4);
    assert_eq!(number(&house.api("INFO", ""), "consumers"), 1);
    house.clock.advance(SECOND * 2);
    assert_eq!(number(&house.api("INFO", ""), "consumers"), 0);
}

/// JC76: requests that wait end with the server.
#[test]
fn requests_that_wait_are_told_of_the_end() {
    let house = filled();
    house.api("CONSUMER.CREATE.S.c", r#"{"stream_name":"S","config":{"name":"c","filter_subject":"s.9"}}"#);
    let inbox = house.client.subscribe("inbox").unwrap();
    house.client.publish_with_reply("$JS.API.CONSUMER.MSG.NEXT.S.c", "inbox", "").unwrap();
    assert!(inbox.try_recv().is_err());
    house.server.shutdown();
    assert_eq!(inbox.try_recv().unwrap().status_description(), "Server Shutdown");
}

/// JS90, JC212: threads that publish, pull, acknowledge and delete at once lose nothing, and none waits for another for ever.
#[test]
fn many_threads_work_on_one_queue() {
    const WORKERS: usize = 3;
    const JOBS: usize = 600;
    let house = House::new();
    house.api("STREAM.CREATE.J", r#"{"name":"J","subjects":["j.*"],"storage":"memory","retention":"workqueue"}"#);
    let worker = r#"{"stream_name":"J","config":{"durable_name":"w","ack_policy":"explicit"}}"#;
    house.api("CONSUMER.CREATE.J.w", worker);
    let done = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let client = house.bus.connect();
            for number in 0..JOBS {
                client.publish(format!("j.{}", number % 7), "job").unwrap();
            }
        });
        scope.spawn(|| {
            let client = house.bus.connect();
            while done.load(Ordering::Relaxed) < JOBS {
                let made =
                    r#"{"stream_name":"J","config":{"name":"n","ack_policy":"explicit","filter_subject":"none"}}"#;
                client.request("$JS.API.CONSUMER.CREATE.J.n", made).unwrap();
                client.request("$JS.API.STREAM.INFO.J", "").unwrap();
                client.request("$JS.API.CONSUMER.DELETE.J.n", "").unwrap();
            }
        });
        for number in 0..WORKERS {
            let (house, done) = (&house, &done);
            scope.spawn(move || {
                let client = house.bus.connect();
                let name = format!("inbox.{number}");
                let inbox = client.subscribe(&name).unwrap();
                while done.load(Ordering::Relaxed) < JOBS {
                    client
                        .publish_with_reply("$JS.API.CONSUMER.MSG.NEXT.J.w", &name, r#"{"batch":5,"no_wait":true}"#)
                        .unwrap();
                    // Another thread may be the one that sends: until the status, or all five.
                    for _ in 0..5 {
                        let message = inbox.recv().unwrap();
                        if message.status().is_some() {
                            break;
                        }
                        client.request(message.reply().unwrap(), "+ACK").unwrap();
                        done.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    assert_eq!(done.load(Ordering::Relaxed), JOBS);
    assert_eq!(house.messages("J"), 0);
    let info = house.api("CONSUMER.INFO.J.w", "");
    assert_eq!((number(&info, "num_ack_pending"), number(&info, "num_pending")), (0, 0));
    assert!(house.bus.stats().ledger.balances());
}
