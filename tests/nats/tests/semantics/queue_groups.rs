//! Q rules: one member of each group gets a message.
//!
//! Goal: groups by name, chosen at random, never leaving a message to a member that can't take it. Method: many
//! messages, then the number of them that each member got; bounds on the shares are five standard deviations
//! wide.

use crate::system::*;

on_every_system!(
    q1_every_plain_subscription_and_one_member_of_each_group,
    q2_a_group_is_its_name_whatever_the_patterns,
    q3_members_are_chosen_evenly,
    q5_one_connection_may_hold_many_members,
    q7_order_within_each_subscription_is_that_of_the_publisher,
    q8_auto_unsubscribe_counts_per_member,
    s5_queue_names_are_plain_text;
    not_across:
    q4_a_member_that_cannot_take_it_is_passed_over because "across a bridge nobody is both publisher and subscriber, so there is no echo to be kept away",
);

fn counts(members: &[Box<dyn Subscription>]) -> Vec<usize> {
    members.iter().map(|member| member.arrived().len()).collect()
}

/// Each share within five standard deviations of `total / members`.
fn assert_even(shares: &[usize], total: usize) {
    assert_eq!(shares.iter().sum::<usize>(), total, "each message once: {shares:?}");
    let p = 1.0 / shares.len() as f64;
    let (mean, deviation) = (total as f64 * p, (total as f64 * p * (1.0 - p)).sqrt());
    for &share in shares {
        assert!((share as f64 - mean).abs() < 5.0 * deviation, "{shares:?}");
    }
}

fn q1_every_plain_subscription_and_one_member_of_each_group<S: System>() {
    let system = S::start(Setup::default());
    let (a, b) = (system.connect(), system.connect());
    let plain = [a.subscribe("foo"), b.subscribe("*"), b.subscribe(">")];
    let red = [a.queue_subscribe("foo", "red"), b.queue_subscribe("foo", "red")];
    let blue = [a.queue_subscribe("foo", "blue"), b.queue_subscribe("foo", "blue"), a.queue_subscribe("foo", "blue")];
    for n in 0..50 {
        a.send("foo", &n.to_string());
    }
    a.flush();
    let all: Vec<String> = (0..50).map(|n| n.to_string()).collect();
    for subscription in &plain {
        assert_eq!(subscription.payloads(), all);
    }
    for group in [&red[..], &blue[..]] {
        let got = group.iter().flat_map(|member| member.payloads()).collect();
        assert_eq!(sorted(got), sorted(all.clone()));
    }
}

fn q2_a_group_is_its_name_whatever_the_patterns<S: System>() {
    let system = S::start(Setup::default());
    let (connection, subscriber) = (system.connect(), system.connect());
    let members = ["foo.*", "foo.bar", ">"].map(|pattern| subscriber.queue_subscribe(pattern, "g"));
    for _ in 0..600 {
        connection.send("foo.bar", "");
    }
    connection.flush();
    assert_even(&counts(&members), 600);
    // On another subject the group has two of these members only.
    for _ in 0..200 {
        connection.send("foo.baz", "");
    }
    connection.flush();
    let shares = counts(&members);
    assert_eq!(shares[1], 0);
    assert_even(&[shares[0], shares[2]], 200);
}

fn q3_members_are_chosen_evenly<S: System>() {
    let system = S::start(Setup::default());
    let connection = system.connect();
    let others = [system.connect(), system.connect(), system.connect()];
    let members: Vec<_> = others.iter().map(|other| other.queue_subscribe("foo", "g")).collect();
    for n in 0..3000 {
        connection.send("foo", &n.to_string());
    }
    connection.flush();
    let got: Vec<Vec<usize>> =
        members.iter().map(|member| member.payloads().iter().map(|n| n.parse().unwrap()).collect()).collect();
    assert_even(&got.iter().map(Vec::len).collect::<Vec<_>>(), 3000);
    // Random, not in turn: in turn, a member's messages are always three apart.
    assert!(got[0].windows(2).any(|pair| pair[1] - pair[0] != 3));
}

