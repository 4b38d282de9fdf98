//! The options of a bridge.

use super::buffer::{Bounds, Buffer};
use super::connector::{self, Setup};
use super::core::{Core, Parts, responses_to};
use super::crossing::{Inbound, Outbound};
use super::error::StartError;
use super::event::Direction;
use super::handle::Bridge;
use super::incoming;
use super::reply::REQUESTS_MAX;
use super::rule::{Rule, RuleError, RuleKind, Rules, ToRule};
use super::session::Sending;
use super::state::BridgeState;
use crate::receive::SinkDelivery;
use crate::sync::block_on;
use crate::{Bus, Client, ConnectOptions, OverflowPolicy, SubscribeOptions, SubscriptionGuard};
use async_nats::ServerAddr;
use async_nats::rustls::crypto::{CryptoProvider, ring};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

/// Messages and bytes that wait in each direction, unless asked otherwise.
const CAPACITY: (usize, usize) = (65_536, 64 << 20);

/// Messages and bytes that may be unconfirmed, unless asked otherwise.
const WINDOW: (usize, usize) = (16_384, 8 << 20);

/// How long a server subscription outlives the last interest on the bus, unless asked otherwise.
const GRACE: Duration = Duration::from_secs(1);

/// Builds a [`Bridge`]; made by [`Bridge::builder`].
#[must_use]
pub struct BridgeBuilder {
    bus: Bus,
    options: async_nats::ConnectOptions,
    servers: Vec<String>,
    rules: Vec<(RuleKind, Result<Rule, RuleError>)>,
    name: String,
    outgoing: Bounds,
    incoming: Bounds,
    window: (usize, usize),
    at_least_once: bool,
    grace: Duration,
    requests_max: usize,
    delay: Box<dyn Fn(u32) -> Duration + Send>,
    required: Option<Duration>,
}

impl Bridge {
    /// To build a bridge from this bus.
    pub fn builder(bus: &Bus) -> BridgeBuilder {
        BridgeBuilder::new(bus)
    }
}

impl BridgeBuilder {
    pub(super) fn new(bus: &Bus) -> Self {
        let bounds = Bounds { messages: CAPACITY.0, bytes: CAPACITY.1, overflow: OverflowPolicy::DropNewest };
        BridgeBuilder {
            bus: bus.clone(),
            options: async_nats::ConnectOptions::new(),
            servers: Vec::new(),
            rules: Vec::new(),
            name: "bridge".to_owned(),
            outgoing: bounds,
            incoming: bounds,
            window: WINDOW,
            at_least_once: false,
            grace: GRACE,
            requests_max: REQUESTS_MAX,
            delay: Box::new(connector::default_delay),
            required: None,
        }
    }

    /// Credentials, TLS, name and the like, in the client library's own words.
    ///
    /// Options that the bridge sets itself have no effect here: echo, event and delay callbacks, capacities, and whether to retry.
    /// Servers that a cluster tells of when a connection is made are used, too.
    pub fn connect_options(mut self, options: async_nats::ConnectOptions) -> Self {
        self.options = options;
        self
    }

    /// A server to connect to, such as `nats://127.0.0.1:4222`, or several with commas between them. Several are tried in turn,
    /// those of earlier calls first. `nats://user:password@…` and `nats://token@…` name the user for that server, in place of
    /// [`connect_options`](Self::connect_options).
    pub fn server(mut self, url: impl AsRef<str>) -> Self {
        let urls = url.as_ref().split(',').map(str::trim).filter(|url| !url.is_empty());
        self.servers.extend(urls.map(str::to_owned));
        self
    }

    /// The name of the bridge's connection on the bus, in statistics and events. Default `bridge`.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Messages of the server are published on the bus, while a subscription there matches the subjects that
    /// they get.
    pub fn import(self, rule: impl ToRule) -> Self {
        self.rule(RuleKind::Import, rule)
    }

    /// Messages of the bus are published on the server.
    pub fn export(self, rule: impl ToRule) -> Self {
        self.rule(RuleKind::Export, rule)
    }

