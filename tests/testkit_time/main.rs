//! The test kit's part in knowing when all is quiet, and in moving time.
#![cfg(feature = "testkit")]

mod advance;
mod scan;
mod settle;
mod tasks;
#[cfg(feature = "server")]
mod wire;

use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

/// A limit for waits that are to fail: real time, so little of it.
const SHORT: Duration = Duration::from_millis(5);
