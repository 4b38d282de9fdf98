//! H and L rules: headers travel untouched, sizes and numbers are bounded.
//!
//! Goal: limits that hold to the byte and cost only the connection that exceeds them. Method: one below, at and above
//! each limit.

use crate::system::*;

on_every_system!(
    h2_case_and_repeats_are_kept,
    h7_surrounding_blanks_are_cut_off,
    l4_max_payload_counts_headers_and_allows_equality,
    l7_a_full_queue_drops_the_newest_and_hurts_nobody_else,
    l8_a_dropped_subscriber_is_no_interest;
    not_across:
    h1_headers_and_payload_arrive_together because "a reply is an inbox of the bridge's own on the other side",
    l5_max_subscriptions_frees_a_place_at_every_end because "the bridge's own connections have more subscriptions than that limit",
);

in_process_only!(
    h2_order_is_kept because "async-nats keeps headers in a hash map",
    l7_bytes_bound_a_queue_too because "async-nats bounds no bytes",
    l8_dropped_messages_do_not_count_towards_the_limit because "async-nats drops what the server has already counted",
);

const HEADERS: &[(&str, &str)] = &[("Id", "1"), ("id", "2"), ("Id", "3"), ("X-Empty", ""), ("A", "b c")];

fn h1_headers_and_payload_arrive_together<S: System>() {
    let system = S::start(Setup::default());
    let (connection, subscriber) = (system.connect(), system.connect());
    let subscription = subscriber.subscribe("foo");
    connection
        .publish(Out { subject: "foo", reply: Some("r"), headers: &[("A", "b")], payload: b"body" })
        .expect("a good publish");
    let got = subscription.next().expect("it comes");
    assert_eq!((got.headers, got.payload), (vec![("A".into(), "b".into())], b"body".to_vec()));
    assert_eq!((got.reply.as_deref(), got.status), (Some("r"), None));
}

/// The headers that come of `HEADERS`.
fn through<S: System>() -> Vec<(String, String)> {
    let system = S::start(Setup::default());
    let (connection, other) = (system.connect(), system.connect());
    let subscription = other.subscribe("foo");
    connection.publish(Out { subject: "foo", headers: HEADERS, ..Out::default() }).expect("a good publish");
    subscription.next().expect("it comes").headers
}

/// The values of one name stay in order.
fn h2_case_and_repeats_are_kept<S: System>() {
    let mut got = through::<S>();
    got.sort_by(|(a, _), (b, _)| a.cmp(b));
    let wanted = [("A", "b c"), ("Id", "1"), ("Id", "3"), ("X-Empty", ""), ("id", "2")];
    assert_eq!(got, wanted.map(|(name, value)| (name.to_owned(), value.to_owned())));
}

fn h2_order_is_kept<S: System>() {
    let wanted: Vec<_> = HEADERS.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    assert_eq!(through::<S>(), wanted);
}

fn h7_surrounding_blanks_are_cut_off<S: System>() {
    let system = S::start(Setup::default());
    let (connection, subscriber) = (system.connect(), system.connect());
    let subscription = subscriber.subscribe("foo");
    connection.publish(Out { subject: "foo", headers: &[("A", "  b  ")], ..Out::default() }).expect("a good publish");
    let got = subscription.next().expect("it comes");
    assert_eq!(got.headers, [("A".to_owned(), "b".to_owned())]);
}

/// C7, H1: `NATS/1.0` and two line ends are 12 bytes, `A: b` and its line end 6.
fn l4_max_payload_counts_headers_and_allows_equality<S: System>() {
    let system = S::start(Setup { max_payload: Some(40), ..Setup::default() });
    let (connection, subscriber) = (system.connect(), system.connect());
    let subscription = subscriber.subscribe("foo");
    let publish = |headers, len| {
        connection.publish(Out { subject: "foo", headers, payload: &[b'x'; 64][..len], ..Out::default() })
    };
    assert_eq!(publish(&[], 40), Ok(()));
    assert_eq!(publish(&[], 41), Err(Refusal::TooLarge));
    assert_eq!(publish(&[("A", "b")], 22), Ok(()));
    assert_eq!(publish(&[("A", "b")], 23), Err(Refusal::TooLarge));
    connection.flush();
    let sizes: Vec<_> = subscription.arrived().iter().map(|got| got.payload.len()).collect();
    assert_eq!(sizes, [40, 22]);
}

