//! The server's end of one connection.

mod keepalive;
mod options;

pub use options::{SessionLimits, SessionOptions};

use super::encode;
use super::text::to_text;
use super::{Close, Connect, DecodeError, Decoder, DecoderLimits, Host, Operation, Publish, Refusal, ServerVersion};
use super::{Subscribe, info};
use bytes::BytesMut;
use keepalive::{Due, KeepAlive};
use std::time::Duration;

/// The server's end of one connection: reads what the peer sends, asks the [`Host`] to do it, and answers.
///
/// It has no clock: `now` is the time since any fixed moment, and must not go back. It is told when time has passed:
/// [`timeout`](Session::timeout) is to be called at [`next_timeout`](Session::next_timeout).
///
/// # Promises
///
/// - The same bytes have the same effect and the same answers, in whatever pieces they come (C5).
/// - Operations are done one after another; the answer to each goes to [`Host::send`] before the next begins (C15).
/// - Nothing is kept of what the host sends or gets; memory is bounded by the limits.
/// - Where a method returns `Err`, everything that the peer is to be told has been sent before: what is sent must still be
///   flushed. After that every call gives the same error and does nothing.
///
/// # Example
///
/// ```
/// use bytes::BytesMut;
/// use postroom::protocol::{Connect, Host, Publish, Refusal, Session, SessionOptions, Subscribe};
/// use std::time::Duration;
///
/// #[derive(Default)]
/// struct Loner(Vec<u8>);
///
/// impl Host for Loner {
///     fn send(&mut self, bytes: &[u8]) {
///         self.0.extend_from_slice(bytes);
///     }
///     fn info(&mut self, _: bool) -> Vec<u8> {
///         b"INFO {} \r\n".to_vec()
///     }
///     fn connect(&mut self, _: &Connect) -> Result<(), Refusal> {
///         Ok(())
///     }
///     fn permit(&mut self, _: &str, _: Option<&str>) -> Result<(), Refusal> {
///         Ok(())
///     }
///     fn publish(&mut self, _: Publish<'_>) -> Result<(), Refusal> {
///         Ok(())
///     }
///     fn subscribe(&mut self, _: Subscribe<'_>) -> Result<(), Refusal> {
///         Err(Refusal::SubscribeSubject)
///     }
///     fn unsubscribe(&mut self, _: &[u8], _: Option<u64>) {}
///     fn unsubscribe_all(&mut self) {}
/// }
///
/// let mut host = Loner::default();
/// let mut session = Session::new(SessionOptions::default(), Duration::ZERO);
/// session.greet(&mut host);
/// let mut input = BytesMut::from("CONNECT {\"verbose\":false}\r\nSUB a. 1\r\nPING\r\n");
/// session.receive(&mut input, Duration::from_millis(1), &mut host)?;
/// assert_eq!(host.0, b"INFO {} \r\n-ERR 'Invalid Subject'\r\nPONG\r\n");
/// assert_eq!(session.next_timeout(), Some(Duration::from_millis(2_001))); // for a PING of its own
/// # Ok::<_, postroom::protocol::Close>(())
/// ```
#[derive(Debug)]
pub struct Session {
    decoder: Decoder,
    state: State,
    closed: Option<Close>,
}

/// All but the decoder, whose input is borrowed while an operation is done.
#[derive(Debug)]
struct State {
    options: SessionOptions,
    connect: Connect,
    /// A CONNECT came that the host has to think about.
    waiting: bool,
    /// A CONNECT came, or credentials were taken for empty.
    connected: bool,
    /// The host knows the peer's options.
    announced: bool,
    /// A PING was answered since CONNECT.
    ponged: bool,
    /// The subject of the message whose payload is awaited has been complained of.
    complained: bool,
    auth_deadline: Option<Duration>,
    keep_alive: KeepAlive,
    last_activity: Duration,
    in_msgs: u64,
    in_bytes: u64,
}

impl Session {
    /// A session for a connection that is ready for INFO; with TLS before INFO, after the handshake. Timers start now.
    #[must_use]
    pub fn new(options: SessionOptions, now: Duration) -> Self {
        let state = State {
            connect: Connect::default(),
            waiting: false,
            connected: false,
            announced: false,
            ponged: false,
            complained: false,
            auth_deadline: now.checked_add(options.auth_timeout).filter(|_| options.auth_required),
            keep_alive: KeepAlive::new(options.limits.ping_interval, now),
            last_activity: now,
            in_msgs: 0,
            in_bytes: 0,
            options,
        };
        Session { decoder: Decoder::new(state.decoder_limits()), state, closed: None }
    }

