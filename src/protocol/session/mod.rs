//! The server's end of one connection.

mod keepalive;
mod options;

pub use options::{SessionLimits, SessionOptions};

use super::encode;
use super::text::to_text;
use super::{
    Connect, DecodeError, Decoder, DecoderLimits, DisconnectReason, Operation, ProtocolError, Publish, ServerVersion,
    SessionHandler,
};
use super::{Subscribe, info};
use bytes::BytesMut;
use keepalive::{Due, KeepAlive};
use std::time::Duration;

/// The server's end of one connection: reads what the peer sends, asks the [`SessionHandler`] to do it, and answers.
///
/// It has no clock: `now` is the time since any fixed moment, and must not go back. It is told when time has passed:
/// [`handle_timeout`](Session::handle_timeout) is to be called at [`poll_timeout`](Session::poll_timeout).
///
/// # Promises
///
/// - The same bytes have the same effect and the same answers, in whatever pieces they come (C5).
/// - Operations are done one after another; the answer to each goes to [`SessionHandler::send`] before the next begins (C15).
/// - Nothing is kept of what the handler sends or gets; memory is bounded by the limits.
/// - Where a method returns `Err`, everything that the peer is to be told has been sent before: what is sent must still be
///   flushed. After that every call gives the same error and does nothing.
///
/// # Example
///
/// ```
/// use bytes::BytesMut;
/// use postroom::protocol::{Connect, SessionHandler, Publish, ProtocolError, Session, SessionOptions, Subscribe};
/// use std::time::Duration;
///
/// #[derive(Default)]
/// struct Loner(Vec<u8>);
///
/// impl SessionHandler for Loner {
///     fn send(&mut self, bytes: &[u8]) {
///         self.0.extend_from_slice(bytes);
///     }
///     fn info(&mut self, _: bool) -> Vec<u8> {
///         b"INFO {} \r\n".to_vec()
///     }
///     fn connect(&mut self, _: &Connect) -> Result<(), ProtocolError> {
///         Ok(())
///     }
///     fn check_publish(&mut self, _: &str, _: Option<&str>) -> Result<(), ProtocolError> {
///         Ok(())
///     }
///     fn publish(&mut self, _: Publish<'_>) -> Result<(), ProtocolError> {
///         Ok(())
///     }
///     fn subscribe(&mut self, _: Subscribe<'_>) -> Result<(), ProtocolError> {
///         Err(ProtocolError::SubscribeSubject)
///     }
///     fn unsubscribe(&mut self, _: &[u8], _: Option<u64>) {}
///     fn unsubscribe_all(&mut self) {}
/// }
///
/// let mut handler = Loner::default();
/// let mut session = Session::new(SessionOptions::default(), Duration::ZERO);
/// session.send_info(&mut handler);
/// let mut input = BytesMut::from("CONNECT {\"verbose\":false}\r\nSUB a. 1\r\nPING\r\n");
/// session.handle_input(&mut input, Duration::from_millis(1), &mut handler)?;
/// assert_eq!(handler.0, b"INFO {} \r\n-ERR 'Invalid Subject'\r\nPONG\r\n");
/// assert_eq!(session.poll_timeout(), Some(Duration::from_millis(2_001))); // for a PING of its own
/// # Ok::<_, postroom::protocol::DisconnectReason>(())
/// ```
#[derive(Debug)]
pub struct Session {
    decoder: Decoder,
    state: SessionState,
    closed: Option<DisconnectReason>,
}

/// All but the decoder, whose input is borrowed while an operation is done.
#[derive(Debug)]
struct SessionState {
    options: SessionOptions,
    connect: Connect,
    /// A CONNECT came that the handler has to think about.
    waiting: bool,
    /// A CONNECT came, or credentials were taken for empty.
    connected: bool,
    /// The handler knows the peer's options.
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
        let state = SessionState {
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
    pub fn send_info(&mut self, handler: &mut impl SessionHandler) {
        let line = handler.info(false);
        handler.send(&line);
    }

    /// Does every operation that is whole in the input, and takes it out of there. The rest stays, and more is to be
    /// appended to it. If the handler [pauses](SessionHandler::pauses) it, it is to be called again before that.
    ///
    /// # Errors
    ///
    /// Why the connection is to be closed, once everything that was sent is flushed (C7).
    pub fn handle_input(
        &mut self,
        input: &mut BytesMut,
        now: Duration,
        handler: &mut impl SessionHandler,
    ) -> Result<(), DisconnectReason> {
        self.unless_closed(|session| session.operations(input, now, handler))
    }

    /// Makes room in the input for the next read; gives back how many bytes are to be read at most. As
    /// [`Decoder::reserve`](super::Decoder::reserve).
    pub fn reserve(&mut self, input: &mut BytesMut, least: usize) -> usize {
        self.decoder.reserve(input, least)
    }

    /// Sends a PING, or ends a connection that has been silent for too long (C7, C17). Does nothing before
    /// [`poll_timeout`](Session::poll_timeout).
    ///
    /// # Errors
    ///
    /// [`DisconnectReason::AuthenticationTimeout`] or [`DisconnectReason::StaleConnection`].
    pub fn handle_timeout(&mut self, now: Duration, handler: &mut impl SessionHandler) -> Result<(), DisconnectReason> {
        self.unless_closed(|session| session.state.handle_timeout(now, handler))
    }

    /// When [`handle_timeout`](Session::handle_timeout) has something to do; `None` once the session has ended, and while that is past all time.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
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

    /// Whether a CONNECT waits for the handler to be [ready](SessionHandler::is_ready).
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        self.state.waiting
    }