/// Closed, at its limit, or the publisher's own under no-echo: the next one gets it, and nothing is lost.
fn q4_a_member_that_cannot_take_it_is_passed_over<S: System>() {
    let system = S::start(Setup::default());
    let silent = system.connect_with(With { no_echo: true, ..With::default() });
    let other = system.connect();
    let own = silent.queue_subscribe("foo", "g");
    let gone = other.queue_subscribe("foo", "g");
    let limited = other.queue_subscribe("foo", "g");
    let steady = other.queue_subscribe("foo", "g");
    other.flush();
    gone.unsubscribe();
    limited.unsubscribe_after(5);
    other.flush();
    for _ in 0..200 {
        silent.send("foo", "");
    }
    silent.flush();
    let (limited, steady) = (limited.arrived().len(), steady.arrived().len());
    assert_eq!((own.arrived().len(), gone.arrived().len(), limited, steady), (0, 0, 5, 195));
    drop(own);
}

fn q5_one_connection_may_hold_many_members<S: System>() {
    let system = S::start(Setup::default());
    let (connection, subscriber) = (system.connect(), system.connect());
    let plain = [subscriber.subscribe("foo"), subscriber.subscribe("foo")];
    let members: Vec<_> = (0..2).map(|_| subscriber.queue_subscribe("foo", "g")).collect();
    for _ in 0..100 {
        connection.send("foo", "");
    }
    connection.flush();
    assert_eq!(counts(&plain), [100, 100]);
    assert_even(&counts(&members), 100);
}

fn q7_order_within_each_subscription_is_that_of_the_publisher<S: System>() {
    let system = S::start(Setup::default());
    let (connection, subscriber) = (system.connect(), system.connect());
    let subscriptions =
        [subscriber.subscribe("foo"), subscriber.queue_subscribe("foo", "g"), subscriber.queue_subscribe("*", "g")];
    for n in 0..300 {
        connection.send("foo", &format!("{n:03}"));
    }
    connection.flush();
    for subscription in &subscriptions {
        let got = subscription.payloads();
        assert!(!got.is_empty());
        assert!(got.windows(2).all(|pair| pair[0] < pair[1]), "{got:?}");
    }
}

fn q8_auto_unsubscribe_counts_per_member<S: System>() {
    let system = S::start(Setup::default());
    let (connection, subscriber) = (system.connect(), system.connect());
    let members: Vec<_> = (0..3).map(|_| subscriber.queue_subscribe("foo", "g")).collect();
    for (member, max) in members.iter().zip([10, 20, 30]) {
        member.unsubscribe_after(max);
    }
    for _ in 0..100 {
        connection.send("foo", "");
    }
    connection.flush();
    assert_eq!(counts(&members), [10, 20, 30], "all of them get their number, and nobody the rest");
}

fn s5_queue_names_are_plain_text<S: System>() {
    let system = S::start(Setup::default());
    let (connection, subscriber) = (system.connect(), system.connect());
    for queue in ["q.", ".q", "q..x", "*", ">"] {
        let members = [subscriber.queue_subscribe("foo", queue), subscriber.queue_subscribe("foo", queue)];
        connection.send("foo", "");
        connection.flush();
        assert_eq!(counts(&members).iter().sum::<usize>(), 1, "{queue}");
    }
}

/// Members that come last, which a client of a server can't be: only on a bus.
mod fallback {
    use super::assert_even;
    use postroom::stats::DropReason;
    use postroom::{Bus, Client, ConnectOptions, Event, OverflowPolicy, Permissions, SubscribeOptions, Subscriber};
    use std::time::Duration;

    fn bus() -> Bus {
        Bus::builder().seed(5).build()
    }

    fn member() -> SubscribeOptions {
        SubscribeOptions::new().queue("g")
    }

    fn last(client: &Client, pattern: &str) -> Subscriber {
        client.subscribe_with(pattern, member().fallback(true)).unwrap()
    }

    fn assert_settled(bus: &Bus) {
        let stats = bus.stats();
        assert!(stats.ledger.balances(), "{stats:?}");
        assert_eq!(stats.traffic.routed, stats.ledger.matched);
    }

    fn taken(members: &[Subscriber]) -> Vec<usize> {
        members.iter().map(|member| member.try_iter().count()).collect()
    }

