//! Recordings: written, read and replayed.

use crate::{assert_has, named};
use bytes::Bytes;
use postroom::publish::RawMessage;
use postroom::testkit::{Recorded, Recording, RecordingError, Speed};
use postroom::{Bus, Clock, ConnectOptions, HeaderMap, Message, StatusCode, TestKit};
use proptest::prelude::*;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

fn run(kit: &TestKit) {
    let (shop, billing) = (named(kit, "shop"), named(kit, "billing"));
    let mut headers = HeaderMap::new();
    headers.append("Id", "7").unwrap();
    headers.append("Id", "8").unwrap();
    shop.publish_with_headers("orders.eu", headers, r#"{"sum":"1 €"}"#).unwrap();
    kit.clock().advance(SECOND);
    billing.publish_with_reply("bills", "answers", vec![0xff, 0]).unwrap();
    kit.clock().advance(SECOND);
    shop.publish_message(&Message::new("orders.eu", "").unwrap().with_status(StatusCode::TIMEOUT, "too late")).unwrap();
}

#[test]
fn a_run_is_saved_as_readable_lines_and_replayed() {
    let kit = TestKit::new();
    run(&kit);
    let recording = kit.record();
    let path = std::env::temp_dir().join(format!("postroom-recording-{}.jsonl", std::process::id()));
    recording.save(&path).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(
        text.lines().collect::<Vec<_>>(),
        [
            r#"{"postroom_recording":1}"#,
            r#"{"at_ns":0,"client":"shop","subject":"orders.eu","headers":[["Id","7"],["Id","8"]],"payload":"{\"sum\":\"1 €\"}"}"#,
            r#"{"at_ns":1000000000,"client":"billing","subject":"bills","reply":"answers","payload_base64":"/wA="}"#,
            r#"{"at_ns":2000000000,"client":"shop","subject":"orders.eu","status":"408 too late"}"#,
        ]
    );
    assert_eq!(Recording::load(&path).unwrap(), recording);
    std::fs::remove_file(&path).unwrap();
    assert!(matches!(Recording::load(&path), Err(RecordingError::Io(_))));

    let second = TestKit::new();
    let tap = second.tap(">");
    let replayed = second.replay(&recording, Speed::Recorded);
    assert_eq!((replayed.published, replayed.refused), (3, vec![]));
    assert_eq!(second.record(), recording, "{tap}");
}

#[test]
fn replays_go_as_fast_as_they_are_told() {
    let kit = TestKit::new();
    run(&kit);
    let recording = kit.record();
    for (speed, millis) in
        [(Speed::Full, [0, 0, 0]), (Speed::Times(4.0), [0, 250, 500]), (Speed::Times(0.0), [0, 1000, 2000])]
    {
        let second = TestKit::new();
        let tap = second.tap(">");
        second.replay(&recording, speed);
        let times: Vec<_> = tap.entries().iter().map(|entry| entry.at.as_millis()).collect();
        assert_eq!(times, millis, "{speed:?}");
    }
}

#[test]
fn a_replay_onto_any_bus_goes_by_that_buss_clock() {
    let kit = TestKit::new();
    run(&kit);
    let recording = kit.record();
    let clock = Clock::manual();
    let bus = Bus::builder().clock(&clock).build();
    let all = bus.connect().subscribe(">").unwrap();
    std::thread::scope(|scope| {
        let replaying = scope.spawn(|| recording.replay(&bus, Speed::Recorded));
        for _ in 0..2 {
            clock.wait_for_timers(1);
            clock.advance(SECOND);
        }
        assert_eq!(replaying.join().unwrap().published, 3);
    });
    assert_eq!(
        all.try_iter().map(|message| message.subject().to_string()).collect::<Vec<_>>(),
        ["orders.eu", "bills", "orders.eu"]
    );

    let mut limits = postroom::Limits::default();
    limits.max_payload = 10;
    let small = Bus::builder().limits(limits).build();
    let replayed = recording.replay(&small, Speed::Full);
    assert_eq!((replayed.published, replayed.refused.len()), (1, 2));
    assert_eq!(replayed.refused[0].0, 0);
}

#[test]
fn what_falls_due_between_two_messages_is_done_between_them() {
    let kit = TestKit::new();
    run(&kit);
    let recording = kit.record();
    let second = TestKit::new();
    let (tap, app) = (second.tap(">"), named(&second, "heart"));
    let never = app.subscribe("never").unwrap();
    let heart = std::thread::spawn(move || {
        while never.recv_timeout(SECOND / 4).is_err_and(|error| error == postroom::error::RecvTimeoutError::Timeout) {
            app.publish("beat", "").unwrap();
        }
    });
    second.clock().wait_for_timers(1);
    second.replay(&recording, Speed::Recorded);
    let seen: Vec<_> = tap.subjects().iter().map(ToString::to_string).collect();
    let four = ["beat"; 4];
    assert_eq!(seen, [&["orders.eu"][..], &four, &["bills"], &four, &["orders.eu"]].concat());
    second.bus().close();
    heart.join().unwrap();
}

#[test]
fn a_replay_from_another_thread_is_waited_for() {
    const MESSAGES: u32 = 300;
    let kit = TestKit::new();
    let app = named(&kit, "app");
    for number in 0..MESSAGES {
        app.publish("a", number.to_string()).unwrap();
        kit.clock().advance(SECOND);
    }
    let recording = kit.record();
    let second = TestKit::new();
    let tap = second.tap("a");
    std::thread::scope(|scope| {
        let replaying = scope.spawn(|| recording.replay(second.bus(), Speed::Recorded));
        for number in 1..MESSAGES {
            second.clock().wait_for_timers(1);
            second.advance(SECOND);
            assert_eq!(tap.len() as u32, number + 1);
        }
        assert_eq!(replaying.join().unwrap().published as u32, MESSAGES);
    });
}

#[test]
fn what_came_off_a_wire_is_kept_byte_for_byte() {
    let kit = TestKit::new();
    let wire = kit.bus().connect_with(ConnectOptions::new().lenient(true).name("wire"));
    let block = Bytes::from_static(b"NATS/1.0\r\nID:  7\r\n\r\n");
    let (subject, payload) = ("orders.*", Bytes::new());
    wire.publish_raw(RawMessage::new(subject, payload).reply("a..b").headers(block.clone())).unwrap();
    let recording: Recording = kit.record().to_string().parse().unwrap();
    assert_eq!(recording, kit.record());
    assert_eq!(recording.messages[0].headers, Some(block));
    let second = TestKit::new();
    assert_eq!(second.replay(&recording, Speed::Full).published, 1);
    assert_eq!(second.record(), recording);
}

#[test]
fn unknown_fields_survive() {
    let text = concat!(
        "{\"postroom_recording\":1,\"made_by\":\"me\",\"tags\":[1,2]}\n",
        "{\"at_ns\":5,\"client\":\"a\",\"subject\":\"s\",\"span\":{\"id\":\"x\"},\"zone\":null}\n",
    );
    let recording: Recording = text.parse().unwrap();
    assert_eq!(recording.to_string(), text);
    let spaced = text.replace('\n', "\r\n\r\n").replace("\"span\"", "  \"span\"  ");
    assert_eq!(spaced.parse::<Recording>().unwrap(), recording);
    assert_eq!(format!("\u{feff}{text}").parse::<Recording>().unwrap(), recording, "some editors put that there");
}

#[test]
fn the_number_of_an_unknown_field_is_the_same_number_when_it_comes_back() {
    let long = format!("20{}{}", "9".repeat(103), "0".repeat(8));
    for number in [&long, "0.1e-7", "123456789.12345678901", "18446744073709551615", "5e-324"] {
        let text = format!("{{\"postroom_recording\":1,\"weight\":{number}}}\n");
        let recording: Recording = text.parse().unwrap();
        let written = recording.to_string();
        assert_eq!(written.parse::<Recording>().unwrap(), recording, "{number} was written as {written}");
    }
}

#[test]
fn what_is_wrong_is_named_with_its_line() {
    let head = "{\"postroom_recording\":1}\n";
    let message = |fields: &str| format!("{head}\n{{\"at_ns\":1,\"client\":\"c\",\"subject\":\"s\"{fields}}}");
    for (text, expected) in [
        (String::new(), "line 1 is not the head of a recording"),
        ("{}".into(), "line 1 is not the head of a recording"),
        ("{\"postroom_recording\":2}".into(), "version 2 of recordings is not known, only up to 1"),
        (format!("{head}[]"), "line 2, column 0: a message is an object"),
        (format!("{head}{{"), "line 2, column 1"),
        (format!("{head}{{\"at_ns\":1,\"client\":\"c\"}}"), "line 2: there is no `subject`"),
        (format!("{head}{{\"at_ns\":-1}}"), "line 2: `at_ns` has to be a whole number"),
        (message(",\"payload\":1"), "line 3: `payload` has to be a text"),
        (message(",\"payload_base64\":\"?\""), "line 3: `payload_base64` has to be a text in base64"),
        (message(",\"payload\":\"\",\"payload_base64\":\"\""), "there without `payload`"),
        (message(",\"headers\":[[\"a b\",\"\"]]"), "line 3: `headers` has to be pairs"),
        (message(",\"status\":\"50\""), "line 3: `status` has to be a number of three digits"),
        (message(",\"status\":\"503 a\\nb\""), "line 3: `status` has to be a text without line breaks"),
        (message(",\"status\":\"503\",\"header_block\":\"\""), "line 3: `header_block` has to be there without"),
    ] {
        let error = text.parse::<Recording>().expect_err(&text).to_string();
        assert_has(&error, &[expected]);
    }
}

#[test]
fn a_run_that_the_journal_had_no_room_for_is_not_saved_as_if_it_were_whole() {
    let kit = TestKit::builder().journal(2, usize::MAX).build();
    run(&kit);
    let recording = kit.record();
    assert_eq!(recording.missed(), Some(1));
    let error = recording.save(std::env::temp_dir().join("postroom-never-written")).unwrap_err();
    assert_has(&error.to_string(), &["1 older messages are not in the recording"]);
}

#[test]
fn numbers_of_unknown_fields_are_those_that_64_bits_hold() {
    let head = "{\"postroom_recording\":1,\"n\":";
    for number in [
        "0",
        "-1",
        "18446744073709551615",
        "-9223372036854775808",
        "0.1",
        "1e-7",
        "5e-324",
        "-0.0",
        "1.7976931348623157e+308",
    ] {
        let recording: Recording = format!("{head}{number}}}").parse().unwrap();
        assert_eq!(recording.to_string(), format!("{head}{number}}}\n"));
    }
    // Beyond that they are the nearest, and what has none is refused.
    let large: Recording = format!("{head}18446744073709551616}}").parse().unwrap();
    assert_eq!(large.to_string(), format!("{head}1.8446744073709552e+19}}\n"));
    assert_eq!(large.to_string().parse::<Recording>().unwrap(), large);
    assert!(format!("{head}1e400}}").parse::<Recording>().is_err());
}

/// Any JSON that a later version may write.
fn json() -> impl Strategy<Value = serde_json::Value> {
    use serde_json::Value;
    let number = prop_oneof![
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from), // null if it is none
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        number,
        any::<String>().prop_map(Value::from)
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..4).prop_map(|fields| fields.into_iter().collect()),
        ]
    })
}

