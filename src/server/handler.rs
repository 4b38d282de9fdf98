//! The effects of a session's operations on the bus.

use super::auth;
use super::connection::Connection;
use super::frame::Frame;
use super::log::{ConnectionLog, LogLevel};
use super::options::ServerOptions;
use super::outbound::DeliveryTicket;
use super::registry::Registry;
use super::reload;
use super::slice::Slice;
use super::subscriptions::{ClientSubscription, Subscriptions, WireSubscription, end_in_turns};
use super::trace;
use super::workers::{AT_ONCE, begin_turn, share_runtime};
use crate::protocol::{
    Connect, DisconnectReason, ProtocolError, Publish, Quoted, ServerVersion, SessionHandler, Subscribe,
};
use crate::publish::RawMessage;
use crate::{Client, ConnectOptions, Message, Payload, PublishError, SubscribeError, SubscribeOptions};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::yield_now;

/// The operations of one connection's client. Used by its reader alone.
pub(super) struct ClientSession {
    registry: Arc<Registry>,
    connection: Arc<Connection>,
    /// The same as in the connection's state, without its lock: users' callbacks run while messages are published.
    client: Option<Client>,
    headers: bool,
    protocol: i64,
    /// It came in without credentials, and so as the default user.
    uses_default_user: bool,
    slice: Slice,
    /// The slice is over, and there may be more to do.
    paused: bool,
    /// The options by which a CONNECT was judged that is about to be done.
    judged_by: Option<Arc<ServerOptions>>,
    /// The subscriptions that a further CONNECT has ended, if they are many: no messages come from them any more, and they are to
    /// go before the next operation.
    ended: Subscriptions,
    /// Those that a further CONNECT keeps, if they are many, with the client of the bus that they still belong to: they are to be brought
    /// over before the next operation.
    kept: Option<(Client, Subscriptions)>,
}

impl ClientSession {
    pub(super) fn new(registry: Arc<Registry>, connection: Arc<Connection>) -> Self {
        ClientSession {
            registry,
            connection,
            client: None,
            headers: false,
            protocol: 0,
            uses_default_user: false,
            slice: Slice::begin(Duration::ZERO),
            paused: false,
            judged_by: None,
            ended: Subscriptions::new(),
            kept: None,
        }
    }

    /// Begins a slice of the connection's work.
    pub(super) fn begin_slice(&mut self, now: Duration) {
        if self.slice.is_used_up() {
            share_runtime();
        }
        begin_turn();
        (self.slice, self.paused) = (Slice::begin(now), false);
    }

    /// Whether the slice has ended before all the input was worked off.
    pub(super) fn is_paused(&self) -> bool {
        self.paused
    }

    /// After a password was compared with another hash than before.
    pub(super) fn recognise_again(&self) {
        reload::recognise_again(&self.registry, &self.connection);
    }

    /// Ends, or brings over, the subscriptions of a further CONNECT, a few at a time.
    pub(super) async fn settle_subscriptions(&mut self) {
        end_in_turns(std::mem::take(&mut self.ended)).await;
        while self.bring_over() {
            yield_now().await;
        }
    }

    /// Brings over a few of the subscriptions that a further CONNECT keeps. False if those were the last.
    fn bring_over(&mut self) -> bool {
        for _ in 0..AT_ONCE {
            let Some((sid, subscription)) = self.kept.as_mut().and_then(|(_, kept)| kept.pop_first()) else { break };
            self.renew(&sid, subscription);
        }
        let is_over = self.kept.as_ref().is_none_or(|(_, kept)| kept.is_empty());
        if is_over {
            // Only now its former client of the bus may go, with its last handle.
            self.kept = None;
        }
        !is_over
    }

    fn client(&self) -> &Client {
        self.client.as_ref().expect("a session connects before its first operation")
    }

