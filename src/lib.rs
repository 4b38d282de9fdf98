//! Postroom: an embeddable, in-process message bus with NATS subject semantics.
#![forbid(unsafe_code)]

// WORDS: import nothing of ours above them.
pub mod limits;
pub mod message;
pub mod subject;

mod clock;
mod rng;
mod sync;

// ENGINES: know nothing of clients; each usable and testable alone.
mod delivery;
pub mod matcher;

// HUB: where engines meet.
mod account;
mod bus;

// DOOR: what users hold.
mod client;

pub use account::{Ledger, SubscriptionInfo};
pub use bus::{BuildError, Bus, BusBuilder, BusStats, ClientStats, ConnectOptions, Event, Events, SlowConsumer};
pub use client::{
    Answers, AnswersEnd, Client, Drain, DrainFuture, DrainTimeoutError, IntoIter, Iter, PublishError, PublishFuture,
    Publisher, RecvError, RecvTimeoutError, RequestError, RequestFuture, RequestMany, RespondError, SubscribeError,
    SubscribeOptions, Subscriber, SubscriptionGuard, TryRecvError,
};
pub use clock::{Clock, ManualClock};
pub use delivery::{CloseReason, DropReason, Drops, Lost, Overflow};
pub use limits::{Limits, LimitsError};
pub use matcher::{EntryId, LinearMatcher, Matcher, MatcherOptions, MatcherStats, Matches, QueueGroup};
pub use message::{HeaderError, HeaderMap, Message, Payload, StatusCode};
pub use subject::{Pattern, Subject, SubjectError, ToPattern, ToSubject};
