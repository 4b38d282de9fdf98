//! The log, in the form of nats-server's: `[PID] 2026/11/21 01:49:10.123456 [INF] text`.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use postroom::Clock;
use postroom::server::{LogLevel, Logger};
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard};

/// The content of a log, and its destination.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LogOptions {
    pub(crate) debug: bool,
    pub(crate) trace: bool,
    pub(crate) time: bool,
    pub(crate) utc: bool,
    /// `None`: standard error.
    pub(crate) file: Option<PathBuf>,
}

pub(crate) struct Log {
    clock: Clock,
    zone: TimeZone,
    /// As in the options, to be read without the lock. ORDERING: Relaxed; a line more or less does not matter.
    debug: AtomicBool,
    trace: AtomicBool,
    state: Mutex<State>,
}

struct State {
    options: LogOptions,
    out: Out,
}

enum Out {
    Stderr { colours: bool },
    File(File),
}

impl Log {
    /// # Errors
    ///
    /// The operating system's, if the file can't be opened.
    pub(crate) fn open(options: LogOptions) -> io::Result<Self> {
        let out = Out::open(options.file.as_deref())?;
        Ok(Log {
            clock: Clock::system(),
            zone: local_zone(),
            debug: AtomicBool::new(options.debug),
            trace: AtomicBool::new(options.trace),
            state: Mutex::new(State { options, out }),
        })
    }

    /// Other options from the next line on.
    ///
    /// # Errors
    ///
    /// The operating system's, if another file can't be opened: then nothing has changed.
    pub(crate) fn change(&self, options: LogOptions) -> io::Result<()> {
        let mut state = self.state();
        if state.options.file != options.file {
            state.out = Out::open(options.file.as_deref())?;
        }
        self.debug.store(options.debug, Relaxed);
        self.trace.store(options.trace, Relaxed);
        state.options = options;
        Ok(())
    }

    /// Opens the file again, so that the old one can have been moved away. False if the log is not a
    /// file.
    ///
    /// # Errors
    ///
    /// The operating system's: then the old file is written to as before.
    pub(crate) fn reopen(&self) -> io::Result<bool> {
        let mut state = self.state();
        let Some(path) = state.options.file.clone() else { return Ok(false) };
        state.out = Out::open(Some(&path))?;
        Ok(true)
    }

    pub(crate) fn info(&self, text: fmt::Arguments<'_>) {
        self.log(LogLevel::Info, text);
    }

    pub(crate) fn warn(&self, text: fmt::Arguments<'_>) {
        self.log(LogLevel::Warn, text);
    }

    pub(crate) fn error(&self, text: fmt::Arguments<'_>) {
        self.log(LogLevel::Error, text);
    }

