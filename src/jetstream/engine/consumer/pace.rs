//! The speed of deliveries: as messages were stored, or not above a rate (JC128, JC129).

use crate::jetstream::engine::time::Timestamp;
use std::time::Duration;

/// Shorter differences of store times are not waited for.
const STEP_MIN: Duration = Duration::from_millis(1);

/// The state of replay and rate.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    /// The last message that is replayed as it was stored; 0 if none is.
    pub(crate) replay_until: u64,
    /// When the message before was stored.
    previous: Option<Timestamp>,
    /// The message that waits, and until when; no time once it may go.
    gate: Option<(u64, Option<Timestamp>)>,
    rate: Option<Rate>,
}

/// A bucket of tokens, as the time at which it would be full again.
#[derive(Debug)]
struct Rate {
    bytes_per_second: u64,
    burst: u64,
    full_at: u128,
}

impl Pace {
    /// Sets the rate, in bits per second; 0 is none.
    pub(crate) fn limit(&mut self, bits_per_second: u64, burst: u64) {
        let bytes_per_second = bits_per_second / 8;
        self.rate =
            (bits_per_second > 0).then(|| Rate { bytes_per_second: bytes_per_second.max(1), burst, full_at: 0 });
    }

    /// Whether a message may go now: if not, the gate is closed until its time.
    pub(crate) fn may_pass(&mut self, seq: u64, stored: Timestamp, size: u64, now: Timestamp) -> bool {
        if let Some((_, until)) = self.gate.filter(|(waiting, _)| *waiting == seq) {
            return until.is_none_or(|until| until <= now);
        }
        let mut wait = Duration::ZERO;
        if seq <= self.replay_until {
            let step = self.previous.map(|previous| stored.since(previous)).unwrap_or_default();
            wait = if step > STEP_MIN { step } else { Duration::ZERO };
        }
        if let Some(rate) = &mut self.rate {
            wait = wait.max(rate.reserve(size, now));
        }
        if wait.is_zero() {
            return true;
        }
        self.gate = Some((seq, Some(now.after(wait))));
        false
    }

    /// A message went.
    pub(crate) fn passed(&mut self, seq: u64, stored: Timestamp) {
        self.gate = None;
        if seq <= self.replay_until {
            self.previous = Some(stored);
        }
    }

    /// When the message that waits may go.
    pub(crate) fn opens_at(&self) -> Option<Timestamp> {
        self.gate.and_then(|(_, until)| until)
    }

    /// The time has come for the message that waits.
    pub(crate) fn open(&mut self) {
        if let Some((_, until)) = &mut self.gate {
            *until = None;
        }
    }
}

impl Rate {
    /// Takes tokens, and says how long they are still to be waited for. More than the bucket holds is never waited for.
    fn reserve(&mut self, size: u64, now: Timestamp) -> Duration {
        if size > self.burst {
            return Duration::ZERO;
        }
        let nanos = |bytes: u64| u128::from(bytes) * 1_000_000_000 / u128::from(self.bytes_per_second);
        let now = u128::from(now.as_nanos());
        self.full_at = self.full_at.max(now) + nanos(size);
        let wait = self.full_at.saturating_sub(now + nanos(self.burst));
        Duration::from_nanos(u64::try_from(wait).unwrap_or(u64::MAX))
    }
}
