//! The same work on the bus, with its defaults: subject looked up, limits kept, ledger written.

mod churn;
mod requests;
mod single;
mod threads;

pub(crate) use churn::{churn, churn_wildcard_first};
pub(crate) use requests::{request_async, request_inline, request_threads};
pub(crate) use single::{fanout, no_interest, pair, pair_1k, pair_prepared, pair_static, pair_wildcard, queue8};
pub(crate) use threads::{threads_one_core, threads_two_cores, two_publishers};
