//! The server subscriptions of the rules that bring messages in: there while a subscription on the bus wants those
//! messages.

use super::incoming;
use super::session::{Gone, Line};
use std::future::{Future, pending, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Poll;
use std::time::Duration;
use tokio::sync::{Mutex, oneshot};
use tokio::task::{JoinHandle, unconstrained};

/// At most one subscription for each rule, whatever the number of subscriptions on the bus.
pub(super) struct Subscriptions {
    line: Arc<Line>,
    grace: Duration,
    /// By rule.
    there: Vec<Option<There>>,
    stopped: bool,
}

struct There {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
    /// The time since which no subscription on the bus wants it.
    unwanted: Option<Duration>,
}

impl Subscriptions {
    pub(super) fn new(line: Arc<Line>, grace: Duration) -> Self {
        let there = line.core.incoming.iter().map(|_| None).collect();
        Subscriptions { line, grace, there, stopped: false }
    }

    /// Subscribes for rules that are wanted, and ends the subscriptions that have not been wanted
    /// for the time of grace.
    pub(super) async fn follow(&mut self) -> Result<(), Gone> {
        let core = self.line.core.clone();
        let now = core.bus.clock().now();
        for (at, listed) in core.incoming.iter().enumerate() {
            let wanted = !self.stopped && (listed.rule.pinned || core.wanted[at].is_wanted());
            match &mut self.there[at] {
                Some(there) if wanted => there.unwanted = None,
                Some(there) => {
                    let since = *there.unwanted.get_or_insert(now);
                    if now.saturating_sub(since) >= self.grace {
                        self.remove(at).await;
                    }
                }
                None if wanted => {
                    let there = self.subscribe(at).await?;
                    self.there[at] = Some(there);
                    core.subscriptions.fetch_add(1, Relaxed);
                }
                None => {}
            }
        }
        Ok(())
    }

    async fn subscribe(&self, at: usize) -> Result<There, Gone> {
        let rule = &self.line.core.incoming.get(at).rule;
        let pattern = rule.pattern().as_str().to_owned();
        let subscriber = match &rule.queue {
            None => self.line.subscribe(pattern).await?,
            Some(queue) => self.line.client.queue_subscribe(pattern, queue.clone()).await.map_err(|_| Gone)?,
        };
        let (stop, stopped) = oneshot::channel();
        // Without tokio's budget: after 128 messages it would have to let the library run, which reads thousands in its turn and keeps them
        // in a queue that no bound of ours holds for. And the thread that publishes is woken less often.
        let task = tokio::spawn(unconstrained(incoming::pull(self.line.clone(), at, subscriber, stopped)));
        Ok(There { stop, task, unwanted: None })
    }

    async fn remove(&mut self, at: usize) {
        if let Some(There { stop, task, .. }) = self.there[at].take() {
            self.line.core.subscriptions.fetch_sub(1, Relaxed);
            // It may have ended by itself.
            let _ = stop.send(());
            let _ = task.await;
        }
    }

    /// Ends all, and takes in what is there already. There will be no more.
    pub(super) async fn stop(&mut self) {
        self.stopped = true;
        for at in 0..self.there.len() {
            self.remove(at).await;
        }
    }

    /// Follows the interest on the bus, for ever.
    pub(super) async fn keep_following(this: &Mutex<Self>) -> Result<(), Gone> {
        let core = this.lock().await.line.core.clone();
        loop {
            let next_end = this.lock().await.next_end();
            tokio::select! {
                () = changed(&core.wanted) => {}
                () = async {
                    match next_end {
                        Some(end) => core.bus.sleep(end.saturating_sub(core.bus.clock().now())).await,
                        None => pending().await,
                    }
                } => {}
            }
            this.lock().await.follow().await?;
        }
    }

    /// The time at which the first unwanted subscription is to end.
    fn next_end(&self) -> Option<Duration> {
        self.there.iter().flatten().filter_map(|there| there.unwanted).min()?.checked_add(self.grace)
    }
}

/// Waits until any of them has changed.
async fn changed(interests: &[crate::InterestWatcher]) {
    let mut all: Vec<_> = interests.iter().map(|interest| Box::pin(interest.changed())).collect();
    poll_fn(|cx| {
        let mut any = false;
        for one in &mut all {
            // `false` is the end of the bus, which is handled elsewhere; a future that is ready is not
            // polled again.
            any |= Pin::new(one).poll(cx) == Poll::Ready(true);
        }
        if any { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}
