//! The floor: the same letters through bare channels. No subject is looked up, no limit kept, nobody woken by hand.

mod requests;
mod single;
mod threads;

pub(crate) use requests::{request_async, request_inline, request_threads};
pub(crate) use single::{BATCH, fanout, pair, pair_1k, pair_batched, pair_static};
pub(crate) use threads::{threads_one_core, threads_two_cores, two_publishers};
