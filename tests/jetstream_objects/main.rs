//! Object stores from within the process: every operation by threads and by tasks, sizes, faults, what a put leaves behind.

mod faults;
mod links_and_metadata;
mod puts_and_gets;
mod stores;
mod support;
