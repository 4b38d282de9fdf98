//! A connection of raw bytes, and what comes back, taken apart into frames.

use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

/// A stream that a server is at the other end of.
pub trait Stream: Read + Write + Send {
    /// No more will be written. The other end sees the end of the input, and may still write.
    fn end(&mut self) -> io::Result<()>;

    /// How long a read may take before it fails with `WouldBlock` or `TimedOut`.
    fn patience(&mut self, limit: Duration) -> io::Result<()>;
}

impl Stream for TcpStream {
    fn end(&mut self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }

    fn patience(&mut self, limit: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(limit))
    }
}

/// A connection over TCP.
///
/// # Errors
///
/// If there is no server at that address.
pub fn dial(addr: &str) -> io::Result<Box<dyn Stream>> {
    let stream = TcpStream::connect(addr)?;
    // Each write is a segment of its own: that is what splitting is for.
    stream.set_nodelay(true).expect("a fresh socket");
    stream.set_write_timeout(Some(Duration::from_secs(20))).expect("a fresh socket");
    Ok(Box::new(stream))
}

/// One thing that a server sends, or the end of all.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Frame {
    /// Any line that has no payload, without its CR LF: `INFO {…} `, `+OK`, `-ERR '…'`, `PING`, `PONG`.
    Line(Vec<u8>),
    /// MSG and HMSG.
    Message(Delivery),
    /// The stream ended: closed or reset.
    Closed,
    /// The stream ended within a frame; or the bytes are not a frame.
    Broken(Vec<u8>),
}

/// MSG and HMSG, every field as it came.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Delivery {
    pub subject: Vec<u8>,
    pub reply: Option<Vec<u8>>,
    pub header: Option<Vec<u8>>,
    pub payload: Vec<u8>,
    /// The header's length and the whole length, or only the latter.
    pub sizes: Vec<Vec<u8>>,
    pub sid: Vec<u8>,
}

impl Frame {
    pub fn is_pong(&self) -> bool {
        matches!(self, Frame::Line(line) if line == b"PONG")
    }

    pub fn is_ping(&self) -> bool {
        matches!(self, Frame::Line(line) if line == b"PING")
    }

    /// The JSON of an INFO.
    pub fn info(&self) -> Option<&[u8]> {
        match self {
            Frame::Line(line) => line.strip_prefix(b"INFO "),
            _ => None,
        }
    }

    /// Nothing follows it.
    pub fn is_last(&self) -> bool {
        matches!(self, Frame::Closed | Frame::Broken(_))
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// As the rules write it: CR LF within is `␍␊`.
impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Frame::Line(line) => f.write_str(&show(line)),
            Frame::Message(message) => fmt::Debug::fmt(message, f),
            Frame::Closed => f.write_str("(closed)"),
            Frame::Broken(rest) => write!(f, "(broken: {})", show(rest)),
        }
    }
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.sizes.len() == 2 { "HMSG" } else { "MSG" };
        write!(f, "{word} {} {} ", show(&self.subject), show(&self.sid))?;
        if let Some(reply) = &self.reply {
            write!(f, "{} ", show(reply))?;
        }
        let sizes: Vec<_> = self.sizes.iter().map(|size| show(size)).collect();
        write!(f, "{}␍␊", sizes.join(" "))?;
        write!(f, "{}{}", show(self.header.as_deref().unwrap_or_default()), show(&self.payload))
    }
}

/// Bytes for people: long ones are cut, CR and LF are visible.
pub fn show(bytes: &[u8]) -> String {
    const MAX: usize = 300;
    let (shown, rest) = bytes.split_at(bytes.len().min(MAX));
    let mut text = String::new();
    for chunk in shown.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\r' => text.push('␍'),
                '\n' => text.push('␊'),
                '\t' => text.push('␉'),
                c if c.is_control() => text.extend(c.escape_default()),
                c => text.push(c),
            }
        }
        chunk.invalid().iter().for_each(|byte| text.push_str(&format!("\\x{byte:02x}")));
    }
    if !rest.is_empty() {
        text.push_str(&format!("… {} bytes in all", bytes.len()));
    }
    text
}

/// Nothing came for so long, and the stream is still open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stalled {
    pub after: Duration,
    /// The beginning of a frame that never ended.
    pub rest: Vec<u8>,
}

/// A client that understands nothing but where a frame ends.
pub struct Wire {
    stream: Box<dyn Stream>,
    unread: Vec<u8>,
    at: usize,
    closed: bool,
    patience: Duration,
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire").field("unread", &show(&self.unread[self.at..])).finish_non_exhaustive()
    }
}

impl Wire {
    pub fn new(mut stream: Box<dyn Stream>, patience: Duration) -> Self {
        stream.patience(patience).expect("an open stream");
        Wire { stream, unread: Vec::new(), at: 0, closed: false, patience }
    }

