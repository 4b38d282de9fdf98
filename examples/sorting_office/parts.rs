//! The parts of the application. Each has a connection of its own and knows the others only by subject.

use crate::format::from_token;
use postroom::{
    Bus, Client, ConnectOptions, Ledger, Message, Overflow, SubscribeOptions, Subscriber, SubscriptionGuard,
};
use std::collections::HashMap;
use std::error::Error;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// What starting a part may fail with.
pub(crate) type Started<T> = Result<T, Box<dyn Error>>;

/// How long the reader waits for a part that must not lose anything.
const PATIENCE: Duration = Duration::from_secs(30);
/// What the screen takes for one line.
const SCREEN_PAUSE: Duration = Duration::from_millis(1);

/// How one subscriber came out.
pub(crate) struct Outcome {
    pub(crate) name: String,
    pub(crate) subscription: String,
    pub(crate) ledger: Ledger,
    /// What the part has to say.
    pub(crate) note: String,
}

/// A part that runs on a thread of its own until its connection is drained.
pub(crate) struct Part {
    pub(crate) client: Client,
    pub(crate) thread: JoinHandle<Outcome>,
}

impl Part {
    /// Runs `work` on a thread; it gives back its note when the subscription has ended.
    fn start(
        client: Client,
        subscriber: Subscriber,
        work: impl FnOnce(&Subscriber) -> String + Send + 'static,
    ) -> Started<Self> {
        let name = client.name().unwrap_or_default().to_owned();
        let thread = std::thread::Builder::new().name(name.clone()).spawn(move || {
            let note = work(&subscriber);
            let group = subscriber.queue().map(|queue| format!(" [{queue}]")).unwrap_or_default();
            let subscription = format!("{}{group}", subscriber.pattern());
            Outcome { name, subscription, ledger: subscriber.stats(), note }
        })?;
        Ok(Part { client, thread })
    }
}

fn connect(bus: &Bus, name: &str) -> Client {
    bus.connect_with(ConnectOptions::new().name(name))
}

/// Makes the reader wait when the part is behind: nothing is lost unless it is stuck.
fn lossless() -> SubscribeOptions {
    SubscribeOptions::new().capacity(4_096).overflow(Overflow::Block(PATIENCE))
}

/// Keeps everything; here only its size.
pub(crate) fn archive(bus: &Bus) -> Started<Part> {
    let client = connect(bus, "archive");
    let lines = client.subscribe_with("log.>", lossless())?;
    Part::start(client, lines, |lines| {
        let bytes: usize = lines.iter().map(|line| line.payload().len()).sum();
        format!("{bytes} bytes kept")
    })
}

/// How often each kind, name and detail came.
#[derive(Default)]
pub(crate) struct Index {
    total: u64,
    counts: [HashMap<String, u64>; 3],
}

impl Index {
    fn add(&mut self, line: &Message) {
        self.total += 1;
        // log.<format>.<kind>.<name>.<detail>
        for (counts, token) in self.counts.iter_mut().zip(line.subject().tokens().skip(2)) {
            match counts.get_mut(token) {
                Some(count) => *count += 1,
                None => _ = counts.insert(token.to_owned(), 1),
            }
        }
    }

    /// The answer to `query.<what>`: the total, the most frequent of a column, or the count of one of its values.
    fn answer(&self, what: &str, wanted: &str) -> String {
        let column = match what {
            "total" => return self.total.to_string(),
            "kind" => 0,
            "name" => 1,
            "detail" => 2,
            _ => return "unknown query".to_owned(),
        };
        let counts = &self.counts[column];
        if !wanted.is_empty() {
            return counts.get(wanted).copied().unwrap_or(0).to_string();
        }
        let mut most: Vec<_> = counts.iter().collect();
        most.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
        let mut text = String::new();
        for (token, count) in most.iter().take(5) {
            let _ = write!(text, "{}{} {count}", if text.is_empty() { "" } else { ", " }, from_token(token));
        }
        text
    }
}