    #[test]
    fn q6_it_gets_nothing_while_another_member_is_there() {
        let bus = bus();
        let client = bus.connect();
        // Between and around the others, with patterns of their own: one group for this subject (Q2).
        let one = last(&client, "foo.bar");
        let first = client.queue_subscribe("foo.*", "g").unwrap();
        let two = last(&client, "foo.*");
        let second = client.queue_subscribe("foo.bar", "g").unwrap();
        let three = last(&client, ">");
        let third = client.queue_subscribe(">", "g").unwrap();
        let ordinary = [first, second, third];
        for _ in 0..1_200 {
            assert_eq!(client.publish("foo.bar", "").unwrap(), 1);
        }
        assert_eq!([one.len(), two.len(), three.len()], [0; 3]);
        // Evenly, as if there were no others: a start at one of those does not pass to the next member.
        assert_even(&taken(&ordinary), 1_200);
        // On this subject there are two others only.
        for _ in 0..300 {
            client.publish("foo.baz", "").unwrap();
        }
        let shares = taken(&ordinary);
        assert_eq!(shares[1], 0);
        assert_even(&[shares[0], shares[2]], 300);
        // Another group does not stand in for this one, nor does a plain subscription.
        let _others = [client.queue_subscribe("x", "h").unwrap(), client.subscribe("x").unwrap()];
        drop(ordinary);
        assert_eq!(client.publish("x", "").unwrap(), 3);
        assert_eq!(three.len(), 1);
        assert_settled(&bus);
    }

    #[test]
    fn q3_among_themselves_they_are_chosen_evenly() {
        let bus = bus();
        let client = bus.connect();
        let members: Vec<_> = (0..3).map(|_| last(&client, "foo")).collect();
        for _ in 0..1_500 {
            assert_eq!(client.publish("foo", "").unwrap(), 1);
        }
        assert_even(&taken(&members), 1_500);
        // Also behind one that is there and can't take it.
        let _refuses = client.subscribe_sink_with("foo", member(), |_| false).unwrap();
        for _ in 0..1_500 {
            assert_eq!(client.publish("foo", "").unwrap(), 1);
        }
        assert_even(&taken(&members), 1_500);
        assert_settled(&bus);
    }

    #[test]
    fn q6_it_gets_what_no_other_member_can_take() {
        let bus = bus();
        let silent = bus.connect_with(ConnectOptions::new().no_echo(true));
        let deny = Permissions::new().deny_subscribe("foo.secret").unwrap();
        let ruled = bus.connect_with(ConnectOptions::new().permissions(deny));
        let client = bus.connect();
        let gone = client.queue_subscribe("foo.*", "g").unwrap();
        let limited = client.queue_subscribe("foo.*", "g").unwrap();
        let own = silent.queue_subscribe("foo.*", "g").unwrap();
        let withheld = ruled.queue_subscribe("foo.*", "g").unwrap();
        let _refuses = client.subscribe_sink_with("foo.*", member(), |_| false).unwrap();
        let (into, from) = crossbeam_channel::bounded(1);
        let _dead = client.subscribe_channel_with("foo.*", member(), into).unwrap();
        let elsewhere = last(&client, "foo.*");
        gone.unsubscribe();
        limited.unsubscribe_after(5);
        drop(from);
        for n in 0..20 {
            assert_eq!(silent.publish("foo.secret", n.to_string()).unwrap(), 1);
        }
        assert_eq!((limited.len(), elsewhere.try_iter().count()), (5, 15));
        assert_eq!((own.len(), withheld.len()), (0, 0));
        assert_eq!(client.publish("foo.open", "").unwrap(), 1);
        assert_eq!((own.len() + withheld.len(), elsewhere.len()), (1, 0));
        assert_settled(&bus);
    }

    #[test]
    fn c25_it_does_not_get_back_what_its_own_connection_brought() {
        let bus = bus();
        let link = bus.connect_with(ConnectOptions::new().no_echo(true));
        let (own, other) = (last(&link, "foo"), last(&bus.connect(), "foo"));
        for _ in 0..50 {
            assert_eq!(link.publish("foo", "").unwrap(), 1);
        }
        assert_eq!((own.len(), other.len()), (0, 50));
        other.unsubscribe();
        assert_eq!(link.publish("foo", "").unwrap(), 0);
        assert_settled(&bus);
    }

