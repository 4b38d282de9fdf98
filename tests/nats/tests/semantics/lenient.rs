//! S5 to S7, H2 and R2 for a connection that may do what nats-server lets a wire client do.
//!
//! Goal: what a lenient connection sends arrives as it was sent, and changes nothing for the others. Method: a lenient and a strict
//! client on one bus, on one thread, so that they share what that thread remembers of routes.

use bytes::Bytes;
use postroom::error::{HeaderError, SubjectError};
use postroom::publish::RawMessage;
use postroom::{Bus, Client, ConnectOptions, Message, PublishError, RequestError, StatusCode, SubscribeError};

fn raw<'a>(subject: &'a str, reply: Option<&'a str>) -> RawMessage<'a> {
    RawMessage::new(subject, "").reply(reply)
}

fn lenient(bus: &Bus) -> Client {
    bus.connect_with(ConnectOptions::new().lenient(true))
}

#[test]
fn s7_a_published_wildcard_is_plain_text() {
    let bus = Bus::new();
    let (wire, strict) = (lenient(&bus), bus.connect());
    let patterns = ["foo.*", "foo.>", ">", "*.*", "*", "foo.bar", "foo"];
    let subscribers = patterns.map(|pattern| strict.subscribe(pattern).unwrap());
    let table = [("foo.*", 4), (">", 2), ("*", 2), ("foo.>", 4), ("foo.>.x", 2), ("*.bar", 2), ("foo*", 2)];
    // Often enough that a route worth remembering would be remembered.
    for (subject, reaches) in table.into_iter().cycle().take(table.len() * 8) {
        assert_eq!(wire.publish(subject, ""), Ok(reaches), "{subject}");
        assert_eq!(wire.publish_raw(raw(subject, None)), Ok(reaches), "{subject}");
        let wanted = patterns.iter().filter(|pattern| postroom::subject::relation::matches(pattern, subject)).count();
        assert_eq!(wanted, reaches, "{subject}");
        assert_eq!(wire.has_interest(subject), reaches > 0);
    }
    assert_eq!(subscribers[5].len() + subscribers[6].len(), 0, "literals get nothing");
    assert_eq!(subscribers[2].recv().unwrap().subject(), "foo.*");
}

#[test]
fn s6_an_empty_token_reaches_nobody_and_counts_as_no_interest() {
    let bus = Bus::new();
    let wire = lenient(&bus);
    let (all, inbox) = (wire.subscribe(">").unwrap(), wire.subscribe("inb.1").unwrap());
    for subject in ["foo.", ".foo", "a..b", ".", ".."] {
        for _ in 0..4 {
            assert_eq!(wire.publish(subject, ""), Ok(0), "{subject}");
        }
        assert_eq!(wire.publish_raw(raw(subject, Some("inb.1"))), Ok(0), "{subject}");
        // R4: one of the two gets it, and it tells the subject.
        let news = all.try_recv().or_else(|_| inbox.try_recv()).expect("a 503");
        assert_eq!(news.status(), Some(StatusCode::NO_RESPONDERS));
        assert_eq!(news.headers().get("Nats-Subject"), Some(subject));
        assert!(all.is_empty() && inbox.is_empty());
    }
}

#[test]
fn s5_replies_and_control_characters_pass_through() {
    let bus = Bus::new();
    let (wire, strict) = (lenient(&bus), bus.connect());
    let all = strict.subscribe(">").unwrap();
    for reply in ["inb.*", "a..b", ".a.", ">", "\0", "\u{1}\u{7f}", "é", "x\u{a0}"] {
        assert_eq!(wire.publish_raw(raw("foo\0\u{b}", Some(reply))), Ok(1));
        let got = all.recv().unwrap();
        assert_eq!((got.subject().as_str(), got.reply().unwrap().as_str()), ("foo\0\u{b}", reply));
    }
}

