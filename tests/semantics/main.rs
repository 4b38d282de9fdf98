//! The rules of NATS as a subscriber sees them, written once for every system that claims to follow them.
//!
//! Goal: the same answers from each system. Method: each rule is a function over the traits of `system`, named and
//! numbered as in the list of rules; `on_every_system!` makes a test of it for each system there is:
//!
//! - `in_process`: the clients of a bus;
//! - `nats_server`: async-nats connected to a real nats-server;
//! - `our_server`: async-nats connected to a server on a bus;
//! - `bus_to_server` and `server_to_bus`: connections to a bus and to a real nats-server by turns, with a bridge between;
//! - `in_process_beside_wire` and `wire_beside_in_process`: both kinds on one bus, by turns, beginning with the one or the other.
#![allow(missing_docs, unreachable_pub)]

/// Turns functions over a [`system::System`] into tests, one for each system.
macro_rules! on_every_system {
    ($($rule:ident),+ $(,)?) => {
        mod in_process {
            $(#[test] fn $rule() { super::$rule::<crate::in_process::InProcess>(); })+
        }
        #[cfg(feature = "server")]
        mod nats_server {
            use crate::{on_the_wire::OnTheWire, support::nats_server::NatsServer};
            $(#[test] fn $rule() { super::$rule::<OnTheWire<NatsServer>>(); })+
        }
        #[cfg(feature = "server")]
        mod our_server {
            use crate::{on_the_wire::OnTheWire, places::Postroom};
            $(#[test] fn $rule() { super::$rule::<OnTheWire<Postroom>>(); })+
        }
        #[cfg(feature = "server")]
        mod in_process_beside_wire {
            $(#[test] fn $rule() { super::$rule::<crate::places::Mixed<false>>(); })+
        }
        #[cfg(feature = "server")]
        mod wire_beside_in_process {
            $(#[test] fn $rule() { super::$rule::<crate::places::Mixed<true>>(); })+
        }
    };
}

/// The same for rules that async-nats stands in the way of. Each says how.
macro_rules! in_process_only {
    ($($rule:ident because $reason:literal),+ $(,)?) => {
        mod in_process_only {
            $(#[doc = $reason] #[test] fn $rule() { super::$rule::<crate::in_process::InProcess>(); })+
        }
    };
}

/// The rules that hold between the two sides of a bridge as they do on one: not those that look at replies, which are others there, at
/// `>`, which shows what the harness sends, at who is nobody, or at the limits of one side.
macro_rules! across_a_bridge {
    ($($rule:ident),+ $(,)?) => {
        #[cfg(all(feature = "bridge", feature = "server"))]
        mod bus_to_server {
            $(#[test] fn $rule() { super::$rule::<crate::bridged::Bridged<false>>(); })+
        }
        #[cfg(all(feature = "bridge", feature = "server"))]
        mod server_to_bus {
            $(#[test] fn $rule() { super::$rule::<crate::bridged::Bridged<true>>(); })+
        }
    };
}

#[cfg(all(feature = "bridge", feature = "server"))]
mod bridged;
mod headers_and_limits;
mod in_process;
mod lenient;
mod lifecycle;
#[cfg(feature = "server")]
mod on_the_wire;
mod permissions;
#[cfg(feature = "server")]
mod places;
mod queue_groups;
mod requests;
mod subjects;
#[cfg(feature = "server")]
#[path = "../support/mod.rs"]
mod support;
mod system;
