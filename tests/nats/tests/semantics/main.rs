//! The rules of NATS as a subscriber sees them, written once for every system that claims to follow them.
//!
//! Goal: the same answers from each system. Method: each rule is a function over the traits of `system`, named and
//! numbered as in the list of rules; `on_every_system!` makes a test of it for each system there is:
//!
//! - `in_process`: the clients of a bus;
//! - `nats_server`: async-nats connected to a real nats-server;
//! - `our_server`: async-nats connected to a server on a bus;
//! - `in_process_beside_wire` and `wire_beside_in_process`: both kinds on one bus, by turns, beginning with the one or the other;
//! - `bus_to_server` and `server_to_bus`: publishers on the one side of a bridge to a real nats-server, subscribers on the other;
//! - `bus_beside_server` and `server_beside_bus`: connections to the two sides of such a bridge by turns.
#![allow(missing_docs, unreachable_pub)]

/// Tests of one system.
macro_rules! on {
    ($system:ty; $($rule:ident)+) => { $(#[test] fn $rule() { super::$rule::<$system>(); })+ };
}

/// Turns functions over a [`system::System`] into tests, one for each system. Those behind `not_across` need a connection that
/// is one, and can't hold across a bridge; each says why.
macro_rules! on_every_system {
    ($($rule:ident),+ $(,)? $(; not_across: $($near:ident because $reason:literal),+ $(,)?)?) => {
        mod in_process {
            on!(crate::in_process::InProcess; $($rule)+ $($($near)+)?);
        }
        mod nats_server {
            use crate::{on_the_wire::OnTheWire, support::nats_server::NatsServer};
            on!(OnTheWire<NatsServer>; $($rule)+ $($($near)+)?);
        }
        mod our_server {
            use crate::{on_the_wire::OnTheWire, places::Postroom};
            on!(OnTheWire<Postroom>; $($rule)+ $($($near)+)?);
        }
        mod in_process_beside_wire {
            on!(crate::places::Mixed<false>; $($rule)+ $($($near)+)?);
        }
        mod wire_beside_in_process {
            on!(crate::places::Mixed<true>; $($rule)+ $($($near)+)?);
        }
        mod bus_to_server {
            on!(crate::across::Across<true>; $($rule)+);
        }
        mod server_to_bus {
            on!(crate::across::Across<false>; $($rule)+);
        }
        $(const _: &[(&str, &str)] = &[$((stringify!($near), $reason)),+];)?
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

/// For rules that need one connection to both publish and receive, with another on the other side of a bridge.
macro_rules! by_turns_across_a_bridge {
    ($($rule:ident),+ $(,)?) => {
        mod bus_beside_server {
            on!(crate::bridged::Bridged<false>; $($rule)+);
        }
        mod server_beside_bus {
            on!(crate::bridged::Bridged<true>; $($rule)+);
        }
    };
}

mod across;
mod bridged;
mod headers_and_limits;
mod in_process;
mod lenient;
mod lifecycle;
mod on_the_wire;
mod permissions;
mod places;
mod queue_groups;
mod requests;
mod subjects;
mod system;
use postroom_nats_tests as support;
