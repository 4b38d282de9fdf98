//! Facts about streams and the account, as responses tell them (JS22 to JS24, JS87).

use super::pages::Item;
use crate::jetstream::engine::config::{AccountLimits, StreamConfig};
use crate::jetstream::engine::{StreamState, Timestamp};
use crate::jetstream::json::config::{decode_config, unset};
use crate::jetstream::json::read::{Fatal, Reader};
use crate::jetstream::json::response::Fields;

/// A stream as it was when a response told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StreamInfo {
    /// Its configuration, with all that the server filled in.
    pub config: StreamConfig,
    /// When it was made.
    pub created: Timestamp,
    /// Its contents.
    pub state: StreamState,
    /// Subjects and their messages, if they were asked for with [`Stream::info_with_subjects`](super::Stream::info_with_subjects); the
    /// first 100,000.
    pub subjects: Vec<(String, u64)>,
    /// The domain of the server.
    pub domain: Option<String>,
}

impl Default for StreamInfo {
    fn default() -> Self {
        StreamInfo {
            config: unset(),
            created: Timestamp::default(),
            state: StreamState::default(),
            subjects: Vec::new(),
            domain: None,
        }
    }
}

/// An instant that the server has; 1 January of the year 1 is its word for none.
pub(super) fn instant(target: &mut Option<Timestamp>, from: &mut Reader<'_>) -> Result<(), Fatal> {
    from.instant(target)?;
    *target = target.filter(|instant| *instant != Timestamp::from_nanos(0));
    Ok(())
}

fn text_or_none(target: &mut Option<String>, from: &mut Reader<'_>) -> Result<(), Fatal> {
    let mut text = String::new();
    from.text(&mut text)?;
    *target = Some(text).filter(|text| !text.is_empty());
    Ok(())
}

impl Fields for StreamInfo {
    const KEYS: &'static [&'static str] = &["config", "created", "state", "domain"];

    fn field(&mut self, key: &'static str, from: &mut Reader<'_>) -> Result<(), Fatal> {
        match key {
            "config" => decode_config(&mut self.config, from),
            "created" => {
                let mut created = None;
                from.instant(&mut created)?;
                self.created = created.unwrap_or_default();
                Ok(())
            }
            "state" => read_state(&mut self.state, &mut self.subjects, from),
            _ => text_or_none(&mut self.domain, from),
        }
    }
}

impl Item for StreamInfo {
    fn read(&mut self, from: &mut Reader<'_>) -> Result<(), Fatal> {
        from.object("stream", Self::KEYS, |reader, key| self.field(key, reader))?;
        Ok(())
    }
}

fn read_state(state: &mut StreamState, subjects: &mut Vec<(String, u64)>, from: &mut Reader<'_>) -> Result<(), Fatal> {
    let keys = [
        "messages",
        "bytes",
        "first_seq",
        "first_ts",
        "last_seq",
        "last_ts",
        "num_subjects",
        "subjects",
        "num_deleted",
        "consumer_count",
    ];
    from.object("state", &keys, |reader, key| match key {
        "messages" => reader.integer("uint64", &mut state.messages),
        "bytes" => reader.integer("uint64", &mut state.bytes),
        "first_seq" => reader.integer("uint64", &mut state.first_seq),
        "first_ts" => instant(&mut state.first_time, reader),
        "last_seq" => reader.integer("uint64", &mut state.last_seq),
        "last_ts" => instant(&mut state.last_time, reader),
        "num_subjects" => reader.integer("int", &mut state.num_subjects),
        "num_deleted" => reader.integer("int", &mut state.num_deleted),
        "consumer_count" => reader.integer("int", &mut state.consumers),
        _ => {
            reader.pairs("map[string]uint64", |reader, subject| {
                let mut messages = 0;
                reader.integer("uint64", &mut messages)?;
                subjects.push((subject, messages));
                Ok(())
            })?;
            Ok(())
        }
    })?;
    Ok(())
}

/// The account as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AccountInfo {
    /// Bytes in memory storage.
    pub memory: u64,
    /// Bytes in file storage.
    pub storage: u64,
    /// Bytes of memory storage that streams with a `max_bytes` reserve.
    pub reserved_memory: u64,
    /// Bytes of file storage that streams with a `max_bytes` reserve.
    pub reserved_storage: u64,
    /// Streams.
    pub streams: usize,
    /// Consumers of all streams.
    pub consumers: usize,
    /// Its limits.
    pub limits: AccountLimits,
    /// The domain of the server.
    pub domain: Option<String>,
    /// The calls that were made.
    pub api: ApiStats,
}

/// The calls of an account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ApiStats {
    /// The level of the API that the server has.
    pub level: u64,
    /// Calls.
    pub total: u64,
    /// Those of them that were refused.
    pub errors: u64,
}

impl Fields for AccountInfo {
    const KEYS: &'static [&'static str] = &[
        "memory",
        "storage",
        "reserved_memory",
        "reserved_storage",
        "streams",
        "consumers",
        "limits",
        "domain",
        "api",
    ];

    fn field(&mut self, key: &'static str, from: &mut Reader<'_>) -> Result<(), Fatal> {
        match key {
            "memory" => from.integer("uint64", &mut self.memory),
            "storage" => from.integer("uint64", &mut self.storage),
            "reserved_memory" => from.integer("uint64", &mut self.reserved_memory),
            "reserved_storage" => from.integer("uint64", &mut self.reserved_storage),
            "streams" => from.integer("int", &mut self.streams),
            "consumers" => from.integer("int", &mut self.consumers),
            "limits" => read_limits(&mut self.limits, from),
            "domain" => text_or_none(&mut self.domain, from),
            _ => read_api(&mut self.api, from),
        }
    }
}

fn read_limits(limits: &mut AccountLimits, from: &mut Reader<'_>) -> Result<(), Fatal> {
    let keys = [
        "max_memory",
        "max_storage",
        "max_streams",
        "max_consumers",
        "memory_max_stream_bytes",
        "storage_max_stream_bytes",
        "max_bytes_required",
    ];
    from.object("limits", &keys, |reader, key| match key {
        "max_memory" => reader.integer("int64", &mut limits.max_memory),
        "max_storage" => reader.integer("int64", &mut limits.max_storage),
        "max_streams" => reader.integer("int", &mut limits.max_streams),
        "max_consumers" => reader.integer("int", &mut limits.max_consumers),
        "memory_max_stream_bytes" => reader.integer("int64", &mut limits.memory_max_stream_bytes),
        "storage_max_stream_bytes" => reader.integer("int64", &mut limits.storage_max_stream_bytes),
        _ => reader.flag(&mut limits.max_bytes_required),
    })?;
    Ok(())
}

fn read_api(api: &mut ApiStats, from: &mut Reader<'_>) -> Result<(), Fatal> {
    from.object("api", &["level", "total", "errors"], |reader, key| match key {
        "level" => reader.integer("int", &mut api.level),
        "total" => reader.integer("uint64", &mut api.total),
        _ => reader.integer("uint64", &mut api.errors),
    })?;
    Ok(())
}
