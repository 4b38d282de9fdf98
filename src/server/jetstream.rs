//! JetStream on the server's bus, started and ended with the server.

use super::error::ServerError;
use super::log::Log;
use super::monitor::{friendly_bytes, go_duration};
use crate::Bus;
use crate::jetstream::store::StoreEvent;
use crate::jetstream::{JetStreamOptions, JetStreamServer};
use crate::sync::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// The banner of nats-server, which test suites wait for.
const BANNER: [&str; 8] = [
    "    _ ___ _____ ___ _____ ___ ___   _   __  __",
    " _ | | __|_   _/ __|_   _| _ \\ __| /_\\ |  \\/  |",
    "| || | _|  | | \\__ \\ | | |   / _| / _ \\| |\\/| |",
    " \\__/|___| |_| |___/ |_| |_|_\\___/_/ \\_\\_|  |_|",
    "",
    "         https://docs.nats.io/jetstream",
    "",
    "---------------- JETSTREAM ----------------",
];

/// The JetStream of a server, if it has one.
#[derive(Debug, Default)]
pub(super) struct JetStreamSlot {
    server: Mutex<Option<Arc<JetStreamServer>>>,
    /// A restart is under way, which JetStream survives. ORDERING: Relaxed; set and read by the thread that restarts, and by others that
    /// shut the server at the same time, which may come first or last.
    is_kept: AtomicBool,
}

impl JetStreamSlot {
    pub(super) fn get(&self) -> Option<Arc<JetStreamServer>> {
        self.server.lock().clone()
    }

    /// Starts it, unless it runs.
    ///
    /// # Errors
    ///
    /// [`ServerError::JetStream`].
    pub(super) fn start(
        &self,
        bus: &Bus,
        options: JetStreamOptions,
        server_name: String,
        log: &Log,
    ) -> Result<(), ServerError> {
        if self.get().is_some() {
            return Ok(());
        }
        let began = bus.clock().now();
        log.info(format_args!("Starting JetStream"));
        let told = log.clone();
        let options = options.and_on_store_event(move |event| match event {
            StoreEvent::Offline { .. } => told.error(format_args!("{event}")),
            _ => told.warn(format_args!("{event}")),
        });
        let server = JetStreamServer::start(bus, options.server_name(server_name))?;
        describe(server.options(), log);
        *self.server.lock() = Some(Arc::new(server));
        let took = bus.clock().now().saturating_sub(began);
        log.info(format_args!("Took {} to start JetStream", go_duration(took)));
        Ok(())
    }

    /// Ends it, unless a restart keeps it.
    pub(super) fn stop(&self, log: &Log) {
        if self.is_kept.load(Relaxed) {
            return;
        }
        let Some(server) = self.server.lock().take() else { return };
        log.info(format_args!("Initiating JetStream Shutdown..."));
        drop(server);
        log.info(format_args!("JetStream Shutdown"));
    }

    /// Ends what a restart ends, and keeps the rest until [`JetStreamSlot::end_restart`].
    ///
    /// # Errors
    ///
    /// [`ServerError::JetStream`].
    pub(super) fn begin_restart(&self) -> Result<(), ServerError> {
        self.is_kept.store(true, Relaxed);
        self.get().map_or(Ok(()), |server| Ok(server.restart()?))
    }

    /// Goes on under another name of the server.
    pub(super) fn end_restart(&self, server_name: String) {
        if let Some(server) = self.get() {
            server.set_server_name(server_name);
        }
        self.is_kept.store(false, Relaxed);
    }
}

fn describe(options: &JetStreamOptions, log: &Log) {
    for line in BANNER {
        log.info(format_args!("{line}"));
    }
    if options.is_strict() {
        log.info(format_args!("  Strict:          true"));
    }
    let limits = options.limits();
    log.info(format_args!("  Max Memory:      {}", friendly_bytes(limits.max_memory)));
    log.info(format_args!("  Max Storage:     {}", friendly_bytes(limits.max_storage)));
    match options.folder() {
        Some(folder) => log.info(format_args!("  Store Directory: \"{}\"", folder.display())),
        // DIFFERENCE: nats-server stores in a temporary folder then, and warns that it may be lost.
        None => log.info(format_args!("  Store Directory: none, all streams are kept in memory")),
    }
    if let Some(domain) = options.domain_name() {
        log.info(format_args!("  Domain:          {domain}"));
    }
    log.info(format_args!("  API Level:       {}", crate::jetstream::server::API_LEVEL));
    log.info(format_args!("-------------------------------------------"));
}