/// A line of a file with these fields and others.
fn line(known: &str, others: &std::collections::BTreeMap<String, serde_json::Value>) -> String {
    let others: String = others.iter().map(|(name, value)| format!(",{}:{value}", serde_json::json!(name))).collect();
    format!("{{{known}{others}}}\n")
}

/// Names that no version knows.
fn unknown() -> impl Strategy<Value = std::collections::BTreeMap<String, serde_json::Value>> {
    prop::collection::btree_map("\\PC{0,6}".prop_map(|name| format!("x{name}")), json(), 0..5)
}

/// Header blocks as a strange client may send them: names and values of anything, white space everywhere, no end.
fn strange_block() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        "[ -~]{0,4}:[ \t]{0,2}\\PC{0,6}[ \t]{0,2}",
        "[A-Z]{1,3}: [\u{0}-\u{20}\u{85}\u{a0}\u{2028}\u{feff}a]{0,4}",
        "[ \t]{1,2}[a-z]{0,3}",
        Just(String::new()),
    ];
    let status = prop_oneof![
        Just(""),
        Just(" 503"),
        Just(" 503 "),
        Just("  503"),
        Just(" 503  No  Responders "),
        Just(" 99"),
        Just(" 503\tx")
    ];
    let end = prop_oneof![Just("\r\n"), Just("\n"), Just("\r")];
    (status, prop::collection::vec((line, end.clone()), 0..4), end).prop_map(|(status, lines, last)| {
        let lines: String = lines.into_iter().map(|(line, end)| format!("{line}{end}")).collect();
        format!("NATS/1.0{status}\r\n{lines}{last}").into_bytes()
    })
}

