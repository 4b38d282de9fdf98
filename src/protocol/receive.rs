//! The operations of servers: INFO, MSG, HMSG, `+OK`, `-ERR`, PING, PONG.

use super::error::DecodeError;
use super::frame::{self, Announced, Frame, Frames, Grammar, Name, Parsed, Then, in_message, number, spelled, split};
use crate::message::Payload;
use bytes::BytesMut;

/// An operation of a server. Its fields borrow from the decoder and its input.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ServerOperation<'a> {
    /// INFO with its JSON, unread; see [`Info::parse`](super::Info::parse).
    Info(&'a [u8]),
    /// MSG and HMSG.
    Message {
        /// As it came.
        subject: &'a [u8],
        /// The client's own name of the subscription.
        sid: &'a [u8],
        /// As it came.
        reply: Option<&'a [u8]>,
        /// `None` if it has no bytes.
        headers: Option<Payload<'a>>,
        /// The payload without the header block.
        payload: Payload<'a>,
    },
    /// `+OK`.
    Ok,
    /// `-ERR` with its text, without the quotation marks.
    Error(&'a [u8]),
    /// PING.
    Ping,
    /// PONG.
    Pong,
}

/// Takes the operations of a server out of a stream of bytes, wherever it is split. Arguments are parted by runs of blanks
/// (H9). It promises what [`Decoder`](super::Decoder) does.
///
/// # Example
///
/// ```
/// use bytes::BytesMut;
/// use postroom::protocol::{ServerDecoder, ServerOperation};
///
/// let mut decoder = ServerDecoder::default();
/// let mut input = BytesMut::from("-ERR 'Invalid Subject'\r\nMSG a.b 7  5\r\nhello\r\n");
/// assert!(matches!(decoder.next(&mut input)?, Some(ServerOperation::Error(b"Invalid Subject"))));
/// let Some(ServerOperation::Message { subject, sid, payload, .. }) = decoder.next(&mut input)? else { panic!() };
/// assert_eq!((subject, sid, payload.as_slice()), (&b"a.b"[..], &b"7"[..], &b"hello"[..]));
/// assert!(decoder.next(&mut input)?.is_none());
/// # Ok::<_, postroom::protocol::DecodeError>(())
/// ```
#[derive(Debug)]
pub struct ServerDecoder {
    grammar: ServerGrammar,
    frames: Frames<ServerKind>,
}

impl ServerDecoder {
    /// A decoder at the start of a stream, for lines of at most `line_max` bytes of arguments, and payloads (with their headers)
    /// of at most `payload_max` bytes.
    #[must_use]
    pub fn new(line_max: usize, payload_max: usize) -> Self {
        ServerDecoder { grammar: ServerGrammar { line_max, payload_max }, frames: Frames::new() }
    }

    /// The next operation; `None` if none is whole. As [`Decoder::next`](super::Decoder::next).
    ///
    /// # Errors
    ///
    /// The first thing in the input that cannot be taken.
    pub fn next<'a>(&'a mut self, input: &'a mut BytesMut) -> Result<Option<ServerOperation<'a>>, DecodeError> {
        Ok(match self.frames.next(&self.grammar, input)? {
            None => None,
            Some(Frame::Message(body)) => Some(ServerOperation::Message {
                subject: body.subject,
                sid: body.sid,
                reply: body.reply,
                headers: body.headers,
                payload: body.payload,
            }),
            Some(Frame::Line(kind, line)) => Some(match kind {
                ServerLine::Info => ServerOperation::Info(line),
                ServerLine::Ok => ServerOperation::Ok,
                ServerLine::Error => ServerOperation::Error(unquoted(line)),
                ServerLine::Ping => ServerOperation::Ping,
                ServerLine::Pong => ServerOperation::Pong,
            }),
        })
    }

    /// Makes room in the input for the next read. As [`Decoder::reserve`](super::Decoder::reserve).
    pub fn reserve(&mut self, input: &mut BytesMut, least: usize) -> usize {
        self.frames.reserve(input, least)
    }
}

impl Default for ServerDecoder {
    /// For lines of up to 64 KiB, which is room for an INFO of a large cluster; and payloads of up to 64 MiB, beyond which no
    /// server may be configured to go.
    fn default() -> Self {
        ServerDecoder::new(64 << 10, 64 << 20)
    }
}

fn unquoted(text: &[u8]) -> &[u8] {
    text.strip_prefix(b"'").and_then(|text| text.strip_suffix(b"'")).unwrap_or(text)
}

#[derive(Clone, Copy, Debug)]
enum ServerKind {
    Message,
    HeaderMessage,
    Line(ServerLine),
}

#[derive(Clone, Copy, Debug)]
enum ServerLine {
    Info,
    Ok,
    Error,
    Ping,
    Pong,
}

#[derive(Clone, Copy, Debug)]
struct ServerGrammar {
    line_max: usize,
    payload_max: usize,
}

impl Grammar for ServerGrammar {
    type Kind = ServerKind;
    type Line = ServerLine;

    fn name(&self, input: &[u8]) -> Name<ServerKind> {
        let Some(first) = input.first() else { return Name::Part };
        let second = input.get(1).map(u8::to_ascii_lowercase);
        match (first.to_ascii_lowercase(), second) {
            (b'm', _) => spelled(input, b"MSG", ServerKind::Message, Then::Blank),
            (b'h', _) => spelled(input, b"HMSG", ServerKind::HeaderMessage, Then::Blank),
            (b'p', Some(b'i')) => spelled(input, b"PING", ServerKind::Line(ServerLine::Ping), Then::Junk),
            (b'p', Some(b'o')) => spelled(input, b"PONG", ServerKind::Line(ServerLine::Pong), Then::Junk),
            (b'p', None) => Name::Part,
            (b'i', _) => spelled(input, b"INFO", ServerKind::Line(ServerLine::Info), Then::Blank),
            (b'+', _) => spelled(input, b"+OK", ServerKind::Line(ServerLine::Ok), Then::Junk),
            (b'-', _) => spelled(input, b"-ERR", ServerKind::Line(ServerLine::Error), Then::Blank),
            _ => Name::Unknown,
        }
    }

    fn line_max(&self) -> usize {
        self.line_max
    }

    fn line(&self, kind: ServerKind, line: &[u8]) -> Result<Parsed<ServerLine>, DecodeError> {
        let operation = match kind {
            ServerKind::Message => "MSG",
            ServerKind::HeaderMessage => "HMSG",
            ServerKind::Line(line) => return Ok(Parsed::Line(line)),
        };
        let with_headers = matches!(kind, ServerKind::HeaderMessage);
        let (args, count) = split::<5>(line, in_message);
        let sizes = 1 + usize::from(with_headers);
        let reply = match count.checked_sub(sizes) {
            Some(2) => None,
            Some(3) => Some(args[2]),
            _ => return Err(DecodeError::ArgumentCount { operation, count }),
        };
        let number = |arg: frame::Span| number(arg.of(line)).ok_or(DecodeError::Size { operation });
        let size = number(args[count - 1])?;
        let headers = if with_headers { number(args[count - 2])? } else { 0 };
        if headers > size {
            return Err(DecodeError::HeaderSize { headers, size });
        }
        if size > self.payload_max {
            return Err(DecodeError::MaxPayload { size, max: self.payload_max });
        }
        Ok(Parsed::Message(Announced { subject: args[0], sid: args[1], reply, headers, size }))
    }
}
