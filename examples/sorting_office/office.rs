//! One run: start the parts, publish every line, bring everything to its end, and check the books.

use crate::Failure;
use crate::format::{Format, subject};
use crate::line::{Line, Lines};
use crate::parts::{self, Index, Meter, Outcome, Started};
use crate::report::{Progress, Summary};
use postroom::{Bus, Client, ConnectOptions, Drain, Event};
use std::io::{self, BufRead};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Lines that decide which format a file has.
const SAMPLE: usize = 16;
/// How long the parts may take for what they still have queued.
const DRAIN_LIMIT: Duration = Duration::from_secs(60);

/// What is to be read.
pub(crate) struct Input<R> {
    pub(crate) name: String,
    /// Bytes, where that is known.
    pub(crate) size: Option<u64>,
    pub(crate) lines: Lines<R>,
}

/// What came of reading.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) lines: u64,
    pub(crate) published: u64,
    pub(crate) bad: u64,
}

pub(crate) fn run(mut input: Input<impl BufRead>) -> Result<(), Failure> {
    let name = input.name.clone();
    let cannot = |error: io::Error| Failure::Input(format!("cannot read {name}: {error}"));
    let sample: Vec<Line> = input.lines.by_ref().take(SAMPLE).collect::<Result<_, _>>().map_err(cannot)?;
    let texts = sample.iter().filter_map(|line| line.text.as_deref().ok());
    let format = match Format::of(texts) {
        Some(format) => format,
        // Nothing to sort is no mistake.
        None if sample.is_empty() => Format::Dpkg,
        None => {
            let why = "none of its first lines is of a dpkg log, an access log, a syslog or JSON with a level";
            return Err(Failure::Input(format!("{}: {why}", input.name)));
        }
    };
    let started = |error: Box<dyn std::error::Error>| Failure::Ledger(format!("a part did not start: {error}"));
    let office = Office::open(format).map_err(started)?;
    eprintln!("{}: {format} lines", input.name);

    let (tally, end) = office.publish_all(&mut input, sample);
    let elapsed = office.started.elapsed();
    let summary = office.close(tally, elapsed)?;
    summary.print().map_err(|error| Failure::Input(format!("cannot write: {error}")))?;
    summary.check().map_err(Failure::Ledger)?;
    end.map_err(cannot)
}

/// The running application.
struct Office {
    bus: Bus,
    format: Format,
    started: Instant,
    parts: Vec<parts::Part>,
    query: parts::Part,
    meter: Meter,
    /// Asks questions; is not drained with the parts.
    desk: Client,
    events: postroom::Events,
    hurry: crossbeam_channel::Sender<()>,
}

impl Office {
    fn open(format: Format) -> Started<Self> {
        let bus = Bus::new();
        let events = bus.events();
        let desk = bus.connect_with(ConnectOptions::new().name("desk"));
        let index = Arc::new(Mutex::new(Index::default()));
        let (hurry, hurried) = crossbeam_channel::bounded(0);
        let mut parts = vec![parts::archive(&bus)?];
        parts.extend(parts::indexers(&bus, &index)?);
        parts.push(parts::alerts(&bus, format.alerts())?);
        parts.push(parts::widest(&bus, &desk)?);
        parts.push(parts::screen(&bus, hurried)?);
        let (query, meter) = (parts::query(&bus, &index)?, Meter::start(&bus)?);
        Ok(Office { bus, format, started: Instant::now(), parts, query, meter, desk, events, hurry })
    }

    /// Publishes the sample and all that follows, up to the end or to what can't be read.
    fn publish_all(&self, input: &mut Input<impl BufRead>, sample: Vec<Line>) -> (Tally, io::Result<()>) {
        let reader = self.bus.connect_with(ConnectOptions::new().name("reader"));
        let (mut tally, mut progress) = (Tally::default(), Progress::new(input.size));
        for line in sample {
            self.publish(&reader, line, &mut tally);
        }
        while let Some(line) = input.lines.next() {
            match line {
                Ok(line) => self.publish(&reader, line, &mut tally),
                Err(error) => return (tally, Err(error)),
            }
            if progress.is_due(input.lines.read()) {
                progress.show(&tally, &ask(&self.desk, "query.total"));
            }
        }
        (tally, Ok(()))
    }

    fn publish(&self, reader: &Client, line: Line, tally: &mut Tally) {
        tally.lines += 1;
        let result = line.text.map_err(str::to_owned).and_then(|text| {
            let subject = self.format.file(&text, |record| subject(self.format, &record)).map_err(str::to_owned)?;
            // The text is handed over as it is, and shared by all who receive it.
            reader.publish(subject, text).map_err(|error| error.to_string())
        });
        match result {
            Ok(_) => tally.published += 1,
            Err(why) => {
                tally.bad += 1;
                eprintln!("line {}: {why}", line.number);
            }
        }
    }

    /// Lets every part finish what it has, asks the last questions, and closes the bus.
    fn close(self, tally: Tally, reading: Duration) -> Result<Summary, Failure> {
        let Office { bus, format, started, parts, query, meter, desk, events, hurry } = self;
        let late = |error| Failure::Ledger(format!("a part did not come to its end: {error}"));
        drop(hurry);
        // All begin to drain before the first is waited for.
        let mut drains: Vec<Drain> = parts.iter().map(|part| part.client.drain()).collect();
        drains.push(meter.client.drain());
        drains.into_iter().try_for_each(|drain| drain.wait_timeout(DRAIN_LIMIT)).map_err(late)?;
        let mut outcomes = vec![meter.outcome()];
        for part in parts {
            outcomes.push(joined(part.thread)?);
        }
        let total = started.elapsed();

        let questions = ["query.total", "query.kind", "query.name", "query.detail", "query.weather"];
        let answers = questions.map(|question| (question, ask(&desk, question)));
        query.client.drain().wait_timeout(DRAIN_LIMIT).map_err(late)?;
        outcomes.push(joined(query.thread)?);
        drop(meter);
        bus.drain().wait_timeout(DRAIN_LIMIT).map_err(late)?;

        let episodes = std::iter::from_fn(|| events.try_recv()).filter_map(|event| match event {
            Event::SlowConsumer(episode) if episode.ended => Some(episode),
            _ => None,
        });
        let (episodes, stats) = (episodes.collect(), bus.stats());
        Ok(Summary { format, tally, reading, total, outcomes, answers: answers.into(), episodes, stats })
    }
}

fn joined(thread: JoinHandle<Outcome>) -> Result<Outcome, Failure> {
    thread.join().map_err(|_| Failure::Ledger("a part panicked".to_owned()))
}

fn ask(desk: &Client, question: &str) -> String {
    match desk.request(question, "") {
        Ok(answer) => String::from_utf8_lossy(answer.payload()).into_owned(),
        Err(error) => format!("({error})"),
    }
}
