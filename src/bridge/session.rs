//! One connection to a server, from its first message to its last.

use super::buffer::{Barrier, Slot};
use super::core::{Core, Phase};
use super::crossing::Outbound;
use super::interest::Subscriptions;
use super::server_link::{ConnectionLost, ServerLink};
use super::window::{Broken, Suspects, Window};
use super::{incoming, outgoing};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::{Mutex, Notify, mpsc, oneshot};
use tokio::task::{unconstrained, yield_now};

/// Round trips in which other bridges of the bus may hear that this one leads to the same system.
const ANNOUNCEMENTS: usize = 16;

/// Turns of all other tasks in which the library may pass on the server's last words.
const LAST_WORDS: usize = 16;

/// How messages are sent, as far as it can be chosen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sending {
    /// Messages and bytes that may be unconfirmed.
    pub(super) window: (u64, usize),
    pub(super) at_least_once: bool,
    /// How long a subscription on the server outlives the last interest on the bus.
    pub(super) grace: Duration,
}

/// A connection that was just made.
pub(super) struct Connection {
    pub(super) client: async_nats::Client,
    pub(super) events: mpsc::UnboundedReceiver<async_nats::Event>,
    /// Told when the library finds that the connection is gone.
    pub(super) gone: Arc<Notify>,
    /// The server's address, without user and password.
    pub(super) server: String,
}

/// Why a session has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The connection is gone.
    Lost,
    /// The bridge was closed, or drained to the end.
    Closed,
}

/// Gives back, too, whether the connection was of use, so that it is made again at once, and the suspect messages that the next one
/// has to be careful with.
pub(super) async fn run(
    core: &Arc<Core>,
    connection: Connection,
    sending: Sending,
    suspects: Suspects,
) -> (End, bool, Suspects) {
    let Connection { client, mut events, gone, server } = connection;
    let window = Window::new(sending.window, sending.at_least_once, suspects);
    let link = Arc::new(ServerLink::new(core.clone(), client, window));
    core.connects.fetch_add(1, Ordering::Relaxed);
    let subscriptions = Mutex::new(Subscriptions::new(link.clone(), sending.grace));
    let mut batch = VecDeque::new();
    let end = tokio::select! {
        end = work(&link, &subscriptions, &mut batch, server) => end.unwrap_or(End::Lost),
        () = gone.notified() => End::Lost,
        () = link.watch_events(&mut events) => End::Lost,
        () = core.reached(Phase::Closed) => End::Closed,
    };
    if end == End::Lost {
        // Why the server has ended it, it has said before: a task of the library's passes that on, and may not have had its turn.
        tokio::select! {
            biased;
            () = link.watch_events(&mut events) => {}
            () = turns(LAST_WORDS) => {}
        }
    }
    subscriptions.into_inner().stop().await;
    core.member.forget();
    let Broken { repeated, is_in_vain, suspects } = link.take_window().break_off(end == End::Lost, &mut batch, core);
    core.outbox.put_back(&mut batch, repeated);
    (end, core.state().is_connected() && !is_in_vain, suspects)
}

/// Lets all others have their turn.
async fn turns(count: usize) {
    for _ in 0..count {
        yield_now().await;
    }
}

async fn work(
    link: &Arc<ServerLink>,
    subscriptions: &Mutex<Subscriptions>,
    batch: &mut VecDeque<Slot<Outbound>>,
    server: String,
) -> Result<End, ConnectionLost> {
    begin(link).await?;
    subscriptions.lock().await.follow().await?;
    link.round_trip().await?;
    link.core.connected(link.client.server_info().server_id, server);
    let follow = async || subscriptions.lock().await.follow().await;
    tokio::select! {
        // Fills the library's queue, which is bounded, before the library writes: in large pieces then.
        sent = unconstrained(outgoing::send(link, batch, follow)) => sent?,
        followed = Subscriptions::keep_following(subscriptions) => followed?,
        given_up = link.give_up_confirmation() => given_up?,
        drained = drain(link, subscriptions) => drained?,
    }
    Ok(End::Closed)
}

/// Makes responses come, finds out how the server confirms, and makes bridges of the same bus known to each other.
async fn begin(link: &Arc<ServerLink>) -> Result<(), ConnectionLost> {
    let own = link.subscribe(format!("{}.*", link.inbox())).await?;
    // Without a budget for the reason that rules have.
    tokio::spawn(unconstrained(incoming::take_responses(link.clone(), own)));
    let announcements = link.announcements();
    let heard = link.subscribe(format!("{announcements}.*")).await?;
    tokio::spawn(incoming::take_announcements(link.clone(), heard));
    let announcement = format!("{announcements}.{:x}", link.core.member.number);
    link.publish(announcement.clone()).await?;
    link.probe().await?;
    let mut left = ANNOUNCEMENTS;
    while left > 0 && link.core.member.has_unknown_bridges() {
        // Once more: in a cluster it takes a moment until the others' interest is known everywhere.
        link.publish(announcement.clone()).await?;
        link.round_trip().await?;
        left -= 1;
    }
    Ok(())
}

/// Waits until the bridge is to be drained, and does so: first nothing more comes in, then nothing more goes out.
async fn drain(link: &ServerLink, subscriptions: &Mutex<Subscriptions>) -> Result<(), ConnectionLost> {
    let core = &link.core;
    core.reached(Phase::Draining).await;
    // All that the server had sent by now is here when it confirms.
    link.round_trip().await?;
    subscriptions.lock().await.stop().await;
    let (done, arrived) = oneshot::channel();
    if core.inbox.barrier(Barrier { done, is_told: false }) {
        let _ = arrived.await;
    }
    core.stop_rules();
    let (done, sent) = oneshot::channel();
    if core.outbox.barrier(Barrier { done, is_told: false }) {
        let _ = sent.await;
    }
    Ok(())
}
