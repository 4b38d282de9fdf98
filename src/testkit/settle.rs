//! Waiting until the bus is quiet.

use crate::activity::{Activity, ActivityKind};
use crate::sync::thread_waker;
use crate::time::Sleep;
use crate::{Bus, Clock, ManualClock};
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::thread::{park_timeout, yield_now};
use std::time::Duration;

/// How many turns of its executor [`TestKit::settle_async`](super::TestKit::settle_async) lets the other tasks have, in which nothing may begin.
const TURNS: usize = 32;

/// How often a thread that had to wait lets the others run before it believes that all is quiet.
const GRACE: usize = 16;

/// If nothing has changed for so long, in real time, a thread that has a message in its hands is taken to wait for the bus's
/// clock.
const STALL: Duration = Duration::from_millis(10);

/// If the wake-up is this late, the machine is busy, and other threads may not have run either.
const LATE: Duration = Duration::from_millis(15);

/// How often that may be so, one time after the other, before it is believed all the same.
const LATE_MAX: usize = 10;

/// The most activities that are listed.
const LISTED: usize = 20;

/// Waits until a bus is quiet. Cheap to clone.
#[derive(Clone)]
pub(super) struct Settler {
    pub(super) bus: Bus,
    /// Its clock, if it is one that the test moves.
    pub(super) clock: Option<ManualClock>,
    /// How long it waits, in real time.
    pub(super) limit: Duration,
}

impl Settler {
    pub(super) fn new(bus: &Bus, clock: Option<ManualClock>, limit: Duration) -> Self {
        Settler { bus: bus.clone(), clock, limit }
    }

    pub(super) fn activity(&self) -> &Activity {
        self.bus.activity().expect("the bus was built with an observer")
    }

    /// See [`TestKit::try_settle`](super::TestKit::try_settle).
    pub(super) fn wait(&self, limit: Duration) -> Result<(), SettleTimeout> {
        self.settled(limit).map(drop)
    }

    /// Gives back [`Activity::changes`](crate::activity::Activity::changes): as long as these are the same, it is still so.
    fn settled(&self, limit: Duration) -> Result<u64, SettleTimeout> {
        let activity = self.activity();
        activity.mark_idle();
        let changes = activity.changes();
        if activity.is_quiet() && !self.fire_due() {
            return Ok(changes);
        }
        let real = Clock::system();
        let waker = thread_waker();
        loop {
            let changes = activity.changes();
            match activity.poll_quiet(&mut Context::from_waker(&waker)) {
                Poll::Ready(()) => {
                    // A task that took notice of its timer just now may be about to do something: the bus does not see it.
                    (0..GRACE).for_each(|_| yield_now());
                    if changes == activity.changes() && activity.is_quiet() && !self.fire_due() {
                        return Ok(changes);
                    }
                }
                Poll::Pending => park_timeout(limit.saturating_sub(real.now())),
            }
            if real.now() >= limit {
                return Err(self.timeout(limit));
            }
        }
    }

    /// See [`TestKit::settle_async`](super::TestKit::settle_async).
    pub(super) async fn wait_async(&self, limit: Duration) -> Result<(), SettleTimeout> {
        self.settled_async(limit).await.map(drop)
    }

    async fn settled_async(&self, limit: Duration) -> Result<u64, SettleTimeout> {
        let activity = self.activity();
        activity.mark_idle();
        let mut alarm = Alarm { settler: self, limit, sleep: None };
        loop {
            poll_fn(|cx| match activity.poll_quiet(cx) {
                Poll::Ready(()) => Poll::Ready(Ok(())),
                Poll::Pending => alarm.poll(cx).map(|()| Err(self.timeout(limit))),
            })
            .await?;
            let changes = activity.changes();
            let mut turns = 0;
            while turns < TURNS && changes == activity.changes() {
                turn().await;
                turns += 1;
            }
            if turns == TURNS && activity.is_quiet() && changes == activity.changes() && !self.fire_due() {
                return Ok(changes);
            }
            // Quiet again and again, but never for long.
            if alarm.has_rung() {
                return Err(self.timeout(limit));
            }
        }
    }

    /// Blocks until time may move: the bus is quiet, or all activity seems to wait for the time. See [`SettleTimeout::may_wait`].
    /// Gives back [`Activity::changes`](crate::activity::Activity::changes): as long as these are the same, it still may.
    pub(super) fn rest(&self, limit: Duration) -> Result<u64, SettleTimeout> {
        let real = Clock::system();
        self.activity().mark_idle();
        let mut late = 0;
        loop {
            let (changes, began) = (self.activity().changes(), real.now());
            let timeout = match self.settled(STALL) {
                Ok(changes) => return Ok(changes),
                Err(timeout) => timeout,
            };
            let now = real.now();
            let left = limit.saturating_sub(now);
            late = if now - began > LATE { late + 1 } else { 0 };
            let is_sure = late == 0 || late > LATE_MAX || left < STALL;
            if is_sure && changes == self.activity().changes() && timeout.may_wait() {
                return Ok(changes);
            }
            if left < STALL {
                return Err(SettleTimeout { limit, ..timeout });
            }
        }
    }

