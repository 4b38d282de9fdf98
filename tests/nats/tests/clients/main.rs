//! Clients of other languages and of this one, used as applications use them: on Postroom's server and on a real nats-server.
//!
//! Goal: an application's tests see no difference. Method: for each client one list of checks, which runs on both servers; every
//! check is a test of its own on each. Those of other languages run on the program `postroom` too, which is how their tests would start
//! our server; that needs the feature `cli`.
//!
//! | client | where | its checks |
//! |---|---|---|
//! | nats-py | Python package `nats-py`, in a virtual environment | `python/checks.py` |
//! | nats.js | Node package `@nats-io/transport-node` | `node/checks.js` |
//! | the C client | Debian package `libnats-dev` | `c/checks.c` |
//! | async-nats | a development dependency | `rust/` |
//!
//! The first three are fetched by the tests themselves, pinned, into the target directory (the C client by `apt-get`, if the
//! tests run as root). Where that fails, all their checks fail and say what to do; none is ever skipped.

/// Tests of each check on each server: what `super::report` says of it. The scripts have these checks in common, and some more.
macro_rules! checks {
    ($($more:ident),* $(,)?) => {
        checks! {
            @all
            connect, publish_and_subscribe, wildcards, unsubscribe, queue_groups, request,
            request_timeout, no_responders, headers, no_echo, max_payload, drain_a_subscription,
            drain_a_connection, reconnect, wrong_password, no_credentials, right_password, publish_permission,
            subscribe_permission
            $(, $more)*
        }
    };
    (@all $($check:ident),+) => {
        checks! { @on postroom crate::servers::Postroom: $($check),+ }
        checks! { @on nats_server crate::servers::RealServer: $($check),+ }
        checks! { @on program crate::program::Program: $($check),+ }
    };
    (@on $module:ident $server:ty: $($check:ident),+) => {
        mod $module {
            static REPORT: std::sync::LazyLock<crate::script::Report> =
                std::sync::LazyLock::new(|| super::report::<$server>());

            $(#[test] fn $check() { REPORT.assert_passed(stringify!($check)); })+

            #[test]
            fn every_check_is_listed() { REPORT.assert_names(&[$(stringify!($check)),+]); }
        }
    };
}

mod c;
mod node;
mod program;
mod python;
mod rust;
mod script;
mod servers;
use postroom_nats_tests as support;
