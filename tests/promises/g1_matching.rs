//! G1: matching is exactly NATS's.
//!
//! Goal: what the bus delivers is what the definition says, on every way a publish can take. Method: all patterns and subjects
//! over a small alphabet (S2, S3), delivered through buses with and without shards and remembered routes, by text, by `Subject` and
//! by prepared publisher; the definition is written down here a second time. The matcher has exhaustive tests of its own.

use crate::common::buses;
use postroom::{Pattern, Subject, Subscriber};

fn matches(pattern: &[&str], subject: &[&str]) -> bool {
    match (pattern, subject) {
        ([], []) => true,
        ([">"], [_, ..]) => true,
        (["*", pattern @ ..], [_, subject @ ..]) => matches(pattern, subject),
        ([p, pattern @ ..], [s, subject @ ..]) => p == s && matches(pattern, subject),
        _ => false,
    }
}

fn texts(alphabet: &[&str], depth: usize) -> Vec<String> {
    let mut all = vec![];
    let mut longest = vec![String::new()];
    for _ in 0..depth {
        let longer = longest.iter().flat_map(|text| alphabet.iter().map(move |token| format!("{text}.{token}")));
        longest = longer.collect();
        all.extend(longest.iter().map(|text| text[1..].to_owned()));
    }
    all
}

fn wanted(pattern: &str, subject: &str) -> bool {
    matches(&pattern.split('.').collect::<Vec<_>>(), &subject.split('.').collect::<Vec<_>>())
}

#[test]
fn every_pattern_gets_exactly_its_subjects_on_every_way() {
    let subjects = texts(&["a", "b", "a*"], 3);
    let patterns: Vec<String> =
        texts(&["a", "b", "a*", "*", ">"], 3).into_iter().filter(|text| Pattern::new(text.as_str()).is_ok()).collect();
    assert_eq!((subjects.len(), patterns.len()), (39, 105), "3 + 9 + 27; 5 + 4 * 5 + 16 * 5");
    for bus in buses() {
        let client = bus.connect();
        let subscribers: Vec<Subscriber> =
            patterns.iter().map(|pattern| client.subscribe(pattern.as_str()).unwrap()).collect();
        for subject in &subjects {
            let count = patterns.iter().filter(|pattern| wanted(pattern, subject)).count();
            let checked = Subject::new(subject.as_str()).unwrap();
            let prepared = client.publisher(subject.as_str()).unwrap();
            // Thrice by text: looked up, looked up and remembered, remembered.
            for _ in 0..3 {
                assert_eq!(client.publish(subject.as_str(), "").unwrap(), count, "{subject}");
            }
            assert_eq!(client.publish(&checked, "").unwrap(), count, "{subject}");
            assert_eq!(prepared.publish("").unwrap(), count, "{subject}");
            assert_eq!(prepared.publish("").unwrap(), count, "{subject}");
            assert_eq!(bus.has_interest(subject), count > 0);
            for (pattern, subscriber) in patterns.iter().zip(&subscribers) {
                let got: Vec<_> = subscriber.try_iter().map(|message| message.subject().to_string()).collect();
                let copies = if wanted(pattern, subject) { 6 } else { 0 };
                assert_eq!(got, vec![subject.clone(); copies], "{pattern}");
            }
        }
    }
}

#[test]
fn what_is_no_subject_is_refused_and_reaches_nobody() {
    for bus in buses() {
        let client = bus.connect();
        let all = client.subscribe(">").unwrap();
        for text in ["", ".", "a.", ".a", "a..b", "a.*", "*", ">", "a.>", "a b", "a\tb", "a\r\n"] {
            for _ in 0..3 {
                assert!(client.publish(text, "").is_err(), "{text:?}");
                assert!(client.request(text, "").is_err(), "{text:?}");
            }
            assert!(client.publisher(text).is_err(), "{text:?}");
            assert!(!bus.has_interest(text), "{text:?}");
        }
        assert!(all.is_empty());
    }
}
