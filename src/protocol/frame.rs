//! Finding operations in a stream of bytes: what both directions of the protocol have in common (C5).
//!
//! An operation is a name, and then one of three things: nothing that counts, up to LF (`PINGjunk`); blanks and one line of
//! arguments; or those and a payload of an announced size, with CR LF behind it. An incomplete operation stays in the input,
//! except for names, blanks and junk that are already understood, so that the input is bounded by one line and one payload
//! whatever the peer sends. Each byte is looked at once, however the input is split.

use super::error::DecodeError;
use crate::message::Payload;
use bytes::{Buf, BytesMut};
use memchr::memchr;

/// Where a part of a line stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    start: u32,
    end: u32,
}

impl Span {
    #[inline]
    pub(super) fn of(self, line: &[u8]) -> &[u8] {
        &line[self.start as usize..self.end as usize]
    }
}

/// The line of an operation with a payload, understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Announced {
    pub(super) subject: Span,
    /// Empty in the direction that has none.
    pub(super) sid: Span,
    pub(super) reply: Option<Span>,
    /// Bytes of the header block: at most `size`.
    pub(super) headers: usize,
    /// Bytes of header block and payload.
    pub(super) size: usize,
}

/// The part of an operation behind its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    /// One blank at least, and then arguments.
    Blank,
    /// Any number of blanks, and then arguments.
    Blanks,
    /// Anything up to LF, all of it ignored.
    Junk,
}

/// The kind of an operation, by its beginning.
pub(super) enum Name<K> {
    Known {
        kind: K,
        len: usize,
        then: Then,
    },
    /// The beginning of one, so far.
    Part,
    Unknown,
}

/// The content of a line of arguments.
pub(super) enum Parsed<L> {
    /// The operation ends with its line.
    Line(L),
    Message(Announced),
}

/// One direction of the protocol.
pub(super) trait Grammar {
    /// The operations.
    type Kind: Copy;
    /// An operation without a payload, with the places of its arguments.
    type Line: Copy;

    fn name(&self, input: &[u8]) -> Name<Self::Kind>;

    /// Arguments longer than this are refused (C21).
    fn line_max(&self) -> usize;

    /// Reads the arguments; for an operation that has none, `line` is empty.
    fn line(&self, kind: Self::Kind, line: &[u8]) -> Result<Parsed<Self::Line>, DecodeError>;
}

/// A message of either direction.
#[derive(Clone, Debug)]
pub(super) struct Body<'a> {
    pub(super) subject: &'a [u8],
    pub(super) sid: &'a [u8],
    pub(super) reply: Option<&'a [u8]>,
    pub(super) headers: Option<Payload<'a>>,
    pub(super) payload: Payload<'a>,
}