    /// The part of the input that is not done with. After a [`handle_input`](Session::handle_input) that a handler made wait or pause, more may
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

    fn unless_closed(
        &mut self,
        act: impl FnOnce(&mut Self) -> Result<(), DisconnectReason>,
    ) -> Result<(), DisconnectReason> {
        if let Some(close) = self.closed {
            return Err(close);
        }
        act(self).inspect_err(|close| self.closed = Some(*close))
    }

    fn operations(
        &mut self,
        input: &mut BytesMut,
        now: Duration,
        handler: &mut impl SessionHandler,
    ) -> Result<(), DisconnectReason> {
        if self.state.waiting {
            self.state.admit(handler)?;
            self.decoder.set_limits(self.state.decoder_limits());
            if !self.state.waiting && handler.pauses() {
                return Ok(());
            }
        }
        while !self.state.waiting {
            if self.state.awaits_credentials()
                && let Some(first) = self.decoder.first(input)
            {
                self.state.first(first, handler)?;
            }
            match self.decoder.next(input) {
                Ok(Some(operation)) => {
                    let is_connect = matches!(operation, Operation::Connect(_));
                    self.state.operation(operation, now, handler)?;
                    if is_connect {
                        // Only now it is known whether the peer knows headers.
                        self.decoder.set_limits(self.state.decoder_limits());
                    }
                    if handler.pauses() {
                        return Ok(());
                    }
                }
                Ok(None) => {
                    // nats-server looks at the subject before the payload has come.
                    let awaited = self.decoder.awaited(input);
                    return awaited.map_or(Ok(()), |subject| self.state.line_of_publish(subject, handler));
                }
                Err(error) => {
                    if let (DecodeError::PayloadEnd { .. }, Some(subject)) = (error, self.decoder.awaited(input)) {
                        self.state.line_of_publish(subject, handler)?;
                    }
                    if let Some(error) = error.protocol_error() {
                        send_error(handler, &error);
                    }
                    return Err(error.disconnect_reason());
                }
            }
        }
        Ok(())
    }
}

impl SessionState {
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
    fn first(&mut self, byte: u8, handler: &mut impl SessionHandler) -> Result<(), DisconnectReason> {
        if byte.eq_ignore_ascii_case(&b'C') {
            return Ok(());
        }
        if !self.options.no_auth_user {
            return Err(refuse(handler, &ProtocolError::Authorization));
        }
        self.auth_deadline = None;
        self.connected = true;
        self.announce(handler)
    }

    /// The handler learns the peer's options.
    fn announce(&mut self, handler: &mut impl SessionHandler) -> Result<(), DisconnectReason> {
        self.announced = true;
        // A error to connect always closes, even one that would not close elsewhere.
        handler.connect(&self.connect).map_err(|error| refuse(handler, &error))
    }

    fn connect(
        &mut self,
        json: &[u8],
        now: Duration,
        handler: &mut impl SessionHandler,
    ) -> Result<(), DisconnectReason> {
        self.last_activity = now;
        self.keep_alive.connected(self.options.limits.ping_interval, self.options.jitter, now);
        self.connect.merge(json).map_err(|_| DisconnectReason::ProtocolViolation)?;
        self.connect.headers &= self.options.headers;
        self.admit(handler)
    }

    /// The rest of a CONNECT, if the handler is ready for it.
    fn admit(&mut self, handler: &mut impl SessionHandler) -> Result<(), DisconnectReason> {
        self.waiting = !handler.is_ready(&self.connect);
        if self.waiting {
            return Ok(());
        }
        self.auth_deadline = None;
        if self.connected && self.options.version >= ServerVersion::V2_15 {
            handler.unsubscribe_all();
        }
        self.connected = true;
        self.announce(handler)?;
        if self.connect.asks_for_account() {
            return Err(refuse(handler, &ProtocolError::Authorization));
        }
        if !(0..=1).contains(&self.connect.protocol) {
            return Err(refuse(handler, &ProtocolError::ClientProtocol));
        }
        if self.connect.no_responders && !self.connect.headers {
            return Err(refuse(handler, &ProtocolError::NoRespondersWithoutHeaders));
        }
        self.ok(handler);
        Ok(())
    }

