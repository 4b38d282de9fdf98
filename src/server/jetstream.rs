//! JetStream on the server's bus, started and ended with the server.

use super::error::ServerError;
use super::log::Log;
use super::monitor::go_duration;
use crate::Bus;
use crate::jetstream::{JetStreamOptions, JetStreamServer};
use crate::sync::Mutex;
use std::sync::Arc;

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
pub(super) struct JetStreamSlot(Mutex<Option<Arc<JetStreamServer>>>);

impl JetStreamSlot {
    pub(super) fn get(&self) -> Option<Arc<JetStreamServer>> {
        self.0.lock().clone()
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
        let server = JetStreamServer::start(bus, options.server_name(server_name))?;
        describe(server.options(), log);
        *self.0.lock() = Some(Arc::new(server));
        let took = bus.clock().now().saturating_sub(began);
        log.info(format_args!("Took {} to start JetStream", go_duration(took)));
        Ok(())
    }

    /// Ends it.
    pub(super) fn stop(&self, log: &Log) {
        let Some(server) = self.0.lock().take() else { return };
        log.info(format_args!("Initiating JetStream Shutdown..."));
        drop(server);
        log.info(format_args!("JetStream Shutdown"));
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

/// A number of bytes as nats-server shows it: `64.00 MB`, `512 B`.
fn friendly_bytes(bytes: i64) -> String {
    let value = bytes as f64;
    if value < 1_024.0 {
        return format!("{bytes} B");
    }
    let exponent = (value.ln() / 1_024_f64.ln()) as usize;
    let unit = ["K", "M", "G", "T", "P", "E"][exponent.clamp(1, 6) - 1];
    format!("{:.2} {unit}B", value / 1_024_f64.powi(exponent as i32))
}

#[cfg(test)]
mod tests {
    use super::friendly_bytes;

    #[test]
    fn bytes_are_shown_as_the_server_shows_them() {
        let cases = [
            (-1, "-1 B"),
            (0, "0 B"),
            (1_023, "1023 B"),
            (1_024, "1.00 KB"),
            (64_000_000, "61.04 MB"),
            (1 << 30, "1.00 GB"),
            (16 << 30, "16.00 GB"),
            (i64::MAX, "8.00 EB"),
        ];
        for (bytes, text) in cases {
            assert_eq!(friendly_bytes(bytes), text);
        }
    }
}