/// A whole operation.
pub(super) enum Frame<'a, L> {
    Line(L, &'a [u8]),
    Message(Body<'a>),
}

/// A whole operation, as positions: the input can only be lent out once nothing is done with it any more.
enum Found<L> {
    Line { parsed: L, start: usize, end: usize },
    Message { announced: Announced, start: usize, payload: usize },
}

#[derive(Clone, Copy, Debug)]
enum FrameState<K> {
    Name,
    Blank(K),
    Blanks(K),
    /// The first byte of a line is never its end; LF is not among the first `seen`.
    Line {
        kind: K,
        seen: usize,
    },
    Junk(K),
    /// From the start of the line to the payload it is `payload` bytes.
    Payload {
        announced: Announced,
        payload: usize,
    },
    /// For good. The announced sizes, if the operation came that far.
    Failed(DecodeError, Option<Announced>),
}

/// The position in a stream.
#[derive(Debug)]
pub(super) struct Frames<K> {
    /// Bytes at the front of the input that are done with; taken out of it before `next` returns `None`.
    at: usize,
    state: FrameState<K>,
    /// A message that was split off the input: its line, followed by the part that was too small to be shared.
    lent: Vec<u8>,
    /// The input's memory was made for the message whose payload is awaited, by [`Frames::reserve`].
    own: bool,
}

/// Messages at least this long get memory of their own, so that they can be split off the input; shorter ones are lent.
pub(super) const SHARED_MIN: usize = 16 << 10;

/// By how much the memory of a message grows at once, compared with what has come of it: a peer that announces much and sends little
/// takes little.
const GROWTH: usize = 4;

impl<K: Copy> Frames<K> {
    pub(super) fn new() -> Self {
        Frames { at: 0, state: FrameState::Name, lent: Vec::new(), own: false }
    }

    /// The input behind what is done with.
    pub(super) fn rest<'a>(&self, input: &'a [u8]) -> &'a [u8] {
        &input[self.at.min(input.len())..]
    }

    /// See [`Decoder::reserve`](super::Decoder::reserve).
    pub(super) fn reserve(&mut self, input: &mut BytesMut, least: usize) -> usize {
        if let FrameState::Payload { announced, payload } = self.state
            && announced.size >= SHARED_MIN
        {
            let whole = payload + announced.size + b"\r\n".len();
            let come = input.len() - self.at;
            if come < whole {
                if !self.own || input.len() == input.capacity() {
                    let capacity = (come * GROWTH).max(come + least).min(whole);
                    let mut own = BytesMut::with_capacity(capacity);
                    own.extend_from_slice(&input[self.at..]);
                    *input = own;
                    (self.own, self.at) = (true, 0);
                }
                return (whole - come).min(input.capacity() - input.len());
            }
        }
        input.reserve(least);
        least
    }

    /// The next operation that is whole; `None` when there is no further one. See [`Decoder::next`](super::Decoder::next).
    #[inline(always)]
    pub(super) fn next<'a, G: Grammar<Kind = K>>(
        &'a mut self,
        grammar: &G,
        input: &'a mut BytesMut,
    ) -> Result<Option<Frame<'a, G::Line>>, DecodeError> {
        match self.find(grammar, input)? {
            None => {
                input.advance(self.at.min(input.len()));
                self.at = 0;
                if self.own && !matches!(self.state, FrameState::Payload { .. }) {
                    self.disown(input);
                }
                Ok(None)
            }
            Some(Found::Line { parsed, start, end }) => Ok(Some(Frame::Line(parsed, &input[start..end]))),
            Some(Found::Message { announced, start, payload })
                if !self.own || !announced.fills(start + payload, input) =>
            {
                let (line, rest) = input[start..].split_at(payload);
                let (headers, body) = rest[..announced.size].split_at(announced.headers);
                let headers = (!headers.is_empty()).then(|| Payload::from(headers));
                Ok(Some(Frame::Message(announced.body(line, headers, Payload::from(body)))))
            }
            Some(Found::Message { announced, start, payload }) => {
                let rest = start + payload;
                self.lent.clear();
                self.lent.extend_from_slice(&input[start..rest]);
                input.advance(rest);
                let mut shared = input.split_to(announced.size).freeze();
                self.at = b"\r\n".len();
                let headers = shared.split_to(announced.headers);
                let (headers, body) = if announced.headers_are_larger() {
                    self.lent.extend_from_slice(&shared);
                    (Payload::from(headers), Payload::from(&self.lent[payload..]))
                } else {
                    self.lent.extend_from_slice(&headers);
                    (Payload::from(&self.lent[payload..]), Payload::from(shared))
                };
                let headers = (announced.headers > 0).then_some(headers);
                Ok(Some(Frame::Message(announced.body(&self.lent[..payload], headers, body))))
            }
        }
    }

    /// The first byte of the next operation, if the last one is complete and it has come.
    pub(super) fn first(&self, input: &[u8]) -> Option<u8> {
        if matches!(self.state, FrameState::Name) { input.get(self.at).copied() } else { None }
    }

    /// The subject of the message whose line is known and whose payload is awaited, or has a wrong end.
    pub(super) fn awaited<'a>(&self, input: &'a [u8]) -> Option<&'a [u8]> {
        match &self.state {
            FrameState::Payload { announced, .. } | FrameState::Failed(_, Some(announced)) => {
                Some(announced.subject.of(input.get(self.at..)?))
            }
            _ => None,
        }
    }

    /// Lets go of the memory that was made for a message, which is done with.
    #[cold]
    fn disown(&mut self, input: &mut BytesMut) {
        *input = BytesMut::from(&input[..]);
        self.lent = Vec::new();
        self.own = false;
    }

    /// Goes on where it was left. The state is written only to be left again.
    #[inline(always)]
    fn find<G: Grammar<Kind = K>>(&mut self, grammar: &G, input: &[u8]) -> Result<Option<Found<G::Line>>, DecodeError> {
        let (kind, seen) = match self.state {
            FrameState::Name => {
                let rest = input.get(self.at..).unwrap_or_default();
                match grammar.name(rest) {
                    Name::Known { kind, len, then } => {
                        self.at += len;
                        match (then, rest.get(len)) {
                            (Then::Junk, _) => return self.junk(grammar, kind, input),
                            (Then::Blank, Some(b' ' | b'\t')) | (Then::Blanks, _) => {}
                            (Then::Blank, Some(_)) => return self.fail(DecodeError::UnknownOperation),
                            (Then::Blank, None) => return self.leave(FrameState::Blank(kind)),
                        }
                        (kind, 0)
                    }
                    Name::Part => return Ok(None),
                    Name::Unknown => return self.fail(DecodeError::UnknownOperation),
                }
            }
            FrameState::Blank(kind) => match input.get(self.at) {
                Some(b' ' | b'\t') => (kind, 0),
                Some(_) => return self.fail(DecodeError::UnknownOperation),
                None => return Ok(None),
            },
            FrameState::Blanks(kind) => (kind, 0),
            FrameState::Line { kind, seen } => (kind, seen),
            FrameState::Junk(kind) => return self.junk(grammar, kind, input),
            FrameState::Payload { announced, payload } => return self.payload(announced, payload, input),
            FrameState::Failed(error, _) => return Err(error),
        };
        self.line(grammar, kind, seen, input)
    }

    /// The line of arguments, of which `seen` bytes were seen before; 0 if blanks may still come.
    #[inline(always)]
    fn line<G: Grammar<Kind = K>>(
        &mut self,
        grammar: &G,
        kind: K,
        mut seen: usize,
        input: &[u8],
    ) -> Result<Option<Found<G::Line>>, DecodeError> {
        let mut rest = input.get(self.at..).unwrap_or_default();
        if seen == 0 {
            let blanks = rest.iter().take_while(|byte| is_blank(**byte)).count();
            self.at += blanks;
            rest = &rest[blanks..];
            if rest.is_empty() {
                return self.leave(FrameState::Blanks(kind));
            }
            seen = 1;
        }
        let Some(more) = memchr(b'\n', rest.get(seen..).unwrap_or_default()) else {
            if rest.len() > grammar.line_max() && args_len(rest) > grammar.line_max() {
                return self.fail(DecodeError::MaxControlLine { max: grammar.line_max() });
            }
            return self.leave(FrameState::Line { kind, seen: rest.len() });
        };
        let end = seen + more;
        let len = args_len(&rest[..end]);
        if len > grammar.line_max() {
            return self.fail(DecodeError::MaxControlLine { max: grammar.line_max() });
        }
        match grammar.line(kind, &rest[..len]) {
            Ok(Parsed::Message(announced)) => self.payload(announced, end + 1, input),
            Ok(Parsed::Line(parsed)) => {
                let start = self.at;
                self.at += end + 1;
                self.state = FrameState::Name;
                Ok(Some(Found::Line { parsed, start, end: start + len }))
            }
            Err(error) => self.fail(error),
        }
    }

    #[inline(always)]
    fn payload<L>(
        &mut self,
        announced: Announced,
        payload: usize,
        input: &[u8],
    ) -> Result<Option<Found<L>>, DecodeError> {
        let start = self.at;
        let end = start + payload + announced.size;
        match (input.get(end), input.get(end + 1)) {
            (Some(b'\r'), Some(b'\n')) => {
                self.at = end + 2;
                self.state = FrameState::Name;
                Ok(Some(Found::Message { announced, start, payload }))
            }
            (Some(b'\r') | None, None) => self.leave(FrameState::Payload { announced, payload }),
            _ => {
                let error = DecodeError::PayloadEnd { size: announced.size };
                self.state = FrameState::Failed(error, Some(announced));
                Err(error)
            }
        }
    }

    #[inline(always)]
    fn junk<G: Grammar<Kind = K>>(
        &mut self,
        grammar: &G,
        kind: K,
        input: &[u8],
    ) -> Result<Option<Found<G::Line>>, DecodeError> {
        let rest = input.get(self.at..).unwrap_or_default();
        let junk = match rest {
            // Nearly always.
            [b'\r', b'\n', ..] => 1,
            _ => match memchr(b'\n', rest) {
                Some(junk) => junk,
                None => {
                    self.at += rest.len();
                    return self.leave(FrameState::Junk(kind));
                }
            },
        };
        match grammar.line(kind, &[]) {
            Ok(Parsed::Line(parsed)) => {
                self.at += junk + 1;
                self.state = FrameState::Name;
                Ok(Some(Found::Line { parsed, start: 0, end: 0 }))
            }
            Ok(Parsed::Message(_)) => self.fail(DecodeError::UnknownOperation),
            Err(error) => self.fail(error),
        }
    }

    /// More input is needed.
    #[inline(always)]
    fn leave<L>(&mut self, state: FrameState<K>) -> Result<Option<Found<L>>, DecodeError> {
        self.state = state;
        Ok(None)
    }

    #[cold]
    fn fail<L>(&mut self, error: DecodeError) -> Result<Option<Found<L>>, DecodeError> {
        self.state = FrameState::Failed(error, None);
        Err(error)
    }
}

