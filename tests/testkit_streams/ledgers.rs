//! Promise JS-2: whatever happens to a stream, its ledgers balance, and no step is one that can't be.

use super::{House, SECOND};
use postroom::jetstream::{
    AckPolicy, Consumer, ConsumerConfig, Discard, PublishOptions, Purge, Retention, StreamConfig,
};
use postroom::{Message, TestKit};
use std::time::Duration;

/// Numbers that follow from a seed.
struct Draw(u64);

impl Draw {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    fn is(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

fn stream_config(draw: &mut Draw) -> StreamConfig {
    let mut config = StreamConfig::new("S").subjects(["s.*"]).allow_msg_ttl(true).allow_rollup_hdrs(true);
    config.retention = [Retention::Limits, Retention::Interest, Retention::WorkQueue][draw.below(3) as usize];
    if draw.is(50) {
        config = config.max_msgs(draw.below(20) + 1);
    }
    if draw.is(30) {
        config = config.max_msgs_per_subject(draw.below(3) + 1);
    }
    if draw.is(30) {
        config = config.max_age(SECOND * (draw.below(30) as u32 + 1));
    }
    if draw.is(20) { config.discard(Discard::New) } else { config }
}

fn consumer_config(draw: &mut Draw, is_work_queue: bool) -> ConsumerConfig {
    let name = format!("c{}", draw.below(3));
    let mut config = ConsumerConfig::pull(name)
        .ack_wait(SECOND * (draw.below(5) as u32 + 1))
        .max_deliver(draw.below(4) + 1)
        .max_ack_pending(draw.below(8) + 2);
    if is_work_queue {
        return config.filter_subject(format!("s.{}", draw.below(3)));
    }
    if draw.is(30) {
        config = config.filter_subject(format!("s.{}", draw.below(3)));
    }
    config.ack_policy = [AckPolicy::Explicit, AckPolicy::All, AckPolicy::None][draw.below(3) as usize];
    config
}

fn acknowledge(draw: &mut Draw, message: &Message) {
    let said = match draw.below(6) {
        0..=2 => "+ACK".to_owned(),
        3 => "-NAK".to_owned(),
        4 => format!("-NAK {}ms", draw.below(3_000)),
        _ => "+TERM".to_owned(),
    };
    message.respond(&*said).expect("sent");
}

fn run(seed: u64) {
    let mut draw = Draw(seed);
    let house = House::of(TestKit::builder().seed(seed));
    let config = stream_config(&mut draw);
    let is_work_queue = config.retention == Retention::WorkQueue;
    let (stream, test) = (house.stream(config), house.kit.client());
    let (mut consumers, mut taken): (Vec<Consumer>, Vec<Message>) = (Vec::new(), Vec::new());
    for _ in 0..150 {
        match draw.below(16) {
            0..=5 => {
                let mut options = PublishOptions::new();
                if draw.is(20) {
                    options = options.message_id(draw.below(5).to_string());
                }
                if draw.is(20) {
                    options = options.ttl(SECOND * (draw.below(10) as u32 + 1));
                }
                if draw.is(5) {
                    let mut headers = postroom::HeaderMap::new();
                    headers.insert("Nats-Rollup", if draw.is(50) { "sub" } else { "all" }).unwrap();
                    options = options.headers(headers);
                }
                // Refusals are a part of it.
                let _outcome = house.js.publish_with(format!("s.{}", draw.below(3)), "x", options).wait();
            }
            6..=7 if consumers.len() < 4 => {
                let made = stream.create_consumer(consumer_config(&mut draw, is_work_queue)).wait();
                consumers.extend(made);
            }
            8..=10 if !consumers.is_empty() => {
                let consumer = &consumers[draw.below(consumers.len() as u64) as usize];
                // Nothing here waits for time, which stands still: a request at the limit of what is pending is not ended (JC72).
                let inbox = test.new_inbox();
                let answers = test.subscribe(&inbox).unwrap();
                let call = format!("$JS.API.CONSUMER.MSG.NEXT.S.{}", consumer.name());
                let body = format!(r#"{{"batch":{},"no_wait":true}}"#, draw.below(6) + 1);
                test.publish_with_reply(call, &inbox, body).unwrap();
                let messages = std::iter::from_fn(|| answers.try_recv().ok());
                taken.extend(messages.filter(|message| message.status().is_none()));
            }
            11..=12 if !taken.is_empty() => {
                let message = taken.swap_remove(draw.below(taken.len() as u64) as usize);
                acknowledge(&mut draw, &message);
            }
            13 => {
                let filter = if draw.is(50) { format!("s.{}", draw.below(3)) } else { String::new() };
                let purge = match draw.below(3) {
                    0 => Purge { filter, keep: draw.below(3) + 1, ..Purge::default() },
                    1 => Purge { filter, seq: draw.below(30), ..Purge::default() },
                    _ => Purge { filter, ..Purge::default() },
                };
                let _outcome = stream.purge_with(purge).wait();
            }
            14 => {
                let _outcome = stream.delete_message(draw.below(60) + 1).wait();
            }
            15 if !consumers.is_empty() => {
                let place = draw.below(consumers.len() as u64) as usize;
                if draw.is(50) {
                    test.publish(format!("$JS.API.CONSUMER.RESET.S.{}", consumers[place].name()), "").unwrap();
                } else {
                    let name = consumers.swap_remove(place).name().to_owned();
                    let _outcome = stream.delete_consumer(name).wait();
                }
            }
            _ => house.kit.advance(Duration::from_millis(draw.below(4_000))),
        }
    }
    house.kit.settle();
    let record = house.kit.streams().get("S").unwrap();
    assert_eq!(record.held, stream.info().wait().unwrap().state.messages, "seed {seed}");
    assert!(record.balances() && record.consumers.iter().all(|consumer| consumer.balances()), "seed {seed}\n{record}");
    for consumer in &consumers {
        // It may be gone for want of use.
        let Ok(info) = consumer.info().wait() else { continue };
        let known = record.consumer(consumer.name()).unwrap();
        assert_eq!(known.pending, info.num_ack_pending, "seed {seed}, {}\n{record}", consumer.name());
    }
}

/// JS-2.
#[test]
fn ledgers_balance_whatever_happens() {
    for seed in 0..60 {
        run(seed);
    }
}