    /// Sends the greeting (C1).
    pub fn greet(&mut self, host: &mut impl Host) {
        let line = host.info(false);
        host.send(&line);
    }

    /// Does every operation that is whole in the input, and takes it out of there. The rest stays, and more is to be
    /// appended to it. If the host [pauses](Host::pauses) it, it is to be called again before that.
    ///
    /// # Errors
    ///
    /// Why the connection is to be closed, once everything that was sent is flushed (C7).
    pub fn receive(&mut self, input: &mut BytesMut, now: Duration, host: &mut impl Host) -> Result<(), Close> {
        self.unless_closed(|session| session.operations(input, now, host))
    }

    /// Makes room in the input for the next read; gives back how many bytes are to be read at most. As
    /// [`Decoder::reserve`](super::Decoder::reserve).
    pub fn reserve(&mut self, input: &mut BytesMut, least: usize) -> usize {
        self.decoder.reserve(input, least)
    }

    /// Sends a PING, or ends a connection that has been silent for too long (C7, C17). Does nothing before
    /// [`next_timeout`](Session::next_timeout).
    ///
    /// # Errors
    ///
    /// [`Close::AuthenticationTimeout`] or [`Close::StaleConnection`].
    pub fn timeout(&mut self, now: Duration, host: &mut impl Host) -> Result<(), Close> {
        self.unless_closed(|session| session.state.timeout(now, host))
    }

    /// When [`timeout`](Session::timeout) has something to do; `None` once the session has ended, and while that is past all time.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Duration> {
        if self.closed.is_some() {
            return None;
        }
        self.state.auth_deadline.into_iter().chain(self.state.keep_alive.due).min()
    }

    /// New limits, from the next operation on; the timer that runs is kept. An operation whose line was read is still judged by
    /// the old ones.
    pub fn reconfigure(&mut self, limits: SessionLimits) {
        self.state.options.limits = limits;
        self.decoder.set_limits(self.state.decoder_limits());
    }

    /// The options of the peer's CONNECT, with the defaults for the rest.
    #[must_use]
    pub fn options(&self) -> &Connect {
        &self.state.connect
    }

    /// Whether a CONNECT waits for the host to be [ready](Host::is_ready).
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        self.state.waiting
    }

    /// The part of the input that is not done with. After a [`receive`](Session::receive) that a host made wait or pause, more may
    /// still lie in front of it.
    #[must_use]
    pub fn rest<'a>(&self, input: &'a [u8]) -> &'a [u8] {
        self.decoder.rest(input)
    }

    /// Whether CONNECT came; or, where there is a user for peers without credentials, any operation.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.state.connected
    }

    /// The time between the last PING of this side and its answer; before there was one, the time from the start to CONNECT;
    /// `None` before that.
    #[must_use]
    pub fn rtt(&self) -> Option<Duration> {
        self.state.keep_alive.rtt()
    }

    /// Messages that the peer has published, refused ones included.
    #[must_use]
    pub fn in_msgs(&self) -> u64 {
        self.state.in_msgs
    }

    /// Bytes of their payloads and headers.
    #[must_use]
    pub fn in_bytes(&self) -> u64 {
        self.state.in_bytes
    }

    /// When the peer last sent CONNECT, a message, SUB or UNSUB; at first, the start.
    #[must_use]
    pub fn last_activity(&self) -> Duration {
        self.state.last_activity
    }

    fn unless_closed(&mut self, act: impl FnOnce(&mut Self) -> Result<(), Close>) -> Result<(), Close> {
        if let Some(close) = self.closed {
            return Err(close);
        }
        act(self).inspect_err(|close| self.closed = Some(*close))
    }

    fn operations(&mut self, input: &mut BytesMut, now: Duration, host: &mut impl Host) -> Result<(), Close> {
        if self.state.waiting {
            self.state.admit(host)?;
            self.decoder.set_limits(self.state.decoder_limits());
        }
        while !self.state.waiting {
            if self.state.awaits_credentials()
                && let Some(first) = self.decoder.first(input)
            {
                self.state.first(first, host)?;
            }
            match self.decoder.next(input) {
                Ok(Some(operation)) => {
                    let is_connect = matches!(operation, Operation::Connect(_));
                    self.state.operation(operation, now, host)?;
                    if is_connect {
                        // Only now it is known whether the peer knows headers.
                        self.decoder.set_limits(self.state.decoder_limits());
                    }
                    if host.pauses() {
                        return Ok(());
                    }
                }
                Ok(None) => {
                    // nats-server looks at the subject before the payload has come.
                    let awaited = self.decoder.awaited(input);
                    return awaited.map_or(Ok(()), |subject| self.state.line_of_publish(subject, host));
                }
                Err(error) => {
                    if let (DecodeError::PayloadEnd { .. }, Some(subject)) = (error, self.decoder.awaited(input)) {
                        self.state.line_of_publish(subject, host)?;
                    }
                    if let Some(refusal) = error.refusal() {
                        send_error(host, &refusal);
                    }
                    return Err(error.close());
                }
            }
        }
        Ok(())
    }
}