    pub(crate) fn fatal(&self, text: fmt::Arguments<'_>) {
        self.log(LogLevel::Fatal, text);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Logger for Log {
    fn enabled(&self, level: LogLevel) -> bool {
        match level {
            LogLevel::Debug => self.debug.load(Relaxed),
            LogLevel::Trace => self.trace.load(Relaxed),
            _ => true,
        }
    }

    fn log(&self, level: LogLevel, text: fmt::Arguments<'_>) {
        let mut state = self.state();
        let (options, colours) = (&state.options, matches!(state.out, Out::Stderr { colours: true }));
        let mut line = format!("[{}] ", std::process::id());
        if options.time {
            line += &self.time(options.utc);
        }
        // All in one piece, so that lines of several threads don't mix.
        line += &format!("{}{text}\n", label(level, colours));
        // There is no place left to report an error.
        let _ = match &mut state.out {
            Out::Stderr { .. } => io::stderr().lock().write_all(line.as_bytes()),
            Out::File(file) => file.write_all(line.as_bytes()),
        };
    }
}

impl Log {
    fn time(&self, utc: bool) -> String {
        let zone = if utc { TimeZone::UTC } else { self.zone.clone() };
        let now = Timestamp::try_from(self.clock.wall_time()).unwrap_or(Timestamp::MAX);
        now.to_zoned(zone).strftime("%Y/%m/%d %H:%M:%S.%6f ").to_string()
    }
}

/// The zone of `TZ`, or the machine's. `TimeZone::system` lists all zones that the machine knows before it reads the one that is
/// set, which was a third of the program's start.
fn local_zone() -> TimeZone {
    let set = || TimeZone::tzif("", &std::fs::read("/etc/localtime").ok()?).ok();
    let is_told = std::env::var_os("TZ").is_some();
    (!is_told).then(set).flatten().unwrap_or_else(TimeZone::system)
}

impl Out {
    fn open(file: Option<&Path>) -> io::Result<Self> {
        let Some(path) = file else { return Ok(Out::Stderr { colours: io::stderr().is_terminal() }) };
        let mut options = OpenOptions::new();
        options.append(true).create(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o640);
        Ok(Out::File(options.open(path)?))
    }
}

fn label(level: LogLevel, colours: bool) -> String {
    let (word, colour) = match level {
        LogLevel::Fatal => ("FTL", "31"),
        LogLevel::Error => ("ERR", "31"),
        LogLevel::Warn => ("WRN", "0;93"),
        LogLevel::Debug => ("DBG", "36"),
        LogLevel::Trace => ("TRC", "33"),
        _ => ("INF", "32"),
    };
    if colours { format!("[\x1b[{colour}m{word}\x1b[0m] ") } else { format!("[{word}] ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(options: &LogOptions, write: impl FnOnce(&Log)) -> String {
        let path = std::env::temp_dir().join(format!("postroom-log-{}-{:?}", std::process::id(), options.utc));
        let _ = std::fs::remove_file(&path);
        let options = LogOptions { file: Some(path.clone()), ..options.clone() };
        write(&Log::open(options).unwrap());
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        text
    }

    #[test]
    fn lines_have_the_form_that_test_suites_look_for() {
        let text = written(&LogOptions::default(), |log| {
            log.info(format_args!("Server is {}", "ready"));
            log.fatal(format_args!("a"));
            assert!(!log.enabled(LogLevel::Debug) && !log.enabled(LogLevel::Trace));
        });
        let pid = std::process::id();
        assert_eq!(text, format!("[{pid}] [INF] Server is ready\n[{pid}] [FTL] a\n"));
        assert_eq!(label(LogLevel::Warn, true), "[\u{1b}[0;93mWRN\u{1b}[0m] ");
    }

    #[test]
    fn the_time_has_microseconds() {
        let text = written(&LogOptions { time: true, utc: true, ..LogOptions::default() }, |log| {
            log.warn(format_args!("x"));
        });
        let time: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        let time = time.split_once("] ").unwrap().1;
        assert_eq!(time, "0000/00/00 00:00:00.000000 [WRN] x\n");
    }

    #[test]
    fn a_file_that_was_moved_is_begun_anew() {
        let path = std::env::temp_dir().join(format!("postroom-log-moved-{}", std::process::id()));
        let moved = path.with_extension("old");
        let log = Log::open(LogOptions { file: Some(path.clone()), ..LogOptions::default() }).unwrap();
        log.info(format_args!("one"));
        std::fs::rename(&path, &moved).unwrap();
        log.info(format_args!("two"));
        assert!(log.reopen().unwrap());
        log.info(format_args!("three"));
        let lines = |path: &Path| std::fs::read_to_string(path).unwrap().lines().count();
        assert_eq!((lines(&moved), lines(&path)), (2, 1));
        for path in [&path, &moved] {
            std::fs::remove_file(path).unwrap();
        }
        let stderr = Log::open(LogOptions::default()).unwrap();
        assert!(!stderr.reopen().unwrap());
    }

    #[test]
    fn levels_can_change_while_it_runs() {
        let log = Log::open(LogOptions::default()).unwrap();
        log.change(LogOptions { trace: true, ..LogOptions::default() }).unwrap();
        assert!(log.enabled(LogLevel::Trace) && !log.enabled(LogLevel::Debug));
        let nowhere = LogOptions { file: Some("/nonexistent/log".into()), debug: true, ..LogOptions::default() };
        assert!(log.change(nowhere).is_err());
        assert!(!log.enabled(LogLevel::Debug), "nothing has changed");
    }
}
