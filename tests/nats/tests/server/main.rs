//! The server, seen from the wire and from the bus behind it.
//!
//! Goal: what the parts of the server do together: lifecycles, clients of both kinds side by side, time, credentials,
//! permissions, TLS, peers that mean no good, changes while it runs. The protocol itself is tested beside it, and against the
//! real server elsewhere. Method: raw clients over sockets and pipes, a clock that is moved by hand, and counts that must
//! balance.

mod auth;
mod bounds;
mod ending;
mod ends_of_time;
mod fixture;
mod garbage;
mod keep_alive;
mod lame_duck;
mod late_readers;
mod ledger;
mod lifecycle;
mod permissions;
mod reload;
mod routed;
mod runtimes;
mod slow;
mod storms;
mod stress;
mod tls;
mod together;
mod user_code;
mod wire;
