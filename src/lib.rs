//! Postroom: an embeddable, in-process message bus with NATS subject semantics.
//!
//! A postroom is the room in a building where letters are sorted and handed to the people inside; only what is addressed
//! elsewhere leaves the house. This crate is that for one process: parts of a program send messages to *subjects* such as
//! `orders.eu.new` and subscribe to *patterns* such as `orders.*.new` or `orders.>`, and know nothing else of each other. The
//! rules are those of [NATS](https://nats.io), so that a program can start in one process and move to a server later. There
//! is no server, no socket, no runtime; unless real NATS clients are to attach, for which there is a feature.
//!
//! ```
//! use postroom::Bus;
//!
//! let bus = Bus::new();
//! let client = bus.connect();
//!
//! let orders = client.subscribe("orders.*")?; // in force when it returns
//! assert_eq!(client.publish("orders.eu", "hello")?, 1); // one subscriber has it
//! assert_eq!(orders.recv()?.payload(), b"hello"); // or recv_async().await, from the same handle
//!
//! let _adder = client.subscribe_fn("svc.add", |question| {
//!     let sum: i64 = question.payload_str().unwrap().split(' ').map(|n| n.parse::<i64>().unwrap()).sum();
//!     question.respond(sum.to_string()).unwrap();
//! })?;
//! assert_eq!(client.request("svc.add", "1 2")?.payload(), b"3");
//! assert!(client.request("svc.divide", "1 2").unwrap_err().is_no_responders()); // at once
//!
//! assert!(bus.stats().ledger.balances()); // nothing is lost without a count
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```
//!
//! # What it promises
//!
//! | | promise |
//! |---|---|
//! | G1 | **Matching** is that of NATS, and equals a linear search through all patterns ([`LinearMatcher`](matcher::LinearMatcher)) for every input |
//! | G2 | **Effective on return**: a publish that starts after `subscribe` returned reaches it; after `unsubscribe`, it does not |
//! | G3 | **Order**: what one thread publishes reaches each subscriber in that order |
//! | G4 | **No lock is held** while code of yours runs: callbacks, wakers, destructors of payloads, loggers and observers may use the bus as they like; only sinks, and [`Observer::deliver`](observe::Observer::deliver), [`received`](observe::Observer::received) and [`lost`](observe::Observer::lost), which say so, may not |
//! | G5 | **The ledger balances**: matched = delivered + dropped, by reason, + queued; for every subscriber, and in sum |
//! | G6 | **Bounded**: every queue in messages and bytes, every cache in size; memory returns when subscribers go |
//! | G7 | **Deterministic on demand**: with a seed and a manual clock, a run on one thread repeats exactly |
//! | G8 | **No sockets, no runtime**, and no thread but one per bus, for deadlines of async waits, when the first of them comes |
//! | G9 | **A panic in code of yours** (callbacks, wakers, destructors of payloads, observers, hooks, loggers) is caught at that call, counted and reported, and harms no other code; see [`user_code`] |
//!
//! # Where it runs
//!
//! | | what works |
//! |---|---|
//! | Linux | everything; tested there |
//! | macOS and other Unix | everything, untested; `/varz` shows no memory and no processor time |
//! | Windows | all features but `cli`, which is for Unix; untested |
//! | targets of 32 bits | everything, untested; queues hold at most 2 GiB ([`Limits::CAPACITY_BYTES_MAX`]) |
//! | targets without atomics of 64 bits | nothing: it does not compile |
//! | `wasm32-unknown-unknown` | a bus with a [`ManualClock`], alone or with `testkit`, without blocking waits; untested. There is no clock, so that [`Bus::new`] panics; no thread; and no random numbers, so that inboxes can be guessed. `server`, `bridge` and `cli` need sockets |
//!
//! Where the operating system gives no more threads, a server and a bridge fail to start with an error, and async waits with a deadline
//! look at the time again and again instead of sleeping.
//!
//! # Where to look
//!
//! The names of every day are at the root; each other name is in one module.
//!
//! | to | use | and the module |
//! |---|---|---|
//! | make a bus and connect to it | [`Bus`], [`BusBuilder`], [`ConnectOptions`], [`Limits`] | [`id`]: numbers of clients, subscriptions and messages |
//! | publish, subscribe, request | [`Client`]; many messages to one subject: [`Publisher`] | [`future`], [`error`] |
//! | receive, in threads and tasks | [`Subscriber`]; into a channel, a callback or a sink: [`SubscriptionGuard`] | [`receive`] |
//! | bound a queue, choose its overflow policy | [`SubscribeOptions`], [`OverflowPolicy`] | |
//! | respond, and request from several at once | [`Message::respond`], [`Client::request_many`] | [`request`] |
//! | read and write headers | [`Message::headers`], [`HeaderMap`] | [`headers`]: blocks of the wire |
//! | observe losses and ends | [`Bus::events`], [`Event`] | [`event`] |
//! | count | [`Bus::stats`], [`Client::stats`], [`Subscriber::ledger`] | [`stats`] |
//! | end without loss | [`Drain`] | |
//! | know the wanted subjects | [`Bus::interest`], [`Bus::has_interest`] | [`interest`] |
//! | hold a connection to permissions | [`Permissions`], [`Client::set_permissions`] | |
//! | bring messages from elsewhere | [`ConnectOptions::lenient`], [`Client::publish_raw`] | [`publish`] |
//! | do something at a time | [`Bus::schedule_at`], [`Bus::sleep`] | [`time`] |
//! | test without waiting | [`ManualClock`], [`BusBuilder::seed`] | |
//! | decide about every message, and see it | [`BusBuilder::observer`] | [`observe`], [`activity`] |
//! | keep messages, share out work, deliver again | with the feature `jetstream`: `JetStreamServer`, `JetStream` | `jetstream`, `manual::jetstream` |
//! | route things that are not messages | | [`matcher`], usable alone; [`subject`] |
//! | build another server, bridge or test kit | | [`sync`], [`blocking`], [`user_code`] |
//! | read more | | [`manual`] |
//!
//! # Features
//!
//! The default build is the bus alone: no runtime, no sockets. Features only add items.
//!
//! | feature | adds |
//! |---|---|
#![cfg_attr(feature = "bridge", doc = "| `bridge` | [`Bridge`]: the bus is linked to a real NATS server or cluster |")]
#![cfg_attr(
    not(feature = "bridge"),
    doc = "| `bridge` | `Bridge`: the bus is linked to a real NATS server or cluster |"
)]
#![cfg_attr(
    feature = "server",
    doc = "| `server` | [`Server`]: real NATS clients of any language attach to a bus; [`protocol`], what they speak |"
)]
#![cfg_attr(
    not(feature = "server"),
    doc = "| `server` | `Server`: real NATS clients of any language attach to a bus; `protocol`, what they speak |"
)]
#![cfg_attr(
    feature = "jetstream",
    doc = "| `jetstream` | [`jetstream`]: streams, consumers, key-value and object stores on a bus, for unmodified NATS clients and in process |"
)]
#![cfg_attr(
    not(feature = "jetstream"),
    doc = "| `jetstream` | `jetstream`: streams, consumers, key-value and object stores on a bus, for unmodified NATS clients and in process |"
)]
#![cfg_attr(
    feature = "testkit",
    doc = "| `testkit` | [`testkit`]: know when all is quiet, what was sent and what not; move time; break what NATS may break |"
)]
#![cfg_attr(
    not(feature = "testkit"),
    doc = "| `testkit` | `testkit`: know when all is quiet, what was sent and what not; move time; break what NATS may break |"
)]
//! | `cli` | the binary `postroom`: that server, with nats-server's flags, log lines and signals |
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(not(target_has_atomic = "64"))]
compile_error!("postroom needs a target with atomics of 64 bits");

// WORDS: import nothing of ours above them.
pub mod activity;
pub mod blocking;
pub mod error;
pub mod id;
mod limits;
mod message;
mod rng;
mod steps;
pub mod subject;
pub mod sync;
pub mod time;
pub mod user_code;

// ENGINES: know nothing of clients; each usable and testable alone.
mod delivery;
pub mod matcher;
#[cfg(feature = "server")]
pub mod protocol;

// HUB: where engines meet.
mod account;
mod broker;
mod connection;
pub mod observe;
mod routing;
mod services;

// DOOR: what users hold.
mod bus;
mod client;

// GUESTS: each a feature, each only through the door.
#[cfg(feature = "bridge")]
pub mod bridge;
#[cfg(feature = "jetstream")]
pub mod jetstream;
#[cfg(feature = "server")]
pub mod server;
#[cfg(feature = "testkit")]
pub mod testkit;

// OVER ALL
mod unwind;

pub mod manual;

// The README's examples run as tests.
#[cfg(all(doctest, feature = "server"))]
#[doc = include_str!("../README.md")]
struct Readme;

// Crates whose types show in signatures.
pub use {bytes, crossbeam_channel};

// The names of every day. Each public name has one place: here, or in a module.
pub use account::{AllowResponses, Permissions};
#[cfg(feature = "bridge")]
pub use bridge::handle::Bridge;
pub use bus::{Bus, BusBuilder};
pub use client::{Client, Drain, Publisher, RequestOptions, SubscribeOptions, Subscriber, SubscriptionGuard};
pub use connection::ConnectOptions;
pub use delivery::OverflowPolicy;
pub use error::any::Error;
pub use error::publish::PublishError;
pub use error::receive::RecvError;
pub use error::request::RequestError;
pub use error::subscribe::SubscribeError;
pub use limits::Limits;
pub use message::{HeaderMap, Message, Payload, StatusCode};
#[cfg(feature = "server")]
pub use server::handle::Server;
pub use services::Event;
pub use subject::convert::{ToPattern, ToSubject};
pub use subject::literal::Subject;
pub use subject::pattern::Pattern;
#[cfg(feature = "testkit")]
pub use testkit::kit::TestKit;
pub use time::clock::Clock;
pub use time::manual::ManualClock;

/// Streams of events, and the parts of the [`Event`] of a bus.
pub mod event {
    pub use crate::delivery::{EventSender, EventStream};
    pub use crate::services::{Denied, SlowConsumer};
}

/// The futures that operations return, by name: for programs that keep one in a struct.
pub mod future {
    pub use crate::bus::{Closed, InterestChanged};
    pub use crate::client::{DrainFuture, PublishFuture, RequestFuture};
    pub use crate::message::RespondFuture;
}

/// Header blocks: the form of a [`HeaderMap`] on the wire, and its iterators.
pub mod headers {
    pub use crate::message::headers::{IntoIter, Iter, decode, encode, encoded_len};
}

/// The number of subscriptions that overlap a pattern, and its changes: see [`Bus::interest`].
pub mod interest {
    pub use crate::bus::{InterestWatcher, PatternInterest};
}

/// Messages in the form of a wire: see [`Client::publish_raw`].
pub mod publish {
    pub use crate::client::RawMessage;
}

/// The iterators and the stream of a [`Subscriber`], and the types of a [sink](Client::subscribe_sink).
pub mod receive {
    pub use crate::client::{IntoIter, Iter, SubscriberStream};
    pub use crate::delivery::{SinkDelivery, SinkResult};
}

/// Requests with several responses: see [`Client::request_many`].
pub mod request {
    pub use crate::client::{RequestManyOptions, Responses, ResponsesEnd, ResponsesIter};
}

/// The counts of messages: of a bus, of a client, and of a subscription.
pub mod stats {
    pub use crate::account::{Ledger, Traffic};
    pub use crate::broker::BusStats;
    pub use crate::connection::ClientStats;
    pub use crate::delivery::{DropCounts, DropReason, DroppedMessage};
}
