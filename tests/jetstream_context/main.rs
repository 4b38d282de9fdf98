//! Streams from within the process: every operation by threads and by tasks, errors, cancelled operations.

mod errors;
mod publishing;
mod streams;
mod support;
