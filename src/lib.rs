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
//! | G1 | **Matching** is that of NATS, and equals a linear search through all patterns ([`LinearMatcher`]) for every input |
//! | G2 | **Effective on return**: a publish that starts after `subscribe` returned reaches it; after `unsubscribe`, it does not |
//! | G3 | **Order**: what one thread publishes reaches each subscriber in that order |
//! | G4 | **No lock is held** while code of yours runs: callbacks, wakers, destructors of payloads, loggers and observers may use the bus as they like; only sinks, and [`Observer::deliver`], [`Observer::received`] and [`Observer::lost`], which say so, may not |
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
//! | to | use |
//! |---|---|
//! | make a bus and connect to it | [`Bus`], [`BusBuilder`], [`ConnectOptions`], [`Limits`] |
//! | publish, subscribe, ask | [`Client`]; many messages to one subject: [`Publisher`] |
//! | receive, in threads and tasks | [`Subscriber`]; into a channel, a callback or a sink: [`SubscriptionGuard`] |
//! | bound a queue, choose its overflow policy | [`SubscribeOptions`], [`OverflowPolicy`] |
//! | answer, and ask several at once | [`Message::respond`], [`RequestManyOptions`] |
//! | observe the activity | [`Bus::stats`], [`Bus::events`], [`Ledger`] |
//! | end without loss | [`Drain`] |
//! | know the wanted subjects | [`Bus::interest`], [`Bus::has_interest`] |
//! | hold a connection to permissions | [`Permissions`], [`Client::set_permissions`] |
//! | bring messages from elsewhere | [`ConnectOptions::lenient`], [`Client::publish_raw`] |
//! | do something at a time | [`Bus::schedule_at`], [`Bus::sleep`] |
//! | test without waiting | [`ManualClock`], [`BusBuilder::seed`] |
//! | be asked and told about every message | [`Observer`], [`activity`] |
//! | route things that are not messages | [`Matcher`], usable alone |
//! | read more | [`manual`] |
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
    doc = "| `jetstream` | [`jetstream`]: streams and consumers on a bus, in memory, for unmodified NATS clients and in process |"
)]
#![cfg_attr(
    not(feature = "jetstream"),
    doc = "| `jetstream` | `jetstream`: streams and consumers on a bus, in memory, for unmodified NATS clients and in process |"
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
pub mod limits;
pub mod message;
pub mod subject;

mod id;
mod rng;
mod steps;
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

pub use account::{AllowResponses, Ledger, Permissions};
#[cfg(feature = "bridge")]
pub use bridge::{Bridge, BridgeBuilder, BridgeEvent, BridgeEvents, BridgeState, BridgeStats};
pub use broker::BusStats;
pub use bus::{BuildError, Bus, BusBuilder, Closed, InterestChanged, InterestWatcher, PatternInterest};
pub use client::{
    Client, Drain, DrainFuture, IntoIter, Iter, PublishFuture, Publisher, RawMessage, RequestFuture,
    RequestManyOptions, RequestOptions, Responses, ResponsesEnd, ResponsesIter, SubscribeOptions, Subscriber,
    SubscriberStream, SubscriptionGuard,
};
pub use connection::{ClientStats, ConnectOptions};
pub use delivery::{DropCounts, DropReason, DroppedMessage, OverflowPolicy, SinkDelivery, SinkResult};
pub use error::{
    CloseReason, DrainTimeoutError, Error, HeaderError, PublishError, RecvError, RecvTimeoutError, RequestError,
    RespondError, SubscribeError, TryRecvError,
};
pub use id::{ClientId, MessageId, SubscriptionId};
pub use limits::{Limits, LimitsError};
pub use matcher::{EntryId, LinearMatcher, Matcher, MatcherOptions, MatcherStats, Matches, QueueGroup};
pub use message::{HeaderMap, Message, Payload, RespondFuture, StatusCode};
#[cfg(feature = "server")]
pub use server::Server;
pub use services::{
    CallbackPanic, ClientInfo, DelayedDelivery, DelayedMessage, DeliveryAction, Denied, Event, Events, Observer,
    PublishAction, PublishContext, RejectedPublish, SlowConsumer, SubscriptionInfo,
};
pub use subject::{Pattern, Subject, SubjectError, ToPattern, ToSubject};
pub use time::{Clock, ManualClock};
