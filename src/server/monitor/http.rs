//! How the monitor is served: HTTP/1.1 on a listener, in real time, on one thread that is not one of those that move messages.
//!
//! One answer is made at a time. A client is held to times: for the head of a request, for the next one, and for taking an answer.
//! Where there is no place for one more, the client that has been silent longest is let go.

use super::endpoints::Answer;
use super::request::{LATE, Refused, Request, TOO_LARGE, end_of_head, parse};
use crate::Clock;
use crate::server::listener::Listener;
use crate::server::log::Log;
use crate::sync::Mutex;
use bytes::{Buf, BytesMut};
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::{AbortHandle, Id, JoinSet};
use tokio::time::{sleep, timeout};

/// The function that answers a request, by path and query.
pub(crate) type Answers = Arc<dyn Fn(&str, &str) -> Answer + Send + Sync>;

/// The bounds of clients.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    /// How long the head of a request may take, as with nats-server; the first one of a client from the time that it came.
    head: Duration,
    /// How long a client may ask for nothing more.
    idle: Duration,
    /// How long a client may take nothing of its answer.
    take: Duration,
    /// Bytes of long answers that are not taken: while there are so many, no further one is made.
    long: usize,
}

const BOUNDS: Bounds = Bounds {
    head: Duration::from_secs(5),
    idle: Duration::from_secs(60),
    take: Duration::from_secs(5),
    long: 64 << 20,
};

/// How long a client that was told that this is the end may take to close its side, and how much it may send meanwhile.
const LINGER_TIME: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 256 << 10;

/// Clients at one time.
const CLIENTS_MAX: usize = 256;

/// Bytes of a request's head.
const HEAD_MAX: usize = 64 << 10;

/// A longer answer is a long one.
const SHORT: usize = 64 << 10;

/// How much of an answer is written at once.
const WRITE_MAX: usize = 64 << 10;

/// How long to wait when the operating system has no more sockets for us: at first, and at most, doubled each time, as nats-server has it.
const PAUSE_MIN: Duration = Duration::from_millis(5);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// Answers requests until the listener is closed. Dropped or done, it ends the requests under way.
pub(crate) async fn serve(listener: Arc<Listener>, log: Log, answers: Answers) {
    serve_within(BOUNDS, listener, log, answers).await;
}

async fn serve_within(bounds: Bounds, listener: Arc<Listener>, log: Log, answers: Answers) {
    let (long, taken) = (Mutex::default(), Notify::new());
    let service = Arc::new(HttpService { bounds, answers, clock: Clock::system(), long, taken });
    let mut clients = HttpClients::default();
    let mut pause = PAUSE_MIN;
    loop {
        match listener.accept().await {
            None => return,
            Some(Ok((stream, _))) => {
                pause = PAUSE_MIN;
                clients.admit(stream, &service);
            }
            Some(Err(error)) => {
                log.error(format_args!("monitoring: Accept error: {error}; retrying in {pause:?}"));
                tokio::select! {
                    () = sleep(pause) => {}
                    () = listener.closed() => return,
                }
                pause = (pause * 2).min(PAUSE_MAX);
            }
        }
    }
}

/// The state that all clients share.
struct HttpService {
    bounds: Bounds,
    answers: Answers,
    /// Real time: not the bus's, which may stand still.
    clock: Clock,
    /// Bytes of long answers that are not taken yet.
    long: Mutex<usize>,
    /// Some of them were.
    taken: Notify,
}

/// The clients that are served.
#[derive(Default)]
struct HttpClients {
    tasks: JoinSet<()>,
    by_task: BTreeMap<Id, (AbortHandle, Arc<AtomicU64>)>,
}

impl HttpClients {
    fn admit(&mut self, stream: TcpStream, service: &Arc<HttpService>) {
        while let Some(ended) = self.tasks.try_join_next_with_id() {
            let id = ended.map_or_else(|error| error.id(), |(id, ())| id);
            self.by_task.remove(&id);
        }
        if self.by_task.len() >= CLIENTS_MAX {
            let silent = self.by_task.iter().min_by_key(|(_, (_, heard))| heard.load(Relaxed)).map(|(id, _)| *id);
            if let Some((task, _)) = silent.and_then(|id| self.by_task.remove(&id)) {
                task.abort();
            }
        }
        // ORDERING: Relaxed throughout; all of this happens on one thread.
        let heard = Arc::new(AtomicU64::new(0));
        let client = HttpClient { stream, input: BytesMut::new(), service: service.clone(), heard: heard.clone() };
        client.note();
        let task = self.tasks.spawn(client.attend());
        self.by_task.insert(task.id(), (task, heard));
    }
}

