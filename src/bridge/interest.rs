//! The server subscriptions of the rules that bring messages in: there while a subscription on the bus wants those
//! messages.

use super::incoming;
use super::server_link::{ConnectionLost, ServerLink};
use crate::future::InterestChanged;
use crate::interest::InterestWatcher;
use crate::steps;
use crate::sync::Mutex;
use std::collections::{BTreeSet, VecDeque};
use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;
use tokio::sync::{Notify, oneshot};
use tokio::task::{JoinHandle, unconstrained};

/// At most one subscription for each rule, whatever the number of subscriptions on the bus.
pub(super) struct Subscriptions {
    link: Arc<ServerLink>,
    grace: Duration,
    /// By rule.
    active: Vec<Option<ActiveSubscription>>,
    /// Those that no subscription on the bus wants, with the time since which that is so.
    unwanted: BTreeSet<(Duration, usize)>,
    stopped: bool,
}

struct ActiveSubscription {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
    /// The time since which no subscription on the bus wants it.
    unwanted: Option<Duration>,
}

impl Subscriptions {
    pub(super) fn new(link: Arc<ServerLink>, grace: Duration) -> Self {
        let active = link.core.incoming.iter().map(|_| None).collect();
        Subscriptions { link, grace, active, unwanted: BTreeSet::new(), stopped: false }
    }

    /// Looks at each rule: subscribes for those that are wanted, and ends the subscriptions that have not been wanted for the time of grace.
    pub(super) async fn follow(&mut self) -> Result<(), ConnectionLost> {
        for at in 0..self.active.len() {
            self.follow_rule(at).await?;
        }
        self.end_unwanted().await;
        Ok(())
    }

    async fn follow_rule(&mut self, at: usize) -> Result<(), ConnectionLost> {
        let core = &self.link.core;
        let wanted = !self.stopped && (core.incoming.get(at).rule.pinned || core.wanted[at].is_wanted());
        match &mut self.active[at] {
            Some(active) if wanted => {
                if let Some(since) = active.unwanted.take() {
                    self.unwanted.remove(&(since, at));
                }
            }
            Some(active) => {
                let since = *active.unwanted.get_or_insert(core.bus.clock().now());
                self.unwanted.insert((since, at));
            }
            None if wanted => {
                self.active[at] = Some(self.subscribe(at).await?);
                self.link.core.subscriptions.fetch_add(1, Ordering::Relaxed);
            }
            None => {}
        }
        Ok(())
    }

    async fn subscribe(&self, at: usize) -> Result<ActiveSubscription, ConnectionLost> {
        let rule = &self.link.core.incoming.get(at).rule;
        let pattern = rule.pattern().as_str().to_owned();
        let subscriber = match &rule.queue {
            None => self.link.subscribe(pattern).await?,
            Some(queue) => {
                self.link.client.queue_subscribe(pattern, queue.clone()).await.map_err(|_| ConnectionLost)?
            }
        };
        let (stop, stopped) = oneshot::channel();
        // Without tokio's budget: after 128 messages it would have to let the library run, which reads thousands in its turn and keeps them
        // in a queue that no bound of ours holds for. And the thread that publishes is woken less often.
        let task = tokio::spawn(unconstrained(incoming::pull(self.link.clone(), at, subscriber, stopped)));
        Ok(ActiveSubscription { stop, task, unwanted: None })
    }

    /// Ends the subscriptions that have not been wanted for the time of grace.
    async fn end_unwanted(&mut self) {
        let now = self.link.core.bus.clock().now();
        while let Some(&(since, at)) = self.unwanted.first()
            && now.saturating_sub(since) >= self.grace
        {
            self.remove(at).await;
        }
    }

    async fn remove(&mut self, at: usize) {
        if let Some(ActiveSubscription { stop, task, unwanted }) = self.active[at].take() {
            if let Some(since) = unwanted {
                self.unwanted.remove(&(since, at));
            }
            self.link.core.subscriptions.fetch_sub(1, Ordering::Relaxed);
            // It may have ended by itself.
            let _ = stop.send(());
            let _ = task.await;
        }
    }

    /// Ends all, and takes in what is there already. There will be no more.
    pub(super) async fn stop(&mut self) {
        self.stopped = true;
        for at in 0..self.active.len() {
            self.remove(at).await;
        }
    }