    /// Subscribes to `subject` on the bus; what matches goes to the connection under `sid`.
    fn open(&self, subject: &str, queue: Option<&str>, sid: &[u8]) -> Result<Arc<WireSubscription>, SubscribeError> {
        let ticket = Arc::new(self.ticket(sid));
        let with = queue.into_iter().fold(SubscribeOptions::new(), |with, queue| with.queue(queue));
        let theirs = ticket.clone();
        let guard = if self.registry.log.enabled(LogLevel::Trace) {
            // A logger is a user's code, which is run where nothing is locked. The price: a message that is on its way at the moment of
            // an UNSUB may be lost.
            let connection = Arc::downgrade(&self.connection);
            self.client().subscribe_fn_with(subject, with, move |message: Message| {
                let delivered = theirs.deliver(&message);
                if let (true, Some(connection)) = (delivered, connection.upgrade()) {
                    trace::delivery(&connection.log(), &theirs.to_bytes(&message));
                }
            })
        } else {
            self.client().subscribe_sink_with(subject, with, move |delivery| theirs.deliver(delivery.message()))
        };
        guard.map(|guard| Arc::new(WireSubscription { guard, ticket }))
    }

    /// Brings a subscription over to the connection's new client: before 2.15, a further CONNECT keeps them (C12).
    ///
    /// DIFFERENCE: what others publish in between may be missed.
    fn renew(&self, sid: &[u8], subscription: ClientSubscription) {
        let ClientSubscription { wire, queue, max, before } = subscription;
        let before = before + wire.guard.ledger().delivered;
        let pattern = wire.guard.pattern().clone();
        drop(wire);
        let left = max.map(|max| max.saturating_sub(before));
        if left == Some(0) {
            return;
        }
        let Ok(wire) = self.open(pattern.as_str(), queue.as_deref(), sid) else { return };
        left.into_iter().for_each(|left| wire.guard.unsubscribe_after(left));
        self.enter(sid, ClientSubscription { wire, queue, max, before });
    }

    /// Keeps a subscription, unless the connection has ended meanwhile: then that ends too.
    fn enter(&self, sid: &[u8], subscription: ClientSubscription) {
        let mut subscription = Some(subscription);
        let mut state = self.connection.state.lock();
        let is_open = state.closed.is_none();
        let before = if is_open {
            subscription.take().and_then(|new| state.subscriptions.insert(sid.into(), new))
        } else {
            None
        };
        drop(state);
        // The end of a subscription wakes its watchers: so it is done where nothing is locked.
        drop((subscription, before));
    }

    fn trace(&self, write: impl FnOnce(&ConnectionLog)) {
        if self.registry.log.enabled(LogLevel::Trace) {
            write(&self.connection.log());
        }
    }

    fn ticket(&self, sid: &[u8]) -> DeliveryTicket {
        let names_subject = self.registry.options().version >= ServerVersion::V2_12;
        let frame = Frame { sid: sid.into(), headers: self.headers, names_subject };
        DeliveryTicket::new(self.connection.out.clone(), frame)
    }
}

impl SessionHandler for ClientSession {
    fn send(&mut self, bytes: &[u8]) {
        self.trace(|log| trace::sent(log, bytes));
        self.connection.out.send(bytes);
    }

    fn info(&mut self, connect_info: bool) -> Vec<u8> {
        self.registry.info(&self.connection, connect_info).to_line()
    }

    fn is_ready(&mut self, connect: &Connect) -> bool {
        let options = self.registry.options();
        let filled = auth::fill_in(&options.auth, connect, self.uses_default_user);
        if let Some(check) = auth::check_of(&options.auth, filled.as_ref().unwrap_or(connect)) {
            let mut state = self.connection.state.lock();
            if !state.checked.as_ref().is_some_and(|checked| checked.is_of(&check)) {
                state.to_check = Some(check);
                return false;
            }
        }
        self.judged_by = Some(options);
        true
    }

