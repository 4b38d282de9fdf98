//! A raw client: it sends the bytes it is told to, and gives back what the server sends as one text for each operation.
//!
//! Nothing waits for a time. Each read has a limit that only a broken server reaches.

use postroom::server::PipeStream;
use serde_json::{Map, Value};
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Longer than anything may take: only reached when something is broken.
pub(crate) const FOREVER: Duration = Duration::from_secs(30);

/// The transport of a raw client.
pub(crate) trait Stream: Read + Write + Send {}

impl<S: Read + Write + Send> Stream for S {}

/// One connection to a server.
///
/// The server's operations are told as text: `INFO`, `PING`, `PONG`, `+OK`, `-ERR '…'` as they are (the JSON of the latest INFO
/// is in `info`), `MSG` and `HMSG` with their line, a bar and the bytes that follow, escaped: `MSG foo 1 2|hi`.
pub(crate) struct Wire {
    stream: Box<dyn Stream>,
    input: Vec<u8>,
    /// The latest INFO.
    pub(crate) info: Value,
}

impl Wire {
    /// Over this stream. Nothing is read yet.
    pub(crate) fn over(stream: impl Stream + 'static) -> Self {
        Wire { stream: Box::new(stream), input: Vec::new(), info: Value::Null }
    }

    pub(crate) fn tcp(address: std::net::SocketAddr) -> Self {
        Wire::over(dial(address))
    }

    pub(crate) fn pipe(pipe: PipeStream) -> Self {
        Wire::over(Blocking(pipe))
    }

    /// Takes the greeting, sends CONNECT, and waits until the server has taken note.
    pub(crate) fn connect(mut self, with: &str) -> Self {
        assert_eq!(self.next().as_deref(), Some("INFO"), "C1");
        self.send(connect_line(with));
        assert_eq!(self.flush(), Vec::<String>::new());
        self
    }

    pub(crate) fn send(&mut self, text: impl AsRef<[u8]>) {
        self.try_send(text).expect("the server reads");
    }

    /// As `send`, for servers that may have closed the connection.
    pub(crate) fn try_send(&mut self, text: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(text.as_ref())?;
        self.stream.flush()
    }

    /// The next operation; `None` at the end of the connection.
    pub(crate) fn next(&mut self) -> Option<String> {
        loop {
            if let Some((op, len)) = self.parse() {
                self.input.drain(..len);
                return Some(op);
            }
            let mut more = [0; 64 << 10];
            match self.stream.read(&mut more) {
                Ok(0) => break,
                Ok(count) => self.input.extend_from_slice(&more[..count]),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => break,
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    panic!("nothing came in {FOREVER:?}")
                }
                Err(error) => panic!("{error}"),
            }
        }
        assert_eq!(self.input.escape_ascii().to_string(), "", "the connection ended within an operation");
        None
    }

    /// The next operation, which must be this one.
    #[track_caller]
    pub(crate) fn expect(&mut self, op: &str) {
        assert_eq!(self.next().as_deref(), Some(op));
    }

    /// All operations that come before the answer to a PING: since the server works strictly in order, these are all that it
    /// had to say so far (C15).
    #[track_caller]
    pub(crate) fn flush(&mut self) -> Vec<String> {
        self.send("PING\r\n");
        self.until("PONG")
    }

    /// All operations up to this one, which is left out.
    #[track_caller]
    pub(crate) fn until(&mut self, last: &str) -> Vec<String> {
        let mut ops = Vec::new();
        loop {
            match self.next() {
                Some(op) if op == last => return ops,
                Some(op) => ops.push(op),
                None => panic!("the connection ended before {last}, after {ops:?}"),
            }
        }
    }

    /// All operations until the server ends the connection.
    pub(crate) fn rest(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.next()).collect()
    }

    /// Sends, and gives back what comes of it.
    #[track_caller]
    pub(crate) fn ask(&mut self, text: impl AsRef<[u8]>) -> Vec<String> {
        self.send(text);
        self.flush()
    }

    /// Takes bytes as they come, without a look at what they mean; 0 at the end.
    pub(crate) fn read_some(&mut self, into: &mut [u8]) -> usize {
        match self.stream.read(into) {
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::ConnectionReset => 0,
            Err(error) => panic!("{error}"),
        }
    }

    /// The operation at the start of the input, and its length.
    fn parse(&mut self) -> Option<(String, usize)> {
        let end = self.input.windows(2).position(|two| two == b"\r\n")?;
        let line = self.input[..end].escape_ascii().to_string();
        let after = end + 2;
        if let Some(json) = line.strip_prefix("INFO ") {
            let json = json.strip_suffix(' ').expect("C1: a blank before the end");
            self.info = serde_json::from_slice(&self.input[5..5 + self.input[5..end].len() - 1]).expect(json);
            return Some(("INFO".to_owned(), after));
        }
        if !(line.starts_with("MSG ") || line.starts_with("HMSG ")) {
            return Some((String::from_utf8_lossy(&self.input[..end]).into_owned(), after));
        }
        let size: usize = line.rsplit(' ').next()?.parse().expect("a size at the end of the line");
        let whole = after + size + 2;
        let body = self.input.get(after..whole)?;
        assert!(body.ends_with(b"\r\n"), "a message ends with CR LF: {line}");
        Some((format!("{line}|{}", body[..size].escape_ascii()), whole))
    }
}

/// A CONNECT line: quiet, with headers and no-responders, and with the fields of `with`, which win.
pub(crate) fn connect_line(with: &str) -> String {
    let usual = r#"{"verbose":false,"pedantic":false,"headers":true,"no_responders":true,"protocol":0}"#;
    let fields = |json: &str| serde_json::from_str::<Map<String, Value>>(json).expect("an object");
    let mut all = fields(usual);
    all.extend(fields(&format!("{{{with}}}")));
    format!("CONNECT {}\r\n", Value::Object(all))
}

/// A socket whose reads and writes don't last forever.
pub(crate) fn dial(address: std::net::SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("the server listens");
    stream.set_nodelay(true).expect("a socket");
    stream.set_read_timeout(Some(FOREVER)).expect("a socket");
    stream.set_write_timeout(Some(FOREVER)).expect("a socket");
    stream
}

/// A stream of tasks, for a thread.
pub(crate) struct Blocking<S>(pub(crate) S);

impl<S: AsyncRead + Unpin> Read for Blocking<S> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut into = ReadBuf::new(into);
        block_on(|context| Pin::new(&mut self.0).poll_read(context, &mut into))?;
        Ok(into.filled().len())
    }
}

impl<S: AsyncWrite + Unpin> Write for Blocking<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        block_on(|context| Pin::new(&mut self.0).poll_write(context, bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        block_on(|context| Pin::new(&mut self.0).poll_flush(context))
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Polls on this thread until there is a result.
pub(crate) fn block_on<T>(mut poll: impl FnMut(&mut Context<'_>) -> Poll<io::Result<T>>) -> io::Result<T> {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let start = Instant::now();
    loop {
        if let Poll::Ready(result) = poll(&mut Context::from_waker(&waker)) {
            return result;
        }
        let left = FOREVER.saturating_sub(start.elapsed());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        std::thread::park_timeout(left);
    }
}