    /// The bus responds to requests from the server, while a subscription there matches the subjects that they get. If no
    /// subscription takes one all the same, the requester is told at once. Several processes that serve the same subjects should
    /// do so in a queue group.
    pub fn serve(self, rule: impl ToRule) -> Self {
        self.rule(RuleKind::Serve, rule)
    }

    /// The server's side responds to requests from the bus. If there is no responder, and no subscription on the bus has
    /// got the request either, it fails at once (R2).
    pub fn call(self, rule: impl ToRule) -> Self {
        self.rule(RuleKind::Call, rule)
    }

    fn rule(mut self, kind: RuleKind, rule: impl ToRule) -> Self {
        self.rules.push((kind, rule.into_rule()));
        self
    }

    /// Messages and bytes of payload and headers that wait for the server, at most, and what happens when there are more. Default 65,536
    /// and 64 MiB, [`OverflowPolicy::DropNewest`].
    ///
    /// With [`OverflowPolicy::Block`] publishers on the bus wait for room, as for a subscription that is full: with no lock held, tasks
    /// that [publish so](crate::Client::publish_async) without a thread. A message that has waited too long is counted by the bus,
    /// and here as [`LossReason::BlockTimeout`](super::LossReason::BlockTimeout). A message that is published on a bridge's own
    /// thread (by a callback on an inbox that a response came to), a 503, and a message that is larger than the whole buffer do not
    /// wait, and are lost as `QueueFull`.
    ///
    /// With [`OverflowPolicy::Close`] the first message without room is lost, and the bridge drains itself.
    pub fn outgoing_capacity(mut self, messages: usize, bytes: usize, overflow: OverflowPolicy) -> Self {
        self.outgoing = Bounds { messages, bytes, overflow };
        self
    }

    /// The same for messages that wait to be published on the bus, but for [`OverflowPolicy::Block`]: no publisher on the server's side
    /// can be made to wait.
    pub fn incoming_capacity(mut self, messages: usize, bytes: usize, overflow: OverflowPolicy) -> Self {
        self.incoming = Bounds { messages, bytes, overflow };
        self
    }

    /// Messages and bytes that are sent, at most, before the server has confirmed earlier ones: as many may be lost, or be sent twice, when
    /// the connection breaks. Default 16,384 and 8 MiB.
    pub fn window(mut self, messages: usize, bytes: usize) -> Self {
        self.window = (messages, bytes);
        self
    }

    /// Whether messages that were not confirmed when the connection was lost are sent again, in their order and before all others: none is
    /// lost, some may come twice. Default false: they are counted as [`LossReason::Unconfirmed`](super::LossReason::Unconfirmed), and none
    /// comes twice.
    ///
    /// A message may make the server hang up, each time. So after a connection that was lost, what was unconfirmed goes through a narrower
    /// window, in the end one by one, and a message that was alone on its way when the connection ended, three times, is given up and counted
    /// as [`LossReason::EndsConnection`](super::LossReason::EndsConnection).
    pub fn at_least_once(mut self, at_least_once: bool) -> Self {
        self.at_least_once = at_least_once;
        self
    }

    /// How long a server subscription is kept, on the bus's clock, when no subscription on the bus wants it any more. Default
    /// 1 second.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Requests that may wait for responses in each direction; if there are more, those go that were used longest ago. Default
    /// 65,536. A request is remembered for five minutes after its last response.
    pub fn requests_max(mut self, requests: usize) -> Self {
        self.requests_max = requests.max(1);
        self
    }

    /// How long to wait, on the bus's clock, before the connection is made again; asked with the number of the attempt, from 1. It
    /// counts since the last connection that was of use: one over which nothing was sent, or something that the server confirmed. Default:
    /// 10 ms, doubled each time, at most 4 seconds.
    pub fn reconnect_delay(mut self, delay: impl Fn(u32) -> Duration + Send + 'static) -> Self {
        self.delay = Box::new(delay);
        self
    }

