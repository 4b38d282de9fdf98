//! Whether the peer still lives, and how far away it is (C17).

use std::time::Duration;

/// The first PING after CONNECT comes after this time, or after the interval if that is shorter.
const FIRST: Duration = Duration::from_secs(2);
/// The round trip is measured anew after this time, even if the peer is busy.
const MEASURE: Duration = Duration::from_secs(60 * 60);

/// The timer of a session's PINGs. All times are of the session's clock.
#[derive(Clone, Debug)]
pub(super) struct KeepAlive {
    started: Duration,
    /// When to look next; `None` if that is past all time.
    pub(super) due: Option<Duration>,
    unanswered: u32,
    pinged: Option<Duration>,
    rtt: Option<Duration>,
    /// The last PING, message or change of interest.
    heard: Option<Duration>,
}

/// The action when a PING is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    Ping,
    Nothing,
    Stale,
}

impl KeepAlive {
    pub(super) fn new(interval: Duration, now: Duration) -> Self {
        KeepAlive { started: now, due: now.checked_add(interval), unanswered: 0, pinged: None, rtt: None, heard: None }
    }

    /// CONNECT came: the first PING is soon, and the time since the start is a first guess of the round trip.
    pub(super) fn connected(&mut self, interval: Duration, jitter: f64, now: Duration) {
        let first = interval.min(FIRST);
        let jitter = first.mul_f64(if jitter.is_finite() { jitter.clamp(0.0, 1.0) } else { 0.0 });
        self.due = now.checked_add(first + jitter);
        self.rtt = Some(since(self.started, now));
    }

    pub(super) fn heard(&mut self, now: Duration) {
        self.heard = Some(now);
    }

    pub(super) fn pong(&mut self, now: Duration) {
        self.unanswered = 0;
        self.rtt = Some(since(self.pinged.unwrap_or(self.started), now));
    }

    pub(super) fn rtt(&self) -> Option<Duration> {
        self.rtt
    }

    /// To be asked when `due` has come.
    pub(super) fn check(&mut self, interval: Duration, ping_max: u32, now: Duration) -> Due {
        self.due = now.checked_add(interval);
        let rtt_is_old = self.pinged.is_none_or(|pinged| now.saturating_sub(pinged) > MEASURE);
        let quiet = self.heard.is_none_or(|heard| now.saturating_sub(heard) >= interval);
        if !quiet && !rtt_is_old && self.rtt.is_some() {
            return Due::Nothing;
        }
        if self.unanswered >= ping_max {
            return Due::Stale;
        }
        self.unanswered += 1;
        self.pinged = Some(now);
        Due::Ping
    }
}

/// Never 0, which would look unknown.
fn since(start: Duration, now: Duration) -> Duration {
    now.saturating_sub(start).max(Duration::from_nanos(1))
}
