//! Connecting, and connecting again.
//!
//! The client library could do that by itself; but then the bridge could not know which of the messages in the library's queues
//! were written to the connection that broke. So it is told of the end of a connection instead, and a new one is made by a new
//! client, on a runtime of its own, with which all that belongs to the old one goes.

use super::core::{Core, Phase};
use super::event::BridgeEvent;
use super::own_thread;
use super::session::{self, Connection, End, Sending};
use super::state::BridgeState;
use super::window::Suspects;
use crate::user_code::UserCode;
use async_nats::{ConnectErrorKind, ConnectOptions, ServerAddr};
use std::any::Any;
use std::collections::BTreeSet;
use std::future::{Future, poll_fn};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Notify, mpsc};

/// Messages that the library keeps for a subscription until they are put into the bridge's own, bounded buffer. It is not asked to keep many
/// for long, but reads all that the socket has before others run.
const SUBSCRIPTION_CAPACITY: usize = 1 << 20;

/// How long the library waits before it connects again by itself: longer than it lives.
const NEVER: Duration = Duration::from_secs(365 * 24 * 3600);

/// Servers that are known, at most.
const SERVERS_MAX: usize = 64;

/// Reasons of failed attempts that are told as new, at most: a server may say something else each time.
const REASONS_MAX: usize = 64;

/// Made by the builder for the thread of the connection.
pub(super) struct Setup {
    pub(super) options: ConnectOptions,
    pub(super) servers: Vec<ServerAddr>,
    pub(super) sending: Sending,
    pub(super) delay: Box<dyn Fn(u32) -> Duration + Send>,
}

/// The default delay of a bridge before an attempt: 10 ms, doubled each time, at most 4 seconds.
pub(super) fn default_delay(attempt: u32) -> Duration {
    let doubled = 1_u64.checked_shl(attempt.saturating_sub(1)).unwrap_or(u64::MAX);
    Duration::from_millis(10_u64.saturating_mul(doubled)).min(Duration::from_secs(4))
}

/// The bridge and the library share a thread: each change of threads would add to what a request takes.
fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

/// Finishes the bridge, however its life ends.
struct FinishGuard(Arc<Core>);

impl Drop for FinishGuard {
    fn drop(&mut self) {
        self.0.finish();
    }
}

/// The life of a bridge.
pub(super) fn run(core: Arc<Core>, setup: Setup) {
    own_thread::enter();
    let _finish = FinishGuard(core.clone());
    let mut connector = Connector { setup, next: 0, attempts: 0, refusals: 0 };
    let mut suspects = Suspects::default();
    loop {
        let runtime = match runtime() {
            Ok(runtime) => runtime,
            Err(error) => {
                core.events.emit(|| BridgeEvent::ConnectFailed { attempts: 1, reason: error.to_string() });
                break;
            }
        };
        let (end, was_of_use, next) = runtime.block_on(async {
            let (outbox, inbox) = (core.clone(), core.clone());
            tokio::spawn(async move { outbox.outbox.attend(&outbox.events).await });
            tokio::spawn(async move { inbox.inbox.attend(&inbox.events).await });
            let connection = tokio::select! {
                connection = connector.connect(&core) => connection,
                () = core.reached(Phase::Closed) => return (End::Closed, false, Suspects::default()),
            };
            session::run(&core, connection, connector.setup.sending, suspects).await
        });
        // Lookups that hang must not hang the bridge.
        runtime.shutdown_background();
        if end == End::Closed || core.phase() == Phase::Closed {
            break;
        }
        core.set_state(BridgeState::Disconnected { reason: None });
        core.events.emit(|| BridgeEvent::Disconnected);
        suspects = next;
        // A server that lets the bridge in and then ends the connection, perhaps because of the messages sent, is not asked at
        // full speed.
        connector.attempts = if was_of_use { 1 } else { connector.attempts.max(1) };
    }
}

/// The attempts that failed since there was a connection.
#[derive(Default)]
struct Failures {
    count: u32,
    reasons: BTreeSet<String>,
}

