//! The options of a process that runs a server, apart from the server's own.

use std::path::PathBuf;

/// The part of a configuration for the process: where it listens, and which files it writes.
///
/// All of it can be changed, so that flags of a command line may go before the file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProcessOptions {
    /// The address or name to listen on. Default `0.0.0.0`.
    pub host: String,
    /// The port to listen on; 0 for any that is free, which the file calls -1. Default 4222.
    pub port: u16,
    /// The address or name to serve monitoring on. Default: as [`host`](Self::host).
    pub http_host: Option<String>,
    /// The port to serve monitoring on; 0 for any that is free. Default: no monitoring.
    pub http_port: Option<u16>,
    /// The prefix of the paths of monitoring. Default: nothing.
    pub http_base_path: String,
    /// Where the log goes. Default: standard error.
    pub log_file: Option<PathBuf>,
    /// Where the process's id is written.
    pub pid_file: Option<PathBuf>,
    /// In which folder a file with the ports is written.
    pub ports_file_dir: Option<PathBuf>,
    /// Where a server would store streams. Nothing is stored there.
    pub store_dir: Option<PathBuf>,
    /// Whether the log has lines of the level "debug".
    pub debug: bool,
    /// Whether the log shows what goes over connections.
    pub trace: bool,
    /// Whether it also shows what nats-server leaves out of a trace.
    pub trace_verbose: bool,
    /// Whether the log's lines have a time. Default true.
    pub logtime: bool,
    /// Whether that time is UTC. Default false: local time.
    pub logtime_utc: bool,
}

impl Default for ProcessOptions {
    fn default() -> Self {
        ProcessOptions {
            host: "0.0.0.0".to_owned(),
            port: 4222,
            http_host: None,
            http_port: None,
            http_base_path: String::new(),
            log_file: None,
            pid_file: None,
            ports_file_dir: None,
            store_dir: None,
            debug: false,
            trace: false,
            trace_verbose: false,
            logtime: true,
            logtime_utc: false,
        }
    }
}
