//! Time: the clock of a bus, and what waits for it.
//!
//! A bus takes all its deadlines from one [`Clock`]: the system's, or a [`ManualClock`] that stands still until it is told
//! to advance, so that an hour of timeouts takes no time at all.
//!
//! Blocking waits on the system clock need no help. Futures leave their waker with a timer, and a [scheduled
//! task](crate::Bus::schedule_at) is a timer itself. On the system clock the bus starts one thread for timers when the first one comes;
//! it ends with the bus (G8). A manual clock fires timers on the thread that advances it.
//!
//! | item | made by |
//! |---|---|
//! | [`ScheduledTask`]: a closure that runs at a time | [`Bus::schedule_at`](crate::Bus::schedule_at) |
//! | [`Sleep`]: a future that is ready at a time | [`Bus::sleep`](crate::Bus::sleep), [`Bus::sleep_until`](crate::Bus::sleep_until), [`Bus::sleep_real`](crate::Bus::sleep_real) |
//!
//! # Files
//!
//! | file | reason to change |
//! |---|---|
//! | `clock` | where a bus takes its time from |
//! | `manual` | the clock that a test moves |
//! | `queue` | timers in the order of their deadlines |
//! | `timers` | the timers of one bus, and the thread that fires them |
//! | `sleep` | futures that wait for a time |
//! | `schedule` | closures that run at a time |

pub(crate) mod clock;
pub(crate) mod manual;
mod queue;
mod schedule;
mod sleep;
mod timers;

pub(crate) use clock::Clock;
pub(crate) use manual::ManualClock;
pub(crate) use queue::TimerKey;
pub(crate) use schedule::Schedule;
pub use schedule::ScheduledTask;
pub use sleep::Sleep;
pub(crate) use timers::Timers;
