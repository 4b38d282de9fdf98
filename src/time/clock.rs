//! Where a bus takes its time from: the only door to `now()`.

use super::manual::ManualClock;
use std::time::{Duration, Instant, SystemTime};

/// The first time of a manual clock's wall clock: 1 January 2000, from 1 January 1970.
const MANUAL_EPOCH: Duration = Duration::from_secs(946_684_800);

/// The last time of day of a manual clock: 30 December 9999, 22:00 UTC, from 1 January 1970. The last hour that has a date of four
/// digits in every time zone.
const MANUAL_LAST: Duration = Duration::from_secs(253_402_207_200);

/// Where a bus takes its time from. Cheap to clone; clones are the same clock.
#[derive(Clone, Debug)]
pub struct Clock(Kind);

#[derive(Clone, Debug)]
enum Kind {
    System { origin: Instant },
    Manual(ManualClock),
}

impl Clock {
    /// The operating system's monotonic clock, counted from this call.
    pub fn system() -> Self {
        Clock(Kind::System { origin: Instant::now() })
    }

    /// A clock that stands still until it is advanced; keep the [`ManualClock`] to do so.
    pub fn manual() -> ManualClock {
        ManualClock::new()
    }

    /// Time since the clock was made. Never goes back.
    pub fn now(&self) -> Duration {
        match &self.0 {
            Kind::System { origin } => origin.elapsed(),
            Kind::Manual(clock) => clock.now(),
        }
    }

    /// The time of day, for what is shown to people and put into protocols; deadlines go by [`Clock::now`].
    ///
    /// The system's clock gives the operating system's, which may be set back. A manual one began on 1 January 2000, 00:00 UTC, and
    /// has moved on by as much as it was advanced. It stops at 30 December 9999, 22:00 UTC.
    ///
    /// # Example
    ///
    /// ```
    /// use postroom::Clock;
    /// use std::time::{Duration, UNIX_EPOCH};
    ///
    /// let manual = Clock::manual();
    /// let clock = Clock::from(&manual);
    /// assert_eq!(clock.wall_time(), UNIX_EPOCH + Duration::from_secs(946_684_800));
    /// manual.advance(Duration::from_secs(60));
    /// assert_eq!(clock.wall_time(), UNIX_EPOCH + Duration::from_secs(946_684_860));
    /// ```
    pub fn wall_time(&self) -> SystemTime {
        match &self.0 {
            Kind::System { .. } => SystemTime::now(),
            Kind::Manual(clock) => SystemTime::UNIX_EPOCH + clock.now().saturating_add(MANUAL_EPOCH).min(MANUAL_LAST),
        }
    }

    /// Whether it is a [`ManualClock`].
    pub fn is_manual(&self) -> bool {
        self.as_manual().is_some()
    }

    pub(super) fn as_manual(&self) -> Option<&ManualClock> {
        match &self.0 {
            Kind::Manual(clock) => Some(clock),
            Kind::System { .. } => None,
        }
    }
}

impl Default for Clock {
    fn default() -> Self {
        Clock::system()
    }
}

impl From<ManualClock> for Clock {
    fn from(clock: ManualClock) -> Self {
        Clock(Kind::Manual(clock))
    }
}

impl From<&ManualClock> for Clock {
    fn from(clock: &ManualClock) -> Self {
        clock.clone().into()
    }
}