fn recorded() -> impl Strategy<Value = Recorded> {
    let headers = prop_oneof![
        Just(None),
        any::<Vec<u8>>().prop_map(|block| Some(block).filter(|block| !block.is_empty())),
        "NATS/1.0( [1-9][0-9]{2}( [a-z ]{1,8})?)?\r\n([A-Z][a-z]{0,3}: ?[a-z ]{0,4}\r\n){0,3}\r\n"
            .prop_map(|block| Some(block.into_bytes())),
        strange_block().prop_map(Some),
    ];
    let payload = prop_oneof![any::<Vec<u8>>(), any::<String>().prop_map(String::into_bytes)];
    let texts = (any::<String>(), any::<String>(), any::<Option<String>>());
    (any::<u64>(), texts, headers, payload).prop_map(|(at, (client, subject, reply), headers, payload)| {
        let mut message = Recorded::default();
        message.at = Duration::from_nanos(at);
        (message.client, message.subject, message.reply) = (client, subject, reply);
        (message.headers, message.payload) = (headers.map(Bytes::from), payload.into());
        message
    })
}

proptest! {
    #[test]
    fn what_was_written_reads_the_same(messages in prop::collection::vec(recorded(), 0..6)) {
        let mut recording = Recording::default();
        recording.messages = messages;
        let text = recording.to_string();
        prop_assert_eq!(text.lines().count(), recording.messages.len() + 1);
        prop_assert_eq!(text.parse::<Recording>().unwrap(), recording);
    }

    #[test]
    fn what_a_later_version_wrote_is_written_again(head in unknown(), fields in prop::collection::vec(unknown(), 0..4)) {
        let mut text = line("\"postroom_recording\":1", &head);
        for (at, fields) in fields.iter().enumerate() {
            text.push_str(&line(&format!("\"at_ns\":{at},\"client\":\"c\",\"subject\":\"s\""), fields));
        }
        let recording: Recording = text.parse().unwrap();
        prop_assert_eq!(recording.to_string().parse::<Recording>().unwrap(), recording.clone());
        prop_assert_eq!(recording.to_string(), text);
    }

    #[test]
    fn a_run_that_is_replayed_is_recorded_the_same(messages in prop::collection::vec(recorded(), 0..6)) {
        let mut first = Recording::default();
        first.messages = messages;
        // A refused message does not come; any other comes as it was.
        let replay = |recording: &Recording| {
            let kit = TestKit::new();
            let replayed = kit.replay(recording, Speed::Full);
            prop_assert_eq!(replayed.published + replayed.refused.len(), recording.messages.len());
            let again = kit.record();
            prop_assert_eq!(again.messages.len(), replayed.published);
            let refused: Vec<_> = replayed.refused.iter().map(|(place, _)| *place).collect();
            let let_in = recording.messages.iter().enumerate().filter(|(place, _)| !refused.contains(place));
            for ((_, was), is) in let_in.zip(&again.messages) {
                prop_assert_eq!((&was.client, &was.subject, &was.reply), (&is.client, &is.subject, &is.reply));
                prop_assert_eq!((&was.headers, &was.payload), (&is.headers, &is.payload));
            }
            Ok(again)
        };
        let second = replay(&first)?;
        let third = replay(&second.to_string().parse().unwrap())?;
        prop_assert_eq!(third, second);
    }

    #[test]
    fn any_text_is_read_or_refused(text in any::<String>(), line in "[{}\\[\\]\":,a-z0-9_]{0,40}") {
        let _ = text.parse::<Recording>();
        let _ = format!("{{\"postroom_recording\":1}}\n{line}").parse::<Recording>();
    }
}