    fn connect(&mut self, connect: &Connect) -> Result<(), ProtocolError> {
        let options = self.judged_by.take().unwrap_or_else(|| self.registry.options());
        self.trace(|log| trace::connect(log, connect));
        let filled = auth::fill_in(&options.auth, connect, self.uses_default_user);
        self.uses_default_user = filled.is_some();
        let connect = filled.as_ref().unwrap_or(connect);
        let (nonce, checked) = (self.connection.nonce.as_deref(), self.connection.state.lock().checked.clone());
        let who = auth::recognise(&options.auth, connect, nonce, checked.as_ref()).inspect_err(|_| {
            self.connection.log().error(format_args!("authentication error - {}", auth::shown(connect)));
            // For the monitor, which shows closed connections.
            self.connection.state.lock().connect = connect.clone();
        })?;
        if self.client.is_none() {
            let user = auth::label(&options.auth, connect, who.user.as_deref());
            self.connection.identify(connect, user.as_deref());
        }
        let mut with = ConnectOptions::new().lenient(true).no_responders(connect.no_responders && options.headers);
        with = connect.name.iter().fold(with, |with, name| with.name(name));
        with = with.no_echo(!connect.echo);
        with = who.permissions.into_iter().fold(with, ConnectOptions::permissions);
        let connection = Arc::downgrade(&self.connection);
        with = with.on_kick(move || {
            if let Some(connection) = connection.upgrade() {
                connection.close(DisconnectReason::Kicked, None);
            }
        });
        let client = self.registry.bus.connect_with(with);
        self.headers = connect.headers && options.headers;
        self.protocol = connect.protocol;
        let before = {
            let mut state = self.connection.state.lock();
            if state.closed.is_some() {
                return Err(ProtocolError::Authorization);
            }
            state.connect = connect.clone();
            state.user = who.user;
            (state.client.replace(client.clone()), std::mem::take(&mut state.subscriptions))
        };
        self.client = Some(client);
        if let (Some(before), subscriptions) = before {
            self.kept = Some((before, subscriptions));
            // A few are brought over at once.
            self.bring_over();
        }
        // A reload that looked at the connections just before this one had its client.
        let now = self.registry.options();
        if !Arc::ptr_eq(&options, &now) && options.auth != now.auth {
            reload::recognise_again(&self.registry, &self.connection);
        }
        Ok(())
    }

    fn publish(&mut self, message: Publish<'_>) -> Result<(), ProtocolError> {
        self.trace(|log| trace::publish(log, &message));
        let Publish { subject, reply, headers, payload } = message;
        let headers = headers.map(Payload::into_bytes);
        match self.client().publish_raw(RawMessage::new(subject, payload).reply(reply).headers(headers)) {
            Ok(reached) => {
                self.slice.count_deliveries(reached);
                Ok(())
            }
            Err(error) => refuse_publish(error),
        }
    }

    fn check_publish(&mut self, subject: &str, reply: Option<&str>) -> Result<(), ProtocolError> {
        self.client().check_publish(subject, reply).or_else(refuse_publish)
    }

    fn subscribe(&mut self, interest: Subscribe<'_>) -> Result<(), ProtocolError> {
        self.trace(|log| trace::subscribe(log, &interest));
        let Subscribe { subject, queue, sid } = interest;
        let options = self.registry.options();
        let refused = || match queue {
            Some(queue) => ProtocolError::QueuePermission(Quoted(subject.into()), Quoted(queue.into())),
            None => ProtocolError::SubscribePermission(Quoted(subject.into())),
        };
        self.client().check_subscribe(subject, queue).map_err(|_| refused())?;
        let max_tokens = options.max_subscription_tokens;
        if max_tokens > 0 && subject.split('.').count() > max_tokens {
            return Err(ProtocolError::TooManyTokens(Quoted(subject.into())));
        }
        let mut state = self.connection.state.lock();
        let ended = state.sweep(sid);
        let is_full = options.max_subscriptions > 0 && state.live() >= options.max_subscriptions;
        let is_known = state.closed.is_some() || state.subscriptions.contains_key(sid);
        // Observers and watchers are told of subscriptions that begin and end here: so that is done where nothing is locked. Only
        // the reader, which is here, adds subscriptions.
        drop(state);
        drop(ended);
        if is_full {
            return Err(ProtocolError::MaxSubscriptions);
        }
        if is_known {
            return Ok(());
        }
        let wire = self.open(subject, queue, sid).map_err(|error| match error {
            SubscribeError::PermissionDenied { .. } => refused(),
            SubscribeError::MaxSubscriptionsExceeded { .. } => ProtocolError::MaxSubscriptions,
            _ => ProtocolError::SubscribeSubject,
        })?;
        self.enter(sid, ClientSubscription { wire, queue: queue.map(str::to_owned), max: None, before: 0 });
        Ok(())
    }