    /// Makes the start fail if there is no connection within `timeout` on the bus's clock, or if the credentials are refused. Without it
    /// the server may come later.
    pub fn require_connected(mut self, timeout: Duration) -> Self {
        self.required = Some(timeout);
        self
    }

    /// Starts the bridge, which lives on threads of its own: in programs without a runtime as well as in those with one.
    ///
    /// If the process has no TLS provider yet ([`CryptoProvider`]), `ring` becomes it: a program that wants another installs that before.
    ///
    /// When this returns, the rules take the messages that are published on the bus. Blocking: only
    /// with [`require_connected`](Self::require_connected).
    ///
    /// # Errors
    ///
    /// [`StartError`].
    pub fn start(self) -> Result<Bridge, StartError> {
        block_on(self.start_async())
    }

    /// As [`start`](Self::start), for tasks.
    ///
    /// # Errors
    ///
    /// [`StartError`].
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped, the bridge is closed.
    pub async fn start_async(self) -> Result<Bridge, StartError> {
        let required = self.required;
        let bridge = self.spawn()?;
        let Some(after) = required else { return Ok(bridge) };
        let core = bridge.core();
        let settled = core.until(|state| match state {
            BridgeState::Connected { .. } => Some(Ok(())),
            BridgeState::Closed => Some(Err(StartError::BusClosed)),
            BridgeState::Connecting { reason: Some(reason) } if core.refused.load(Ordering::Relaxed) => {
                Some(Err(StartError::Refused { reason: reason.clone() }))
            }
            _ => None,
        });
        let settled = tokio::select! {
            settled = settled => settled,
            () = core.bus.sleep(after) => {
                let reason = match core.state() {
                    BridgeState::Connecting { reason } | BridgeState::Disconnected { reason } => reason,
                    _ => None,
                };
                Err(StartError::NotConnected { after, reason: reason.unwrap_or_else(|| "no response yet".to_owned()) })
            }
        };
        settled.map(|()| bridge)
    }

    fn spawn(self) -> Result<Bridge, StartError> {
        let BridgeBuilder { bus, options, servers, rules, name, outgoing, incoming, window, .. } = self;
        if bus.is_closed() {
            return Err(StartError::BusClosed);
        }
        let servers = addresses(servers)?;
        check(outgoing)?;
        check(incoming)?;
        if matches!(incoming.overflow, OverflowPolicy::Block(_)) {
            return Err(StartError::UnsupportedOverflow);
        }
        check(Bounds { messages: window.0, bytes: window.1, overflow: OverflowPolicy::DropNewest })?;
        let (to_server, to_bus) = sort(rules)?;
        // It speaks in the server's place: deliveries of streams have reply subjects that only servers use (S10).
        let connect = ConnectOptions::new().name(name).no_echo(true).lenient(true).reserved(true);
        let client = bus.connect_with(connect);
        choose_tls_provider();
        let clock = bus.clock();
        let core = Arc::new(Core::new(Parts {
            client: client.clone(),
            outgoing: to_server,
            incoming: to_bus,
            outbox: Buffer::<Outbound>::new(Direction::Outgoing, outgoing, clock.clone()),
            inbox: Buffer::<Inbound>::new(Direction::Incoming, incoming, clock.clone()),
            requests_max: self.requests_max,
        }));
        subscribe(&core, &client)?;
        let setup = Setup {
            options,
            servers,
            sending: Sending {
                window: (window.0 as u64, window.1),
                at_least_once: self.at_least_once,
                grace: self.grace,
            },
            delay: self.delay,
        };
        let (publisher, linker) = (core.clone(), core.clone());
        let publish = move || block_on(incoming::publish_all(publisher));
        let spawned = thread::Builder::new().name("postroom-in".to_owned()).spawn(publish);
        let spawned = spawned.and_then(|_| {
            thread::Builder::new().name("postroom-out".to_owned()).spawn(|| connector::run(linker, setup))
        });
        if let Err(error) = spawned {
            core.finish();
            return Err(StartError::Thread(error));
        }
        Ok(Bridge::new(core))
    }
}

