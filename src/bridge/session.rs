//! One connection to a server, from its first message to its last.

use super::buffer::{Barrier, Slot};
use super::core::{Core, Out, Phase};
use super::event::BridgeEvent;
use super::interest::Subscriptions;
use super::stats::LossReason;
use super::window::{Ask, Batch, Broken, Suspects, Window};
use super::{incoming, outgoing};
use crate::sync::Mutex;
use std::collections::VecDeque;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::{unconstrained, yield_now};

/// The request that every user may send to the server, unless permissions say otherwise.
const USER_INFO: &str = "$SYS.REQ.USER.INFO";

/// Round trips in which other bridges of the bus may hear that this one leads to the same system.
const ACQUAINTANCE: usize = 16;

/// How long, in real time, the server may take to show in which way it can be asked for confirmation.
const SHOW_WITHIN: Duration = Duration::from_secs(2);

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

/// The state that the tasks of a session share.
pub(super) struct Line {
    pub(super) core: Arc<Core>,
    pub(super) client: async_nats::Client,
    window: Mutex<Window>,
    answers: Mutex<Answers>,
    /// The window or the answers have changed.
    moved: Notify,
    /// Tells messages for this session from forged ones, and from answers to earlier sessions, which may still come.
    session: u64,
    /// Inboxes begin with this.
    prefix: String,
}

/// The state of each way to ask for confirmation.
#[derive(Clone, Copy, Debug, Default)]
struct Answers {
    user: Way,
    nobody: Way,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Way {
    #[default]
    Unknown,
    Open,
    Denied,
}

/// Why a session has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The connection is gone.
    Lost,
    /// The bridge was closed, or drained to the end.
    Closed,
}

/// The library has let go of the connection.
#[derive(Debug)]
pub(super) struct Gone;

/// Gives back, too, whether the connection was of use, so that it is made again at once, and the suspect messages that the next one
/// has to be careful with.
pub(super) async fn run(
    core: &Arc<Core>,
    connection: Connection,
    sending: Sending,
    suspects: Suspects,
) -> (End, bool, Suspects) {
    let Connection { client, mut events, gone, server } = connection;
    let inbox = client.new_inbox();
    let prefix = inbox.rsplit_once('.').map_or_else(|| "_INBOX".to_owned(), |(prefix, _)| prefix.to_owned());
    core.far_root.get_or_init(|| inbox);
    let line = Arc::new(Line {
        core: core.clone(),
        client,
        window: Mutex::new(Window::new(sending.window, sending.at_least_once, suspects)),
        answers: Mutex::default(),
        moved: Notify::new(),
        session: core.bus.random(),
        prefix,
    });
    core.connects.fetch_add(1, Ordering::Relaxed);
    let subscriptions = tokio::sync::Mutex::new(Subscriptions::new(line.clone(), sending.grace));
    let mut batch = VecDeque::new();
    let end = tokio::select! {
        end = work(&line, &subscriptions, &mut batch, server) => end.unwrap_or(End::Lost),
        () = gone.notified() => End::Lost,
        () = line.heed(&mut events) => End::Lost,
        () = core.reached(Phase::Closed) => End::Closed,
    };
    if end == End::Lost {
        // Why the server has ended it, it has said before: a task of the library's passes that on, and may not have had its turn.
        tokio::select! {
            biased;
            () = line.heed(&mut events) => {}
            () = turns(LAST_WORDS) => {}
        }
    }
    subscriptions.into_inner().stop().await;
    core.member.forget();
    let window = std::mem::replace(&mut *line.window.lock(), Window::new((0, 0), false, Suspects::default()));
    let Broken { repeated, is_in_vain, suspects } = window.break_off(end == End::Lost, &mut batch, core);
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
    line: &Arc<Line>,
    subscriptions: &tokio::sync::Mutex<Subscriptions>,
    batch: &mut VecDeque<Slot<Out>>,
    server: String,
) -> Result<End, Gone> {
    line.begin().await?;
    subscriptions.lock().await.follow().await?;
    line.round_trip().await?;
    line.core.connected(line.client.server_info().server_id, server);
    tokio::select! {
        // Fills the library's queue, which is bounded, before the library writes: in large pieces then.
        sent = unconstrained(outgoing::send(line, batch, subscriptions)) => sent?,
        followed = Subscriptions::keep_following(subscriptions) => followed?,
        drained = drain(line, subscriptions) => drained?,
    }
    Ok(End::Closed)
}

