//! D rules: how interest ends.
//!
//! Goal: limits count what was delivered before, and a drain loses nothing. Method: messages around the end, then the receivers
//! of each.

use crate::system::*;

on_every_system!(
    d1_unsubscribe_ends_at_once_and_keeps_what_arrived,
    d2_the_limit_counts_what_came_before,
    d2_a_limit_already_reached_ends_at_once,
    d3_a_later_limit_replaces_the_earlier,
    d5_the_end_is_seen_by_the_receiver,
    d7_drain_of_a_subscription_hands_over_what_arrived,
    d8_drain_of_a_connection_hands_over_what_arrived_and_closes;
    not_across:
    d4_own_messages_under_no_echo_do_not_count because "across a bridge nobody is both publisher and subscriber, so there is no echo to be kept away",
);

by_turns_across_a_bridge!(d4_own_messages_under_no_echo_do_not_count);

in_process_only!(
    d8_a_draining_connection_lets_nothing_new_in_and_publishes_to_the_end because "async-nats is deaf as soon as it drains",
);

/// Messages with the numbers as payload.
fn send(connection: &dyn Connection, numbers: std::ops::Range<usize>) {
    numbers.for_each(|n| connection.send("foo", &n.to_string()));
    connection.flush();
}

fn d1_unsubscribe_ends_at_once_and_keeps_what_arrived<S: System>() {
    let system = S::start(Setup::default());
    let (connection, subscriber) = (system.connect(), system.connect());
    let (subscription, other) = (subscriber.subscribe("foo"), subscriber.subscribe("foo"));
    send(&*connection, 0..2);
    subscription.unsubscribe();
    subscription.unsubscribe();
    send(&*connection, 2..4);
    assert_eq!(subscription.payloads(), ["0", "1"]);
    assert_eq!(other.payloads(), ["0", "1", "2", "3"]);
}

/// X3.
fn d2_the_limit_counts_what_came_before<S: System>() {
    let system = S::start(Setup::default());
    let (connection, subscriber) = (system.connect(), system.connect());
    let subscription = subscriber.subscribe("foo");
    send(&*connection, 0..2);
    // Taken or not makes no difference.
    assert_eq!(subscription.next().map(|got| got.text()).as_deref(), Some("0"));
    subscription.unsubscribe_after(3);
    send(&*connection, 2..6);
    assert_eq!(subscription.payloads(), ["1", "2"], "three in all");
}

fn d2_a_limit_already_reached_ends_at_once<S: System>() {
    let system = S::start(Setup::default());
    let (connection, subscriber) = (system.connect(), system.connect());
    for max in [0, 1, 2] {
        let subscription = subscriber.subscribe("foo");
        send(&*connection, 0..2);
        subscription.unsubscribe_after(max);
        connection.flush();
        send(&*connection, 2..4);
        assert_eq!(subscription.payloads(), ["0", "1"], "max {max} after 2");
    }
    let fresh = subscriber.subscribe("foo");
    fresh.unsubscribe_after(0);
    send(&*connection, 0..1);
    assert_eq!(fresh.arrived(), []);
}

fn d3_a_later_limit_replaces_the_earlier<S: System>() {
    let system = S::start(Setup::default());
    let (connection, subscriber) = (system.connect(), system.connect());
    let (raised, lowered) = (subscriber.subscribe("foo"), subscriber.subscribe("foo"));
    raised.unsubscribe_after(2);
    lowered.unsubscribe_after(5);
    send(&*connection, 0..1);
    raised.unsubscribe_after(4);
    lowered.unsubscribe_after(2);
    send(&*connection, 1..8);
    assert_eq!(raised.payloads(), ["0", "1", "2", "3"]);
    assert_eq!(lowered.payloads(), ["0", "1"]);
}

fn d4_own_messages_under_no_echo_do_not_count<S: System>() {
    let system = S::start(Setup::default());
    let silent = system.connect_with(With { no_echo: true, ..With::default() });
    let other = system.connect();
    let subscription = silent.subscribe("foo");
    subscription.unsubscribe_after(2);
    silent.flush();
    send(&*silent, 0..5);
    send(&*other, 5..9);
    assert_eq!(subscription.payloads(), ["5", "6"]);
}

fn d5_the_end_is_seen_by_the_receiver<S: System>() {
    let system = S::start(Setup::default());
    let (connection, subscriber) = (system.connect(), system.connect());
    let subscription = subscriber.subscribe("foo");
    subscription.unsubscribe_after(2);
    send(&*connection, 0..3);
    let got: Vec<String> = std::iter::from_fn(|| subscription.next()).map(|got| got.text()).collect();
    assert_eq!(got, ["0", "1"], "and then the end, without waiting");
}

fn d7_drain_of_a_subscription_hands_over_what_arrived<S: System>() {
    let system = S::start(Setup::default());
    let (connection, subscriber) = (system.connect(), system.connect());
    let subscription = subscriber.subscribe("foo");
    send(&*connection, 0..3);
    subscription.drain();
    connection.flush();
    send(&*connection, 3..5);
    let got: Vec<String> = std::iter::from_fn(|| subscription.next()).map(|got| got.text()).collect();
    assert_eq!(got, ["0", "1", "2"]);
}

fn d8_drain_of_a_connection_hands_over_what_arrived_and_closes<S: System>() {
    let system = S::start(Setup::default());
    let (connection, other) = (system.connect(), system.connect());
    let (own, foreign) = (connection.subscribe("foo"), other.subscribe("out"));
    send(&*connection, 0..2);
    connection.send("out", "published before");
    let seen = std::thread::scope(|scope| {
        let taken = scope.spawn(move || std::iter::from_fn(|| own.next()).map(|got| got.text()).collect::<Vec<_>>());
        connection.drain()();
        taken.join().expect("the end comes")
    });
    assert_eq!(seen, ["0", "1"]);
    assert!(connection.is_closed());
    assert_eq!(refused(connection.publish(Out { subject: "out", ..Out::default() })), Refusal::Closed);
    assert_eq!(refused(connection.subscribe_with(How { pattern: "x", ..How::default() })), Refusal::Closed);
    assert_eq!(refused(connection.request("x", "")), Refusal::Closed);
    other.send("foo", "to nobody");
    other.flush();
    // The end of a connection here does not mean that a server has read all that it had sent: only its own PONG would.
    assert_eq!(foreign.next().expect("it was sent").text(), "published before");
    assert!(foreign.payloads().is_empty());
}

fn d8_a_draining_connection_lets_nothing_new_in_and_publishes_to_the_end<S: System>() {
    let system = S::start(Setup::default());
    let (connection, other) = (system.connect(), system.connect());
    let (own, foreign) = (connection.subscribe("foo"), other.subscribe("out"));
    send(&*connection, 0..2);
    let wait = connection.drain();
    assert_eq!(refused(connection.subscribe_with(How { pattern: "x", ..How::default() })), Refusal::Closed);
    assert_eq!(refused(connection.request("x", "")), Refusal::Closed);
    connection.send("out", "allowed while messages wait");
    other.send("foo", "too late");
    assert!(!connection.is_closed());
    let got = ["0", "1"].map(|_| own.next().map(|got| got.text()));
    assert_eq!(got.map(Option::unwrap), ["0", "1"]);
    wait();
    assert_eq!(own.next(), None);
    assert!(connection.is_closed());
    assert_eq!(foreign.next().expect("it was sent").text(), "allowed while messages wait");
    assert!(foreign.payloads().is_empty());
}