    /// Follows the interest on the bus, for ever. Looks only at the rules whose interest has changed.
    pub(super) async fn keep_following(this: &tokio::sync::Mutex<Self>) -> Result<(), ConnectionLost> {
        let core = this.lock().await.link.core.clone();
        let mut changes = Changes::new(&core.wanted);
        loop {
            let next_end = this.lock().await.next_end();
            tokio::select! {
                rule = changes.next() => this.lock().await.follow_rule(rule).await?,
                () = async {
                    match next_end {
                        Some(end) => core.bus.sleep(end.saturating_sub(core.bus.clock().now())).await,
                        None => pending().await,
                    }
                } => {}
            }
            this.lock().await.end_unwanted().await;
        }
    }

    /// The time at which the first unwanted subscription is to end.
    fn next_end(&self) -> Option<Duration> {
        self.unwanted.first()?.0.checked_add(self.grace)
    }
}

/// The changes of several interests.
struct Changes<'a> {
    interests: Vec<Watched<'a>>,
    woken: Arc<Woken>,
}

struct Watched<'a> {
    interest: &'a InterestWatcher,
    changed: InterestChanged<'a>,
    wakes: Arc<InterestWaker>,
}

/// The numbers of the interests that may have changed.
#[derive(Default)]
struct Woken {
    numbers: Mutex<VecDeque<usize>>,
    any: Notify,
}

struct InterestWaker {
    number: usize,
    /// Whether the number is among those that are woken. ORDERING: SeqCst; cleared before the interest is looked at, set after it has
    /// changed.
    is_listed: AtomicBool,
    woken: Arc<Woken>,
}

impl<'a> Changes<'a> {
    fn new(interests: &'a [InterestWatcher]) -> Self {
        let woken = Arc::new(Woken::default());
        let watched = |(number, interest): (usize, &'a InterestWatcher)| {
            let wakes = Arc::new(InterestWaker { number, is_listed: AtomicBool::new(false), woken: woken.clone() });
            // Each is looked at once, which registers its waker.
            wakes.wake_by_ref();
            Watched { interest, changed: interest.changed(), wakes }
        };
        Changes { interests: interests.iter().enumerate().map(watched).collect(), woken }
    }

    /// Waits for an interest that has changed since it was last given, and gives its number.
    ///
    /// Cancel safety: loses nothing.
    async fn next(&mut self) -> usize {
        loop {
            let number = self.woken.numbers.lock().pop_front();
            match number {
                Some(number) if self.interests[number].has_changed() => return number,
                Some(_) => {}
                None => self.woken.any.notified().await,
            }
        }
    }
}

impl Watched<'_> {
    fn has_changed(&mut self) -> bool {
        steps::count(1);
        self.wakes.is_listed.store(false, Ordering::SeqCst);
        let waker = Waker::from(self.wakes.clone());
        let mut has_changed = false;
        // The end of the bus, `Ready(false)`, is handled elsewhere.
        while Pin::new(&mut self.changed).poll(&mut Context::from_waker(&waker)) == Poll::Ready(true) {
            has_changed = true;
            self.changed = self.interest.changed();
        }
        has_changed
    }
}

impl Wake for InterestWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.is_listed.swap(true, Ordering::SeqCst) {
            self.woken.numbers.lock().push_back(self.number);
            self.woken.any.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Bus;
    use std::pin::pin;

    /// The numbers of the interests that have changed, as far as they are known now.
    fn changed(changes: &mut Changes<'_>) -> Vec<usize> {
        let mut cx = Context::from_waker(Waker::noop());
        let mut all = Vec::new();
        while let Poll::Ready(number) = pin!(changes.next()).poll(&mut cx) {
            all.push(number);
        }
        all
    }

    #[test]
    fn only_interests_that_have_changed_are_looked_at() {
        let bus = Bus::new();
        let interests: Vec<_> = (0..100).map(|n| bus.interest(format!("a.{n}.>")).unwrap()).collect();
        let client = bus.connect();
        let before = client.subscribe("a.3.x").unwrap();
        let mut changes = Changes::new(&interests);
        assert_eq!(changed(&mut changes), [3], "a change from before counts");
        assert_eq!(changed(&mut changes), [0; 0]);
        let some = [client.subscribe("a.70.x").unwrap(), client.subscribe("a.7.x").unwrap()];
        steps::assert_counts(2, || assert_eq!(changed(&mut changes), [70, 7]));
        drop((before, some));
        steps::assert_counts(3, || assert_eq!(changed(&mut changes), [3, 70, 7]));
        bus.close();
        assert_eq!(changed(&mut changes), [0; 0], "its end is not a change");
    }
}