/// Waits until the bridge is to be drained, and does so: first nothing more comes in, then nothing more goes out.
async fn drain(line: &Line, subscriptions: &tokio::sync::Mutex<Subscriptions>) -> Result<(), Gone> {
    let core = &line.core;
    core.reached(Phase::Draining).await;
    // All that the server had sent by now is here when it answers.
    line.round_trip().await?;
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

impl Line {
    /// Answers can come, and it is known how the server confirms.
    async fn begin(self: &Arc<Self>) -> Result<(), Gone> {
        let own = self.subscribe(format!("{}.*", self.root())).await?;
        // Without a budget for the reason that rules have.
        tokio::spawn(unconstrained(incoming::take_answers(self.clone(), own)));
        let probes = self.probes();
        let heard = self.subscribe(format!("{probes}.*")).await?;
        tokio::spawn(incoming::take_probes(self.clone(), heard));
        let probe = format!("{probes}.{:x}", self.core.member.number);
        self.publish(probe.clone()).await?;
        let (user, nobody) = (self.own_subject("u"), self.own_subject("n"));
        self.ask(USER_INFO.to_owned(), user).await?;
        self.ask(nobody.clone(), nobody).await?;
        let ask = self.find_out_how_to_ask().await;
        self.window.lock().ask = ask;
        if ask == Ask::Not {
            self.core.hub.tell(BridgeEvent::Unconfirmable);
        }
        let mut left = ACQUAINTANCE;
        while left > 0 && self.core.member.has_strangers() {
            // Once more: in a cluster it takes a moment until the others' interest is known everywhere.
            self.publish(probe.clone()).await?;
            self.round_trip().await?;
            left -= 1;
        }
        Ok(())
    }

    async fn find_out_how_to_ask(&self) -> Ask {
        let look = |_: &mut Window| {
            let Answers { user, nobody } = *self.answers.lock();
            match (user, nobody) {
                (Way::Open, _) => Some(Ask::User),
                (Way::Denied, Way::Open) => Some(Ask::Nobody),
                (Way::Denied, Way::Denied) => Some(Ask::Not),
                _ => None,
            }
        };
        tokio::select! {
            ask = self.until(look) => ask,
            () = self.core.bus.sleep_real(SHOW_WITHIN) => match self.answers.lock().nobody {
                Way::Open => Ask::Nobody,
                Way::Unknown | Way::Denied => Ask::Not,
            },
        }
    }

    /// Where bridges of this bus tell each other that they are there.
    fn probes(&self) -> String {
        format!("{}.postroom-{:016x}", self.prefix, self.core.bus.id())
    }

    /// The first tokens of answers to this bridge, on the server's side.
    pub(super) fn root(&self) -> &str {
        self.core.far_root.get().map_or("", String::as_str)
    }

    fn own_subject(&self, kind: &str) -> String {
        format!("{}.{kind}{:x}", self.root(), self.session)
    }

    pub(super) async fn subscribe(&self, pattern: String) -> Result<async_nats::Subscriber, Gone> {
        self.client.subscribe(pattern).await.map_err(|_| Gone)
    }

    async fn publish(&self, subject: String) -> Result<(), Gone> {
        self.client.publish(subject, bytes::Bytes::new()).await.map_err(|_| Gone)
    }

    async fn ask(&self, subject: String, reply: String) -> Result<(), Gone> {
        self.client.publish_with_reply(subject, reply, bytes::Bytes::new()).await.map_err(|_| Gone)
    }

    /// Asks the server to confirm all that was sent so far.
    pub(super) async fn mark(&self) -> Result<(), Gone> {
        let mark = self.window.lock().mark();
        self.ask_for(mark).await
    }

    async fn ask_for(&self, mark: u64) -> Result<(), Gone> {
        let ask = self.window.lock().ask;
        let reply = format!("{}-{mark:x}", self.own_subject("m"));
        match ask {
            Ask::User => self.ask(USER_INFO.to_owned(), reply).await,
            Ask::Nobody => self.ask(reply.clone(), reply).await,
            Ask::Not => {
                self.client.flush().await.map_err(|_| Gone)?;
                self.confirm(mark);
                Ok(())
            }
        }
    }

    /// Waits until the server has worked through all that was sent before.
    pub(super) async fn round_trip(&self) -> Result<(), Gone> {
        let (done, confirmed) = oneshot::channel();
        self.window.lock().barrier(Barrier { done, is_told: false });
        self.mark().await?;
        confirmed.await.map(|_| ()).map_err(|_| Gone)
    }

    fn confirm(&self, mark: u64) {
        let done = self.window.lock().confirm(mark, &self.core);
        for Barrier { done, is_told } in done.into_iter().flat_map(Batch::into_barriers) {
            let lost = if is_told { self.core.lost_since() } else { 0 };
            // The waiter may have gone.
            let _ = done.send(if lost == 0 { Ok(()) } else { Err(lost) });
        }
        self.moved.notify_waiters();
    }

    /// An answer to a question of the bridge's own; false if it is something else.
    pub(super) fn heard(&self, token: &str) -> bool {
        let Some((kind, said)) = token.split_at_checked(1) else { return false };
        let (session, mark) = said.split_once('-').unwrap_or((said, ""));
        if session != format!("{:x}", self.session) {
            return matches!(kind, "m" | "u" | "n");
        }
        match kind {
            "m" => {
                if let Ok(mark) = u64::from_str_radix(mark, 16) {
                    self.confirm(mark);
                }
            }
            "u" => self.answers.lock().user = Way::Open,
            "n" => self.answers.lock().nobody = Way::Open,
            _ => return false,
        }
        self.moved.notify_waiters();
        true
    }

    pub(super) fn window<T>(&self, look: impl FnOnce(&mut Window) -> T) -> T {
        look(&mut self.window.lock())
    }

    /// Waits until a look at the window gives something; it looks again after each change.
    pub(super) async fn until<T>(&self, mut look: impl FnMut(&mut Window) -> Option<T>) -> T {
        loop {
            let mut moved = pin!(self.moved.notified());
            moved.as_mut().enable();
            if let Some(found) = look(&mut self.window.lock()) {
                return found;
            }
            moved.await;
        }
    }

    /// Handles the events of the library and the server; ends with the library's stream of events.
    async fn heed(&self, events: &mut mpsc::UnboundedReceiver<async_nats::Event>) {
        while let Some(event) = events.recv().await {
            match event {
                async_nats::Event::ServerError(error) => self.complaint(error).await,
                async_nats::Event::SlowConsumer(_) => self.core.inbox.missed("unknown", LossReason::SlowConsumer),
                async_nats::Event::LameDuckMode => {
                    self.core.hub.tell(BridgeEvent::ServerError { text: "lame duck mode".to_owned() });
                }
                async_nats::Event::Disconnected | async_nats::Event::Closed => return,
                _ => {}
            }
        }
    }

    async fn complaint(&self, error: async_nats::ServerError) {
        let text = match error {
            async_nats::ServerError::Other(text) => text,
            other => other.to_string(),
        };
        let Some((subscribe, subject)) = denial(&text) else {
            self.core.hub.tell(BridgeEvent::ServerError { text });
            return;
        };
        if !subscribe && self.is_question(subject) {
            let again = self.denied(subject == USER_INFO);
            self.moved.notify_waiters();
            if let Some(mark) = again {
                // If the connection is gone, others will notice.
                let _ = self.ask_for(mark).await;
            }
            return;
        }
        if subscribe && subject.starts_with(self.root()) {
            // No answer will ever come.
            let again = [self.denied(true), self.denied(false)];
            self.moved.notify_waiters();
            if let Some(mark) = again.into_iter().flatten().last() {
                let _ = self.ask_for(mark).await;
            }
        }
        if !subscribe && !subject.starts_with(&self.probes()) {
            self.core.outbox.denied(subject);
        }
        self.core.hub.tell(BridgeEvent::Denied { subscribe, subject: subject.to_owned() });
    }

    fn is_question(&self, subject: &str) -> bool {
        let own = subject.strip_prefix(self.root()).and_then(|rest| rest.strip_prefix('.'));
        subject == USER_INFO || own.is_some_and(|token| token.starts_with(['m', 'n', 'u']))
    }

    /// A way of asking is closed. Gives back the mark that has to be asked for in another.
    fn denied(&self, user: bool) -> Option<u64> {
        // LOCK ORDER: the window before the answers.
        let mut window = self.window.lock();
        let mut answers = self.answers.lock();
        *(if user { &mut answers.user } else { &mut answers.nobody }) = Way::Denied;
        let current = if user { Ask::User } else { Ask::Nobody };
        if window.ask != current {
            return None;
        }
        window.ask = if user && answers.nobody == Way::Open { Ask::Nobody } else { Ask::Not };
        window.last_mark()
    }

    /// The marks are not answered: from now on a message counts as delivered when it is written.
    pub(super) async fn stop_asking(&self) -> Result<(), Gone> {
        let mark = {
            let mut window = self.window.lock();
            window.ask = Ask::Not;
            window.last_mark()
        };
        self.core.hub.tell(BridgeEvent::Unconfirmable);
        match mark {
            Some(mark) => self.ask_for(mark).await,
            None => Ok(()),
        }
    }
}

/// The operation that the server's permissions do not allow: whether to subscribe, and where.
fn denial(text: &str) -> Option<(bool, &str)> {
    let rest = text.strip_prefix("Permissions Violation for ")?;
    let (what, rest) = rest.split_once('"')?;
    let (subject, _) = rest.split_once('"')?;
    match what.trim_end() {
        "Publish to" => Some((false, subject)),
        "Subscription to" => Some((true, subject)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::denial;

    #[test]
    fn refusals_are_understood() {
        assert_eq!(denial("Permissions Violation for Publish to \"a.b\""), Some((false, "a.b")));
        assert_eq!(denial("Permissions Violation for Subscription to \"a.>\""), Some((true, "a.>")));
        let queue = "Permissions Violation for Subscription to \"a.>\" using queue \"w\"";
        assert_eq!(denial(queue), Some((true, "a.>")));
        assert_eq!(denial("Permissions Violation for Publish with Reply of \"a\""), None);
        assert_eq!(denial("Maximum Payload Violation"), None);
    }
}