/// Three workers share one stream of lines: each line goes to one of them.
pub(crate) fn indexers(bus: &Bus, index: &Arc<Mutex<Index>>) -> Started<Vec<Part>> {
    let worker = |n| {
        let (client, index) = (connect(bus, &format!("index {n}")), index.clone());
        let lines = client.subscribe_with("log.>", lossless().queue("index"))?;
        Part::start(client, lines, move |lines| {
            lines.iter().for_each(|line| index.lock().unwrap().add(&line));
            String::new()
        })
    };
    (1..=3).map(worker).collect()
}

/// Answers questions about the index, whoever asks.
pub(crate) fn query(bus: &Bus, index: &Arc<Mutex<Index>>) -> Started<Part> {
    let (client, index) = (connect(bus, "query"), index.clone());
    let questions = client.subscribe("query.*")?;
    Part::start(client, questions, move |questions| {
        let mut unheard = 0;
        for question in questions {
            let what = question.subject().tokens().next_back().unwrap_or_default();
            let answer = index.lock().unwrap().answer(what, question.payload_str().unwrap_or_default());
            // Who asked may have given up.
            unheard += !matches!(question.respond(answer), Ok(1..)) as u64;
        }
        format!("{unheard} answers unheard")
    })
}

/// Remembers the last line that somebody ought to look at.
pub(crate) fn alerts(bus: &Bus, pattern: &str) -> Started<Part> {
    let client = connect(bus, "alerts");
    let lines = client.subscribe_with(pattern, lossless())?;
    Part::start(client, lines, |lines| match lines.iter().last() {
        Some(line) => format!("last: {}", shortened(&String::from_utf8_lossy(line.payload()))),
        None => "none".to_owned(),
    })
}

/// Counts bytes inside the publish: no queue, no thread.
pub(crate) struct Meter {
    pub(crate) client: Client,
    guard: SubscriptionGuard,
    bytes: Arc<AtomicU64>,
}

impl Meter {
    pub(crate) fn start(bus: &Bus) -> Started<Self> {
        let (client, bytes) = (connect(bus, "meter"), Arc::new(AtomicU64::new(0)));
        let sum = bytes.clone();
        let guard = client.subscribe_fn("log.>", move |line| _ = sum.fetch_add(line.size() as u64, Relaxed))?;
        Ok(Meter { client, guard, bytes })
    }

    pub(crate) fn outcome(&self) -> Outcome {
        Outcome {
            name: "meter".to_owned(),
            subscription: self.guard.pattern().to_string(),
            ledger: self.guard.stats(),
            note: format!("{} bytes seen", self.bytes.load(Relaxed)),
        }
    }
}

/// A task that looks for the longest line, and now and then asks how far the index has come.
pub(crate) fn widest(bus: &Bus, desk: &Client) -> Started<Part> {
    let (client, desk) = (connect(bus, "widest"), desk.clone());
    let lines = client.subscribe_with("log.>", lossless())?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    Part::start(client, lines, move |lines| {
        runtime.block_on(async {
            let (mut seen, mut longest, mut asked) = (0u64, 0, 0);
            while let Ok(line) = lines.recv_async().await {
                seen += 1;
                longest = longest.max(line.payload().len());
                if seen % 500 == 0 {
                    asked += desk.request_async("query.total", "").await.is_ok() as u64;
                }
            }
            format!("longest line {longest} bytes, {asked} questions asked")
        })
    })
}

/// Shows lines slower than they come, and would rather skip than be late. Hurries once `hurry` is closed.
pub(crate) fn screen(bus: &Bus, hurry: crossbeam_channel::Receiver<()>) -> Started<Part> {
    let client = connect(bus, "screen");
    let newest = SubscribeOptions::new().capacity(64).overflow(Overflow::DropOldest);
    let lines = client.subscribe_with("log.>", newest)?;
    Part::start(client, lines, move |lines| {
        let mut shown = 0u64;
        for line in lines {
            std::hint::black_box(line);
            shown += 1;
            // Nothing is ever sent: this waits, unless the other end is gone.
            let _ = hurry.recv_timeout(SCREEN_PAUSE);
        }
        format!("{shown} lines shown")
    })
}

fn shortened(text: &str) -> String {
    let mut short: String = text.chars().take(44).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}
