//! The binary, as a test suite starts it in nats-server's place.
//!
//! Goal: flags, log lines, files, signals and exit codes are those that harnesses look for. Method: real processes, awaited by
//! the lines of their logs; never by time.
#![allow(missing_docs)]

mod jetstream;
mod kills;
mod process;
mod signals;
mod start;
mod words;
use postroom_nats_tests as support;
