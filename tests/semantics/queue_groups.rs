//! Q rules: one member of each group gets a message.
//!
//! Goal: groups by name, chosen at random, never leaving a message to somebody who can't take it. Method: many messages,
//! then who got how many of them; bounds on the shares are five standard deviations wide.

use crate::system::*;

on_every_system!(
    q1_every_plain_subscription_and_one_member_of_each_group,
    q2_a_group_is_its_name_whatever_the_patterns,
    q3_members_are_chosen_evenly,
    q4_a_member_that_cannot_take_it_is_passed_over,
    q5_one_connection_may_hold_many_members,
    q7_order_within_each_subscription_is_that_of_the_publisher,
    q8_auto_unsubscribe_counts_per_member,
    s5_queue_names_are_plain_text,
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
