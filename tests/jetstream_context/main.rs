//! Streams from within the process: every operation by threads and by tasks, errors, cancelled operations.

mod batches;
mod consumers;
mod control;
mod errors;
mod flows;
mod publishing;
mod streams;
mod support;
