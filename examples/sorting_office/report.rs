//! What the user sees: progress on standard error, the table on standard output.

use crate::format::Format;
use crate::office::Tally;
use crate::parts::Outcome;
use postroom::{BusStats, Ledger, SlowConsumer};
use std::io::{self, Write};
use std::time::{Duration, Instant};

/// Shows how far the run has come: at each quarter of a file, and twice a second.
pub(crate) struct Progress {
    size: Option<u64>,
    started: Instant,
    shown_at: Instant,
    next_quarter: u64,
}

impl Progress {
    pub(crate) fn new(size: Option<u64>) -> Self {
        let now = Instant::now();
        // A pipe says that it has no bytes.
        Progress { size: size.filter(|size| *size > 0), started: now, shown_at: now, next_quarter: 1 }
    }

    pub(crate) fn is_due(&mut self, read: u64) -> bool {
        let by_size = self.size.is_some_and(|size| read * 4 >= size * self.next_quarter);
        let due = by_size || self.shown_at.elapsed() >= Duration::from_millis(500);
        if due {
            self.shown_at = Instant::now();
            self.next_quarter = self.size.map_or(1, |size| read * 4 / size + 1);
        }
        due
    }

    pub(crate) fn show(&self, tally: &Tally, indexed: &str) {
        let rate = per_second(tally.published, self.started.elapsed());
        eprintln!("  {} lines read, {} bad, {indexed} in the index, {rate} lines/s", tally.lines, tally.bad);
    }
}

/// All that is known at the end.
pub(crate) struct Summary {
    pub(crate) format: Format,
    pub(crate) tally: Tally,
    /// From the start until the last line was published.
    pub(crate) reading: Duration,
    /// Until the last part had finished.
    pub(crate) total: Duration,
    pub(crate) outcomes: Vec<Outcome>,
    pub(crate) answers: Vec<(&'static str, String)>,
    pub(crate) episodes: Vec<SlowConsumer>,
    pub(crate) stats: BusStats,
}

impl Summary {
    pub(crate) fn print(&self) -> io::Result<()> {
        let mut out = io::stdout().lock();
        let Summary { tally, stats, .. } = self;
        let Tally { lines, published, bad } = tally;
        let (reading, total) = (self.reading, self.total);
        writeln!(out, "\n{lines} {} lines: {published} published, {bad} bad", self.format)?;
        writeln!(
            out,
            "read in {reading:.1?} ({} lines/s), all handled after {total:.1?}\n",
            per_second(*published, reading)
        )?;

        writeln!(
            out,
            "{:<8} {:<34} {:>9} {:>9} {:>9} {:>9}  why, and what it says",
            "part", "subscription", "matched", "delivered", "dropped", "per s"
        )?;
        for Outcome { name, subscription, ledger, note } in &self.outcomes {
            let lost = reasons(ledger);
            let note = if lost.is_empty() { note.clone() } else { format!("{lost}; {note}") };
            self.row(&mut out, name, subscription, ledger, &note)?;
        }
        self.row(&mut out, "others", "inboxes of those who ask", &self.others(), "")?;
        self.row(&mut out, "bus", "", &stats.ledger, &reasons(&stats.ledger))?;

        writeln!(out)?;
        for (question, answer) in &self.answers {
            writeln!(out, "{question:<14} {answer}")?;
        }
        for episode in &self.episodes {
            let SlowConsumer { subscription, first, last, dropped, .. } = episode;
            let (number, from, to) = (subscription.id, &first.subject, &last.subject);
            writeln!(out, "slow consumer: subscription {number} lost {dropped} messages, from {from} to {to}")?;
        }
        writeln!(
            out,
            "\nledger: {} routed = {} delivered + {} dropped + {} queued: {}",
            stats.routed,
            stats.ledger.delivered,
            stats.ledger.dropped.total(),
            stats.ledger.queued,
            if self.check().is_ok() { "balances" } else { "DOES NOT BALANCE" }
        )
    }

