//! The addresses that a server listens on: for clients, and for the monitor.

use super::error::ServerError;
use super::listener::Listener;
use super::monitor::serve;
use super::registry::Registry;
use crate::sync::Mutex;
use std::io::ErrorKind;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread;
use tokio::runtime::Builder;

/// The listeners that are open.
#[derive(Debug, Default)]
pub(super) struct Listeners {
    pub(super) clients: Mutex<Option<Arc<Listener>>>,
    monitor: Mutex<Option<MonitorListener>>,
}

impl Listeners {
    /// No client can dial any more when it returns.
    pub(super) fn close_to_clients(&self) {
        let listener = self.clients.lock().take();
        if let Some(listener) = listener {
            listener.close();
        }
    }

    /// No client and no monitor request can.
    pub(super) fn close(&self) {
        self.close_to_clients();
        let monitor = self.monitor.lock().take();
        drop(monitor);
    }

    /// Where the monitor is served, if it is.
    pub(super) fn monitor_at(&self) -> Option<SocketAddr> {
        self.monitor.lock().as_ref().map(|http| http.address)
    }

    /// On a thread and a runtime of its own: what it does must hold up no message, and goes by real time, whatever the bus's clock.
    pub(super) fn open_monitor(
        &self,
        registry: &Arc<Registry>,
        addresses: &[SocketAddr],
        failed: impl Fn(std::io::Error) -> ServerError,
    ) -> Result<SocketAddr, ServerError> {
        let mut http = self.monitor.lock();
        drop(http.take());
        let (registry, addresses, stops) = (registry.clone(), addresses.to_vec(), registry.stops());
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
        *http = Some(MonitorListener { listener, address });
        Ok(address)
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

/// A monitor that is served.
#[derive(Debug)]
struct MonitorListener {
    listener: Arc<Listener>,
    address: SocketAddr,
}

impl Drop for MonitorListener {
    fn drop(&mut self) {
        self.listener.close();
    }
}

/// The part before the port, as it was given.
pub(super) fn host_of(address: &str) -> &str {
    address.rsplit_once(':').map_or(address, |(host, _)| host)
}

pub(super) fn resolve(address: &str) -> Result<Vec<SocketAddr>, ServerError> {
    let failed = |error| ServerError::Bind { address: address.to_owned(), error };
    address.to_socket_addrs().map(Iterator::collect).map_err(failed)
}