struct HttpClient {
    stream: TcpStream,
    input: BytesMut,
    service: Arc<HttpService>,
    /// When it last sent or took something, in microseconds.
    heard: Arc<AtomicU64>,
}

impl HttpClient {
    /// It has sent or taken something.
    fn note(&self) {
        self.heard.store(self.service.clock.now().as_micros() as u64, Relaxed);
    }

    /// A client from its first request to its end. A client that breaks off does not concern the
    /// server.
    async fn attend(mut self) {
        let Bounds { head, idle, .. } = self.service.bounds;
        let mut limit = head;
        loop {
            let Some(request) = self.request(limit).await else { return };
            let (keeps_open, written) = match request {
                Ok(request) => (request.keeps_open, self.answer(&request).await),
                Err(refused) => (false, self.refuse(refused).await),
            };
            if written.is_err() {
                return;
            }
            if !keeps_open {
                break;
            }
            limit = idle;
        }
        if self.stream.shutdown().await.is_ok() {
            // A stream that is closed with unread input loses bytes that were written.
            let _ = timeout(LINGER_TIME, self.discard()).await;
        }
    }

    async fn discard(&mut self) {
        let mut left = LINGER_BYTES;
        while left > 0 {
            self.input.clear();
            self.input.reserve(4 << 10);
            match self.stream.read_buf(&mut self.input).await {
                Ok(0) | Err(_) => return,
                Ok(count) => left = left.saturating_sub(count),
            }
        }
    }

    /// The next request; `None` if there is none.
    async fn request(&mut self, limit: Duration) -> Option<Result<Request, Refused>> {
        let clock = self.service.clock.clone();
        let mut until = clock.now() + limit;
        let (mut looked, mut began) = (0, false);
        loop {
            if let Some(end) = end_of_head(&self.input, looked) {
                let request = parse(&self.input[..end]);
                self.input.advance(end);
                return Some(request);
            }
            looked = self.input.len();
            if looked >= HEAD_MAX {
                return Some(Err(TOO_LARGE));
            }
            if looked > 0 && !began {
                began = true;
                until = until.min(clock.now() + self.service.bounds.head);
            }
            self.input.reserve(1_024);
            let left = until.saturating_sub(clock.now());
            match timeout(left, self.stream.read_buf(&mut self.input)).await {
                Ok(Ok(0)) | Err(_) => return (looked > 0).then_some(Err(LATE)),
                Ok(Ok(_)) => self.note(),
                Ok(Err(_)) => return None,
            }
        }
    }

    async fn answer(&mut self, request: &Request) -> io::Result<()> {
        let service = self.service.clone();
        let (answer, _held) = service.answer(request).await;
        let connection = match (request.keeps_open, request.says_keep_alive) {
            (true, true) => "Connection: keep-alive\r\n",
            (true, false) => "",
            (false, _) => "Connection: close\r\n",
        };
        let mut head = format!("HTTP/1.{} {} {}\r\n", request.minor.min(1), answer.status, reason(answer.status));
        for (name, value) in answer.headers {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        if let Some(location) = &answer.location {
            let _ = write!(head, "Location: {location}\r\n");
        }
        if let Ok(date) = DateTimePrinter::new().timestamp_to_rfc9110_string(&Timestamp::now()) {
            let _ = write!(head, "Date: {date}\r\n");
        }
        let _ = write!(head, "Content-Length: {}\r\n{connection}\r\n", answer.body.len());
        self.write(head.as_bytes()).await?;
        if request.is_head { Ok(()) } else { self.write(&answer.body).await }
    }

    async fn refuse(&mut self, Refused { status, why }: Refused) -> io::Result<()> {
        let line = format!("{status} {}", reason(status));
        let head = format!("HTTP/1.1 {line}\r\n");
        let text = match why {
            None => format!("{head}Connection: close\r\nContent-Length: 0\r\n\r\n"),
            Some(why) => {
                let colon = if why.is_empty() { "" } else { ": " };
                format!("{head}Content-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n{line}{colon}{why}")
            }
        };
        self.write(text.as_bytes()).await
    }

    async fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let part = &bytes[..bytes.len().min(WRITE_MAX)];
            let count = timeout(self.service.bounds.take, self.stream.write(part)).await??;
            if count == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            self.note();
            bytes = &bytes[count..];
        }
        Ok(())
    }
}

