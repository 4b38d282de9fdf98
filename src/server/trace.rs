//! The protocol of a connection as lines of the log, in nats-server's form. For where traces are wanted; costs what it costs.

use super::log::ConnectionLog;
use crate::protocol::{Connect, Publish, Subscribe};
use serde_json::{Map, Value, json};

/// A CONNECT, with what it said in a fixed order, and without its secrets.
pub(super) fn connect(log: &ConnectionLog, connect: &Connect) {
    let mut shown = Map::new();
    let flags = [
        ("verbose", connect.verbose),
        ("pedantic", connect.pedantic),
        ("echo", connect.echo),
        ("headers", connect.headers),
        ("no_responders", connect.no_responders),
    ];
    shown.extend(flags.map(|(name, on)| (name.to_owned(), json!(on))));
    shown.insert("protocol".to_owned(), json!(connect.protocol));
    let texts = [
        ("name", &connect.name),
        ("lang", &connect.lang),
        ("version", &connect.version),
        ("user", &connect.user),
        ("nkey", &connect.nkey),
    ];
    shown.extend(texts.into_iter().filter_map(|(name, text)| Some((name.to_owned(), json!(text.as_ref()?)))));
    let secrets = [("pass", &connect.pass), ("auth_token", &connect.auth_token), ("sig", &connect.sig)];
    let redacted = secrets.into_iter().filter(|(_, secret)| secret.is_some());
    shown.extend(redacted.map(|(name, _)| (name.to_owned(), json!("[REDACTED]"))));
    log.trace_in("CONNECT", format_args!("{}", Value::Object(shown)));
}

pub(super) fn publish(log: &ConnectionLog, message: &Publish<'_>) {
    let Publish { subject, reply, headers, payload } = message;
    let reply = reply.map(|reply| format!("{reply} ")).unwrap_or_default();
    match headers {
        Some(block) => {
            let total = block.len() + payload.len();
            log.trace_in("HPUB", format_args!("{subject} {reply}{} {total}", block.len()));
            log.trace_payload_in(block.as_slice(), payload.as_slice());
        }
        None => {
            log.trace_in("PUB", format_args!("{subject} {reply}{}", payload.len()));
            log.trace_payload_in(&[], payload.as_slice());
        }
    }
}

pub(super) fn subscribe(log: &ConnectionLog, interest: &Subscribe<'_>) {
    let Subscribe { subject, queue, sid } = interest;
    let queue = queue.map(|queue| format!("{queue} ")).unwrap_or_default();
    log.trace_in("SUB", format_args!("{subject} {queue}{}", String::from_utf8_lossy(sid)));
}

pub(super) fn unsubscribe(log: &ConnectionLog, sid: &[u8], max: Option<u64>) {
    let max = max.map(|max| format!(" {max}")).unwrap_or_default();
    log.trace_in("UNSUB", format_args!("{}{max}", String::from_utf8_lossy(sid)));
}

/// Traces the operations that the session itself sends. A PONG tells that a PING came in.
pub(super) fn sent(log: &ConnectionLog, bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for line in text.split("\r\n").filter(|line| !line.is_empty()) {
        match line {
            "PONG" => {
                log.trace_in("PING", format_args!(""));
                log.trace_out("PONG", format_args!(""));
            }
            "+OK" => log.trace_out("OK", format_args!("")),
            _ => match line.strip_prefix("-ERR ") {
                Some(refusal) => log.trace_out("-ERR", format_args!("{}", refusal.trim_matches('\''))),
                // As nats-server, which does not show the INFO.
                None if line.starts_with("INFO ") => {}
                None => log.trace_out(line, format_args!("")),
            },
        }
    }
}

/// A message that goes out, as it is written.
pub(super) fn delivery(log: &ConnectionLog, written: &[u8]) {
    let end = written.windows(2).position(|pair| pair == b"\r\n").unwrap_or(written.len());
    let (line, rest) = written.split_at(end);
    log.trace_out(&String::from_utf8_lossy(line), format_args!(""));
    let rest = rest.strip_prefix(b"\r\n").unwrap_or_default();
    log.trace_payload_out(&[], rest.strip_suffix(b"\r\n").unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::log::{Log, LogLevel, Logger};
    use crate::sync::Mutex;
    use std::sync::Arc;

    #[derive(Default)]
    struct Lines(Mutex<Vec<String>>);

    impl Logger for Lines {
        fn enabled(&self, _: LogLevel) -> bool {
            true
        }

        fn log(&self, _: LogLevel, text: std::fmt::Arguments<'_>) {
            self.0.lock().push(text.to_string().replace("127.0.0.1:1 - cid:5 - ", ""));
        }
    }

    #[test]
    fn lines_read_as_nats_servers_do() {
        let lines = Arc::new(Lines::default());
        let log = ConnectionLog::new(Log::new(lines.clone()), "127.0.0.1:1".parse().ok(), 5);
        let mut options = Connect::default();
        (options.name, options.pass) = (Some("n".into()), Some("secret".into()));
        connect(&log, &options);
        subscribe(&log, &Subscribe { subject: "bar.*", queue: Some("q"), sid: b"2" });
        unsubscribe(&log, b"2", Some(5));
        publish(&log, &Publish { subject: "foo", reply: None, headers: None, payload: b"hello".into() });
        let block = Some(b"NATS/1.0\r\n\r\n".into());
        publish(&log, &Publish { subject: "foo", reply: Some("re"), headers: block, payload: b"".into() });
        delivery(&log, b"MSG foo 1 5\r\nhello\r\n");
        sent(&log, b"PONG\r\n+OK\r\n-ERR 'Invalid Subject'\r\n");
        let shown = lines.0.lock().clone();
        assert!(shown[0].contains(r#""name":"n""#) && shown[0].contains(r#""pass":"[REDACTED]""#), "{}", shown[0]);
        assert_eq!(
            shown[1..],
            [
                "<<- [SUB bar.* q 2]",
                "<<- [UNSUB 2 5]",
                "<<- [PUB foo 5]",
                "<<- MSG_PAYLOAD: [\"hello\"]",
                "<<- [HPUB foo re 12 12]",
                "<<- MSG_PAYLOAD: [\"NATS/1.0\\r\\n\\r\\n\"]",
                "->> [MSG foo 1 5]",
                "->> MSG_PAYLOAD: [\"hello\"]",
                "<<- [PING]",
                "->> [PONG]",
                "->> [OK]",
                "->> [-ERR Invalid Subject]",
            ]
        );
    }
}