impl State {
    fn decoder_limits(&self) -> DecoderLimits {
        let mut limits = DecoderLimits::default();
        limits.max_payload = self.options.limits.max_payload;
        limits.max_control_line = self.options.limits.max_control_line;
        limits.headers = self.connect.headers;
        limits
    }

    fn awaits_credentials(&self) -> bool {
        self.options.auth_required && !self.connected
    }

    /// The first byte of an operation where only CONNECT may come (P1).
    fn first(&mut self, byte: u8, host: &mut impl Host) -> Result<(), Close> {
        if byte.eq_ignore_ascii_case(&b'C') {
            return Ok(());
        }
        if !self.options.no_auth_user {
            return Err(refuse(host, &Refusal::Authorization));
        }
        self.auth_deadline = None;
        self.connected = true;
        self.announce(host)
    }

    /// The host learns the peer's options.
    fn announce(&mut self, host: &mut impl Host) -> Result<(), Close> {
        self.announced = true;
        // A refusal to connect always closes, even one that would not close elsewhere.
        host.connect(&self.connect).map_err(|refusal| refuse(host, &refusal))
    }

    fn connect(&mut self, json: &[u8], now: Duration, host: &mut impl Host) -> Result<(), Close> {
        self.last_activity = now;
        self.keep_alive.connected(self.options.limits.ping_interval, self.options.jitter, now);
        self.connect.merge(json).map_err(|_| Close::ProtocolViolation)?;
        self.connect.headers &= self.options.headers;
        self.admit(host)
    }

    /// The rest of a CONNECT, if the host is ready for it.
    fn admit(&mut self, host: &mut impl Host) -> Result<(), Close> {
        self.waiting = !host.is_ready(&self.connect);
        if self.waiting {
            return Ok(());
        }
        self.auth_deadline = None;
        if self.connected && self.options.version >= ServerVersion::V2_15 {
            host.unsubscribe_all();
        }
        self.connected = true;
        self.announce(host)?;
        if self.connect.asks_for_account() {
            return Err(refuse(host, &Refusal::Authorization));
        }
        if !(0..=1).contains(&self.connect.protocol) {
            return Err(refuse(host, &Refusal::ClientProtocol));
        }
        if self.connect.no_responders && !self.connect.headers {
            return Err(refuse(host, &Refusal::NoRespondersWithoutHeaders));
        }
        self.ok(host);
        Ok(())
    }