impl Announced {
    /// Whether the header block or the payload makes up most of this input, which then holds nothing but this message. A slice of it
    /// keeps all of it alive, and is counted alone.
    fn fills(&self, payload: usize, input: &BytesMut) -> bool {
        let larger = self.headers.max(self.size - self.headers);
        input.len() == payload + self.size + b"\r\n".len() && larger * 4 >= input.capacity() * 3
    }

    fn headers_are_larger(&self) -> bool {
        self.headers > self.size - self.headers
    }

    #[inline]
    fn body<'a>(&self, line: &'a [u8], headers: Option<Payload<'a>>, payload: Payload<'a>) -> Body<'a> {
        Body {
            subject: self.subject.of(line),
            sid: self.sid.of(line),
            reply: self.reply.map(|reply| reply.of(line)),
            headers,
            payload,
        }
    }
}

/// A CR before LF is not an argument (C5). As in nats-server, a CR anywhere but at the start takes the last byte away, even if
/// that is another one.
#[inline]
fn args_len(line: &[u8]) -> usize {
    let drop = line.len() > 1 && (line.ends_with(b"\r") || memchr(b'\r', &line[1..]).is_some());
    line.len() - usize::from(drop)
}

#[inline(always)]
fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// Compares the input with the name of an operation, letters of either case (C5).
#[inline]
pub(super) fn spelled<K>(input: &[u8], name: &[u8], kind: K, then: Then) -> Name<K> {
    let len = input.len().min(name.len());
    if !input[..len].eq_ignore_ascii_case(&name[..len]) {
        Name::Unknown
    } else if len < name.len() {
        Name::Part
    } else {
        Name::Known { kind, len, then }
    }
}

