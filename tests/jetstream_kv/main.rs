//! Key-value buckets from within the process: every operation by threads and by tasks, errors, watches, time.

mod buckets;
mod model;
mod reads_and_writes;
mod support;
mod time;
mod watches;
mod wire;
