//! The observations of a test kit, and a test's statements about them: taps, expectations, stubs,
//! contracts, recordings.
#![cfg(feature = "testkit")]

mod async_forms;
mod contracts;
mod expectations;
mod recordings;
mod stubs;
mod taps;

use postroom::testkit::Expectation;
use postroom::{Client, ConnectOptions, TestKit};
use std::panic::{AssertUnwindSafe, catch_unwind};

fn named(kit: &TestKit, name: &str) -> Client {
    kit.bus().connect_with(ConnectOptions::new().name(name))
}

/// The text of an expectation that is not met.
fn complaint(expectation: Expectation) -> String {
    expectation.try_verify().expect_err("it is not met").to_string()
}

/// The text of a closure's panic.
fn panic_of(f: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(f)).expect_err("it panics");
    panic.downcast_ref::<String>().cloned().or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string)).unwrap()
}

fn assert_has(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
}