    fn unsubscribe(&mut self, sid: &[u8], max: Option<u64>) {
        self.trace(|log| trace::unsubscribe(log, sid, max));
        let mut state = self.connection.state.lock();
        let Some(subscription) = state.subscriptions.get_mut(sid) else { return };
        if let Some(max) = max {
            let had_one = subscription.max.replace(max).is_some();
            let left = max.saturating_sub(subscription.before);
            let wire = subscription.wire.clone();
            if left > 0 {
                drop(state);
                wire.guard.unsubscribe_after(left);
                state = self.connection.state.lock();
            }
            if left > 0 && wire.guard.close_reason().is_none() {
                if !had_one {
                    state.limited.push(sid.into());
                }
                return;
            }
        }
        let ended = state.subscriptions.remove(sid);
        drop(state);
        drop(ended);
    }

    #[inline]
    fn pauses(&mut self) -> bool {
        // A connection that has ended does nothing more of what it asked for.
        self.paused = self.slice.ends(|| self.registry.bus.clock().now())
            || self.connection.out.has_ended()
            || !self.ended.is_empty()
            || self.kept.is_some();
        self.paused
    }

    fn unsubscribe_all(&mut self) {
        let ended = std::mem::take(&mut self.connection.state.lock().subscriptions);
        if ended.len() > AT_ONCE {
            ended.values().for_each(|subscription| subscription.wire.ticket.void());
            self.ended = ended;
        }
    }
}

