//! Requests and everything that waits: threads and tasks, deadlines, cancellation.
//!
//! Goal: every wait ends with what it waited for, with its deadline on the bus's clock, or without a trace when it is given up. Method:
//! the manual clock, wakers that count, and two executors: the small one in `executor` and tokio's on one thread.
#![allow(missing_docs)]

mod cancel;
mod closed;
mod ends_of_time;
mod executor;
mod fairness;
mod in_callbacks;
mod many;
mod options;
mod publish_async;
mod receive_async;
mod single;
mod sleep;
