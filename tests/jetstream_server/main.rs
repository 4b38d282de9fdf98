//! JetStream on a bus, in process.
//!
//! Goal: what clients on the wire can't see: time on the bus's clock, order, what holds under many threads, what is left behind. Method: a
//! manual clock, clients in process, and the ledger of the bus. The bytes are compared with nats-server beside the tests on the wire.

mod calls;
mod consumers;
mod store;
mod streams;
mod time;

use postroom::jetstream::server::{JetStreamOptions, JetStreamServer};
use postroom::{Bus, Client, ManualClock};

/// A bus with JetStream, whose clock stands still.
struct House {
    clock: ManualClock,
    bus: Bus,
    client: Client,
    server: JetStreamServer,
}

impl House {
    fn new() -> Self {
        House::with(JetStreamOptions::new())
    }

    fn with(options: JetStreamOptions) -> Self {
        let clock = ManualClock::new();
        let bus = Bus::builder().clock(&clock).seed(7).build();
        let server = JetStreamServer::start(&bus, options).expect("it starts");
        House { clock, client: bus.connect(), bus, server }
    }

    /// The answer to a request.
    fn ask(&self, subject: &str, body: &str) -> String {
        let answer = self.client.request(subject, body).unwrap_or_else(|error| panic!("{subject}: {error}"));
        answer.payload_str().expect("text").to_owned()
    }

    /// The answer to an API call, which succeeds.
    fn api(&self, call: &str, body: &str) -> String {
        let answer = self.ask(&format!("$JS.API.{call}"), body);
        assert!(!answer.contains("\"error\""), "{call} {body}: {answer}");
        answer
    }

    /// How many messages a stream has.
    fn messages(&self, stream: &str) -> u64 {
        number(&self.api(&format!("STREAM.INFO.{stream}"), ""), "messages")
    }
}

/// The number behind a key.
fn number(json: &str, key: &str) -> u64 {
    let (_, rest) = json.split_once(&format!("\"{key}\":")).unwrap_or_else(|| panic!("no {key} in {json}"));
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    rest[..end].parse().expect("a number")
}