    fn row(&self, out: &mut impl Write, part: &str, what: &str, ledger: &Ledger, note: &str) -> io::Result<()> {
        let Ledger { matched, delivered, dropped, .. } = ledger;
        let (dropped, rate) = (dropped.total(), per_second(*delivered, self.total));
        let row = format!("{part:<8} {what:<34} {matched:>9} {delivered:>9} {dropped:>9} {rate:>9}  {note}");
        writeln!(out, "{}", row.trim_end())
    }

    /// What the bus has on top of the parts: the answers to requests.
    fn others(&self) -> Ledger {
        let of = |pick: fn(&Ledger) -> u64| {
            pick(&self.stats.ledger).saturating_sub(self.outcomes.iter().map(|outcome| pick(&outcome.ledger)).sum())
        };
        let mut others = Ledger::default();
        (others.matched, others.delivered) = (of(|ledger| ledger.matched), of(|ledger| ledger.delivered));
        others
    }

    /// The ledger, seen from four sides.
    pub(crate) fn check(&self) -> Result<(), String> {
        let Summary { tally, stats, outcomes, .. } = self;
        let equal = |what: &str, one: u64, other: u64| {
            if one == other { Ok(()) } else { Err(format!("{what}: {one} and not {other}")) }
        };
        let ledger = &stats.ledger;
        equal("what publishers sent and what subscribers were to get", stats.routed, ledger.matched)?;
        let sum = ledger.delivered + ledger.dropped.total() + ledger.queued;
        equal("matched, and delivered + dropped + queued", ledger.matched, sum)?;
        equal("queued at the end", ledger.queued, 0)?;
        let dropped = outcomes.iter().map(|outcome| outcome.ledger.dropped.total()).sum();
        equal("dropped by the bus, and by its parts", ledger.dropped.total(), dropped)?;
        equal("answers, and requests", self.others().matched + stats.late_replies, stats.requests)?;
        let episodes = self.episodes.iter().map(|episode| episode.dropped).sum();
        equal("dropped, and told of in events", dropped, episodes)?;
        for outcome in outcomes.iter().filter(|outcome| outcome.subscription == "log.>") {
            equal(&format!("what {} was to get", outcome.name), outcome.ledger.matched, tally.published)?;
        }
        let group = outcomes.iter().filter(|outcome| outcome.subscription == "log.> [index]");
        equal("what the queue group got", group.map(|outcome| outcome.ledger.matched).sum(), tally.published)
    }
}

fn reasons(ledger: &Ledger) -> String {
    let reasons: Vec<_> = ledger.dropped.iter().map(|(reason, count)| format!("{reason:?} {count}")).collect();
    reasons.join(", ")
}

fn per_second(count: u64, time: Duration) -> u64 {
    (count as f64 / time.as_secs_f64().max(1e-6)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One line, which a part and a member of the group got.
    fn sound() -> Summary {
        let mut ledger = Ledger::default();
        (ledger.matched, ledger.delivered) = (1, 1);
        let part = |subscription: &str| Outcome {
            name: "part".into(),
            subscription: subscription.into(),
            ledger,
            note: String::new(),
        };
        let mut stats = BusStats::default();
        (stats.routed, stats.ledger.matched, stats.ledger.delivered) = (2, 2, 2);
        Summary {
            format: Format::Dpkg,
            tally: Tally { lines: 1, published: 1, bad: 0 },
            reading: Duration::ZERO,
            total: Duration::ZERO,
            outcomes: vec![part("log.>"), part("log.> [index]")],
            answers: Vec::new(),
            episodes: Vec::new(),
            stats,
        }
    }

    #[test]
    fn every_entry_that_is_off_is_found() {
        assert_eq!(sound().check(), Ok(()));
        let wrong: [fn(&mut Summary); 7] = [
            |summary| summary.stats.routed += 1,
            |summary| summary.stats.ledger.delivered -= 1,
            |summary| (summary.stats.ledger.delivered, summary.stats.ledger.queued) = (1, 1),
            |summary| summary.stats.requests += 1,
            |summary| summary.tally.published += 1,
            |summary| summary.outcomes[0].ledger.matched -= 1,
            |summary| summary.outcomes[1].ledger.matched -= 1,
        ];
        for (number, spoil) in wrong.iter().enumerate() {
            let mut summary = sound();
            spoil(&mut summary);
            assert!(summary.check().is_err(), "{number}");
        }
    }
}