    /// A leaf node leaves it to a slow local member too: that one has taken the message, be it that it is lost with it.
    #[test]
    fn q6_who_is_full_is_there_and_its_policy_decides() {
        for policy in [
            OverflowPolicy::DropNewest,
            OverflowPolicy::DropOldest,
            OverflowPolicy::Close,
            OverflowPolicy::Block(Duration::from_millis(1)),
        ] {
            let bus = bus();
            let client = bus.connect();
            let slow = client.subscribe_with("foo", member().capacity(2).overflow(policy)).unwrap();
            let also = client.subscribe_with("foo", member().capacity(2).overflow(policy)).unwrap();
            let elsewhere = last(&client, "foo");
            for n in 0..4 {
                assert_eq!(
                    client.publish("foo", n.to_string()).unwrap(),
                    1,
                    "who has room comes before who has none (Q4)"
                );
            }
            let accepted = client.publish("foo", "4").unwrap();
            assert_eq!(accepted, usize::from(policy == OverflowPolicy::DropOldest), "{policy:?}");
            assert_eq!(elsewhere.len(), 0);
            let lost = |reason| slow.ledger().dropped.of(reason) + also.ledger().dropped.of(reason);
            let reason = match policy {
                OverflowPolicy::DropNewest => DropReason::QueueFull,
                OverflowPolicy::DropOldest => DropReason::Oldest,
                OverflowPolicy::Close => DropReason::SlowConsumer,
                _ => DropReason::BlockTimeout,
            };
            assert_eq!(lost(reason), 1, "{policy:?}");
            // When the members are closed by it, they are not there any more.
            if policy == OverflowPolicy::Close {
                assert_eq!([5, 6].map(|n| client.publish("foo", n.to_string()).unwrap()), [0, 1]);
                assert_eq!(elsewhere.len(), 1);
            }
            assert_settled(&bus);
        }
    }

    #[test]
    fn q4_of_several_that_are_full_the_first_decides() {
        let bus = bus();
        let client = bus.connect();
        let narrow = [(); 2].map(|()| client.subscribe_with("foo", member().fallback(true).capacity(3)).unwrap());
        assert_eq!((0..8).map(|_| client.publish("foo", "").unwrap()).sum::<usize>(), 6);
        let lost = |member: &Subscriber| member.ledger().dropped.of(DropReason::QueueFull);
        assert_eq!(narrow.iter().map(lost).sum::<u64>(), 2);
        assert_settled(&bus);
    }

    #[test]
    fn r2_d8_it_answers_and_drains_as_any_member() {
        let bus = bus();
        let (client, events) = (bus.connect(), bus.events());
        let serves = bus.connect();
        let answer = |text: &'static str| move |question: postroom::Message| drop(question.respond(text));
        let elsewhere = serves.subscribe_fn_with("svc", member().fallback(true), answer("elsewhere")).unwrap();
        assert_eq!(client.request("svc", "").unwrap().payload(), b"elsewhere");
        let here = serves.subscribe_fn_with("svc", member(), answer("here")).unwrap();
        for _ in 0..20 {
            assert_eq!(client.request("svc", "").unwrap().payload(), b"here");
        }
        here.drain().wait();
        assert_eq!(client.request("svc", "").unwrap().payload(), b"elsewhere");
        assert_eq!((elsewhere.ledger().delivered, here.ledger().delivered), (2, 20));
        elsewhere.drain().wait();
        assert!(client.request("svc", "").unwrap_err().is_no_responders());
        let refuses = serves.subscribe_sink_with("svc", member().fallback(true), |_| false).unwrap();
        assert!(client.request("svc", "").unwrap_err().is_no_responders());
        assert_eq!(refuses.ledger().matched, 0);
        let queue = last(&serves, "svc");
        client.publish("svc", "").unwrap();
        let draining = serves.drain();
        assert_eq!((client.publish("svc", "").unwrap(), queue.len()), (0, 1), "what is queued stays");
        assert!(queue.recv().is_ok());
        draining.wait();
        assert!(std::iter::from_fn(|| events.try_recv()).all(|event| matches!(event, Event::ClientClosed { .. })));
        assert_settled(&bus);
    }

    /// A prepared publisher, a task and a thread choose in the same way.
    #[test]
    fn q6_prepared_and_async_publishers_choose_likewise() {
        let bus = bus();
        let client = bus.connect();
        let elsewhere = last(&client, "foo");
        let prepared = client.publisher("foo").unwrap();
        let publish = |n: usize| {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            for _ in 0..n {
                prepared.publish("").unwrap();
                runtime.block_on(client.publish_async("foo", "")).unwrap();
            }
        };
        publish(5);
        let here = client.queue_subscribe("*", "g").unwrap();
        publish(5);
        assert_eq!((elsewhere.len(), here.len()), (10, 10));
        assert_settled(&bus);
    }
}
