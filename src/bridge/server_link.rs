//! One connection to a server, as the tasks of its session share it: what is sent and not confirmed, and how the server confirms.

use super::buffer::Barrier;
use super::core::Core;
use super::event::BridgeEvent;
use super::stats::LossReason;
use super::window::{Batch, ConfirmBy, Suspects, Window};
use crate::sync::Mutex;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, mpsc, oneshot};

/// The request that every user may send to the server, unless permissions say otherwise.
const USER_INFO: &str = "$SYS.REQ.USER.INFO";

/// How long, in real time, the server may take to show in which way it can be asked for confirmation.
const SHOW_WITHIN: Duration = Duration::from_secs(2);

/// Confirmation by a 503 that is waited for, and does not come within this real time, will not come.
const CONFIRM_WITHIN: Duration = Duration::from_secs(10);

/// The state that the tasks of a session share.
pub(super) struct ServerLink {
    pub(super) core: Arc<Core>,
    pub(super) client: async_nats::Client,
    window: Mutex<Window>,
    probes: Mutex<Probes>,
    /// The window or the probes have changed.
    moved: Notify,
    /// Tells messages for this session from forged ones, and from responses to earlier sessions, which may still come.
    session: u64,
    /// Inboxes begin with this.
    prefix: String,
}

/// The state of each way to ask for confirmation.
#[derive(Clone, Copy, Debug, Default)]
struct Probes {
    user_info: ProbeState,
    no_responders: ProbeState,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum ProbeState {
    #[default]
    Unknown,
    Works,
    Denied,
}

/// The library has let go of the connection.
#[derive(Debug)]
pub(super) struct ConnectionLost;

impl ServerLink {
    pub(super) fn new(core: Arc<Core>, client: async_nats::Client, window: Window) -> Self {
        let inbox = client.new_inbox();
        let prefix = inbox.rsplit_once('.').map_or_else(|| "_INBOX".to_owned(), |(prefix, _)| prefix.to_owned());
        core.server_inbox.get_or_init(|| inbox);
        let session = core.bus.random();
        let (window, probes, moved) = (Mutex::new(window), Mutex::default(), Notify::new());
        ServerLink { core, client, window, probes, moved, session, prefix }
    }

    /// Takes the window out at the end of the session.
    pub(super) fn take_window(&self) -> Window {
        std::mem::replace(&mut *self.window.lock(), Window::new((0, 0), false, Suspects::default()))
    }

    /// Where bridges of this bus tell each other that they are there.
    pub(super) fn announcements(&self) -> String {
        format!("{}.postroom-{:016x}", self.prefix, self.core.bus.id())
    }

    /// The first tokens of responses to this bridge, on the server's side.
    pub(super) fn inbox(&self) -> &str {
        self.core.server_inbox.get().map_or("", String::as_str)
    }

    fn own_subject(&self, kind: &str) -> String {
        format!("{}.{kind}{:x}", self.inbox(), self.session)
    }

    pub(super) async fn subscribe(&self, pattern: String) -> Result<async_nats::Subscriber, ConnectionLost> {
        self.client.subscribe(pattern).await.map_err(|_| ConnectionLost)
    }

    pub(super) async fn publish(&self, subject: String) -> Result<(), ConnectionLost> {
        self.client.publish(subject, bytes::Bytes::new()).await.map_err(|_| ConnectionLost)
    }

    async fn request(&self, subject: String, reply: String) -> Result<(), ConnectionLost> {
        self.client.publish_with_reply(subject, reply, bytes::Bytes::new()).await.map_err(|_| ConnectionLost)
    }

    /// Finds out in which way the server confirms messages; responses must be able to come.
    pub(super) async fn probe(&self) -> Result<(), ConnectionLost> {
        let (user, nobody) = (self.own_subject("u"), self.own_subject("n"));
        self.request(USER_INFO.to_owned(), user).await?;
        self.request(nobody.clone(), nobody).await?;
        let confirm_by = self.choose_confirmation().await;
        self.window.lock().confirm_by = confirm_by;
        if confirm_by == ConfirmBy::Write {
            self.core.events.emit(|| BridgeEvent::Unconfirmable);
        }
        Ok(())
    }

    async fn choose_confirmation(&self) -> ConfirmBy {
        let look = |_: &mut Window| {
            let Probes { user_info, no_responders } = *self.probes.lock();
            match (user_info, no_responders) {
                (ProbeState::Works, _) => Some(ConfirmBy::UserInfo),
                (ProbeState::Denied, ProbeState::Works) => Some(ConfirmBy::NoResponders),
                (ProbeState::Denied, ProbeState::Denied) => Some(ConfirmBy::Write),
                _ => None,
            }
        };
        tokio::select! {
            confirm_by = self.until(look) => confirm_by,
            () = self.core.bus.sleep_real(SHOW_WITHIN) => match self.probes.lock().no_responders {
                ProbeState::Works => ConfirmBy::NoResponders,
                ProbeState::Unknown | ProbeState::Denied => ConfirmBy::Write,
            },
        }
    }

    /// Asks the server to confirm all that was sent so far.
    pub(super) async fn checkpoint(&self) -> Result<(), ConnectionLost> {
        let checkpoint = self.window.lock().checkpoint();
        self.send_checkpoint(checkpoint).await
    }

    async fn send_checkpoint(&self, checkpoint: u64) -> Result<(), ConnectionLost> {
        let confirm_by = self.window.lock().confirm_by;
        let reply = format!("{}-{checkpoint:x}", self.own_subject("m"));
        match confirm_by {
            ConfirmBy::UserInfo => self.request(USER_INFO.to_owned(), reply).await,
            ConfirmBy::NoResponders => {
                self.moved.notify_waiters();
                self.request(reply.clone(), reply).await
            }
            ConfirmBy::Write => {
                self.client.flush().await.map_err(|_| ConnectionLost)?;
                self.confirm(checkpoint);
                Ok(())
            }
        }
    }