#[test]
fn what_a_wire_cant_carry_is_refused() {
    let wire = lenient(&Bus::new());
    let blank = |found, position| PublishError::InvalidSubject(SubjectError::Whitespace { position, found });
    for found in [' ', '\t', '\r', '\n'] {
        let text = format!("a{found}b");
        assert_eq!(wire.publish(&text, ""), Err(blank(found, 1)));
        assert_eq!(wire.publish_raw(raw("a", Some(&text))), Err(blank(found, 1)));
        assert_eq!(wire.publisher(&text).unwrap_err(), blank(found, 1));
    }
    let empty = PublishError::InvalidSubject(SubjectError::Empty);
    assert_eq!(wire.publish("", ""), Err(empty.clone()));
    assert_eq!(wire.publish_raw(raw("a", Some(""))), Err(empty));
    let (long, too_long) = ("a".repeat(4097), PublishError::SubjectTooLong { len: 4097, max: 4096 });
    for _ in 0..4 {
        assert!(!wire.has_interest(&long));
        assert_eq!(wire.publish(&long, ""), Err(too_long.clone()));
        assert_eq!(wire.publish_raw(raw("a", Some(&long))), Err(too_long.clone()));
    }
    assert!(matches!(wire.subscribe("a..b"), Err(SubscribeError::InvalidPattern(_))), "S4 holds");
}

/// The routes of a lenient connection that the thread remembers open no door to a strict one.
#[test]
fn a_strict_connection_stays_strict_beside_a_lenient_one() {
    let bus = Bus::new();
    let (wire, strict) = (lenient(&bus), bus.connect());
    let all = strict.subscribe(">").unwrap();
    let refused = PublishError::InvalidSubject(SubjectError::Wildcard { position: 4 });
    let prepared = wire.publisher("foo.*").unwrap();
    for _ in 0..8 {
        wire.publish("foo.*", "").unwrap();
        prepared.publish("").unwrap();
        wire.publish_raw(raw("foo.*", Some("bar.>.x"))).unwrap();
        assert!(!strict.has_interest("foo.*"));
        assert_eq!(strict.publish("foo.*", ""), Err(refused.clone()));
        assert_eq!(strict.publish_raw(raw("foo.*", None)), Err(refused.clone()));
    }
    assert_eq!(all.len(), 24);
    let got = all.try_iter().last().unwrap();
    let (subject, reply) = (got.subject().clone(), got.reply().unwrap().clone());
    assert_eq!(strict.publish(&subject, ""), Err(refused.clone()));
    assert_eq!(strict.publish_message(&got), Err(refused.clone()), "of the reply");
    assert_eq!(strict.publish_message(&Message::new(&subject, "").unwrap()), Err(refused.clone()));
    assert_eq!(strict.publish_with_reply("a", &reply, ""), Err(refused.clone()));
    assert_eq!(strict.publisher(&subject).unwrap_err(), refused);
    assert!(matches!(strict.request(&subject, ""), Err(RequestError::Publish(error)) if error == refused));
    assert!(matches!(strict.subscribe(&reply), Err(SubscribeError::InvalidPattern(_))));
    assert_eq!(all.len(), 0, "nobody got any of it");
    // Only a connection that could send such a message itself may pass it on.
    assert_eq!(wire.publish_message(&got), Ok(1));
}

/// A responder need not know the requester; its answer goes to the reply that the request named.
#[test]
fn a_strict_responder_answers_a_lenient_reply() {
    let bus = Bus::new();
    let (wire, strict) = (lenient(&bus), bus.connect());
    let _service = strict.subscribe_fn("svc", |question| _ = question.respond("answer")).unwrap();
    let answers = wire.subscribe("inb.*").unwrap();
    for _ in 0..4 {
        wire.publish_raw(raw("svc", Some("inb.*"))).unwrap();
        assert_eq!(answers.recv().unwrap().subject(), "inb.*");
        assert_eq!(strict.publish("inb.*", ""), Err(SubjectError::Wildcard { position: 4 }.into()));
    }
    wire.publish_raw(raw("svc", Some("in..b"))).unwrap();
    assert!(answers.is_empty());
}

/// R2, R3: whatever the reply looks like, and only to a plain subscription of the publisher's own.
#[test]
fn r3_the_503_goes_by_the_text_of_the_reply() {
    let bus = Bus::new();
    let (wire, other) = (lenient(&bus), bus.connect());
    let foreign = other.subscribe(">").unwrap();
    let member = wire.queue_subscribe("inb.>", "q").unwrap();
    for (pattern, reply) in [("inb.*", "inb.*"), ("inb.>", "inb.>"), ("*", "\0"), ("x*", "x*"), ("*.*", ">.x")] {
        let own = wire.subscribe(pattern).unwrap();
        assert_eq!(wire.publish_raw(raw("nobody..here", Some(reply))), Ok(0));
        let news = own.try_recv().unwrap_or_else(|error| panic!("{reply:?}: {error}"));
        assert_eq!((news.subject().as_str(), news.status()), (reply, Some(StatusCode::NO_RESPONDERS)));
        let block = "NATS/1.0 503\r\nNats-Subject: nobody..here\r\n\r\n";
        assert_eq!(news.header_block().unwrap(), block);
        assert_eq!((news.size(), news.payload().len()), (32 + "nobody..here".len(), 0));
    }
    assert_eq!((foreign.len(), member.len()), (0, 0));
}

