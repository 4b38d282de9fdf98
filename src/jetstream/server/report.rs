//! What a server holds, for those who watch over it.

use super::JetStreamServer;
use crate::jetstream::engine::config::Storage;
use crate::jetstream::engine::config::StreamConfig;
use crate::jetstream::engine::consumer::ConsumerInfo;
use crate::jetstream::engine::{StreamState, Timestamp};
use crate::jetstream::json::consumer::{self, ShownConfig};
use crate::jetstream::json::write::{Object, list};
use crate::jetstream::json::{config, info};

/// Consumers of which information is taken under one lock of their stream.
const AT_ONCE: usize = 256;

/// Counts of all streams of a server. They are taken one stream after the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct JetStreamReport {
    /// Bytes of streams with memory storage.
    pub memory: u64,
    /// Bytes of streams with file storage.
    pub storage: u64,
    /// Bytes that streams with memory storage reserve by their `max_bytes`.
    pub reserved_memory: u64,
    /// Bytes that streams with file storage reserve.
    pub reserved_storage: u64,
    /// Calls of the API that were answered.
    pub api_total: u64,
    /// Those of them that were refused.
    pub api_errors: u64,
    /// Streams.
    pub streams: usize,
    /// Consumers of all streams.
    pub consumers: usize,
    /// Messages of all streams.
    pub messages: u64,
    /// Bytes of all streams.
    pub bytes: u64,
}

/// What a [`StreamDetail`] is to hold apart from the stream itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DetailOptions {
    /// The consumers.
    pub consumers: bool,
    /// In JSON: the configurations of the stream and its consumers.
    pub config: bool,
}

/// A stream, as monitoring shows it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StreamDetail {
    /// Its name.
    pub name: String,
    /// When it was made.
    pub created: Timestamp,
    /// Its configuration.
    pub config: StreamConfig,
    /// Its contents.
    pub state: StreamState,
    /// Its consumers by their names, if they were asked for.
    pub consumers: Vec<ConsumerInfo>,
    leader: String,
    now: Timestamp,
    shows_config: bool,
}

impl JetStreamServer {
    /// Counts of all streams.
    ///
    /// # Example
    ///
    /// ```
    /// use postroom::Bus;
    /// use postroom::jetstream::{JetStreamOptions, JetStreamServer};
    ///
    /// let bus = Bus::new();
    /// let server = JetStreamServer::start(&bus, JetStreamOptions::new())?;
    /// bus.connect().request("$JS.API.STREAM.CREATE.S", r#"{"name":"S"}"#)?;
    /// let report = server.report();
    /// assert_eq!((report.streams, report.messages, report.api_total), (1, 0, 1));
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn report(&self) -> JetStreamReport {
        let (shared, streams) = (self.api.shared(), self.api.streams());
        let (api_total, api_errors) = self.api.answered();
        let reserved = |storage| u64::try_from(streams.reserved(storage)).unwrap_or(0);
        let mut report = JetStreamReport {
            memory: shared.usage.bytes(Storage::Memory),
            storage: shared.usage.bytes(Storage::File),
            reserved_memory: reserved(Storage::Memory),
            reserved_storage: reserved(Storage::File),
            api_total,
            api_errors,
            ..JetStreamReport::default()
        };
        let states = streams.list("").into_iter().filter_map(|(_, stream)| stream.read(|machine, _| machine.state()));
        for state in states {
            report.streams += 1;
            report.consumers += state.consumers;
            report.messages += state.messages;
            report.bytes += state.bytes;
        }
        report
    }

    /// All streams by their names, each as it was at some moment.
    #[must_use]
    pub fn stream_details(&self, options: DetailOptions) -> Vec<StreamDetail> {
        let leader = self.api.shared().server_name();
        let streams = self.api.streams().list("").into_iter();
        let details = streams.filter_map(|(name, stream)| {
            let mut detail = stream.read(|machine, now| StreamDetail {
                name,
                created: machine.created(),
                config: machine.config().clone(),
                state: machine.state(),
                consumers: Vec::new(),
                leader: leader.clone(),
                now,
                shows_config: options.config,
            })?;
            if options.consumers {
                let mut names = stream
                    .read(|machine, _| machine.consumer_ids().map(|(name, _)| name.to_owned()).collect::<Vec<_>>())?;
                names.sort_unstable();
                for names in names.chunks(AT_ONCE) {
                    // The stream is free for others between two slices; what ends meanwhile is left away.
                    let infos = stream.change(|locked| {
                        let ids: Vec<_> = names.iter().filter_map(|name| locked.machine.consumer_id(name)).collect();
                        let infos = ids.into_iter().filter_map(|id| locked.machine.consumer_info(locked.now, id).ok());
                        infos.collect::<Vec<_>>()
                    });
                    let (infos, left) = infos?;
                    left.run();
                    detail.consumers.extend(infos);
                }
            }
            Some(detail)
        });
        details.collect()
    }

    /// The storage of a stream; `None` if there is no such stream.
    #[must_use]
    pub fn storage_of(&self, stream: &str) -> Option<Storage> {
        self.api.streams().get(stream)?.read(|machine, _| machine.config().storage)
    }

    /// Whether a stream has a consumer of that name.
    #[must_use]
    pub fn has_consumer(&self, stream: &str, consumer: &str) -> bool {
        let stream = self.api.streams().get(stream);
        stream.and_then(|stream| stream.read(|machine, _| machine.consumer_id(consumer).is_some())).unwrap_or(false)
    }

    /// Whether there is, or was, a stream with file storage.
    #[must_use]
    pub fn has_stored_streams(&self) -> bool {
        self.api.streams().had_file()
    }
}

impl StreamDetail {
    /// As nats-server's `/jsz` shows it.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut json = String::with_capacity(512);
        let mut object = Object::new(&mut json);
        object.text("name", &self.name);
        object.instant("created", Some(self.created));
        Object::new(object.key("cluster")).text("leader", &self.leader);
        if self.shows_config {
            config::encode(&mut Object::new(object.key("config")), &self.config, &self.config.metadata);
        }
        info::encode_state(&mut Object::new(object.key("state")), &self.state, &[], &[]);
        if !self.consumers.is_empty() {
            list(object.key("consumer_detail"), &self.consumers, |out, info| {
                let shown = if self.shows_config { ShownConfig::Plain } else { ShownConfig::Hidden };
                consumer::encode(&mut Object::new(out), &self.name, info, self.now, shown);
            });
        }
        drop(object);
        json
    }
}
