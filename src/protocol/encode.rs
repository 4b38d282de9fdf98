//! The operations of servers, as bytes.

use super::text::to_wire;
use bytes::BufMut;
use std::fmt;

/// `PING␍␊`.
pub const PING: &[u8] = b"PING\r\n";
/// `PONG␍␊`.
pub const PONG: &[u8] = b"PONG\r\n";
/// `+OK␍␊`.
pub const OK: &[u8] = b"+OK\r\n";

/// A message to one subscription: MSG or HMSG (C26, H1).
///
/// # Example
///
/// ```
/// use postroom::protocol::encode::Delivery;
///
/// let message = Delivery { subject: "a.b", sid: b"7", reply: None, headers: b"NATS/1.0\r\n\r\n", payload: b"hi" };
/// let mut out = Vec::new();
/// message.write(&mut out, true);
/// assert_eq!(out, b"HMSG a.b 7 12 14\r\nNATS/1.0\r\n\r\nhi\r\n");
///
/// out.clear();
/// message.write(&mut out, false);
/// assert_eq!(out, b"MSG a.b 7 2\r\nhi\r\n");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the protocol says what a message has")]
pub struct Delivery<'a> {
    /// The subject it was published to, as text; see [`text`](super::text).
    pub subject: &'a str,
    /// The subscriber's own name of the subscription (C23).
    pub sid: &'a [u8],
    /// Where answers go.
    pub reply: Option<&'a str>,
    /// The header block as it goes to the wire; of no bytes if there is none.
    pub headers: &'a [u8],
    /// The payload.
    pub payload: &'a [u8],
}

impl Delivery<'_> {
    /// Appends the whole message. To a peer that knows no headers (`with_headers` false), and where there are none, it is a
    /// MSG with the payload alone (H3, H5).
    #[inline]
    pub fn write(&self, out: &mut impl BufMut, with_headers: bool) {
        let headers = if with_headers { self.headers } else { &[] };
        self.write_head(out, with_headers);
        out.put_slice(headers);
        out.put_slice(self.payload);
        out.put_slice(LINE_END);
    }

    /// Appends the line alone. DIFFERENCE: sizes are written anew, not as the publisher wrote them (H6).
    ///
    /// Header block, payload and CR LF are to follow; the caller writes them from where they are.
    #[inline]
    pub fn write_head(&self, out: &mut impl BufMut, with_headers: bool) {
        let headers = if with_headers { self.headers.len() } else { 0 };
        out.put_slice(if headers > 0 { b"HMSG " } else { b"MSG " });
        out.put_slice(&to_wire(self.subject));
        out.put_slice(b" ");
        out.put_slice(self.sid);
        out.put_slice(b" ");
        if let Some(reply) = self.reply {
            out.put_slice(&to_wire(reply));
            out.put_slice(b" ");
        }
        if headers > 0 {
            out.put_slice(Digits::of(headers).as_slice());
            out.put_slice(b" ");
        }
        out.put_slice(Digits::of(headers + self.payload.len()).as_slice());
        out.put_slice(LINE_END);
    }
}

/// Appends `-ERR '<text>'␍␊` (C7).
///
/// # Example
///
/// ```
/// use postroom::protocol::{ProtocolError, encode};
///
/// let mut out = Vec::new();
/// encode::error(&mut out, &ProtocolError::SubscribeSubject);
/// assert_eq!(out, b"-ERR 'Invalid Subject'\r\n");
/// ```
pub fn error(out: &mut impl BufMut, text: &impl fmt::Display) {
    out.put_slice(format!("-ERR '{text}'\r\n").as_bytes());
}

const LINE_END: &[u8] = b"\r\n";

/// A number in decimal.
struct Digits {
    bytes: [u8; Digits::MAX],
    start: usize,
}

impl Digits {
    /// As many as the largest number has.
    const MAX: usize = 20;

    #[inline]
    fn of(mut number: usize) -> Self {
        let mut digits = Digits { bytes: [0; Self::MAX], start: Self::MAX };
        loop {
            digits.start -= 1;
            digits.bytes[digits.start] = b'0' + (number % 10) as u8;
            number /= 10;
            if number == 0 {
                return digits;
            }
        }
    }

    #[inline]
    fn as_slice(&self) -> &[u8] {
        &self.bytes[self.start..]
    }
}