    /// Waits until the server has worked through all that was sent before.
    pub(super) async fn round_trip(&self) -> Result<(), ConnectionLost> {
        let (done, confirmed) = oneshot::channel();
        self.window.lock().barrier(Barrier { done, is_told: false });
        self.checkpoint().await?;
        confirmed.await.map(|_| ()).map_err(|_| ConnectionLost)
    }

    fn confirm(&self, checkpoint: u64) {
        let done = self.window.lock().confirm(checkpoint, &self.core);
        for Barrier { done, is_told } in done.into_iter().flat_map(Batch::into_barriers) {
            let lost = if is_told { self.core.lost_since() } else { 0 };
            // The waiter may have gone.
            let _ = done.send(if lost == 0 { Ok(()) } else { Err(lost) });
        }
        self.moved.notify_waiters();
    }

    /// Takes a response to a request of the bridge's own; false if it is something else.
    pub(super) fn take_own_response(&self, token: &str) -> bool {
        let Some((kind, rest)) = token.split_at_checked(1) else { return false };
        let (session, checkpoint) = rest.split_once('-').unwrap_or((rest, ""));
        if session != format!("{:x}", self.session) {
            return matches!(kind, "m" | "u" | "n");
        }
        match kind {
            "m" => {
                if let Ok(checkpoint) = u64::from_str_radix(checkpoint, 16) {
                    self.confirm(checkpoint);
                }
            }
            "u" => self.probes.lock().user_info = ProbeState::Works,
            "n" => self.probes.lock().no_responders = ProbeState::Works,
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
    pub(super) async fn watch_events(&self, events: &mut mpsc::UnboundedReceiver<async_nats::Event>) {
        while let Some(event) = events.recv().await {
            match event {
                async_nats::Event::ServerError(error) => self.on_server_error(error).await,
                async_nats::Event::SlowConsumer(_) => self.core.inbox.missed("unknown", LossReason::SlowConsumer),
                async_nats::Event::LameDuckMode => {
                    self.core.events.emit(|| BridgeEvent::ServerError { text: "lame duck mode".to_owned() });
                }
                async_nats::Event::Disconnected | async_nats::Event::Closed => return,
                _ => {}
            }
        }
    }

    async fn on_server_error(&self, error: async_nats::ServerError) {
        let text = match error {
            async_nats::ServerError::Other(text) => text,
            other => other.to_string(),
        };
        let Some((subscribe, subject)) = denial(&text) else {
            self.core.events.emit(|| BridgeEvent::ServerError { text });
            return;
        };
        if !subscribe && self.is_own_request(subject) {
            let again = self.probe_denied(subject == USER_INFO);
            self.moved.notify_waiters();
            if let Some(checkpoint) = again {
                // If the connection is gone, others will notice.
                let _ = self.send_checkpoint(checkpoint).await;
            }
            return;
        }
        if subscribe && subject.starts_with(self.inbox()) {
            // No response will ever come.
            let again = [self.probe_denied(true), self.probe_denied(false)];
            self.moved.notify_waiters();
            if let Some(checkpoint) = again.into_iter().flatten().last() {
                let _ = self.send_checkpoint(checkpoint).await;
            }
        }
        if !subscribe && !subject.starts_with(&self.announcements()) {
            self.core.outbox.denied(subject);
        }
        self.core.events.emit(|| BridgeEvent::Denied { subscribe, subject: subject.to_owned() });
    }

    fn is_own_request(&self, subject: &str) -> bool {
        let own = subject.strip_prefix(self.inbox()).and_then(|rest| rest.strip_prefix('.'));
        subject == USER_INFO || own.is_some_and(|token| token.starts_with(['m', 'n', 'u']))
    }

    /// A way to ask for confirmation is closed. Gives back the checkpoint that has to be asked for in another.
    fn probe_denied(&self, user_info: bool) -> Option<u64> {
        // LOCK ORDER: the window before the probes.
        let mut window = self.window.lock();
        let mut probes = self.probes.lock();
        *(if user_info { &mut probes.user_info } else { &mut probes.no_responders }) = ProbeState::Denied;
        let current = if user_info { ConfirmBy::UserInfo } else { ConfirmBy::NoResponders };
        if window.confirm_by != current {
            return None;
        }
        let has_other = user_info && probes.no_responders == ProbeState::Works;
        window.confirm_by = if has_other { ConfirmBy::NoResponders } else { ConfirmBy::Write };
        window.last_checkpoint()
    }

    /// Gives up confirmation by 503s if one that is waited for does not come: from then on a message counts as delivered when it is written.
    /// Waits for ever otherwise.
    pub(super) async fn give_up_confirmation(&self) -> Result<(), ConnectionLost> {
        loop {
            let waiting = |window: &mut Window| {
                let is_awaited = window.confirm_by == ConfirmBy::NoResponders && window.is_awaited();
                is_awaited.then(|| window.last_checkpoint()).flatten()
            };
            let checkpoint = self.until(waiting).await;
            tokio::select! {
                () = self.until(|window| window.is_confirmed(checkpoint).then_some(())) => {}
                () = self.core.bus.sleep_real(CONFIRM_WITHIN) => self.stop_confirming().await?,
            }
        }
    }

    async fn stop_confirming(&self) -> Result<(), ConnectionLost> {
        let checkpoint = {
            let mut window = self.window.lock();
            window.confirm_by = ConfirmBy::Write;
            window.last_checkpoint()
        };
        self.core.events.emit(|| BridgeEvent::Unconfirmable);
        match checkpoint {
            Some(checkpoint) => self.send_checkpoint(checkpoint).await,
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