    #[inline]
    fn operation(&mut self, operation: Operation<'_>, now: Duration, host: &mut impl Host) -> Result<(), Close> {
        if !self.announced && !matches!(operation, Operation::Connect(_)) {
            self.announce(host)?;
        }
        match operation {
            Operation::Connect(json) => self.connect(json, now, host),
            Operation::Publish { subject, reply, headers, payload } => {
                self.heard(now);
                let size = payload.len() + headers.as_ref().map_or(0, |headers| headers.len());
                self.in_msgs += 1;
                self.in_bytes += size as u64;
                self.line_of_publish(subject, host)?;
                self.complained = false;
                let subject = to_text(subject);
                let reply = reply.map(to_text);
                let reply = reply.as_deref();
                if self.connect.verbose {
                    if let Err(refusal) = host.permit(&subject, reply) {
                        return answer(host, &refusal);
                    }
                    self.ok(host);
                }
                let message = Publish { subject: &subject, reply, headers, payload };
                host.publish(message).or_else(|refusal| answer(host, &refusal))
            }
            Operation::Subscribe { subject, queue, sid } => {
                self.heard(now);
                let queue = queue.map(to_text);
                let interest = Subscribe { subject: &to_text(subject), queue: queue.as_deref(), sid };
                match host.subscribe(interest) {
                    Ok(()) => self.ok(host),
                    Err(refusal) => return answer(host, &refusal),
                }
                Ok(())
            }
            Operation::Unsubscribe { sid, max } => {
                self.heard(now);
                host.unsubscribe(sid, max);
                self.ok(host);
                Ok(())
            }
            Operation::Ping => {
                self.ping(now, host);
                Ok(())
            }
            Operation::Pong => {
                self.keep_alive.pong(now);
                Ok(())
            }
            Operation::Info(json) if !info::is_tolerated(json) => Err(Close::ProtocolViolation),
            Operation::Info(_) | Operation::Ok => Ok(()),
            // DIFFERENCE: nats-server still does what it has read together with it.
            Operation::Error(_) => Err(Close::ParseError),
        }
    }

    fn heard(&mut self, now: Duration) {
        self.keep_alive.heard(now);
        self.last_activity = now;
    }

    fn ping(&mut self, now: Duration, host: &mut impl Host) {
        self.keep_alive.heard(now);
        let first = self.connected && !self.ponged;
        self.ponged |= first;
        if first && self.connect.protocol >= 1 && self.options.version >= ServerVersion::V2_12 {
            // At once: a peer that has seen the PONG may have others send something, and that must not come in
            // between.
            let info = host.info(true);
            host.send(&[encode::PONG, &info].concat());
        } else {
            host.send(encode::PONG);
        }
    }

    /// Complains of a subject that a pedantic peer publishes to (S6).
    // DIFFERENCE: nats-server complains a second time if the payload does not come in one piece with the line.
    #[inline]
    fn line_of_publish(&mut self, subject: &[u8], host: &mut impl Host) -> Result<(), Close> {
        if !self.announced {
            self.announce(host)?;
        }
        if self.connect.pedantic && !self.complained && !is_literal(subject) {
            self.complained = true;
            return answer(host, &Refusal::PublishSubject);
        }
        Ok(())
    }

    fn ok(&self, host: &mut impl Host) {
        if self.connect.verbose {
            host.send(encode::OK);
        }
    }

    fn timeout(&mut self, now: Duration, host: &mut impl Host) -> Result<(), Close> {
        if self.auth_deadline.is_some_and(|deadline| deadline <= now) {
            return Err(refuse(host, &Refusal::AuthenticationTimeout));
        }
        if self.keep_alive.due.is_none_or(|due| now < due) {
            return Ok(());
        }
        let limits = self.options.limits;
        match self.keep_alive.check(limits.ping_interval, limits.ping_max, now) {
            Due::Ping => host.send(encode::PING),
            Due::Nothing => {}
            Due::Stale => return Err(refuse(host, &Refusal::Stale)),
        }
        Ok(())
    }
}

/// No empty token, and none that is a wildcard.
fn is_literal(subject: &[u8]) -> bool {
    subject.split(|byte| *byte == b'.').all(|token| !matches!(token, b"" | b"*" | b">"))
}

fn send_error(host: &mut impl Host, refusal: &Refusal) {
    let mut line = Vec::new();
    encode::error(&mut line, refusal);
    host.send(&line);
}

/// Tells a refusal; the connection stays open if it is one of those after which it does (C7).
#[cold]
fn answer(host: &mut impl Host, refusal: &Refusal) -> Result<(), Close> {
    send_error(host, refusal);
    refusal.close().map_or(Ok(()), Err)
}

/// Tells a refusal that closes.
#[cold]
fn refuse(host: &mut impl Host, refusal: &Refusal) -> Close {
    send_error(host, refusal);
    refusal.close().unwrap_or(Close::ProtocolViolation)
}