impl Failures {
    /// Counts one more; whether it is to be told.
    fn are_news(&mut self, reason: &str) -> bool {
        self.count = self.count.saturating_add(1);
        let is_new = self.reasons.len() < REASONS_MAX && self.reasons.insert(reason.to_owned());
        is_new || self.count.is_power_of_two()
    }
}

struct Connector {
    setup: Setup,
    /// The server to try next.
    next: usize,
    /// Since a connection that was of use was lost; the first attempt of all is not waited for.
    attempts: u32,
    /// How many attempts were refused, one after the other.
    refusals: usize,
}

impl Connector {
    /// The delay before the next attempt. If the user's closure panics, the default delay is used.
    fn delay(&self, core: &Core) -> Duration {
        let delay = core.bus.reporter().contain(UserCode::Closure, || (self.setup.delay)(self.attempts));
        delay.unwrap_or_else(|| default_delay(self.attempts))
    }

    async fn connect(&mut self, core: &Arc<Core>) -> Connection {
        let mut failures = Failures::default();
        loop {
            if self.attempts > 0 {
                core.bus.sleep(self.delay(core)).await;
            }
            self.attempts = self.attempts.saturating_add(1);
            let server = self.setup.servers[self.next % self.setup.servers.len()].clone();
            match self.try_connect(&server).await {
                Ok(connection) => {
                    self.learn(&connection.client.server_info().connect_urls);
                    return connection;
                }
                Err((kind, reason)) => {
                    self.next = self.next.wrapping_add(1);
                    self.refusals = if is_refusal(kind, &reason) { self.refusals + 1 } else { 0 };
                    // One of several that does not let it in does not speak for the others.
                    core.refused.store(self.refusals >= self.setup.servers.len(), Ordering::Relaxed);
                    let reason = format!("{}: {reason}", name_of(&server));
                    let said = Some(reason.clone());
                    core.set_state(match core.state() {
                        BridgeState::Connecting { .. } => BridgeState::Connecting { reason: said },
                        _ => BridgeState::Disconnected { reason: said },
                    });
                    if failures.are_news(&reason) {
                        core.events.emit(|| BridgeEvent::ConnectFailed { attempts: failures.count, reason });
                    }
                }
            }
        }
    }

    async fn try_connect(&self, server: &ServerAddr) -> Result<Connection, (ConnectErrorKind, String)> {
        let (tell, events) = mpsc::unbounded_channel();
        let (gone, connected) = (Arc::new(Notify::new()), Arc::new(AtomicBool::new(false)));
        let (gone_too, connected_too) = (gone.clone(), connected.clone());
        let mut options = self
            .setup
            .options
            .clone()
            .no_echo()
            .ignore_discovered_servers()
            .subscription_capacity(SUBSCRIPTION_CAPACITY)
            .event_callback(move |event| {
                // The session may have ended before the library.
                let _ = tell.send(event);
                std::future::ready(())
            })
            .reconnect_delay_callback(move |_| {
                if !connected_too.load(Ordering::SeqCst) {
                    return Duration::ZERO;
                }
                gone_too.notify_one();
                NEVER
            });
        // The library does not use the user and password in a URL: the caller passes them on.
        options = match (server.username().map(decoded), server.password().map(decoded)) {
            (Some(user), Some(password)) => options.user_and_password(user, password),
            (Some(token), None) => options.token(token),
            (None, _) => options,
        };
        let mut connecting = pin!(options.connect(server.clone()));
        // It runs a user's code for credentials, and panics by itself where it finds no TLS provider or gets no thread.
        let contained = poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| connecting.as_mut().poll(cx))) {
            Ok(polled) => polled.map(Ok),
            Err(panic) => Poll::Ready(Err(panic)),
        });
        let made = contained.await.map_err(|panic| (ConnectErrorKind::Io, format!("a panic: {}", said(panic))))?;
        let client = made.map_err(|error| (error.kind(), describe(&error)))?;
        connected.store(true, Ordering::SeqCst);
        if client.try_server_info().is_none() {
            // The user asked the library to retry, and it gave out a client without a connection.
            let refused = "retry_on_initial_connect is not for bridges, which do that themselves".to_owned();
            return Err((ConnectErrorKind::Io, refused));
        }
        Ok(Connection { client, events, gone, server: name_of(server) })
    }

    /// Servers of the cluster that the last one knew of.
    fn learn(&mut self, urls: &[String]) {
        let with_user = self.setup.servers.iter().any(ServerAddr::has_user_pass);
        for url in urls {
            let Ok(server) = url.parse::<ServerAddr>() else { continue };
            // Credentials in a URL are for the server that it names.
            if !with_user && !self.setup.servers.contains(&server) && self.setup.servers.len() < SERVERS_MAX {
                self.setup.servers.push(server);
            }
        }
    }
}