/// The arguments of a line, and how many there are; those beyond `N` are only counted.
#[inline]
pub(super) fn split<const N: usize>(line: &[u8], is_separator: impl Fn(u8) -> bool) -> ([Span; N], usize) {
    let mut args = [Span::default(); N];
    let mut count = 0;
    let mut at = 0;
    loop {
        let blanks = line[at..].iter().take_while(|byte| is_separator(**byte)).count();
        let start = at + blanks;
        let len = line[start..].iter().take_while(|byte| !is_separator(**byte)).count();
        if len == 0 {
            return (args, count);
        }
        at = start + len;
        if let Some(arg) = args.get_mut(count) {
            *arg = Span { start: start as u32, end: at as u32 };
        }
        count += 1;
    }
}

/// Between the arguments of a message.
#[inline]
pub(super) fn in_message(byte: u8) -> bool {
    is_blank(byte)
}

/// Between the arguments of an operation without a payload: line ends count as blanks, where they come up at all.
#[inline]
pub(super) fn in_line(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// A number of 1 to 9 digits (C7).
#[inline]
pub(super) fn number(digits: &[u8]) -> Option<usize> {
    if digits.is_empty() || digits.len() > 9 {
        return None;
    }
    digits.iter().try_fold(0, |number, digit| {
        let digit = digit.wrapping_sub(b'0');
        (digit <= 9).then(|| number * 10 + usize::from(digit))
    })
}
