//! Timers: all of them are the bus's clock's.

use super::{House, number};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// JS76, JS49: messages expire and ids are forgotten at their very instants.
#[test]
fn messages_expire_and_ids_are_forgotten_on_the_clock_of_the_bus() {
    let house = House::new();
    house.api(
        "STREAM.CREATE.S",
        r#"{"name":"S","subjects":["s.*"],"max_age":10000000000,"duplicate_window":5000000000,"allow_msg_ttl":true}"#,
    );
    assert_eq!(house.clock.timers(), 0, "a stream that waits for nothing has no timer");
    house.client.publish("s.1", "x").unwrap();
    house.clock.advance(SECOND * 9);
    assert_eq!(house.messages("S"), 1);
    house.client.publish("s.2", "y").unwrap();
    house.clock.advance(SECOND);
    assert_eq!(house.messages("S"), 1);
    house.clock.advance(SECOND * 9);
    assert_eq!((house.messages("S"), house.clock.timers()), (0, 0));
}

/// JS13: instants are those of the bus's time of day.
#[test]
fn a_stream_says_when_it_was_made_by_the_clock_of_the_bus() {
    let house = House::new();
    house.clock.advance(SECOND * 90);
    let made = house.api("STREAM.CREATE.S", r#"{"name":"S"}"#);
    assert!(made.contains(r#""created":"2000-01-01T00:01:30Z""#), "{made}");
}

/// JS66, JS67: a schedule fires on the clock of the bus.
#[test]
fn schedules_fire_on_the_clock_of_the_bus() {
    let house = House::new();
    house.api("STREAM.CREATE.S", r#"{"name":"S","subjects":["s.*","t.*"],"allow_msg_schedules":true}"#);
    let mut headers = postroom::HeaderMap::new();
    headers.insert("Nats-Schedule", "@every 10s").unwrap();
    headers.insert("Nats-Schedule-Target", "t.1").unwrap();
    house.client.publish_with_headers("s.1", headers, "again").unwrap();
    for turn in 1..=3 {
        house.clock.advance(SECOND * 10);
        assert_eq!(number(&house.api("STREAM.INFO.S", ""), "messages"), turn + 1);
    }
}
