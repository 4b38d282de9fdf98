//! Asking a server about itself: in process, and over HTTP.

use super::listener::Listener;
use super::monitor::{
    Connz, ConnzOptions, Healthz, HealthzOptions, HttpPlace, MonitorError, Source, Subsz, SubszOptions, Varz, serve,
};
use super::registry::Registry;
use super::{Server, ServerError, host_of, resolve};
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread;
use tokio::runtime::Builder;

/// A monitor that is served.
#[derive(Debug)]
pub(super) struct Http {
    listener: Arc<Listener>,
    pub(super) address: SocketAddr,
}

impl Drop for Http {
    fn drop(&mut self) {
        self.listener.close();
    }
}

/// Answers until the server stops that has stopped so often.
async fn serve_until_it_stops(listener: Arc<Listener>, registry: Arc<Registry>, stops: u64) {
    let log = registry.log.clone();
    let asked = registry.clone();
    let answers = Arc::new(move |path: &str, query: &str| asked.monitor.answer(&*asked, path, query));
    tokio::select! {
        () = serve(listener, log, answers) => {}
        () = registry.stopped_since(stops) => {}
    }
}

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
        self.registry.monitor.varz(&*self.registry)
    }

    /// A list of its connections (M3).
    ///
    /// # Errors
    ///
    /// [`MonitorError`] if open connections are to be sorted by their end or its reason, or a filter by subject names no account.
    pub fn connz(&self, options: &ConnzOptions) -> Result<Connz, MonitorError> {
        self.registry.monitor.connz(&*self.registry, options)
    }

    /// The subscriptions of the bus, and a list of those of connections (M5).
    ///
    /// # Errors
    ///
    /// [`MonitorError::TestSubject`] if the subject to test with has wildcards or empty tokens.
    pub fn subsz(&self, options: &SubszOptions) -> Result<Subsz, MonitorError> {
        self.registry.monitor.subsz(&*self.registry, options)
    }

    /// Whether it is well (M6).
    pub fn healthz(&self, options: &HealthzOptions) -> Healthz {
        self.registry.monitor.healthz(&*self.registry, options)
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
        let got = self.open_monitor(&addresses, failed)?;
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
        self.doors.monitor.lock().as_ref().map(|http| http.address)
    }

    /// On a thread and a runtime of its own: what it does must hold up no message, and goes by real time, whatever the bus's clock.
    pub(super) fn open_monitor(
        &self,
        addresses: &[SocketAddr],
        failed: impl Fn(std::io::Error) -> ServerError,
    ) -> Result<SocketAddr, ServerError> {
        self.unless_homeless()?;
        let mut http = self.doors.monitor.lock();
        drop(http.take());
        let (registry, addresses, stops) = (self.registry.clone(), addresses.to_vec(), self.registry.stops());
        let (tell, told) = sync_channel(1);
        let serving = move || {
            // Made and dropped there: a runtime must not be dropped within another one.
            let runtime = match Builder::new_current_thread().enable_io().enable_time().build() {
                Ok(runtime) => runtime,
                Err(error) => return tell.send(Err(error)),
            };
            let within = runtime.enter();
            let bound = Listener::bind(&addresses);
            drop(within);
            let listener = bound.as_ref().ok().map(|(listener, _)| listener.clone());
            tell.send(bound)?;
            if let Some(listener) = listener {
                runtime.block_on(serve_until_it_stops(listener, registry, stops));
            }
            Ok(())
        };
        thread::Builder::new().name("postroom-monitor".to_owned()).spawn(serving).map_err(&failed)?;
        let bound = told.recv().unwrap_or_else(|_| Err(ErrorKind::Other.into()));
        let (listener, address) = bound.map_err(failed)?;
        *http = Some(Http { listener, address });
        Ok(address)
    }

    /// Notes when the options in force were read, and from which text: shown in `/varz`.
    pub fn note_configuration(&self, digest: &str) {
        let mut config = self.registry.config.lock();
        config.time = self.registry.now();
        digest.clone_into(&mut config.digest);
    }
}
