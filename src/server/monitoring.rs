//! Asking a server about itself: in process, and over HTTP.

use super::listeners::{host_of, resolve};
use super::monitor::{
    self, Connz, ConnzOptions, Healthz, HealthzOptions, HttpPlace, MonitorError, Source, Subsz, SubszOptions, Varz,
};
use super::{Server, ServerError};
use std::net::SocketAddr;

impl Server {
    /// The server's identity, its limits and its counters (M2).
    ///
    /// # Example
    ///
    /// ```
    /// use postroom::{Bus, Server};
    ///
    /// let server = Server::bind(&Bus::new(), "127.0.0.1:0")?;
    /// let varz = server.varz();
    /// assert_eq!((varz.connections, varz.in_msgs), (0, 0));
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn varz(&self) -> Varz {
        monitor::varz(&self.registry.monitor, &*self.registry)
    }

    /// A list of its connections (M3).
    ///
    /// # Errors
    ///
    /// [`MonitorError`] if open connections are to be sorted by their end or its reason, or a filter by subject names no account.
    pub fn connz(&self, options: &ConnzOptions) -> Result<Connz, MonitorError> {
        monitor::connz(&*self.registry, options)
    }

    /// The subscriptions of the bus, and a list of those of connections (M5).
    ///
    /// # Errors
    ///
    /// [`MonitorError::TestSubject`] if the subject to test with has wildcards or empty tokens.
    pub fn subsz(&self, options: &SubszOptions) -> Result<Subsz, MonitorError> {
        monitor::subsz(&*self.registry, options)
    }

    /// Whether it is well (M6).
    pub fn healthz(&self, options: &HealthzOptions) -> Healthz {
        monitor::healthz(&*self.registry, options)
    }

    /// Serves the same over HTTP, as nats-server's monitoring port does (M1): `/varz`, `/connz`, `/subsz`, `/healthz` and the rest,
    /// below `base_path`, which may be empty. Port 0 takes a free one; the address it got is given back. It ends with the server, and
    /// comes back with [`Server::restart`]. A second call ends the first monitor.
    ///
    /// It is served on a thread of its own, in real time, 256 clients at once. For one more, the client of which nothing was heard
    /// the longest is let go. The head of a request has 5 s to come and may have 64 KiB, the next request 60 s, and a client that
    /// takes nothing of its answer for 5 s is let go. No further answer of more than 64 KiB is made while 64 MiB of such answers
    /// are not taken.
    ///
    /// # Errors
    ///
    /// [`ServerError::Monitor`] if the address can't be listened on, or no thread is to be had.
    pub fn monitor(&self, address: &str, base_path: &str) -> Result<SocketAddr, ServerError> {
        let failed = |error| ServerError::Monitor { address: address.to_owned(), error };
        let addresses = resolve(address).map_err(|error| match error {
            ServerError::Bind { address, error } => ServerError::Monitor { address, error },
            other => other,
        })?;
        let configured = addresses.first().map_or(0, |address| i32::from(address.port()));
        self.unless_runtime_ended()?;
        let got = self.listeners.open_monitor(&self.registry, &addresses, failed)?;
        self.registry.monitor.set_place(HttpPlace {
            host: host_of(address).to_owned(),
            port: if configured == 0 { -1 } else { configured },
            base_path: base_path.to_owned(),
        });
        self.registry.log.info(format_args!("Starting http monitor on {}:{}", host_of(address), got.port()));
        Ok(got)
    }

    /// Where the monitor is served, if it is.
    pub fn monitor_address(&self) -> Option<SocketAddr> {
        self.listeners.monitor_at()
    }

    /// Notes when the options in force were read, and from which text: shown in `/varz`.
    pub fn note_configuration(&self, digest: &str) {
        let mut config = self.registry.config.lock();
        config.time = self.registry.now();
        digest.clone_into(&mut config.digest);
    }
}
