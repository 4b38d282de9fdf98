//! Legal chaos: each fault does what it says and no more, runs repeat, failing runs are shrunk, and a real server does the same.

mod determinism;
mod ends_of_time;
mod faults;
mod lawful;
mod real;
mod real_streams;
mod relay;
mod rules;
mod shrinking;
mod slow_delivery;
mod threads;
mod wire;

use postroom::testkit::{Chaos, Fault};
use postroom::{Client, ConnectOptions, Subscriber, TestKit};
use postroom_nats_tests as support;
use std::time::Duration;

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

/// A kit with one fault.
fn kit(fault: Fault) -> TestKit {
    TestKit::builder().seed(1).chaos(Chaos::new().with(fault)).build()
}

fn client(kit: &TestKit, name: &str) -> Client {
    kit.bus().connect_with(ConnectOptions::new().name(name))
}

fn publish(client: &Client, subject: &str, payloads: &[&str]) {
    for payload in payloads {
        client.publish(subject, *payload).unwrap();
    }
}

/// The payloads of what is queued.
fn queued(subscriber: &Subscriber) -> Vec<String> {
    subscriber.try_iter().map(|message| message.payload_str().unwrap().to_owned()).collect()
}

/// The rules that permit the faults that happened.
fn permitted(kit: &TestKit) -> Vec<&'static str> {
    kit.faults().iter().map(|fault| fault.permitted_by).collect()
}
