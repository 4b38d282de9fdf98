//! The operations of clients: CONNECT, PUB, HPUB, SUB, UNSUB, PING, PONG and a few that are only
//! tolerated.

use super::error::DecodeError;
use super::frame::{
    self, Announced, Frame, Frames, Grammar, Name, Parsed, Span, Then, in_line, in_message, number, spelled, split,
};
use crate::message::Payload;
use bytes::BytesMut;

/// The limits of a decoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DecoderLimits {
    /// Bytes of header block and payload (L4). Default 1,048,576.
    pub max_payload: usize,
    /// Bytes of an operation's arguments (C21). Default 4,096.
    pub max_control_line: usize,
    /// Whether the peer has said that it knows headers (H4). Default false.
    pub headers: bool,
}

impl Default for DecoderLimits {
    fn default() -> Self {
        DecoderLimits { max_payload: 1 << 20, max_control_line: 4_096, headers: false }
    }
}

/// An operation of a client. Its fields borrow from the decoder and its input.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Operation<'a> {
    /// CONNECT with its JSON, unread; see [`Connect::merge`](super::Connect::merge).
    Connect(&'a [u8]),
    /// PUB and HPUB.
    Publish {
        /// As it came.
        subject: &'a [u8],
        /// As it came.
        reply: Option<&'a [u8]>,
        /// `None` if it has no bytes (H3).
        headers: Option<Payload<'a>>,
        /// The payload without the header block.
        payload: Payload<'a>,
    },
    /// SUB.
    Subscribe {
        /// As it came.
        subject: &'a [u8],
        /// The queue group.
        queue: Option<&'a [u8]>,
        /// As it came.
        sid: &'a [u8],
    },
    /// UNSUB.
    Unsubscribe {
        /// As it came.
        sid: &'a [u8],
        /// `None` also for 0, and for text that is not a number of 1 to 9 digits (D2).
        max: Option<u64>,
    },
    /// PING.
    Ping,
    /// PONG.
    Pong,
    /// `+OK`, which clients need not send (C6).
    Ok,
    /// INFO with its JSON, unread (C6).
    Info(&'a [u8]),
    /// `-ERR` with its text (C6).
    Error(&'a [u8]),
}

/// Takes the operations of a client out of a stream of bytes, wherever it is split (C5).
///
/// # Promises
///
/// - The same bytes give the same operations and the same error, in whatever pieces they come.
/// - At most one line of arguments and one payload stay in the input between two calls, each within its limit.
/// - Payloads are not copied, but for large ones that come in several pieces (see [`reserve`](Decoder::reserve)).
/// - After an error, every further call gives the same error.
///
/// # Example
///
/// ```
/// use bytes::BytesMut;
/// use postroom::protocol::{Decoder, Operation};
///
/// let mut decoder = Decoder::default();
/// let mut input = BytesMut::from("PING\r\nPUB a.b 5\r\nhel");
/// assert!(matches!(decoder.next(&mut input)?, Some(Operation::Ping)));
/// assert!(decoder.next(&mut input)?.is_none());
/// input.extend_from_slice(b"lo\r\n");
/// let Some(Operation::Publish { subject, payload, .. }) = decoder.next(&mut input)? else { panic!() };
/// assert_eq!((subject, payload.as_slice()), (&b"a.b"[..], &b"hello"[..]));
/// # Ok::<_, postroom::protocol::DecodeError>(())
/// ```
#[derive(Debug)]
pub struct Decoder {
    grammar: ClientGrammar,
    frames: Frames<ClientKind>,
}

impl Decoder {
    /// Messages of at least this many bytes of headers and payload may be slices of the input's memory, and keep all of it alive as
    /// long as they live: those for which [`reserve`](Decoder::reserve) made that memory, so that it holds little else. All
    /// others are lent.
    pub const SHARED_MIN: usize = frame::SHARED_MIN;

    /// A decoder at the start of a stream.
    #[must_use]
    pub fn new(limits: DecoderLimits) -> Self {
        Decoder { grammar: ClientGrammar(limits), frames: Frames::new() }
    }

    /// Sets the limits from the next operation on.
    pub fn set_limits(&mut self, limits: DecoderLimits) {
        self.grammar = ClientGrammar(limits);
    }

    /// Its limits.
    #[must_use]
    pub fn limits(&self) -> DecoderLimits {
        self.grammar.0
    }

    /// The next operation; `None` if none is whole. More input is appended to the same buffer.
    ///
    /// A later call takes the decoded bytes out of the input, at the latest the call that returns `None`. Until then
    /// nothing else may be taken from its front.
    ///
    /// # Errors
    ///
    /// The first thing in the input that cannot be taken.
    #[inline]
    pub fn next<'a>(&'a mut self, input: &'a mut BytesMut) -> Result<Option<Operation<'a>>, DecodeError> {
        let frame = self.frames.next(&self.grammar, input)?;
        Ok(match frame {
            None => None,
            Some(Frame::Message(body)) => Some(Operation::Publish {
                subject: body.subject,
                reply: body.reply,
                headers: body.headers,
                payload: body.payload,
            }),
            Some(Frame::Line(parsed, line)) => Some(parsed.operation(line)),
        })
    }

    /// Makes room in the input for the next read, after [`next`](Decoder::next) has returned `None`; gives back how many bytes are to
    /// be read at most, at least 1 where `least` is. `least` is what a reader takes at once.
    ///
    /// A message of [`SHARED_MIN`](Decoder::SHARED_MIN) bytes or more that is not complete gets memory of its own, which grows with
    /// what comes of it up to its exact size, and nothing behind it is to be read into that. Three quarters of this memory
    /// or more are then the payload, or the header block, that is handed out as a slice of it. A reader that makes room in the
    /// input by other means is handed no slices.
    pub fn reserve(&mut self, input: &mut BytesMut, least: usize) -> usize {
        self.frames.reserve(input, least)
    }

    /// The input behind what is done with.
    pub(super) fn rest<'a>(&self, input: &'a [u8]) -> &'a [u8] {
        self.frames.rest(input)
    }

    /// The first byte of the next operation, if the one before it is complete and it has come. Before the first call of
    /// [`next`](Decoder::next) that is the first byte of the stream.
    #[must_use]
    pub fn first(&self, input: &[u8]) -> Option<u8> {
        self.frames.first(input)
    }

    /// The subject of a PUB or HPUB whose line has come, and its payload has not; or has another length than announced.
    #[must_use]
    pub fn awaited<'a>(&self, input: &'a [u8]) -> Option<&'a [u8]> {
        self.frames.awaited(input)
    }
}