/// The text for what the bus refuses.
fn refuse_publish(error: PublishError) -> Result<(), ProtocolError> {
    match error {
        PublishError::PermissionDenied { subject } => Err(ProtocolError::PublishPermission(Quoted(subject))),
        PublishError::ReplyDenied { reply } => Err(ProtocolError::ReplyPermission(Quoted(reply))),
        PublishError::MaxPayloadExceeded { .. } => Err(ProtocolError::MaxPayload),
        // The bus ends, and with it the connection.
        PublishError::Closed => Ok(()),
        // Nothing else is checked for a lenient connection; a text that can't be a subject reaches no
        // subscriber (S6).
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use crate::protocol::{ServerVersion, Session};
    use crate::server::listener::begin;
    use crate::server::registry::Registry;
    use crate::server::workers::AT_ONCE;
    use crate::server::{ServerOptions, User, auth, reload};
    use crate::{Bus, Permissions, steps};
    use bytes::BytesMut;
    use std::time::Duration;

    /// Does all that was asked for, slice by slice.
    fn work_off(session: &mut Session, input: &mut BytesMut, handler: &mut super::ClientSession) {
        loop {
            handler.begin_slice(Duration::ZERO);
            session.handle_input(input, Duration::ZERO, handler).unwrap();
            while handler.bring_over() {}
            if !handler.is_paused() {
                return;
            }
        }
    }

    /// Has a client say this; how many subscriptions it has then, and how many bytes it gets.
    fn say(registry: &std::sync::Arc<Registry>, lines: impl Iterator<Item = String>) -> (usize, usize) {
        let (connection, mut session, mut handler) = begin(registry, None);
        let text: String = lines.collect();
        let mut input = BytesMut::from(format!("CONNECT {{\"verbose\":false}}\r\n{text}").as_str());
        work_off(&mut session, &mut input, &mut handler);
        let subscriptions = connection.state.lock().subscriptions.len();
        let pending = connection.out.pending();
        connection.close(crate::protocol::DisconnectReason::ClientClosed, None);
        (subscriptions, pending)
    }

    /// D2 under L5: subscriptions that are to end by themselves are not looked through at each SUB.
    #[test]
    fn a_sub_under_max_subscriptions_looks_at_no_other() {
        steps::assert_linear(|subscriptions| {
            let options = ServerOptions::new().max_subscriptions(subscriptions);
            let registry = Registry::new(Bus::new(), options).unwrap();
            let pairs = (0..subscriptions).map(|n| format!("SUB a.{n} {n}\r\nUNSUB {n} 5\r\n"));
            let refused = (0..subscriptions).map(|n| format!("SUB b.{n} b{n}\r\n"));
            let (held, pending) = say(&registry, pairs.chain(refused));
            assert_eq!(
                (held, pending),
                (subscriptions, subscriptions * "-ERR 'maximum subscriptions exceeded'\r\n".len())
            );
        });
    }

    /// L5: those that have ended make room, one by one.
    #[test]
    fn subscriptions_that_have_ended_make_room_without_a_search() {
        steps::assert_linear(|subscriptions| {
            let options = ServerOptions::new().max_subscriptions(subscriptions);
            let registry = Registry::new(Bus::new(), options).unwrap();
            let pairs = (1..subscriptions).map(|n| format!("SUB a.{n} {n}\r\nUNSUB {n} 5\r\n"));
            let turns = (0..subscriptions).map(|n| format!("SUB b b{n}\r\nUNSUB b{n} 1\r\nPUB b 0\r\n\r\n"));
            let (_, pending) = say(&registry, pairs.chain(turns));
            let expected: usize = (0..subscriptions).map(|n| format!("MSG b b{n} 0\r\n\r\n").len()).sum();
            assert_eq!(pending, expected);
        });
    }

    /// C12 before 2.15.
    #[test]
    fn subscriptions_that_a_further_connect_keeps_are_brought_over_in_slices() {
        let registry = Registry::new(Bus::new(), ServerOptions::new().version(ServerVersion::V2_12)).unwrap();
        let (connection, mut session, mut handler) = begin(&registry, None);
        let count = AT_ONCE * 2 + 3;
        let mut input = BytesMut::from("CONNECT {\"verbose\":false}\r\n");
        (0..count).for_each(|n| input.extend_from_slice(format!("SUB a {n}\r\n").as_bytes()));
        work_off(&mut session, &mut input, &mut handler);
        input.extend_from_slice(b"CONNECT {\"verbose\":false}\r\nPUB a 0\r\n\r\n");
        let brought_over = || connection.state.lock().subscriptions.len();
        session.handle_input(&mut input, Duration::ZERO, &mut handler).unwrap();
        assert_eq!((brought_over(), connection.out.pending(), handler.is_paused()), (AT_ONCE, 0, true));
        assert!(handler.bring_over());
        assert_eq!(brought_over(), AT_ONCE * 2);
        assert!(!handler.bring_over());
        assert_eq!(brought_over(), count);
        // Only then the next operation is done, and it finds all of them.
        work_off(&mut session, &mut input, &mut handler);
        assert_eq!(connection.out.counts().messages, count as u64);
        assert_eq!(registry.bus.stats().clients, 1);
    }

    /// P1.
    #[test]
    fn users_are_not_searched_one_by_one() {
        steps::assert_linear(|users| {
            let name = |n: usize| format!("user{n}");
            let options = (0..users).fold(ServerOptions::new().no_auth_user(name(users - 1)), |options, n| {
                options.user(User::new(name(n), "pw"))
            });
            options.check().unwrap();
            let mut connect = crate::protocol::Connect::default();
            for n in 0..users {
                (connect.user, connect.pass) = (Some(name(n)), Some("pw".into()));
                assert!(auth::fill_in(&options.auth, &connect, false).is_none());
                assert!(auth::recognise(&options.auth, &connect, None, None).is_ok());
                assert!(!auth::names_a_stranger(&options.auth, &connect));
            }
        });
    }

    /// P5 at a reload: each subscription that ends is found without a search.
    #[test]
    fn subscriptions_that_a_reload_ends_are_not_searched_for() {
        steps::assert_linear(|subscriptions| {
            let user = || User::new("ann", "pw");
            let registry = Registry::new(Bus::new(), ServerOptions::new().user(user())).unwrap();
            let (connection, mut session, mut handler) = begin(&registry, None);
            let mut input = BytesMut::from("CONNECT {\"verbose\":false,\"user\":\"ann\",\"pass\":\"pw\"}\r\n");
            (0..subscriptions).for_each(|n| input.extend_from_slice(format!("SUB a.{n} {n}\r\n").as_bytes()));
            work_off(&mut session, &mut input, &mut handler);
            let nothing = Permissions::new().deny_subscribe(">").unwrap();
            registry.set_options(ServerOptions::new().user(user().permissions(nothing))).unwrap();
            reload::recognise_again(&registry, &connection);
            assert!(connection.state.lock().subscriptions.is_empty());
        });
    }
}