fn l5_max_subscriptions_frees_a_place_at_every_end<S: System>() {
    let system = S::start(Setup { max_subscriptions: Some(2), ..Setup::default() });
    let connection = system.connect();
    let at_the_limit = || {
        let refusal = refused(connection.subscribe_with(How { pattern: "c", ..How::default() }));
        assert_eq!(refusal, Refusal::TooManySubscriptions);
    };
    let (a, b) = (connection.subscribe("a"), connection.subscribe("b"));
    at_the_limit();
    drop(a);
    let again = connection.subscribe("a");
    at_the_limit();
    again.unsubscribe();
    let again = connection.subscribe("a");
    at_the_limit();
    b.unsubscribe_after(1);
    at_the_limit();
    connection.send("b", "the last one");
    connection.flush();
    assert_eq!(b.payloads(), ["the last one"]);
    let c = connection.subscribe("c");
    at_the_limit();
    // Another connection has a number of its own.
    drop(system.connect().subscribe("c"));
    connection.send("c", "");
    connection.flush();
    assert_eq!((again.arrived().len(), c.arrived().len()), (0, 1));
}

fn l7_a_full_queue_drops_the_newest_and_hurts_nobody_else<S: System>() {
    let system = S::start(Setup::default());
    let (connection, small) = (system.connect(), system.connect_with(With { capacity: Some(3), ..With::default() }));
    let (slow, beside) = (small.subscribe("foo"), small.subscribe("bar"));
    let other = connection.subscribe("foo");
    for n in 0..10 {
        connection.send("foo", &n.to_string());
    }
    connection.send("bar", "");
    connection.flush();
    assert_eq!(slow.payloads(), ["0", "1", "2"], "what was queued is kept");
    assert_eq!(slow.lost(), 7);
    assert_eq!((other.arrived().len(), other.lost()), (10, 0));
    assert_eq!((beside.arrived().len(), beside.lost()), (1, 0));
    connection.send("foo", "again");
    connection.flush();
    assert_eq!(slow.payloads(), ["again"]);
}

fn l7_bytes_bound_a_queue_too<S: System>() {
    let system = S::start(Setup::default());
    let connection = system.connect();
    let slow = connection.subscribe_with(How { pattern: "foo", capacity_bytes: Some(10), ..How::default() }).unwrap();
    for payload in ["1234", "12345", "12", "1", "12345678901"] {
        connection.send("foo", payload);
    }
    connection.flush();
    assert_eq!(slow.payloads(), ["1234", "12345", "1"], "what fits beside the rest comes in");
    assert_eq!(slow.lost(), 2);
}

fn l8_dropped_messages_do_not_count_towards_the_limit<S: System>() {
    let system = S::start(Setup::default());
    let connection = system.connect_with(With { capacity: Some(2), ..With::default() });
    let slow = connection.subscribe("foo");
    slow.unsubscribe_after(4);
    let mut got = Vec::new();
    for round in 0..3 {
        for n in 0..5 {
            connection.send("foo", &format!("{round}{n}"));
        }
        connection.flush();
        got.extend(slow.payloads());
    }
    assert_eq!(got, ["00", "01", "10", "11"]);
}

fn l8_a_dropped_subscriber_is_no_interest<S: System>() {
    let system = S::start(Setup::default());
    let (connection, other) = (system.connect(), system.connect());
    let subscription = other.subscribe("foo");
    drop(subscription);
    other.flush();
    assert_eq!(refused(connection.request("foo", "")), Refusal::NoResponders);
}