    #[inline]
    fn operation(
        &mut self,
        operation: Operation<'_>,
        now: Duration,
        handler: &mut impl SessionHandler,
    ) -> Result<(), DisconnectReason> {
        if !self.announced && !matches!(operation, Operation::Connect(_)) {
            self.announce(handler)?;
        }
        match operation {
            Operation::Connect(json) => self.connect(json, now, handler),
            Operation::Publish { subject, reply, headers, payload } => {
                self.heard(now);
                let size = payload.len() + headers.as_ref().map_or(0, |headers| headers.len());
                self.in_msgs += 1;
                self.in_bytes += size as u64;
                self.line_of_publish(subject, handler)?;
                self.complained = false;
                let subject = to_text(subject);
                let reply = reply.map(to_text);
                let reply = reply.as_deref();
                if self.connect.verbose {
                    if let Err(error) = handler.check_publish(&subject, reply) {
                        return answer(handler, &error);
                    }
                    self.ok(handler);
                }
                let message = Publish { subject: &subject, reply, headers, payload };
                handler.publish(message).or_else(|error| answer(handler, &error))
            }
            Operation::Subscribe { subject, queue, sid } => {
                self.heard(now);
                let queue = queue.map(to_text);
                let interest = Subscribe { subject: &to_text(subject), queue: queue.as_deref(), sid };
                match handler.subscribe(interest) {
                    Ok(()) => self.ok(handler),
                    Err(error) => return answer(handler, &error),
                }
                Ok(())
            }
            Operation::Unsubscribe { sid, max } => {
                self.heard(now);
                handler.unsubscribe(sid, max);
                self.ok(handler);
                Ok(())
            }
            Operation::Ping => {
                self.ping(now, handler);
                Ok(())
            }
            Operation::Pong => {
                self.keep_alive.pong(now);
                Ok(())
            }
            Operation::Info(json) if !info::is_tolerated(json) => Err(DisconnectReason::ProtocolViolation),
            Operation::Info(_) | Operation::Ok => Ok(()),
            // DIFFERENCE: nats-server still does what it has read together with it.
            Operation::Error(_) => Err(DisconnectReason::ParseError),
        }
    }

    fn heard(&mut self, now: Duration) {
        self.keep_alive.heard(now);
        self.last_activity = now;
    }

    fn ping(&mut self, now: Duration, handler: &mut impl SessionHandler) {
        self.keep_alive.heard(now);
        let first = self.connected && !self.ponged;
        self.ponged |= first;
        if first && self.connect.protocol >= 1 && self.options.version >= ServerVersion::V2_12 {
            // At once: a peer that has seen the PONG may have others send something, and that must not come in
            // between.
            let info = handler.info(true);
            handler.send(&[encode::PONG, &info].concat());
        } else {
            handler.send(encode::PONG);
        }
    }

    /// Complains of a subject that a pedantic peer publishes to (S6).
    // DIFFERENCE: nats-server complains a second time if the payload does not come in one piece with the line.
    #[inline]
    fn line_of_publish(&mut self, subject: &[u8], handler: &mut impl SessionHandler) -> Result<(), DisconnectReason> {
        if !self.announced {
            self.announce(handler)?;
        }
        if self.connect.pedantic && !self.complained && !is_literal(subject) {
            self.complained = true;
            return answer(handler, &ProtocolError::PublishSubject);
        }
        Ok(())
    }

    fn ok(&self, handler: &mut impl SessionHandler) {
        if self.connect.verbose {
            handler.send(encode::OK);
        }
    }

    fn handle_timeout(&mut self, now: Duration, handler: &mut impl SessionHandler) -> Result<(), DisconnectReason> {
        if self.auth_deadline.is_some_and(|deadline| deadline <= now) {
            return Err(refuse(handler, &ProtocolError::AuthenticationTimeout));
        }
        if self.keep_alive.due.is_none_or(|due| now < due) {
            return Ok(());
        }
        let limits = self.options.limits;
        match self.keep_alive.check(limits.ping_interval, limits.ping_max, now) {
            Due::Ping => handler.send(encode::PING),
            Due::Nothing => {}
            Due::Stale => return Err(refuse(handler, &ProtocolError::Stale)),
        }
        Ok(())
    }
}

/// No empty token, and none that is a wildcard.
fn is_literal(subject: &[u8]) -> bool {
    subject.split(|byte| *byte == b'.').all(|token| !matches!(token, b"" | b"*" | b">"))
}

fn send_error(handler: &mut impl SessionHandler, error: &ProtocolError) {
    let mut line = Vec::new();
    encode::error(&mut line, error);
    handler.send(&line);
}

/// Tells a error; the connection stays open if it is one of those after which it does (C7).
#[cold]
fn answer(handler: &mut impl SessionHandler, error: &ProtocolError) -> Result<(), DisconnectReason> {
    send_error(handler, error);
    error.disconnect_reason().map_or(Ok(()), Err)
}

/// Tells a error that closes.
#[cold]
fn refuse(handler: &mut impl SessionHandler, error: &ProtocolError) -> DisconnectReason {
    send_error(handler, error);
    error.disconnect_reason().unwrap_or(DisconnectReason::ProtocolViolation)
}