/// Bytes of a long answer, until it is taken or given up.
struct Held<'a> {
    service: &'a HttpService,
    bytes: usize,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if self.bytes > 0 {
            *self.service.long.lock() -= self.bytes;
            self.service.taken.notify_one();
        }
    }
}

impl HttpService {
    /// The answer, once there is room for it. A short one never waits.
    async fn answer(&self, request: &Request) -> (Answer, Held<'_>) {
        loop {
            let answer = (self.answers)(&request.path, &request.query);
            if let Some(held) = self.hold(answer.body.len()) {
                if held.bytes > 0 {
                    // There may be room for another one.
                    self.taken.notify_one();
                }
                return (answer, held);
            }
            drop(answer);
            self.taken.notified().await;
        }
    }

    fn hold(&self, bytes: usize) -> Option<Held<'_>> {
        let bytes = if bytes > SHORT { bytes } else { 0 };
        let mut long = self.long.lock();
        if bytes > 0 && *long >= self.bounds.long {
            return None;
        }
        *long += bytes;
        Some(Held { service: self, bytes })
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        307 => "Temporary Redirect",
        400 => "Bad Request",
        404 => "Not Found",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        505 => "HTTP Version Not Supported",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::ServerOptions;
    use crate::server::monitor::Monitor;
    use crate::server::monitor::fake::Fake;
    use std::net::SocketAddr;
    use tokio::task::JoinHandle;

    /// A body of this length, at `/LENGTH`; else what a server answers.
    fn start(bounds: Bounds) -> (Arc<Listener>, SocketAddr, JoinHandle<()>) {
        let (listener, address) = Listener::bind(&["127.0.0.1:0".parse().unwrap()]).unwrap();
        let monitor = Monitor::default();
        let answer = move |path: &str, query: &str| match path[1..].parse() {
            Ok(length) => {
                let not_found = monitor.answer(&Fake::new(ServerOptions::new()), "/nothing", "");
                Answer { body: vec![b'x'; length], ..not_found }
            }
            Err(_) => monitor.answer(&Fake::new(ServerOptions::new()), path, query),
        };
        let serving = tokio::spawn(serve_within(bounds, listener.clone(), Log::default(), Arc::new(answer)));
        (listener, address, serving)
    }

    async fn ask(address: SocketAddr, request: &str) -> TcpStream {
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(request.as_bytes()).await.unwrap();
        client
    }

    /// All that comes until the end.
    async fn rest(mut client: TcpStream) -> String {
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        answer
    }

    /// The connection ends without an answer; where input was not read, as a reset.
    async fn ends(mut client: TcpStream) {
        assert_eq!(client.read(&mut [0]).await.unwrap_or(0), 0);
    }

    async fn exchange(address: SocketAddr, request: &str) -> String {
        rest(ask(address, request).await).await
    }

