//! From start to end: the steps and log lines of nats-server, in its order.

use crate::files::{PortsFile, write_pid};
use crate::flags::Flags;
use crate::log::Log;
use crate::reload::Reloader;
use crate::settings::Settings;
use postroom::protocol::ServerVersion;
use postroom::{Bus, Limits, Server, Subject};
use rustix::process::Signal;
use std::io;
use std::path::Path;
use std::sync::Arc;
use tokio::runtime::Runtime;
use tokio::signal::unix::{self, SignalKind, signal};

/// Runs until a signal or the end of lame duck mode.
///
/// # Errors
///
/// The last line if the start fails; empty if the log has it.
pub(crate) fn run(settings: Settings, flags: &Flags, program: &str) -> Result<(), String> {
    let log = match Log::open(settings.log()) {
        Ok(log) => Arc::new(log),
        Err(error) => {
            let path = settings.log().file.unwrap_or_default();
            return Err(format!("error opening file: open {}: {}", path.display(), reason(&error)));
        }
    };
    start(settings, flags, program, &log).map_err(|text| {
        log.fatal(format_args!("{text}"));
        String::new()
    })
}

/// # Errors
///
/// The log's last line.
fn start(settings: Settings, flags: &Flags, program: &str, log: &Arc<Log>) -> Result<(), String> {
    // Before any other process knows of this one: a signal that comes early must not end it
    // unheard.
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_io().build().map_err(|error| error.to_string())?;
    let signals = Signals::new(&runtime).map_err(|error| format!("Can't listen for signals: {error}"))?;
    log.info(format_args!("Starting postroom"));
    let (own, theirs) = (env!("CARGO_PKG_VERSION"), ServerVersion::default().as_str());
    log.info(format_args!("  Version:  {own}, speaks as nats-server {theirs}"));
    let options = settings.config.server_options().logger(log.clone());
    let jetstream = options.jetstream_options().cloned();
    let server =
        Server::builder(&bus()).options(options.without_jetstream()).build().map_err(|error| error.to_string())?;
    log.info(format_args!("  Name:     {}", server.name()));
    log.info(format_args!("  ID:       {}", server.id()));
    if let Some(path) = &flags.config {
        log.info(format_args!("Using configuration file: {path} ({})", settings.digest));
        server.note_configuration(&settings.digest);
    }
    for warning in settings.warnings.iter().chain(&settings.doubts) {
        log.warn(format_args!("{warning}"));
    }
    let process = settings.config.process().clone();
    if let Some(path) = &process.pid_file {
        let failed = |error| format!("Could not write pidfile: open {}: {}", path.display(), reason(&error));
        write_pid(path).map_err(failed)?;
    }
    if let Some(address) = settings.monitor_address() {
        let failed = |error| format!("Can't start monitoring: {error}");
        server.monitor(&address, &process.http_base_path).map_err(failed)?;
    }
    if let Some(options) = jetstream {
        server.enable_jetstream(options).map_err(|error| error.to_string())?;
    }
    let address = settings.address();
    server.listen(&address).map_err(|error| format!("Error listening on port: {address}, \"{error}\""))?;
    let mut reloader = Reloader::new(settings, flags, program, &server, log);
    reloader.write_ports(&server, process.ports_file_dir.as_deref());
    log.info(format_args!("Server is ready"));

    runtime.block_on(attend(signals, &server, &mut reloader, log));
    // Not within the runtime: here it may wait for connections to take what is for them.
    server.shutdown();
    reloader.remove_ports();
    log.info(format_args!("Server Exiting.."));
    Ok(())
}

/// With bounds that are those of the server alone.
fn bus() -> Bus {
    let mut limits = Limits::default();
    limits.max_payload = i32::MAX as usize;
    limits.max_subject_len = Subject::MAX_LEN;
    Bus::builder().limits(limits).build()
}

/// An error of the operating system, in nats-server's words for the most frequent ones.
pub(crate) fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "no such file or directory".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    }
}

/// Signals that would end the process and that nats-server passes over: alarms, bounds of time and size, and, on Linux, those without a
/// meaning of their own.
fn passed_over() -> impl Iterator<Item = i32> {
    let named = [Signal::ALARM, Signal::VTALARM, Signal::PROF, Signal::XCPU, Signal::XFSZ, Signal::IO];
    // SIGPWR, and real-time signals but for those that the C library has.
    let of_linux = std::iter::once(30).chain(35..=64).filter(|_| cfg!(target_os = "linux"));
    named.into_iter().map(Signal::as_raw).chain(of_linux)
}

struct Signals {
    interrupt: unix::Signal,
    terminate: unix::Signal,
    hangup: unix::Signal,
    reopen: unix::Signal,
    lame_duck: unix::Signal,
}

impl Signals {
    fn new(runtime: &Runtime) -> io::Result<Self> {
        let _within = runtime.enter();
        for number in passed_over() {
            // A signal that was listened to once does not end the process any more.
            drop(signal(SignalKind::from_raw(number))?);
        }
        Ok(Signals {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
            reopen: signal(SignalKind::user_defined1())?,
            lame_duck: signal(SignalKind::user_defined2())?,
        })
    }
}

/// Does what signals ask for until the server is to end, or has ended.
async fn attend(mut signals: Signals, server: &Server, reloader: &mut Reloader<'_>, log: &Log) {
    let mut lame = false;
    let trapped = |name: &str| log.info(format_args!("Trapped \"{name}\" signal"));
    loop {
        tokio::select! {
            () = server.stopped() => return,
            _ = signals.interrupt.recv() => {
                trapped("interrupt");
                return;
            }
            _ = signals.terminate.recv() => {
                trapped("terminated");
                // A farewell under way continues.
                if !lame {
                    return;
                }
            }
            _ = signals.hangup.recv() => {
                trapped("hangup");
                reloader.reload(server);
            }
            _ = signals.reopen.recv() => {
                trapped("user defined signal 1");
                match log.reopen() {
                    Ok(true) => log.info(format_args!("File log re-opened")),
                    Ok(false) => log.info(format_args!("File log re-open ignored, not a file logger")),
                    Err(error) => log.error(format_args!("File log can't be re-opened: {}", reason(&error))),
                }
            }
            _ = signals.lame_duck.recv() => {
                trapped("user defined signal 2");
                lame = true;
                server.lame_duck();
            }
        }
    }
}

/// Writes the file with the ports, if the server listens. A server without the file still serves.
pub(crate) fn write_ports(server: &Server, folder: &Path, program: &str, log: &Log) -> Option<PortsFile> {
    let url = server.url()?;
    let path = PortsFile::path(folder, program);
    match PortsFile::write(path.clone(), &url, server.monitor_address()) {
        Ok(file) => Some(file),
        Err(error) => {
            log.error(format_args!("Error writing ports file ({}): {}", path.display(), reason(&error)));
            None
        }
    }
}