impl Default for Decoder {
    fn default() -> Self {
        Decoder::new(DecoderLimits::default())
    }
}

#[derive(Clone, Copy, Debug)]
enum ClientKind {
    Connect,
    Publish,
    HeaderPublish,
    Subscribe,
    Unsubscribe,
    Ping,
    Pong,
    Ok,
    Info,
    Error,
    HeaderMessage,
}

/// An operation without a payload.
#[derive(Clone, Copy, Debug)]
enum ClientLine {
    Connect,
    Subscribe { subject: Span, queue: Option<Span>, sid: Span },
    Unsubscribe { sid: Span, max: Option<usize> },
    Ping,
    Pong,
    Ok,
    Info,
    Error,
}

#[derive(Clone, Copy, Debug, Default)]
struct ClientGrammar(DecoderLimits);

impl Grammar for ClientGrammar {
    type Kind = ClientKind;
    type Line = ClientLine;

    #[inline]
    fn name(&self, input: &[u8]) -> Name<ClientKind> {
        let Some(first) = input.first() else { return Name::Part };
        let second = input.get(1).map(u8::to_ascii_lowercase);
        match (first.to_ascii_lowercase(), second) {
            (b'p', Some(b'u')) => spelled(input, b"PUB", ClientKind::Publish, Then::Blank),
            (b'p', Some(b'i')) => spelled(input, b"PING", ClientKind::Ping, Then::Junk),
            (b'p', Some(b'o')) => spelled(input, b"PONG", ClientKind::Pong, Then::Junk),
            (b'h', Some(b'p')) => spelled(input, b"HPUB", ClientKind::HeaderPublish, Then::Blank),
            (b'h', Some(b'm')) => spelled(input, b"HMSG", ClientKind::HeaderMessage, Then::Blank),
            (b'p' | b'h', None) => Name::Part,
            (b's', _) => spelled(input, b"SUB", ClientKind::Subscribe, Then::Blank),
            (b'u', _) => spelled(input, b"UNSUB", ClientKind::Unsubscribe, Then::Blank),
            (b'c', _) => spelled(input, b"CONNECT", ClientKind::Connect, Then::Blanks),
            (b'i', _) => spelled(input, b"INFO", ClientKind::Info, Then::Blanks),
            (b'+', _) => spelled(input, b"+OK", ClientKind::Ok, Then::Junk),
            (b'-', _) => spelled(input, b"-ERR", ClientKind::Error, Then::Blank),
            _ => Name::Unknown,
        }
    }

