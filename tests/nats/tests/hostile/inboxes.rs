//! Replies that a client may forge: it has seen one reply subject, and answers others' requests.

use postroom::{Bus, Client, Message};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(30);

/// The reply subject of one request of this client.
fn seen(bus: &Bus, client: &Client) -> String {
    let service = bus.connect().subscribe("public").unwrap();
    let asking = client.clone();
    let ask = std::thread::spawn(move || asking.request_timeout("public", "", PATIENCE).unwrap());
    let request: Message = service.recv_timeout(PATIENCE).unwrap();
    request.respond("").unwrap();
    ask.join().unwrap();
    request.reply().unwrap().to_string()
}

const DIGITS: &[u8; 64] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_";

fn number(token: &str) -> u128 {
    token.bytes().fold(0, |sum, digit| sum * 64 + DIGITS.iter().position(|one| *one == digit).unwrap() as u128)
}

/// How far the last tokens of two replies, or those before, are from each other.
fn apart(one: &str, other: &str, token: usize) -> u128 {
    let of = |reply: &str| number(reply.split('.').nth(token).unwrap());
    of(one).abs_diff(of(other))
}

#[test]
fn the_next_reply_of_a_connection_is_not_told_by_the_last() {
    let bus = Bus::new();
    let client = bus.connect();
    let replies: Vec<_> = (0..20).map(|_| seen(&bus, &client)).collect();
    // As far apart as drawn numbers are: less than 2^30 of 2^54 would be one in a million.
    let steps: Vec<_> = replies.windows(2).map(|pair| apart(&pair[0], &pair[1], 2)).collect();
    assert!(steps.iter().all(|step| *step > 1 << 30), "{replies:?}");
    assert!(steps.windows(2).all(|pair| pair[0] != pair[1]), "{replies:?}");
}

#[test]
fn what_a_connection_is_called_is_not_told_by_another() {
    let bus = Bus::new();
    let replies: Vec<_> = (0..20).map(|_| seen(&bus, &bus.connect())).collect();
    let mut steps: Vec<_> = replies.windows(2).map(|pair| apart(&pair[0], &pair[1], 1)).collect();
    steps.sort_unstable();
    steps.dedup();
    // With a fixed step there are two of them, one for each direction around the end.
    assert!(steps.len() > 10, "{replies:?}");
    // The same connections of another bus are called otherwise.
    let other = Bus::new();
    let others: Vec<_> = (0..20).map(|_| seen(&other, &other.connect())).collect();
    assert!(replies.iter().zip(&others).all(|(one, other)| one != other));
}

#[test]
fn inboxes_by_hand_are_not_told_by_each_other() {
    let client = Bus::new().connect();
    let inboxes: Vec<_> = (0..20).map(|_| client.new_inbox().to_string()).collect();
    let numbers: Vec<_> = inboxes.iter().map(|inbox| number(&inbox[inbox.len() - 10..])).collect();
    assert!(numbers.windows(2).all(|pair| pair[0].abs_diff(pair[1]) > 1 << 30), "{inboxes:?}");
    assert!(inboxes.iter().all(|inbox| inbox.len() <= 23), "{inboxes:?}");
}

#[test]
fn a_bus_with_a_seed_repeats_them() {
    let run = || {
        let bus = Bus::builder().seed(7).build();
        let client = bus.connect();
        (seen(&bus, &client), seen(&bus, &client), client.new_inbox(), bus.random(), bus.random())
    };
    assert_eq!(run(), run());
}
