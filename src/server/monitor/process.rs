//! The operating system's figures for this process.

use crate::sync::Mutex;
use std::time::{Duration, SystemTime};

/// How much of a processor the process used lately.
#[derive(Debug, Default)]
pub(crate) struct Usage(Mutex<Sample>);

#[derive(Debug, Default)]
struct Sample {
    /// When, and how much processor time had been used until then.
    last: Option<(SystemTime, Duration)>,
    percent: f64,
}

/// A shorter time than this says little.
const INTERVAL_MIN: Duration = Duration::from_secs(1);

impl Usage {
    /// Percent of one processor between the last two looks that were at least a second apart, in steps of a tenth; 0 before,
    /// and where the system does not tell.
    pub(crate) fn percent(&self, now: SystemTime) -> f64 {
        let Some(used) = processor_time() else { return 0.0 };
        let mut sample = self.0.lock();
        match sample.last {
            None => sample.last = Some((now, used)),
            Some((then, before)) => {
                let interval = now.duration_since(then).unwrap_or_default();
                if interval >= INTERVAL_MIN {
                    let share = used.saturating_sub(before).as_secs_f64() / interval.as_secs_f64();
                    *sample = Sample { last: Some((now, used)), percent: (share * 1_000.0).round() / 10.0 };
                }
            }
        }
        sample.percent
    }
}

/// Bytes of memory that are in use; 0 where the system does not tell.
pub(crate) fn resident_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    let kibibytes = line.split_whitespace().next().and_then(|number| number.parse::<u64>().ok());
    kibibytes.unwrap_or_default() * 1_024
}

/// Processors that the process may use.
pub(crate) fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Processor time used so far, on the system's and on the program's side.
fn processor_time() -> Option<Duration> {
    // Linux counts in hundredths of a second here, whatever the kernel's own clock.
    const TICKS_PER_SECOND: u64 = 100;
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The name of the process, in brackets, may hold anything; what follows is counted from its end.
    let fields: Vec<_> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    Some(Duration::from_millis(ticks * 1_000 / TICKS_PER_SECOND))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn linux_tells_memory_and_processor_time() {
        assert!(resident_memory() > 100_000, "{}", resident_memory());
        let before = processor_time().unwrap();
        // Until the system has noticed: a hundredth of a second of work.
        let mut sum = 0u64;
        while processor_time().unwrap() == before {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        let usage = Usage::default();
        let time = SystemTime::UNIX_EPOCH;
        assert_eq!(usage.percent(time), 0.0);
        usage.0.lock().last = Some((time, before));
        let percent = usage.percent(time + Duration::from_secs(2));
        assert!(percent >= 0.5, "{percent}");
        assert_eq!(usage.percent(time + Duration::from_secs(2)), percent, "too soon for another look");
    }
}