/// The client library takes the process's TLS provider; where a program has two in it and none was chosen, rustls panics.
fn choose_tls_provider() {
    if CryptoProvider::get_default().is_none() {
        // Another thread may be first: then one is chosen.
        let _ = ring::default_provider().install_default();
    }
}

fn addresses(urls: Vec<String>) -> Result<Vec<ServerAddr>, StartError> {
    if urls.is_empty() {
        return Err(StartError::NoServer);
    }
    let parse = |url: String| match url.parse() {
        Ok(address) => Ok(address),
        Err(error) => Err(StartError::InvalidUrl { url, error }),
    };
    urls.into_iter().map(parse).collect()
}

fn check(bounds: Bounds) -> Result<(), StartError> {
    let Bounds { messages, bytes, .. } = bounds;
    if messages == 0 || bytes == 0 { Err(StartError::InvalidCapacity { messages, bytes }) } else { Ok(()) }
}

/// Those that lead to the server, and those that lead to the bus.
fn sort(rules: Vec<(RuleKind, Result<Rule, RuleError>)>) -> Result<(Rules, Rules), StartError> {
    let (mut to_server, mut to_bus) = (Rules::default(), Rules::default());
    for (at, (kind, rule)) in rules.into_iter().enumerate() {
        let checked = rule.and_then(|rule| rule.check(kind).map(|()| rule));
        let rule = checked.map_err(|error| StartError::Rule { number: at + 1, kind, error })?;
        match kind {
            RuleKind::Export | RuleKind::Call => to_server.add(kind, rule),
            RuleKind::Import | RuleKind::Serve => to_bus.add(kind, rule),
        }
    }
    Ok((to_server, to_bus))
}

/// The sinks of the rules, and that for responses.
fn subscribe(core: &Arc<Core>, client: &Client) -> Result<(), StartError> {
    let mut guards: Vec<SubscriptionGuard> = Vec::new();
    // The bus limits how long publishers wait; the buffer applies all other policies.
    let policy = match core.outbox.waits() {
        Some(limit) => SubscribeOptions::new().overflow(OverflowPolicy::Block(limit)),
        None => SubscribeOptions::new(),
    };
    for (at, listed) in core.outgoing.iter().enumerate() {
        let mut options = policy.clone();
        if let Some(queue) = &listed.rule.queue {
            // Q6: members on the bus come before those elsewhere.
            options = options.queue(queue.clone()).fallback(true);
        }
        let taker = core.clone();
        let sink = move |delivery: &SinkDelivery<'_>| taker.offer(at, delivery);
        let guard = client.subscribe_sink_with(listed.rule.pattern().clone(), options, sink);
        guards.push(guard.map_err(|error| StartError::Subscribe { rule: Box::new(listed.rule.clone()), error })?);
    }
    let pattern = responses_to(&core.bus_inbox);
    let taker = core.clone();
    let sink = move |delivery: &SinkDelivery<'_>| taker.offer_response(delivery);
    let responses = client.subscribe_sink_with(pattern.clone(), policy, sink);
    guards.push(responses.map_err(|error| StartError::Subscribe { rule: Box::new(Rule::from(pattern)), error })?);
    core.keep(guards);
    Ok(())
}

impl fmt::Debug for BridgeBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BridgeBuilder")
            .field("servers", &self.servers.len())
            .field("rules", &self.rules)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where a program has two in it, the library would panic. A bridge that finds another choosing waits for that choice.
    #[test]
    fn a_tls_provider_is_chosen_before_the_library_asks_for_one() {
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    choose_tls_provider();
                    assert!(CryptoProvider::get_default().is_some());
                });
            }
        });
        let bridge = Bridge::builder(&Bus::new()).server("nats://127.0.0.1:1").export("a").start().unwrap();
        assert!(CryptoProvider::get_default().is_some());
        bridge.close();
        bridge.closed().wait();
    }
}
