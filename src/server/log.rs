//! Where a server's log lines go, and what a connection's lines begin with.

use crate::protocol::{Connect, DisconnectReason, Quoted};
use crate::user_code::{Reporter, UserCode};
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

/// How much a log line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum LogLevel {
    /// The server cannot continue.
    Fatal,
    /// Something failed.
    Error,
    /// Something is not as it should be.
    Warn,
    /// News for an operator.
    Info,
    /// Connections that come and go.
    Debug,
    /// The protocol itself, line by line.
    Trace,
}

/// Takes a server's log lines. The binary `postroom` writes them as nats-server does; a program may do as it likes.
///
/// Called from the server's own tasks and from threads that publish, while no lock is held: neither function may block for long. A
/// panic of one is caught, counted and told on the bus ([`UserCode::Logger`]); that line is lost, and a level at which
/// [`Logger::enabled`] panics is not wanted.
///
/// # Example
///
/// ```
/// use postroom::server::{LogLevel, Logger};
///
/// struct Stderr;
///
/// impl Logger for Stderr {
///     fn enabled(&self, level: LogLevel) -> bool {
///         level <= LogLevel::Info
///     }
///
///     fn log(&self, level: LogLevel, text: std::fmt::Arguments<'_>) {
///         eprintln!("{level:?} {text}");
///     }
/// }
/// ```
pub trait Logger: Send + Sync {
    /// Whether lines of this level are wanted. Asked before a line is put together, so it should be cheap.
    fn enabled(&self, level: LogLevel) -> bool;

    /// Takes one line, without its end. Only called for levels that are enabled.
    fn log(&self, level: LogLevel, text: fmt::Arguments<'_>);
}

/// A logger or none. Cheap to clone; costs one comparison without a logger.
#[derive(Clone, Default)]
pub(crate) struct Log {
    logger: Option<Arc<dyn Logger>>,
    reporter: Reporter,
}

impl Log {
    pub(crate) fn new(logger: Arc<dyn Logger>) -> Self {
        Log { logger: Some(logger), reporter: Reporter::default() }
    }

    /// The same, for a server of the bus that is to be told of its panics.
    pub(crate) fn of(&self, reporter: Reporter) -> Self {
        Log { logger: self.logger.clone(), reporter }
    }

    #[inline]
    pub(crate) fn enabled(&self, level: LogLevel) -> bool {
        let enabled = |logger: &Arc<dyn Logger>| self.reporter.contain(UserCode::Logger, || logger.enabled(level));
        self.logger.as_ref().and_then(enabled) == Some(true)
    }

    #[inline]
    pub(crate) fn write(&self, level: LogLevel, text: fmt::Arguments<'_>) {
        if let Some(logger) = self.logger.as_ref().filter(|_| self.enabled(level)) {
            self.reporter.contain(UserCode::Logger, || logger.log(level, text));
        }
    }

    pub(crate) fn error(&self, text: fmt::Arguments<'_>) {
        self.write(LogLevel::Error, text);
    }

    pub(crate) fn warn(&self, text: fmt::Arguments<'_>) {
        self.write(LogLevel::Warn, text);
    }

    pub(crate) fn info(&self, text: fmt::Arguments<'_>) {
        self.write(LogLevel::Info, text);
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.logger.is_some() { "Log(…)" } else { "Log(none)" })
    }
}

/// Equal if their lines go to the same place.
impl PartialEq for Log {
    fn eq(&self, other: &Log) -> bool {
        match (&self.logger, &other.logger) {
            (Some(a), Some(b)) => std::ptr::addr_eq(Arc::as_ptr(a), Arc::as_ptr(b)),
            (None, None) => true,
            _ => false,
        }
    }
}

/// The log of one connection: every line begins with its name, `127.0.0.1:4000 - cid:5 - "v1:go:name"`.
#[derive(Clone, Debug)]
pub(crate) struct ConnectionLog {
    log: Log,
    label: String,
}

impl ConnectionLog {
    /// Without an address it came through a pipe.
    pub(crate) fn new(log: Log, address: Option<SocketAddr>, cid: u64) -> Self {
        let label = match address {
            Some(address) => format!("{address} - cid:{cid}"),
            None => format!("pipe - cid:{cid}"),
        };
        ConnectionLog { log, label }
    }

    /// Adds what the connection's first CONNECT said of it, once that was accepted; `user` is `user:ann`, `nkey:U…` or `token`
    /// where it showed credentials.
    pub(crate) fn identify(&mut self, connect: &Connect, user: Option<&str>) {
        let filled = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let version = filled(&connect.version).map(|version| format!("v{version}"));
        let parts: Vec<_> = [version, filled(&connect.lang), filled(&connect.name)].into_iter().flatten().collect();
        if !parts.is_empty() {
            self.label += &format!(" - {}", Quoted(parts.join(":")));
        }
        if let Some(user) = user {
            self.label += &format!(" - {}", Quoted(format!("$G/{user}")));
        }
    }

    /// The connection ends, and why.
    pub(crate) fn closed(&self, reason: DisconnectReason, max_pending: usize) {
        match reason {
            DisconnectReason::SlowConsumerPendingBytes => {
                let text = format_args!("Slow Consumer Detected: MaxPending of {max_pending} Exceeded");
                self.write(LogLevel::Info, text);
            }
            DisconnectReason::SlowConsumerWriteDeadline => {
                self.write(LogLevel::Info, format_args!("Slow Consumer Detected: WriteDeadline exceeded"));
            }
            DisconnectReason::MaxConnectionsExceeded => self.error(format_args!("maximum connections exceeded")),
            DisconnectReason::AuthenticationTimeout => self.debug(format_args!("Authorization timeout")),
            DisconnectReason::StaleConnection => self.debug(format_args!("Stale Client Connection - Closing")),
            _ => {}
        }
        self.debug(format_args!("Client connection closed: {reason}"));
    }

