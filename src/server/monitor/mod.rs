//! The monitoring of a server (M rules): typed snapshots, and the same as JSON over HTTP.
//!
//! | file | reason to change |
//! |---|---|
//! | `source` | the facts that a server must know of itself |
//! | `varz` | the server as a whole |
//! | `connz` | its connections |
//! | `subsz` | its subscriptions |
//! | `accounts` | its accounts |
//! | `healthz` | its health |
//! | `jetstream` | JetStream: `/jsz`, and its part of `/varz` |
//! | `unsupported` | answers about features that a server of this kind does not have |
//! | `error` | questions that have no answer |
//! | `endpoints` | the answer for each path |
//! | `paging` | the part of a list that is shown |
//! | `query` | the reading of parameters |
//! | `json` | the writing of values |
//! | `text` | the writing of times and durations |
//! | `process` | the operating system's figures for the process |
//! | `request` | the reading of requests |
//! | `http` | the HTTP listener |

mod accounts;
mod connz;
mod endpoints;
mod error;
mod healthz;
mod http;
#[cfg(feature = "jetstream")]
mod jetstream;
mod json;
mod paging;
mod process;
mod query;
mod request;
mod source;
mod subsz;
mod text;
mod unsupported;
mod varz;

#[cfg(test)]
mod fake;

pub use connz::{ConnInfo, ConnState, Connz, ConnzOptions, ShowSubscriptions, SortBy};
pub use error::MonitorError;
pub use healthz::{Healthz, HealthzError, HealthzOptions};
pub use subsz::{SubDetail, SublistStats, Subsz, SubszOptions};
pub use varz::{SlowConsumerStats, StaleConnectionStats, Varz};

pub(crate) use connz::connz;
pub(crate) use healthz::healthz;
pub(crate) use http::serve;
pub(crate) use source::{
    ClosedConnection, ClosedConnections, ConnectionSnapshot, Counters, Identity, Source, Sublist, SubscriptionSnapshot,
    Tls, VisitSubscription,
};
pub(crate) use subsz::subsz;
pub(crate) use text::{friendly_bytes, go_duration};
pub(crate) use varz::varz;

use crate::sync::Mutex;
use process::Usage;
use std::collections::BTreeMap;

/// The name of the only account that connections are in.
pub(crate) const GLOBAL_ACCOUNT: &str = "$G";
/// The account of the server itself. No client can connect to it.
pub(crate) const SYSTEM_ACCOUNT: &str = "$SYS";

/// Where the monitor is served, as configured; shown in `/varz`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct HttpPlace {
    pub(crate) host: String,
    /// -1 if any free port was asked for.
    pub(crate) port: i32,
    pub(crate) base_path: String,
}

/// The state that the monitor itself keeps from one question to the next.
#[derive(Debug, Default)]
pub(crate) struct Monitor {
    /// Requests by path. LOCK ORDER: held for itself.
    requests: Mutex<BTreeMap<&'static str, u64>>,
    usage: Usage,
    place: Mutex<HttpPlace>,
}

impl Monitor {
    pub(crate) fn set_place(&self, place: HttpPlace) {
        *self.place.lock() = place;
    }

    pub(super) fn place(&self) -> HttpPlace {
        self.place.lock().clone()
    }

    pub(super) fn count(&self, path: &'static str) {
        *self.requests.lock().entry(path).or_default() += 1;
    }

    pub(super) fn requests(&self) -> BTreeMap<String, u64> {
        let requests = self.requests.lock();
        requests.iter().map(|(path, count)| ((*path).to_owned(), *count)).collect()
    }
}
