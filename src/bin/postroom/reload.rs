//! Other settings while the process runs.

use crate::files::{PortsFile, write_pid};
use crate::flags::Flags;
use crate::log::Log;
use crate::run::{reason, write_ports};
use crate::settings::Settings;
use postroom::Server;
use postroom::server::config::{Change, changes};
use std::path::Path;

/// Knows the settings in force, and how to get to others.
pub(crate) struct Reloader<'a> {
    settings: Settings,
    flags: &'a Flags,
    program: &'a str,
    log: &'a Log,
    ports: Option<PortsFile>,
}

impl<'a> Reloader<'a> {
    pub(crate) fn new(
        mut settings: Settings,
        flags: &'a Flags,
        program: &'a str,
        server: &Server,
        log: &'a Log,
    ) -> Self {
        // The port it got; a file that asks for any free one again means this one.
        if let Some(address) = server.address() {
            settings.config.process_mut().port = address.port();
        }
        Reloader { settings, flags, program, log, ports: None }
    }

    /// Reads the file again and takes over what has changed: all of it, or nothing if something of it can't change.
    pub(crate) fn reload(&mut self, server: &Server) {
        if let Err(error) = self.try_reload(server) {
            self.log.error(format_args!("Failed to reload server configuration: {error}"));
        }
    }

    fn try_reload(&mut self, server: &Server) -> Result<(), String> {
        if self.flags.config.is_none() {
            return Err("can only reload config when a file is provided using -c or --config".to_owned());
        }
        let mut new = Settings::load(self.flags)?;
        let changes = changes(&self.settings.config, &new.config).map_err(|error| error.to_string())?;
        if changes.iter().any(Change::is_process) {
            self.log.change(new.log()).map_err(|error| format!("log file: {}", reason(&error)))?;
        }
        server.reload(new.config.server_options()).map_err(|error| {
            // All or nothing: the file that it had is there still.
            let _ = self.log.change(self.settings.log());
            error.to_string()
        })?;
        for warning in new.warnings.iter().chain(&new.doubts) {
            self.log.warn(format_args!("{warning}"));
        }
        for change in &changes {
            self.log.info(format_args!("Reloaded: {change}"));
            match change {
                Change::PidFile(Some(path)) => {
                    if let Err(error) = write_pid(path) {
                        let why = reason(&error);
                        self.log.error(format_args!("Failed to write pidfile: open {}: {why}", path.display()));
                    }
                }
                Change::PortsFileDir(folder) => {
                    self.remove_ports();
                    self.write_ports(server, folder.as_deref());
                }
                _ => {}
            }
        }
        server.note_configuration(&new.digest);
        self.log.info(format_args!("Reloaded server configuration ({})", new.digest));
        new.config.process_mut().port = self.settings.config.process().port;
        self.settings = new;
        Ok(())
    }

    pub(crate) fn write_ports(&mut self, server: &Server, folder: Option<&Path>) {
        self.ports = folder.and_then(|folder| write_ports(server, folder, self.program, self.log));
    }

    pub(crate) fn remove_ports(&mut self) {
        if let Some(Err(error)) = self.ports.take().map(PortsFile::remove) {
            self.log.error(format_args!("Error cleaning up ports file: {}", reason(&error)));
        }
    }
}
