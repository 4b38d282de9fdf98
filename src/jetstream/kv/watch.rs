//! Entries as they come: an ordered consumer, and where what was there ends (JK12 to JK16).

use super::entry::{Entry, Names, Operation};
use super::error::WatchError;
use crate::jetstream::context::items::{Items, items};
use crate::jetstream::context::{Call, JsMessage, MessagesError, Ordered, Step, Stream};
use crate::jetstream::engine::consumer::{ConsumerConfig, DeliverPolicy};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

type Watched = Result<Entry, MessagesError>;

/// What a watch shows; given to [`Store::watch_with`](super::Store::watch_with). Of the options that say where it begins, the last one
/// counts.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct WatchOptions {
    start: DeliverPolicy,
    revision: u64,
    ignore_deletes: bool,
    meta_only: bool,
}

impl WatchOptions {
    /// The last entry of each key, then those that are put.
    pub fn new() -> Self {
        WatchOptions { start: DeliverPolicy::LastPerSubject, revision: 0, ignore_deletes: false, meta_only: false }
    }

    fn start(self, start: DeliverPolicy) -> Self {
        WatchOptions { start, ..self }
    }

    /// All entries that are kept, then those that are put.
    pub fn include_history(self) -> Self {
        self.start(DeliverPolicy::All)
    }

    /// Entries that are put from now on.
    pub fn updates_only(self) -> Self {
        self.start(DeliverPolicy::New)
    }

    /// The entries from this revision on.
    pub fn from_revision(mut self, revision: u64) -> Self {
        self.revision = revision.max(1);
        self.start(DeliverPolicy::ByStartSequence)
    }

    /// Without markers of keys that were deleted or purged or have expired.
    pub fn ignore_deletes(mut self) -> Self {
        self.ignore_deletes = true;
        self
    }

    /// Without values.
    pub fn meta_only(mut self) -> Self {
        self.meta_only = true;
        self
    }
}

impl Default for WatchOptions {
    fn default() -> Self {
        WatchOptions::new()
    }
}

/// Entries as they are put, in order and each once: for threads `recv` or a `for` loop, for tasks a [`Stream`](futures_core::Stream).
///
/// An error is the last item: the bucket is gone, the client is closed, or the server is away while the watch makes its consumer anew.
///
/// # Cancel safety
///
/// A task that is dropped between two entries loses nothing.
///
/// # Example
///
/// ```
/// use postroom::Bus;
/// use postroom::jetstream::kv::{self, Operation};
/// use postroom::jetstream::{self, JetStreamOptions, JetStreamServer};
///
/// let bus = Bus::new();
/// let _streams = JetStreamServer::start(&bus, JetStreamOptions::new())?;
/// let js = jetstream::new(bus.connect());
/// let settings = js.create_key_value(kv::Config::new("settings")).wait()?;
/// settings.put("ui.theme", "dark").wait()?;
///
/// let mut watch = settings.watch_with_history("ui.*").wait()?;
/// for entry in watch.initial() {
///     assert_eq!((entry?.key.as_str(), settings.name()), ("ui.theme", "settings"));
/// }
/// assert!(watch.is_current()); // all that was there is known
/// settings.delete("ui.theme").wait()?;
/// let change = watch.recv().expect("endless")?;
/// assert_eq!((change.operation, change.revision), (Operation::Delete, 2));
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[must_use = "the entries are only to be had from it"]
pub struct Watch {
    ordered: Ordered,
    names: Arc<Names>,
    ignore_deletes: bool,
}

impl Watch {
    /// Asks for the consumer of a watch.
    pub(super) fn open(
        stream: &Stream,
        names: Arc<Names>,
        patterns: Vec<String>,
        options: WatchOptions,
    ) -> Call<Self, WatchError> {
        let WatchOptions { start, revision, ignore_deletes, meta_only } = options;
        let config = ConsumerConfig::ephemeral().deliver_policy(start).headers_only(meta_only);
        let config = match start {
            DeliverPolicy::ByStartSequence => config.start_sequence(revision),
            _ => config,
        };
        let config = match &patterns[..] {
            [] => config.filter_subject(names.stored(">")),
            [pattern] => config.filter_subject(pattern),
            _ => config.filter_subjects(patterns),
        };
        stream.open_ordered(config).then(move |ordered| {
            let watch = ordered.map(|ordered| Watch { ordered, names, ignore_deletes });
            Step::Done(watch.map_err(WatchError::from))
        })
    }

