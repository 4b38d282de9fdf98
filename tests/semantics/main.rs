//! The rules of NATS as a subscriber sees them, written once for every system that claims to follow them.
//!
//! Goal: the same answers from each system. Method: each rule is a function over the traits of `system`, named and
//! numbered as in the list of rules; `on_every_system!` makes a test of it for each system there is.
#![allow(missing_docs, unreachable_pub)]

/// Turns functions over a [`system::System`] into tests, one for each system.
macro_rules! on_every_system {
    ($($rule:ident),+ $(,)?) => {
        mod in_process {
            $(#[test] fn $rule() { super::$rule::<crate::in_process::InProcess>(); })+
        }
    };
}

mod headers_and_limits;
mod in_process;
mod lenient;
mod lifecycle;
mod permissions;
mod queue_groups;
mod requests;
mod subjects;
mod system;