    /// How long it waits for the next frame from now on.
    pub fn set_patience(&mut self, patience: Duration) {
        self.stream.patience(patience).expect("an open stream");
        self.patience = patience;
    }

    /// Writes and flushes. It does not matter here if the server has closed: its last words and its end are still to
    /// be read.
    pub fn send(&mut self, bytes: &[u8]) {
        let sent = self.stream.write_all(bytes).and_then(|()| self.stream.flush());
        if let Err(error) = sent {
            assert!(!matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "the server reads no more");
        }
    }

    /// No more will be sent.
    pub fn end(&mut self) {
        // Fails if the other end has closed, which is read like any end.
        drop(self.stream.end());
    }

    /// The next frame. After [`Frame::Closed`] or [`Frame::Broken`] comes [`Frame::Closed`] for ever.
    ///
    /// # Errors
    ///
    /// [`Stalled`] if nothing came for the whole patience.
    pub fn next(&mut self) -> Result<Frame, Stalled> {
        loop {
            if let Some((frame, length)) = parse(&self.unread[self.at..]) {
                self.at += length;
                return Ok(frame);
            }
            if self.closed {
                let rest = self.unread.split_off(self.at);
                self.at = self.unread.len();
                return Ok(if rest.is_empty() { Frame::Closed } else { Frame::Broken(rest) });
            }
            self.unread.drain(..self.at);
            self.at = 0;
            let mut chunk = [0; 16 << 10];
            match self.stream.read(&mut chunk) {
                Ok(0) => self.closed = true,
                Ok(count) => self.unread.extend_from_slice(&chunk[..count]),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    return Err(Stalled { after: self.patience, rest: self.unread.clone() });
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // A reset: the server closed with something of ours unread.
                Err(_) => self.closed = true,
            }
        }
    }

    /// Frames up to and with the `count`th PONG, or up to the end.
    ///
    /// # Errors
    ///
    /// The frames that came before it stalled, and [`Stalled`].
    pub fn until_pong(&mut self, count: usize) -> Result<Vec<Frame>, (Vec<Frame>, Stalled)> {
        let mut pongs = 0;
        self.until(|frame| {
            pongs += usize::from(frame.is_pong());
            pongs == count
        })
    }

    /// Frames up to and with the first that `last` accepts, or up to the end.
    ///
    /// # Errors
    ///
    /// The frames that came before it stalled, and [`Stalled`].
    pub fn until(&mut self, mut last: impl FnMut(&Frame) -> bool) -> Result<Vec<Frame>, (Vec<Frame>, Stalled)> {
        let mut frames = Vec::new();
        loop {
            match self.next() {
                Ok(frame) => {
                    let done = frame.is_last() || last(&frame);
                    frames.push(frame);
                    if done {
                        return Ok(frames);
                    }
                }
                Err(stalled) => return Err((frames, stalled)),
            }
        }
    }
}

/// The first frame and its length, if it is whole.
fn parse(bytes: &[u8]) -> Option<(Frame, usize)> {
    let end = bytes.windows(2).position(|two| two == b"\r\n")?;
    let (line, start) = (&bytes[..end], end + 2);
    let message = line.starts_with(b"MSG ") || line.starts_with(b"HMSG ");
    if !message {
        return Some((Frame::Line(line.to_vec()), start));
    }
    let words: Vec<&[u8]> = line.split(|&byte| byte == b' ').collect();
    let sizes = if line[0] == b'H' { 2 } else { 1 };
    // The word, subject, sid, perhaps a reply, sizes.
    let reply = match words.len().checked_sub(sizes) {
        Some(3) => None,
        Some(4) => Some(words[3].to_vec()),
        _ => return Some((Frame::Broken(line.to_vec()), start)),
    };
    let sizes = &words[words.len() - sizes..];
    let number = |text: &[u8]| std::str::from_utf8(text).ok()?.parse::<usize>().ok();
    let (Some(total), Some(first)) = (sizes.last().and_then(|size| number(size)), number(sizes[0])) else {
        return Some((Frame::Broken(line.to_vec()), start));
    };
    let header = if sizes.len() == 2 { first } else { 0 };
    let body = bytes.get(start..start + total + 2)?;
    if header > total || &body[total..] != b"\r\n" {
        return Some((Frame::Broken(bytes[..start + total + 2].to_vec()), start + total + 2));
    }
    let delivery = Delivery {
        subject: words[1].to_vec(),
        reply,
        header: (sizes.len() == 2).then(|| body[..header].to_vec()),
        payload: body[header..total].to_vec(),
        sizes: sizes.iter().map(|size| size.to_vec()).collect(),
        sid: words[2].to_vec(),
    };
    Some((Frame::Message(delivery), start + total + 2))
}