    /// Whether all that was there when it began has been shown (JK13). True at once if nothing was there, or if only changes are shown.
    pub fn is_current(&self) -> bool {
        self.ordered.is_current()
    }

    /// The entries that were there when it began, those of them that were not taken yet: they end when [`Watch::is_current`].
    pub fn initial(&mut self) -> Initial<'_> {
        Initial { watch: self }
    }

    /// What becomes of a message; `None` if it is not shown.
    fn shown(&self, received: Result<JsMessage, MessagesError>) -> Option<Watched> {
        let message = match received {
            Ok(message) => message,
            Err(error) => return Some(Err(error)),
        };
        let entry = self.names.delivered(message, self.is_current())?;
        (entry.operation == Operation::Put || !self.ignore_deletes).then_some(Ok(entry))
    }

    fn next_blocking_until(&mut self, is_current: bool) -> Option<Watched> {
        loop {
            let received = self.ordered.next_blocking_until(is_current)?;
            if let Some(shown) = self.shown(received) {
                return Some(shown);
            }
        }
    }

    pub(super) fn poll_next_until(&mut self, is_current: bool, cx: &mut Context<'_>) -> Poll<Option<Watched>> {
        loop {
            let Poll::Ready(received) = self.ordered.poll_next_until(is_current, cx) else { return Poll::Pending };
            let Some(received) = received else { return Poll::Ready(None) };
            if let Some(shown) = self.shown(received) {
                return Poll::Ready(Some(shown));
            }
        }
    }
}

/// The entries that were there when a watch began. Made by [`Watch::initial`].
#[derive(Debug)]
#[must_use = "the entries are only to be had from it"]
pub struct Initial<'a> {
    watch: &'a mut Watch,
}

/// The entries of a key that are kept. Made by [`Store::history`](super::Store::history).
#[derive(Debug)]
#[must_use = "the entries are only to be had from it"]
pub struct History {
    watch: Watch,
}

impl History {
    pub(super) fn new(watch: Watch) -> Self {
        History { watch }
    }
}

/// Keys that have a value. Made by [`Store::keys`](super::Store::keys).
#[derive(Debug)]
#[must_use = "the keys are only to be had from it"]
pub struct Keys {
    watch: Watch,
}

impl Keys {
    pub(super) fn new(watch: Watch) -> Self {
        Keys { watch }
    }
}

impl Items for Watch {
    type Item = Watched;

    fn next_blocking(&mut self) -> Option<Watched> {
        self.next_blocking_until(false)
    }
}

items!([] Watch => Watched);

impl futures_core::Stream for Watch {
    type Item = Watched;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Watched>> {
        self.poll_next_until(false, cx)
    }
}

impl futures_core::stream::FusedStream for Watch {
    fn is_terminated(&self) -> bool {
        self.ordered.is_terminated()
    }
}

impl Items for Initial<'_> {
    type Item = Watched;

    fn next_blocking(&mut self) -> Option<Watched> {
        self.watch.next_blocking_until(true)
    }
}

items!(['a] Initial<'a> => Watched);

impl futures_core::Stream for Initial<'_> {
    type Item = Watched;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Watched>> {
        self.watch.poll_next_until(true, cx)
    }
}

impl Items for History {
    type Item = Watched;

    fn next_blocking(&mut self) -> Option<Watched> {
        self.watch.next_blocking_until(true)
    }
}

items!([] History => Watched);

impl futures_core::Stream for History {
    type Item = Watched;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Watched>> {
        self.watch.poll_next_until(true, cx)
    }
}

impl Items for Keys {
    type Item = Result<String, MessagesError>;

    fn next_blocking(&mut self) -> Option<Self::Item> {
        self.watch.next_blocking_until(true).map(|entry| entry.map(|entry| entry.key))
    }
}

items!([] Keys => Result<String, MessagesError>);

impl futures_core::Stream for Keys {
    type Item = Result<String, MessagesError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.watch.poll_next_until(true, cx).map(|entry| entry.map(|entry| entry.map(|entry| entry.key)))
    }
}