/// A part of a URL without its escapes: `%40` is `@`. An invalid escape, or one that makes no valid text,
/// stays as it is.
fn decoded(part: &str) -> String {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.as_bytes();
    while let Some((&first, more)) = rest.split_first() {
        let escaped = more.get(..2).filter(|_| first == b'%').and_then(|hex| std::str::from_utf8(hex).ok());
        let byte = escaped.filter(|hex| !hex.starts_with('+')).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        bytes.push(byte.unwrap_or(first));
        rest = if byte.is_some() { &more[2..] } else { more };
    }
    String::from_utf8(bytes).unwrap_or_else(|_| part.to_owned())
}

/// The text of a panic.
fn said(panic: Box<dyn Any + Send>) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| text.to_string());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
    // The payload of the panic is a user's, and its drop may panic again.
    let _ = catch_unwind(AssertUnwindSafe(|| drop(panic)));
    text
}

/// Whether the server does not let this user in. Some reasons are known to the library only as
/// words.
fn is_refusal(kind: ConnectErrorKind, reason: &str) -> bool {
    matches!(kind, ConnectErrorKind::AuthorizationViolation | ConnectErrorKind::Authentication)
        || ["Authentication Expired", "Authentication Revoked"].iter().any(|words| reason.contains(words))
}

fn name_of(server: &ServerAddr) -> String {
    format!("{}:{}", server.host(), server.port())
}

/// An error with its causes: the library's own words are only the first of them.
fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_of_a_url_are_taken_out() {
        let cases =
            [("plain", "plain"), ("p%40ss%3a", "p@ss:"), ("%c3%a4", "\u{e4}"), ("%", "%"), ("%+1%zz%4", "%+1%zz%4")];
        for (part, expected) in cases {
            assert_eq!(decoded(part), expected);
        }
        assert_eq!(decoded("%ff"), "%ff", "no text");
    }

    #[test]
    fn who_has_expired_is_refused_and_who_is_slow_is_not() {
        let said = |words: &str| is_refusal(ConnectErrorKind::Io, &format!("IO error: nats: {words}"));
        assert!(said("User Authentication Expired") && said("Account Authentication Expired"));
        assert!(said("User Authentication Revoked"));
        assert!(!said("Authentication Timeout") && !said("Maximum Connections Exceeded"));
        assert!(is_refusal(ConnectErrorKind::AuthorizationViolation, ""));
    }

    #[test]
    fn failures_are_told_ever_more_rarely_but_for_new_reasons() {
        let mut failures = Failures::default();
        let told: Vec<u32> =
            (1..=40).filter(|attempt| failures.are_news(if *attempt == 11 { "other" } else { "usual" })).collect();
        assert_eq!(told, [1, 2, 4, 8, 11, 16, 32]);
        let many = (0..1_000).filter(|number| failures.are_news(&number.to_string())).count();
        // 62 more reasons, and the attempts 64 to 1,024, of which the first is among these.
        assert_eq!((many, failures.reasons.len()), (62 + 4, 64));
    }

    #[test]
    fn attempts_become_rarer() {
        let delays: Vec<u128> = [1, 2, 3, 9, 10, 64, u32::MAX].map(|attempt| default_delay(attempt).as_millis()).into();
        assert_eq!(delays, [10, 20, 40, 2_560, 4_000, 4_000, 4_000]);
    }
}