    /// As [`Settler::rest`], for tasks.
    pub(super) async fn rest_async(&self) -> Result<u64, SettleTimeout> {
        let limit = self.limit;
        let mut alarm = Alarm { settler: self, limit, sleep: None };
        self.activity().mark_idle();
        loop {
            let changes = self.activity().changes();
            let timeout = match self.settled_async(STALL).await {
                Ok(changes) => return Ok(changes),
                Err(timeout) => timeout,
            };
            // On a busy machine the time may be over before the tasks have had a turn.
            for _ in 0..TURNS {
                turn().await;
            }
            if changes == self.activity().changes() && timeout.may_wait() {
                return Ok(changes);
            }
            if alarm.has_rung() {
                return Err(SettleTimeout { limit, ..timeout });
            }
        }
    }

    /// Fires timers of a manual clock that are due and were set too late to be fired by an advance. Whether there were any.
    fn fire_due(&self) -> bool {
        let Some(clock) = &self.clock else { return false };
        let due = clock.next_timer().is_some_and(|next| next <= clock.now());
        if due {
            clock.advance(Duration::ZERO);
        }
        due
    }

    fn timeout(&self, limit: Duration) -> SettleTimeout {
        let clock = self.clock.as_ref();
        SettleTimeout {
            limit,
            held: self.activity().held(),
            queued: self.bus.stats().ledger.queued,
            now: self.bus.clock().now(),
            next_timer: clock.and_then(|clock| clock.next_timer()),
        }
    }
}

/// Something still went on when the time was up.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SettleTimeout {
    /// How long was waited, in real time.
    pub limit: Duration,
    /// The activities then. Empty if all was quiet again and again, but never for long.
    pub held: Vec<ActivityKind>,
    /// Messages in the queues of all subscriptions, those of the test included.
    pub queued: u64,
    /// The time of the bus's clock.
    pub now: Duration,
    /// When the next timer falls due, if the clock is a manual one and there is one.
    pub next_timer: Option<Duration>,
}

impl fmt::Display for SettleTimeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SettleTimeout { limit, held, queued, now, next_timer } = self;
        write!(f, "not settled within {limit:?} of real time, at {now:?} on the bus's clock: ")?;
        match held.len() {
            0 => write!(f, "all is quiet again and again, but never for long")?,
            1 => write!(f, "1 thing goes on")?,
            count => write!(f, "{count} things go on")?,
        }
        held.iter().take(LISTED).try_for_each(|held| write!(f, "\n  - {held}"))?;
        if held.len() > LISTED {
            write!(f, "\n  - and {} more", held.len() - LISTED)?;
        }
        write!(f, "\n  messages in queues: {queued}; next timer: ")?;
        match next_timer {
            Some(next) => write!(f, "at {next:?}")?,
            None => write!(f, "none")?,
        }
        let has = |of: fn(&ActivityKind) -> bool| held.iter().any(of);
        if has(|held| matches!(held, ActivityKind::Callback { .. })) {
            write!(f, "\n  if this was called by that callback: it can't wait for its own end")?;
        }
        if has(|held| matches!(held, ActivityKind::Message { .. } | ActivityKind::Thread(_))) {
            write!(f, "\n  what the test itself receives is not waited for if it uses `TestKit::client`")?;
        }
        if has(|held| matches!(held, ActivityKind::Subscriber { .. } | ActivityKind::Timer(_))) {
            write!(f, "\n  if these are tasks of the executor that this runs on: use the async form")?;
        }
        Ok(())
    }
}

impl std::error::Error for SettleTimeout {}

impl SettleTimeout {
    /// Whether all activity may be waiting for the clock: messages in queues or hands, tasks that took one, callbacks. If nothing
    /// has changed for as long as [`STALL`], it is taken to.
    fn may_wait(&self) -> bool {
        let waits = |held: &ActivityKind| {
            matches!(
                held,
                ActivityKind::Message { .. } | ActivityKind::Subscriber { .. } | ActivityKind::Callback { .. }
            )
        };
        self.next_timer.is_some() && self.held.iter().all(waits)
    }
}

/// The end of an async wait, in real time.
struct Alarm<'a> {
    settler: &'a Settler,
    limit: Duration,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Alarm<'_> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.sleep().as_mut().poll(cx)
    }

    /// The time counts from the first call of this or of [`Alarm::poll`].
    fn has_rung(&mut self) -> bool {
        self.sleep().is_elapsed()
    }

    fn sleep(&mut self) -> &mut Pin<Box<Sleep>> {
        let Alarm { settler, limit, sleep } = self;
        sleep.get_or_insert_with(|| Box::pin(settler.bus.sleep_real(*limit)))
    }
}

/// Lets the other tasks of the executor run.
fn turn() -> impl Future<Output = ()> + Send {
    let mut had = false;
    poll_fn(move |cx| {
        if std::mem::replace(&mut had, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
}