    #[inline]
    fn line_max(&self) -> usize {
        self.0.max_control_line
    }

    #[inline(always)]
    fn line(&self, kind: ClientKind, line: &[u8]) -> Result<Parsed<ClientLine>, DecodeError> {
        Ok(Parsed::Line(match kind {
            ClientKind::Publish => return self.publish(line).map(Parsed::Message),
            ClientKind::HeaderPublish => return self.header_publish(line).map(Parsed::Message),
            ClientKind::Subscribe => {
                let (args, count) = split::<3>(line, in_line);
                match count {
                    2 => ClientLine::Subscribe { subject: args[0], queue: None, sid: args[1] },
                    3 => ClientLine::Subscribe { subject: args[0], queue: Some(args[1]), sid: args[2] },
                    _ => return Err(DecodeError::ArgumentCount { operation: "SUB", count }),
                }
            }
            ClientKind::Unsubscribe => {
                let (args, count) = split::<2>(line, in_line);
                match count {
                    1 => ClientLine::Unsubscribe { sid: args[0], max: None },
                    2 => ClientLine::Unsubscribe { sid: args[0], max: number(args[1].of(line)).filter(|max| *max > 0) },
                    _ => return Err(DecodeError::ArgumentCount { operation: "UNSUB", count }),
                }
            }
            ClientKind::Connect => ClientLine::Connect,
            ClientKind::Ping => ClientLine::Ping,
            ClientKind::Pong => ClientLine::Pong,
            ClientKind::Ok => ClientLine::Ok,
            ClientKind::Info => ClientLine::Info,
            ClientKind::Error => ClientLine::Error,
            // DIFFERENCE: nats-server takes HMSG from a client for an empty message to no subject, if its line and a blank one
            // come in one piece; and refuses it otherwise. Here it is refused in any case.
            ClientKind::HeaderMessage => return Err(DecodeError::UnknownOperation),
        }))
    }
}

impl ClientGrammar {
    #[inline]
    fn publish(&self, line: &[u8]) -> Result<Announced, DecodeError> {
        const OPERATION: &str = "PUB";
        let (args, count) = split::<3>(line, in_message);
        let (reply, size) = match count {
            2 => (None, args[1]),
            3 => (Some(args[1]), args[2]),
            _ => return Err(DecodeError::ArgumentCount { operation: OPERATION, count }),
        };
        let size = number(size.of(line)).ok_or(DecodeError::Size { operation: OPERATION })?;
        self.message(Announced { subject: args[0], sid: Default::default(), reply, headers: 0, size })
    }

    fn header_publish(&self, line: &[u8]) -> Result<Announced, DecodeError> {
        const OPERATION: &str = "HPUB";
        if !self.0.headers {
            return Err(DecodeError::HeadersNotSupported);
        }
        let (args, count) = split::<4>(line, in_message);
        let (reply, headers, size) = match count {
            3 => (None, args[1], args[2]),
            4 => (Some(args[1]), args[2], args[3]),
            _ => return Err(DecodeError::ArgumentCount { operation: OPERATION, count }),
        };
        let number = |arg: Span| number(arg.of(line)).ok_or(DecodeError::Size { operation: OPERATION });
        let (headers, size) = (number(headers)?, number(size)?);
        if headers > size {
            return Err(DecodeError::HeaderSize { headers, size });
        }
        self.message(Announced { subject: args[0], sid: Default::default(), reply, headers, size })
    }

    #[inline]
    fn message(&self, announced: Announced) -> Result<Announced, DecodeError> {
        let (size, max) = (announced.size, self.0.max_payload);
        if size > max { Err(DecodeError::MaxPayload { size, max }) } else { Ok(announced) }
    }
}

impl ClientLine {
    #[inline]
    fn operation(self, line: &[u8]) -> Operation<'_> {
        match self {
            ClientLine::Connect => Operation::Connect(line),
            ClientLine::Subscribe { subject, queue, sid } => Operation::Subscribe {
                subject: subject.of(line),
                queue: queue.map(|queue| queue.of(line)),
                sid: sid.of(line),
            },
            ClientLine::Unsubscribe { sid, max } => {
                Operation::Unsubscribe { sid: sid.of(line), max: max.map(|max| max as u64) }
            }
            ClientLine::Ping => Operation::Ping,
            ClientLine::Pong => Operation::Pong,
            ClientLine::Ok => Operation::Ok,
            ClientLine::Info => Operation::Info(line),
            ClientLine::Error => Operation::Error(line),
        }
    }
}
