//! Acknowledgements as they come in: the subject says which delivery is meant, the payload what is done with it (JC81, JC90, JC111).

use crate::jetstream::engine::time::parse_duration;

/// A reply subject of a delivery: `$JS.ACK.<stream>.<consumer>.<count>.<stream sequence>.<consumer sequence>.<time>.<pending>`, or the
/// longer form with a domain and a hash in front of the stream (JC81).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AckSubject<'a> {
    /// The stream's name.
    pub stream: &'a str,
    /// The consumer's name.
    pub consumer: &'a str,
    /// How often the message was delivered.
    pub deliveries: u64,
    /// The message's sequence in the stream.
    pub stream_seq: u64,
    /// The delivery's sequence in the consumer.
    pub consumer_seq: u64,
}

impl<'a> AckSubject<'a> {
    /// Reads a subject; `None` if it is not of that form. A number that can't be read counts as the largest one (JC91).
    #[must_use]
    pub fn parse(subject: &'a str) -> Option<Self> {
        let tokens = subject.strip_prefix("$JS.ACK.")?;
        let count = tokens.split('.').count();
        let mut tokens = tokens.split('.');
        match count {
            7 => {}
            9.. => drop(tokens.nth(1)),
            _ => return None,
        }
        let (stream, consumer) = (tokens.next()?, tokens.next()?);
        let mut number = || tokens.next().map(number);
        Some(AckSubject { stream, consumer, deliveries: number()?, stream_seq: number()?, consumer_seq: number()? })
    }
}

fn number(token: &str) -> u64 {
    let are_digits = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_digit());
    token.parse().ok().filter(|_| are_digits).unwrap_or(u64::MAX)
}

/// The action on a delivery (JC90).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ack<'a> {
    /// It is done.
    Ack,
    /// It is to come again, after a delay in nanoseconds if there is one (JC110, JC111).
    Nak {
        /// The delay.
        delay: Option<i64>,
    },
    /// It takes longer (JC95).
    Progress,
    /// It is not to come again (JC96).
    Term {
        /// Why; empty if nothing is said.
        reason: &'a str,
    },
    /// It is done, and the next one is asked for: the body is a pull request for the reply subject of the acknowledgement.
    Next {
        /// The body of the pull request.
        body: &'a [u8],
    },
    /// A payload without effect.
    Unknown,
}

impl<'a> Ack<'a> {
    /// Reads a payload. `delay_of_json` reads `{"delay":<ns>}`; `None` if it is not such a text.
    #[must_use]
    pub fn parse(payload: &'a [u8], delay_of_json: impl FnOnce(&str) -> Option<i64>) -> Self {
        match payload {
            b"" | b"+ACK" | b"+OK" => return Ack::Ack,
            b"+WPI" => return Ack::Progress,
            _ => {}
        }
        if let Some(body) = payload.strip_prefix(b"+NXT") {
            return Ack::Next { body };
        }
        if let Some(rest) = payload.strip_prefix(b"+TERM") {
            return Ack::Term { reason: std::str::from_utf8(rest).unwrap_or_default().trim() };
        }
        let Some(rest) = payload.strip_prefix(b"-NAK") else { return Ack::Unknown };
        let argument = std::str::from_utf8(rest).unwrap_or_default().trim();
        let delay = match argument.as_bytes().first() {
            None => None,
            Some(b'{') => delay_of_json(argument),
            Some(_) => parse_duration(argument),
        };
        Ack::Nak { delay }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// JC81, JC91: seven tokens behind `$JS.ACK`, or nine and more; wrong numbers are huge.
    #[test]
    fn subjects_are_read() {
        let read = AckSubject::parse;
        let made = AckSubject { stream: "S", consumer: "c", deliveries: 1, stream_seq: 7, consumer_seq: 9 };
        assert_eq!(read("$JS.ACK.S.c.1.7.9.1767225600000000000.3"), Some(made));
        assert_eq!(read("$JS.ACK._.szMpdrwD.S.c.1.7.9.1767225600000000000.3"), Some(made));
        assert_eq!(read("$JS.ACK._.szMpdrwD.S.c.1.7.9.1767225600000000000.3.x.y"), Some(made));
        for other in ["$JS.ACK.S.c.1.7.9.1", "$JS.ACK.a.S.c.1.7.9.1.3", "$JS.ACK.S.c", "x.S.c.1.7.9.1.3", "$JS.ACK"] {
            assert_eq!(read(other), None, "{other}");
        }
        let wrong = read("$JS.ACK.S.c.x.-1.99999999999999999999.+1.z").unwrap();
        assert_eq!((wrong.deliveries, wrong.stream_seq, wrong.consumer_seq), (u64::MAX, u64::MAX, u64::MAX));
    }

    /// JC90, JC110, JC111: payloads are exact, but for what follows the three that take an argument.
    #[test]
    fn payloads_are_read() {
        let read = |payload: &'static str| {
            Ack::parse(payload.as_bytes(), |json| json.strip_prefix(r#"{"delay":"#)?.strip_suffix('}')?.parse().ok())
        };
        for ack in ["", "+ACK", "+OK"] {
            assert_eq!(read(ack), Ack::Ack);
        }
        for unknown in ["+ACK ", "+ack", "+WPI x", "hello", "-nak", "+"] {
            assert_eq!(read(unknown), Ack::Unknown, "{unknown}");
        }
        assert_eq!(read("+WPI"), Ack::Progress);
        assert_eq!(read("+TERM"), Ack::Term { reason: "" });
        assert_eq!(read("+TERMxyz"), Ack::Term { reason: "xyz" });
        assert_eq!(read("+TERM too bad "), Ack::Term { reason: "too bad" });
        assert_eq!(read("+NXT 5"), Ack::Next { body: b" 5" });
        for (payload, delay) in [
            ("-NAK", None),
            ("-NAK bogus", None),
            ("-NAKX", None),
            ("-NAK {\"delay\":\"300ms\"}", None),
            ("-NAK {\"delay\":300}", Some(300)),
            ("-NAK 300ms", Some(300_000_000)),
            ("-NAK300ms", Some(300_000_000)),
            ("-NAK -1s", Some(-1_000_000_000)),
        ] {
            assert_eq!(read(payload), Ack::Nak { delay }, "{payload}");
        }
    }
}