    /// Whether protocol lines are wanted.
    #[inline]
    pub(crate) fn traces(&self) -> bool {
        self.log.enabled(LogLevel::Trace)
    }

    pub(crate) fn write(&self, level: LogLevel, text: fmt::Arguments<'_>) {
        self.log.write(level, format_args!("{} - {text}", self.label));
    }

    pub(crate) fn debug(&self, text: fmt::Arguments<'_>) {
        self.write(LogLevel::Debug, text);
    }

    pub(crate) fn error(&self, text: fmt::Arguments<'_>) {
        self.write(LogLevel::Error, text);
    }

    /// A control line that came in, such as `SUB foo 1`. An empty argument is shown as none.
    pub(crate) fn trace_in(&self, operation: &str, arguments: fmt::Arguments<'_>) {
        self.trace("<<-", operation, arguments);
    }

    /// A control line that goes out, such as `MSG foo 1 5`.
    pub(crate) fn trace_out(&self, operation: &str, arguments: fmt::Arguments<'_>) {
        self.trace("->>", operation, arguments);
    }

    fn trace(&self, arrow: &str, operation: &str, arguments: fmt::Arguments<'_>) {
        match arguments.as_str() {
            Some("") => self.write(LogLevel::Trace, format_args!("{arrow} [{operation}]")),
            _ => self.write(LogLevel::Trace, format_args!("{arrow} [{operation} {arguments}]")),
        }
    }

    /// Header block and payload of a message that came in. Nothing is written for none.
    pub(crate) fn trace_payload_in(&self, headers: &[u8], payload: &[u8]) {
        self.trace_payload("<<-", headers, payload);
    }

    /// Header block and payload of a message that goes out.
    pub(crate) fn trace_payload_out(&self, headers: &[u8], payload: &[u8]) {
        self.trace_payload("->>", headers, payload);
    }

    fn trace_payload(&self, arrow: &str, headers: &[u8], payload: &[u8]) {
        if headers.len() + payload.len() > 0 && self.traces() {
            let bytes = (Bytes(headers), Bytes(payload));
            self.write(LogLevel::Trace, format_args!("{arrow} MSG_PAYLOAD: [\"{}{}\"]", bytes.0, bytes.1));
        }
    }
}

/// Bytes as Go shows them within quotation marks: what is not UTF-8, or can't be printed, is escaped.
struct Bytes<'a>(&'a [u8]);

impl fmt::Display for Bytes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            let quoted = Quoted(chunk.valid().to_owned()).to_string();
            f.write_str(&quoted[1..quoted.len() - 1])?;
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[derive(Default)]
    struct Lines(Mutex<Vec<String>>, Option<LogLevel>);

    impl Logger for Lines {
        fn enabled(&self, level: LogLevel) -> bool {
            self.1.is_none_or(|most| level <= most)
        }

        fn log(&self, level: LogLevel, text: fmt::Arguments<'_>) {
            self.0.lock().unwrap().push(format!("{level:?} {text}"));
        }
    }

    fn lines_of(run: impl FnOnce(&mut ConnectionLog), most: Option<LogLevel>) -> Vec<String> {
        let lines = Arc::new(Lines(Mutex::default(), most));
        let address = "127.0.0.1:4000".parse().ok();
        run(&mut ConnectionLog::new(Log::new(lines.clone()), address, 5));
        lines.0.lock().unwrap().clone()
    }

    #[test]
    fn a_connections_lines_read_as_nats_servers_do() {
        let found = lines_of(
            |log| {
                log.debug(format_args!("Client connection created"));
                let connect = Connect {
                    name: Some("n1".into()),
                    lang: Some("go".into()),
                    version: Some("1.2".into()),
                    ..Connect::default()
                };
                log.identify(&connect, Some("user:ann"));
                log.trace_in("SUB", format_args!("{} {}", "foo", 1));
                log.trace_out("PONG", format_args!(""));
                log.trace_payload_out(b"NATS/1.0\r\n\r\n", b"a\xff\"");
                log.trace_payload_out(b"", b"");
            },
            None,
        );
        assert_eq!(
            found,
            [
                r#"Debug 127.0.0.1:4000 - cid:5 - Client connection created"#,
                r#"Trace 127.0.0.1:4000 - cid:5 - "v1.2:go:n1" - "$G/user:ann" - <<- [SUB foo 1]"#,
                r#"Trace 127.0.0.1:4000 - cid:5 - "v1.2:go:n1" - "$G/user:ann" - ->> [PONG]"#,
                r#"Trace 127.0.0.1:4000 - cid:5 - "v1.2:go:n1" - "$G/user:ann" - ->> MSG_PAYLOAD: ["NATS/1.0\r\n\r\na\xff\""]"#,
            ]
        );
    }

    #[test]
    fn what_is_not_wanted_is_not_written() {
        let found = lines_of(
            |log| {
                log.error(format_args!("bad"));
                log.debug(format_args!("fine"));
                log.trace_payload_in(b"", b"x");
            },
            Some(LogLevel::Info),
        );
        assert_eq!(found, ["Error 127.0.0.1:4000 - cid:5 - bad"]);
        Log::default().warn(format_args!("nowhere"));
        assert!(!Log::default().enabled(LogLevel::Fatal));
    }

    #[test]
    fn logs_are_equal_where_their_lines_go_to_the_same_place() {
        let one: Arc<dyn Logger> = Arc::new(Lines::default());
        assert_eq!(Log::new(one.clone()), Log::new(one.clone()));
        assert_ne!(Log::new(one), Log::new(Arc::new(Lines::default())));
        assert_ne!(Log::default(), Log::new(Arc::new(Lines::default())));
    }
}