#[test]
fn r2_without_no_responders_nothing_is_said() {
    let bus = Bus::new();
    let wire = bus.connect_with(ConnectOptions::new().lenient(true).no_responders(false));
    let own = wire.subscribe("inb").unwrap();
    assert_eq!(wire.publish_raw(raw("nobody", Some("inb"))), Ok(0));
    assert!(own.is_empty());
}

#[test]
fn h2_a_header_block_is_carried_through_untouched() {
    let bus = Bus::new();
    let (wire, all) = (lenient(&bus), bus.connect().subscribe(">").unwrap());
    let blocks: [&[u8]; 4] =
        [b"ABCDE", b"NATS/1.0\r\nB:  1 \r\na:2\r\nB: 3\r\n\r\n", b"NATS/1.0 503 No\r\n\r\n", b"\xff\0"];
    for block in blocks {
        let headers = Some(Bytes::copy_from_slice(block));
        let sent = RawMessage::new("foo", "hi").headers(headers);
        assert_eq!(wire.publish_raw(sent), Ok(1));
        let got = all.recv().unwrap();
        assert_eq!(got.header_block().unwrap(), block);
        assert_eq!((got.payload(), got.size()), (&b"hi"[..], block.len() + 2));
        // Passed on, it is still the same.
        wire.publish_message(&got).unwrap();
        let again = all.recv().unwrap();
        assert_eq!(again.header_block().unwrap(), block);
        match block {
            [b'N', .., b'3', b'\r', b'\n', b'\r', b'\n'] => {
                assert_eq!(again.headers().iter().collect::<Vec<_>>(), [("B", "1"), ("a", "2"), ("B", "3")]);
            }
            [b'N', ..] => {
                assert_eq!((again.status(), again.status_description()), (Some(StatusCode::NO_RESPONDERS), "No"))
            }
            _ => {
                assert!(again.headers().is_empty() && again.status().is_none() && again.status_description().is_empty())
            }
        }
    }
}

/// H3: a block of no bytes makes a message without headers. L4: the block counts toward the maximum.
#[test]
fn h3_and_l4_an_empty_block_is_none_and_any_other_counts() {
    let mut limits = postroom::Limits::default();
    limits.max_payload = 6;
    let bus = Bus::builder().limits(limits).build();
    let (wire, all) = (lenient(&bus), bus.connect().subscribe(">").unwrap());
    wire.publish_raw(RawMessage::new("foo", "hi").headers(Bytes::new())).unwrap();
    assert_eq!(all.recv().unwrap().header_block(), None);
    let block = |len: usize| RawMessage::new("foo", "hi").headers(Bytes::from(vec![b'x'; len]));
    assert_eq!(wire.publish_raw(block(4)), Ok(1));
    assert_eq!(wire.publish_raw(block(5)), Err(PublishError::MaxPayloadExceeded { size: 7, max: 6 }));
}

#[test]
fn a_strict_connection_checks_all_parts_of_a_raw_message() {
    let bus = Bus::new();
    let (wire, strict) = (lenient(&bus), bus.connect());
    let all = strict.subscribe(">").unwrap();
    assert_eq!(strict.publish_raw(raw("a", Some("b.*"))), Err(SubjectError::Wildcard { position: 2 }.into()));
    let with = |block: &'static [u8]| raw("a", None).headers(Bytes::from_static(block));
    let refused = PublishError::InvalidHeaders(HeaderError::Version { position: 0 });
    assert_eq!(strict.publish_raw(with(b"ABCDE")), Err(refused.clone()));
    assert_eq!(strict.publish_raw(with(b"NATS/1.0\nA:1\n\n")), Ok(1));
    assert_eq!(all.recv().unwrap().header_block().unwrap(), "NATS/1.0\nA:1\n\n", "what is good is not written anew");
    wire.publish_raw(with(b"ABCDE")).unwrap();
    let got = all.recv().unwrap();
    assert_eq!(strict.publish_message(&got), Err(refused));
    assert_eq!(strict.publish_message(&got.with_headers(Default::default())), Ok(1));
}
