//! Messages without payload that say how a request or a push consumer stands (JC62 to JC78, JC125, JC126).

use crate::subject::Subject;
use std::borrow::Cow;
use std::fmt::Write;

/// A status: a number, a text and headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The number: 100, 400, 404, 408, 409, 412 or 423.
    pub code: u16,
    /// The text behind it.
    pub text: Cow<'static, str>,
    /// `Nats-Pending-Messages` and `Nats-Pending-Bytes`: what is left of a request.
    pub left: Option<(i64, i64)>,
    /// `Nats-Last-Consumer` and `Nats-Last-Stream`: how far a consumer is.
    pub last: Option<(u64, u64)>,
    /// `Nats-Consumer-Stalled`: the reply subject that flow control waits for.
    pub stalled: Option<Subject>,
}

impl Status {
    /// A status without headers.
    #[must_use]
    pub fn new(code: u16, text: impl Into<Cow<'static, str>>) -> Self {
        Status { code, text: text.into(), left: None, last: None, stalled: None }
    }

    pub(super) fn bad_request(fault: &str) -> Self {
        Status::new(400, format!("Bad Request - {fault}"))
    }

    pub(super) fn conflict(text: impl Into<Cow<'static, str>>) -> Self {
        Status::new(409, text)
    }

    pub(super) fn with_left(self, left: (i64, i64)) -> Self {
        Status { left: Some(left), ..self }
    }

    /// The header block, as it goes out.
    #[must_use]
    pub fn head(&self) -> String {
        let mut head = format!("NATS/1.0 {} {}\r\n", self.code, self.text);
        let mut line = |name: &str, value: &dyn std::fmt::Display| {
            write!(head, "{name}: {value}\r\n").expect("a String takes everything");
        };
        if let Some((messages, bytes)) = self.left {
            line("Nats-Pending-Messages", &messages);
            line("Nats-Pending-Bytes", &bytes);
        }
        if let Some((consumer, stream)) = self.last {
            line("Nats-Last-Consumer", &consumer);
            line("Nats-Last-Stream", &stream);
        }
        if let Some(subject) = &self.stalled {
            line("Nats-Consumer-Stalled", subject);
        }
        head.push_str("\r\n");
        head
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// JC73, JC75: headers in their order.
    #[test]
    fn heads_are_those_of_the_server() {
        let timeout = Status::new(408, "Request Timeout").with_left((3, -1));
        assert_eq!(
            timeout.head(),
            "NATS/1.0 408 Request Timeout\r\nNats-Pending-Messages: 3\r\nNats-Pending-Bytes: -1\r\n\r\n"
        );
        let idle = Status { last: Some((4, 9)), ..Status::new(100, "Idle Heartbeat") };
        assert_eq!(idle.head(), "NATS/1.0 100 Idle Heartbeat\r\nNats-Last-Consumer: 4\r\nNats-Last-Stream: 9\r\n\r\n");
        assert_eq!(Status::new(404, "No Messages").head(), "NATS/1.0 404 No Messages\r\n\r\n");
    }
}