    #[tokio::test]
    async fn speaks_http() {
        let (listener, address, serving) = start(BOUNDS);
        for method in ["GET", "POST", "PUT"] {
            let text =
                exchange(address, &format!("{method} /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")).await;
            assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
            let lower = text.to_lowercase();
            assert!(lower.contains("\r\ncontent-type: application/json\r\n"), "{text}");
            assert!(lower.contains("\r\naccess-control-allow-origin: *\r\n"), "{text}");
            assert!(lower.contains("\r\ndate: ") && lower.contains(" gmt\r\n"), "{text}");
            assert!(text.ends_with("\r\n\r\n{\"status\":\"ok\"}"), "{text}");
        }
        let text = exchange(address, "HEAD /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
        assert!(text.contains("Content-Length: 15\r\n") && text.ends_with("\r\n\r\n"), "{text}");
        let text = exchange(address, "GET //varz?a=b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
        assert!(text.starts_with("HTTP/1.1 307 ") && text.contains("\r\nLocation: /varz?a=b\r\n"), "{text}");
        let text = exchange(address, "GET /healthz HTTP/1.0\r\n\r\n").await;
        assert!(text.starts_with("HTTP/1.0 200 OK\r\n") && text.contains("\r\nConnection: close\r\n"), "{text}");
        // One after the other over one connection, and each is answered once.
        let two = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /0 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        assert_eq!(exchange(address, two).await.matches("HTTP/1.1 ").count(), 2);
        // A body is not read as a request, nor does it lose the answer.
        let text =
            exchange(address, "POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 99999\r\n\r\nGET / HTTP").await;
        assert!(text.matches("HTTP/1.1 ").count() == 1 && text.contains("200 OK"), "{text}");
        let text = exchange(address, &format!("GET /{} HTTP/1.1\r\n", "x".repeat(HEAD_MAX))).await;
        assert!(text.starts_with("HTTP/1.1 431 "), "{text}");
        // The server's end is its clients' end.
        let client = ask(address, "GET /healt").await;
        listener.close();
        serving.await.unwrap();
        ends(client).await;
        assert!(TcpStream::connect(address).await.is_err());
    }

    #[tokio::test]
    async fn half_requests_and_idle_clients_come_to_an_end() {
        let soon = Duration::from_millis(20);
        let (_listener, address, _serving) = start(Bounds { head: soon, ..BOUNDS });
        let refused = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n400 Bad Request";
        assert_eq!(exchange(address, "GET /healthz HTT").await, refused);
        assert_eq!(exchange(address, "").await, "");
        let second = exchange(address, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /h").await;
        assert!(second.starts_with("HTTP/1.1 200 OK\r\n") && second.ends_with(refused), "{second}");
        let (_listener, address, _serving) = start(Bounds { idle: soon, ..BOUNDS });
        assert!(exchange(address, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await.ends_with("{\"status\":\"ok\"}"));
    }

    #[tokio::test]
    async fn where_there_is_no_place_the_most_silent_goes() {
        let never = Duration::from_secs(600);
        let (_listener, address, _serving) = start(Bounds { head: never, idle: never, ..BOUNDS });
        let mut silent = Vec::new();
        for _ in 0..CLIENTS_MAX {
            silent.push(ask(address, "GET /healthz HTT").await);
        }
        let text = exchange(address, "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
        assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
        ends(silent.remove(0)).await;
        // The last one is served still.
        let mut last = silent.pop().unwrap();
        last.write_all(b"P/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
        assert!(rest(last).await.starts_with("HTTP/1.1 200 OK\r\n"));
    }

    #[tokio::test]
    async fn long_answers_that_are_not_taken_are_bounded() {
        let (_listener, address, _serving) = start(Bounds { take: Duration::from_secs(600), long: 1, ..BOUNDS });
        let long = 32 << 20;
        let request = |length: usize| format!("GET /{length} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        let takes_nothing = ask(address, &request(long)).await;
        takes_nothing.readable().await.unwrap();
        // While that one waits, short ones are answered and a long one is not.
        let mut waits = ask(address, &request(long)).await;
        assert!(exchange(address, &request(10)).await.ends_with("xxxxxxxxxx"));
        let too_early = waits.try_read(&mut [0]);
        assert!(too_early.is_err(), "{too_early:?}");
        drop(takes_nothing);
        let mut all = Vec::new();
        waits.read_to_end(&mut all).await.unwrap();
        assert!(all.len() > long);
    }

    #[tokio::test]
    async fn a_client_that_takes_nothing_of_its_answer_is_let_go() {
        let (_listener, address, _serving) = start(Bounds { take: Duration::from_millis(50), long: 1, ..BOUNDS });
        let long = 32 << 20;
        let request = format!("GET /{long} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        let mut takes_nothing = ask(address, &request).await;
        takes_nothing.readable().await.unwrap();
        // There is room for this answer only when the other one was given up.
        assert!(exchange(address, &request).await.len() > long);
        let mut all = Vec::new();
        let _ = takes_nothing.read_to_end(&mut all).await;
        assert!(all.len() < long, "{}", all.len());
    }
}
