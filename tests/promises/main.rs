//! The promises of the design, one module each.
//!
//! Goal: for each of G1 to G9 tests that fail when it is broken. Method: as each module says; threads are coordinated with
//! barriers, channels and states, never with time.
#![allow(missing_docs)]

mod activity;
mod common;
mod g1_matching;
mod g2_effective_on_return;
mod g3_order;
mod g3_spill;
mod g4_payloads_and_wakers;
mod g4_reentrancy;
mod g5_events;
mod g5_ledger;
mod g6_bounds;
mod g6_memory;
mod g7_determinism;
mod g9_panics;
mod g9_user_code;
mod interest;
mod no_room;
mod observe;
mod observer;
mod routed;
mod sinks;
mod thread_end;
