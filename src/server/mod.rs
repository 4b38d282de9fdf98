//! Real NATS clients attach to a bus: over any byte stream, or through a listener.

mod log;
mod monitor;
mod options;

pub use log::{LogLevel, Logger};
pub use monitor::{
    ConnInfo, ConnState, Connz, ConnzOptions, Healthz, HealthzError, HealthzOptions, MonitorError, ShowSubscriptions,
    SlowConsumerStats, SortBy, StaleConnectionStats, SubDetail, SublistStats, Subsz, SubszOptions, Varz,
};
pub use options::{ServerOptions, TlsOptions, User};
