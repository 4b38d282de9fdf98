//! Real NATS clients attach to a bus: over any byte stream, or through a listener.
//!
//! A [`Server`] speaks the NATS client protocol for a [`Bus`](crate::Bus), so that an unmodified NATS client of any language is one more client of
//! it: wire clients and in-process clients share subjects, queue groups, requests and no-responders. It can do nothing that an
//! in-process client could not: each connection is a [`Client`](crate::Client), each SUB a [sink](crate::Client::subscribe_sink_with).
//!
//! It is a test double and a way to grow, not a production server: there is no cluster.
//!
//! | file | reason to change |
//! |---|---|
//! | `handle` | the handle: how a server starts and ends |
//! | `options` | the options of a server |
//! | `users` | the users that may connect |
//! | `address` | the forms of an address |
//! | `listener` | a listening socket, which lets connections in |
//! | `listeners` | the listeners of a server |
//! | `connection` | the state of a connection, and its end |
//! | `reader` | the task that reads |
//! | `writer` | the task that writes |
//! | `subscriptions` | the subscriptions of a connection |
//! | `linger` | the end of a connection's stream |
//! | `handler` | the effects of a client's operations on the bus |
//! | `outbound` | bytes that wait to be written, and the treatment of slow clients |
//! | `frame` | a message as bytes |
//! | `chunks` | the memory of waiting bytes |
//! | `batch` | wake-ups of writers |
//! | `workers` | the threads of the runtime |
//! | `slice` | the amount of work before others get their turn |
//! | `registry` | identity, options, the list of connections |
//! | `auth` | credentials |
//! | `check` | passwords that take long to check |
//! | `tls` | certificates and handshakes |
//! | `lame_duck` | a slow farewell |
//! | `control` | one change of the whole after the other |
//! | `reload` | other options while it runs |
//! | `runtime` | the runtime it lives on |
//! | `jetstream`, `enable` | JetStream on the server's bus, and when it is there |
//! | `pipe` | a connection without a socket |
//! | `error` | reasons why it did not start |
//! | `log` | the log |
//! | `monitor` | the monitor: typed snapshots and HTTP |
//! | `monitoring` | the server's methods for it |
//! | `snapshot` | the state that it shows |
//! | `trace` | the protocol as log lines |
//! | `config` | nats-server's configuration language |

mod address;
mod auth;
mod batch;
mod check;
mod chunks;
pub mod config;
mod connection;
mod control;
#[cfg(feature = "jetstream")]
mod enable;
mod error;
mod frame;
pub(crate) mod handle;
mod handler;
#[cfg(feature = "jetstream")]
mod jetstream;
mod lame_duck;
mod linger;
mod listener;
mod listeners;
mod log;
mod monitor;
mod monitoring;
mod options;
mod outbound;
mod pipe;
mod reader;
mod registry;
mod reload;
mod runtime;
mod slice;
mod snapshot;
mod subscriptions;
mod tls;
mod trace;
mod users;
mod workers;
mod writer;

pub use address::ToListenAddress;
pub use error::ServerError;
pub(crate) use handle::Server;
pub use handle::ServerBuilder;
pub use log::{LogLevel, Logger};
pub use monitor::{
    ConnInfo, ConnState, Connz, ConnzOptions, Healthz, HealthzError, HealthzOptions, MonitorError, ShowSubscriptions,
    SlowConsumerStats, SortBy, StaleConnectionStats, SubDetail, SublistStats, Subsz, SubszOptions, Varz,
};
pub use options::{ServerOptions, TlsOptions};
pub use pipe::PipeStream;
pub use users::User;
