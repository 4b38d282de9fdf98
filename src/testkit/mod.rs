//! The test kit: know what a bus does, control its time, break what NATS may break.
//!
//! | file | reason to change |
//! |---|---|
//! | `test_kit`, `test_kit_time` | the kit as a test holds it |
//! | `kit`, `builder` | its parts and their end; its options |
//! | `kit_observer` | the observer: asks chaos, tells the journal |
//! | `journal`, `entry` | the record of every message |
//! | `tap` | a test's view of the journal |
//! | `expect` | messages that have to come, and messages that must not |
//! | `panics` | callbacks that panicked |
//! | `stub`, `responder`, `answer` | answers in place of services |
//! | `contract` | messages without a listener, idle subscriptions, unread messages |
//! | `recording`, `codec`, `replay` | a run as a file, and a file as a run |
//! | `near`, `report`, `snippet` | guesses at the intended text, and the wording of reports |
//! | `chaos` | faults: their kinds, their times, their effects |
//! | `shrink` | the shortest list of faults that makes a test fail |
//! | `settle` | waiting until the bus is quiet |
//! | `advance` | moving time |
//! | `schedule` | actions that are put off |
//! | `streams` | streams of JetStream, and what became of their messages; with the feature `jetstream` |
//!
//! # What counts as going on
//!
//! [`TestKit::settle`] returns when all has come to an end that [`Activity`](crate::activity::Activity) lists (messages, callbacks, threads, subscribers of
//! tasks, timers that fired), and this:
//!
//! | what | from | until |
//! |---|---|---|
//! | a task wrapped by [`TestKit::task`] | it is made, or woken by anything | it waits |
//! | a wire client (feature `server`) | the server has something to write to it, or was woken by its bytes | it is written to the socket, or dealt with |
//! | a part of the application | [`TestKit::busy`] | the hold is dropped |
//! | an action that the kit put off | it falls due | it is done |
//!
//! A message that the kit's own connection receives ([`TestKit::client`], or any that is
//! [untracked](crate::ConnectOptions::untracked)) does not count once it is there. Events to come do not count: a timer that is
//! set, a message that chaos holds back.
//!
//! Activity that the bus can't see, and the way out:
//!
//! | what | way out |
//! |---|---|
//! | a thread that was handed the payload through a channel of the application's | [`TestKit::busy`] |
//! | a thread that was started and has not come to the bus yet | wait for its first subscription or timer ([`wait_for_timers`](crate::ManualClock::wait_for_timers)) |
//! | the work of a task after a timer that fired, or a request that failed, up to its next message | [`TestKit::task`]; without it, the async form lets the executor's other tasks have some turns, and the blocking one other threads |
//! | bytes that a wire client has sent through a socket and the server has not read yet (through a pipe in the process, they are seen) | have it flush (PING, PONG) before |
//! | the work of a wire client on a received message | look at the result of that work |

mod advance;
mod answer;
mod builder;
mod chaos;
mod codec;
mod contract;
mod entry;
mod expect;
mod journal;
pub(crate) mod kit;
mod kit_observer;
mod near;
mod panics;
mod recording;
mod replay;
mod report;
mod responder;
mod schedule;
mod settle;
mod shrink;
mod snippet;
#[cfg(feature = "jetstream")]
mod streams;
mod stub;
mod tap;
mod test_kit;
mod test_kit_time;

pub use advance::AutoAdvance;
pub use answer::Answer;
pub use builder::TestKitBuilder;
pub use chaos::{Chaos, Fault, FaultRecord, Violation};
pub use contract::{Contracts, IdleSubscription, Unmatched};
pub use entry::{DeliveryRecord, JournalEntry, Outcome};
pub use expect::{Expectation, ExpectationError};
pub(crate) use kit::TestKit;
pub use panics::PanicRecord;
pub use recording::{Recorded, Recording, RecordingError};
pub use replay::{Replayed, Speed};
pub use settle::SettleTimeout;
pub use shrink::{Shrunk, explore, shrink};
#[cfg(feature = "jetstream")]
pub use streams::{
    ConsumerRecord, DeliveryState, MessageFate, MessageProgress, StreamExpectation, StreamMessageRecord, StreamRecord,
    Streams,
};
pub use stub::Stub;
pub use tap::Tap;
