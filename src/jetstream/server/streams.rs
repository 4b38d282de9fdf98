//! All streams of a server, and what is decided by all of them together: names, overlaps, reservations (JS90).

use super::advisory::{self, StreamAction};
use super::image;
use super::outgoing::Outgoing;
use super::shared::Shared;
use super::stream::ServedStream;
use crate::jetstream::engine::Recovery;
use crate::jetstream::engine::config::{ConsumerLimits, Created, Directory, ServerLimits, Storage, StreamConfig};
use crate::jetstream::engine::error::{ApiError, codes};
use crate::jetstream::store::{StoreError, StoreEvent, StreamLog, Unsynced};
use crate::sync::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The streams of a server, by name.
pub(super) struct Streams {
    shared: Arc<Shared>,
    all: Mutex<BTreeMap<String, Entry>>,
    /// There is, or was, one with file storage. ORDERING: Relaxed; it only goes up.
    had_file: AtomicBool,
    /// Those that can't be read from disk, and why. Locked behind `all`.
    offline: Mutex<BTreeMap<String, String>>,
}

struct Entry {
    /// What the machine has too: kept here, so that a check against all streams locks none of them.
    config: StreamConfig,
    stream: Arc<ServedStream>,
}

impl Streams {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Streams { shared, all: Mutex::default(), had_file: AtomicBool::new(false), offline: Mutex::default() }
    }

    pub(super) fn get(&self, name: &str) -> Option<Arc<ServedStream>> {
        self.all.lock().get(name).map(|entry| entry.stream.clone())
    }

    /// As [`Streams::get`].
    ///
    /// # Errors
    ///
    /// 10059; 10194 if it can't be read from disk.
    pub(super) fn find(&self, name: &str) -> Result<Arc<ServedStream>, ApiError> {
        self.get(name).ok_or_else(|| self.missing(name))
    }

    fn missing(&self, name: &str) -> ApiError {
        match self.offline.lock().get(name) {
            Some(reason) => codes::STREAM_OFFLINE_REASON.with(reason.clone()),
            None => codes::STREAM_NOT_FOUND.error(),
        }
    }

    /// A stream that can't be read from disk.
    pub(super) fn set_offline(&self, name: String, error: &StoreError) {
        self.offline.lock().insert(name, error.to_string());
    }

    /// Puts a stream in that was there before.
    pub(super) fn put(&self, stream: Arc<ServedStream>) {
        let config = stream.config();
        self.had_file.fetch_or(config.storage == Storage::File, Ordering::Relaxed);
        self.all.lock().insert(config.name.clone(), Entry { config, stream });
    }

    /// Makes a stream, or finds one of that name and configuration. It captures when what is sent through it is sent.
    pub(super) fn create(&self, config: StreamConfig, is_pedantic: bool) -> Result<Arc<ServedStream>, ApiError> {
        // The observer is asked with no lock held.
        let is_watched = self.shared.bus.watches_streams();
        let mut all = self.all.lock();
        let name = config.name.clone();
        if self.offline.lock().contains_key(&name) {
            return Err(self.missing(&name));
        }
        let created = self.check(&all, |directory| directory.create(config, is_pedantic))?;
        let Created::New(config) = created else {
            return all.get(&name).map(|entry| entry.stream.clone()).ok_or_else(|| codes::STREAM_NOT_FOUND.error());
        };
        if config.mirror.is_some() || !config.source_list().is_empty() {
            let text = "mirrors and sources are not supported by Postroom";
            return Err(codes::STREAM_INVALID_CONFIG.with(text));
        }
        let made = ServedStream::new((*config).clone(), &self.shared, is_watched);
        let stream = match made {
            Ok(stream) => stream,
            Err(error) => {
                drop(all);
                let refusal = codes::STREAM_CREATE.with(error.to_string());
                self.shared.tell(vec![StoreEvent::Failed { stream: name, error }]);
                return Err(refusal);
            }
        };
        self.had_file.fetch_or(config.storage == Storage::File, Ordering::Relaxed);
        all.insert(name.clone(), Entry { config: *config, stream: stream.clone() });
        let advisory = advisory::stream_action(&self.shared, &name, StreamAction::Created);
        let left = stream.change(|locked| {
            locked.capture();
            locked.send(advisory);
        });
        drop(all);
        left.ok_or_else(|| stream.gone())?.1.run();
        Ok(stream)
    }

    /// Changes the configuration of a stream.
    pub(super) fn update(
        &self,
        name: &str,
        config: StreamConfig,
        is_pedantic: bool,
    ) -> Result<Arc<ServedStream>, ApiError> {
        let mut all = self.all.lock();
        let config = self.check(&all, |directory| {
            let violated = |limits: &ConsumerLimits| all.get(name)?.stream.violated(limits);
            directory.update(name, config, is_pedantic, violated)
        })?;
        let entry = all.get_mut(name).ok_or_else(|| codes::STREAM_NOT_FOUND.error())?;
        if config.mirror.is_some() || !config.source_list().is_empty() {
            let text = "mirrors and sources are not supported by Postroom";
            return Err(codes::STREAM_INVALID_CONFIG.with(text));
        }
        entry.config = config.clone();
        let stream = entry.stream.clone();
        let advisory = advisory::stream_action(&self.shared, name, StreamAction::Updated);
        let left = stream.change(|locked| {
            locked.machine.handle_update(locked.now, config);
            locked.capture();
            locked.send(advisory);
        });
        drop(all);
        left.ok_or_else(|| stream.gone())?.1.run();
        Ok(stream)
    }

    /// Deletes a stream, which is given back so that the answer goes out behind all else that it had to send.
    pub(super) fn delete(&self, name: &str) -> Result<Arc<ServedStream>, ApiError> {
        let entry = self.all.lock().remove(name).ok_or_else(|| self.missing(name))?;
        let advisory = advisory::stream_action(&self.shared, name, StreamAction::Deleted);
        let left = entry.stream.change(|locked| {
            locked.delete();
            locked.send(advisory);
        });
        if let Some(((), left)) = left {
            left.run();
        }
        if let Some(Err(error)) = entry.stream.take_log().map(StreamLog::delete) {
            let refusal = codes::STREAM_DELETE.with(error.to_string());
            self.shared.tell(vec![StoreEvent::Failed { stream: name.to_owned(), error }]);
            return Err(refusal);
        }
        Ok(entry.stream)
    }

    /// The streams with a subject that overlaps `filter`, or all; sorted by name.
    pub(super) fn list(&self, filter: &str) -> Vec<(String, Arc<ServedStream>)> {
        let overlaps = |config: &StreamConfig| {
            filter.is_empty()
                || config.subjects.iter().any(|subject| crate::subject::relation::overlaps(subject, filter))
        };
        let all = self.all.lock();
        let wanted = all.iter().filter(|(_, entry)| overlaps(&entry.config));
        wanted.map(|(name, entry)| (name.clone(), entry.stream.clone())).collect()
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.all.lock().len()
    }

    /// How many consumers there are.
    pub(super) fn consumers(&self) -> usize {
        let streams = self.list("");
        streams.iter().filter_map(|(_, stream)| stream.read(|machine, _| machine.state().consumers)).sum()
    }

    /// The bytes that streams of a kind of storage reserve.
    pub(super) fn reserved(&self, storage: Storage) -> i64 {
        let all = self.all.lock();
        let of_kind = all.values().map(|entry| &entry.config).filter(|config| config.storage == storage);
        of_kind.map(|config| config.max_bytes.max(0)).fold(0, i64::saturating_add)
    }

    pub(super) fn had_file(&self) -> bool {
        self.had_file.load(Ordering::Relaxed)
    }

    /// Other limits of the server for all streams.
    pub(super) fn set_limits(&self, limits: &ServerLimits) {
        for (_, stream) in self.list("") {
            if let Some(((), left)) = stream.change(|locked| locked.machine.set_limits(limits)) {
                left.run();
            }
        }
    }

    /// Ends all of them: nothing is captured any more, and nothing is told. What was written is forced onto the disk. What streams with file
    /// storage keep over a restart, if they are not on disk.
    pub(super) fn clear(&self) -> Vec<Recovery> {
        let all = std::mem::take(&mut *self.all.lock());
        let mut kept = Vec::new();
        for (name, entry) in all {
            let is_kept = entry.config.storage == Storage::File && self.shared.store.is_none();
            let left = entry.stream.change(|locked| {
                locked.shut_down();
                is_kept.then(|| image::copy(locked.machine))
            });
            if let Some((copied, left)) = left {
                left.run();
                // What a machine says of itself can be read.
                kept.extend(copied.and_then(Result::ok));
            }
            let synced = entry.stream.take_unsynced().map_or(Ok(()), Unsynced::sync);
            drop(entry.stream.take_log());
            self.tell_failure(&name, synced);
        }
        self.offline.lock().clear();
        kept
    }

    /// Forces what was written onto the disk.
    pub(super) fn sync(&self) {
        for (name, stream) in self.list("") {
            let synced = stream.take_unsynced().map_or(Ok(()), Unsynced::sync);
            self.tell_failure(&name, synced);
        }
    }

    fn tell_failure(&self, stream: &str, outcome: Result<(), StoreError>) {
        if let Err(error) = outcome {
            self.shared.tell(vec![StoreEvent::Failed { stream: stream.to_owned(), error }]);
        }
    }

    fn check<R>(&self, all: &BTreeMap<String, Entry>, ask: impl FnOnce(&Directory<'_>) -> R) -> R {
        let streams: Vec<&StreamConfig> = all.values().map(|entry| &entry.config).collect();
        let limits = self.shared.limits();
        ask(&Directory { streams: &streams, server: &limits, account: &self.shared.options.account })
    }
}

/// A message that goes out behind all that the stream had to send; without a stream, at once.
pub(super) fn send_behind(shared: &Shared, stream: Option<&ServedStream>, messages: Vec<Outgoing>) {
    match stream {
        Some(stream) => stream.send(messages),
        // The bus may be closed.
        None => messages.into_iter().for_each(|message| drop(message.send(&shared.client))),
    }
}
