//! JetStream in the monitor: its parts of `/varz`, and `/jsz`.

use super::source::Source;
use super::{GLOBAL_ACCOUNT, json, text};
use crate::jetstream::engine::config::ServerLimits;
use crate::jetstream::server::{API_LEVEL, DetailOptions};
use crate::jetstream::{JetStreamOptions, JetStreamServer};
use serde::Serialize;
use std::time::{Duration, SystemTime};

/// The options of a question about JetStream.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct JszOptions<'a> {
    pub(crate) account: &'a str,
    pub(crate) accounts: bool,
    pub(crate) streams: bool,
    pub(crate) consumers: bool,
    pub(crate) config: bool,
    pub(crate) raft: bool,
    pub(crate) offset: i64,
    pub(crate) limit: i64,
}

/// JetStream's part of `/varz`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct JetStreamVarz {
    config: Config,
    stats: Stats,
    limits: Limits,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct Config {
    max_memory: i64,
    max_storage: i64,
    #[serde(skip_serializing_if = "String::is_empty")]
    store_dir: String,
    #[serde(skip_serializing_if = "Duration::is_zero", serialize_with = "text::as_nanoseconds")]
    sync_interval: Duration,
    #[serde(skip_serializing_if = "is_false")]
    sync_always: bool,
    #[serde(skip_serializing_if = "String::is_empty")]
    domain: String,
    #[serde(skip_serializing_if = "is_false")]
    compress_ok: bool,
    #[serde(skip_serializing_if = "String::is_empty")]
    unique_tag: String,
    #[serde(skip_serializing_if = "is_false")]
    strict: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
struct Stats {
    memory: u64,
    storage: u64,
    reserved_memory: u64,
    reserved_storage: u64,
    accounts: usize,
    ha_assets: usize,
    api: ApiStats,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
struct ApiStats {
    level: u64,
    total: u64,
    errors: u64,
}

/// Limits that differ from the defaults; what is 0 is left away.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
struct Limits {
    #[serde(skip_serializing_if = "is_zero")]
    max_request_batch: i64,
    #[serde(skip_serializing_if = "is_zero")]
    max_ack_pending: i64,
    #[serde(skip_serializing_if = "is_zero")]
    max_ha_assets: i64,
    #[serde(skip_serializing_if = "is_zero")]
    max_duplicate_window: i64,
    #[serde(skip_serializing_if = "is_zero")]
    max_batch_inflight_per_stream: i64,
    #[serde(skip_serializing_if = "is_zero")]
    max_batch_inflight_total: i64,
    #[serde(skip_serializing_if = "is_zero")]
    max_batch_size: i64,
    #[serde(skip_serializing_if = "is_zero")]
    max_batch_timeout: i64,
    #[serde(skip_serializing_if = "is_zero")]
    default_max_consumers: i64,
}

/// The answer of `/jsz` up to the details of accounts.
#[derive(Serialize)]
struct JszHead {
    #[serde(flatten)]
    stats: Stats,
    server_id: String,
    #[serde(serialize_with = "text::as_rfc3339")]
    now: SystemTime,
    config: Config,
    limits: Limits,
    streams: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    streams_leader: Option<usize>,
    consumers: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    consumers_leader: Option<usize>,
    messages: u64,
    bytes: u64,
}

/// An account up to the details of its streams.
#[derive(Serialize)]
struct AccountHead {
    name: &'static str,
    id: &'static str,
    #[serde(flatten)]
    stats: Stats,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_false(value: &bool) -> bool {
    !value
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(value: &i64) -> bool {
    *value == 0
}

pub(crate) fn jetstream_varz(server: &JetStreamServer) -> JetStreamVarz {
    let limits = server.limits();
    JetStreamVarz { config: config(server.options(), &limits), stats: stats(server), limits: shown(&limits) }
}

fn config(options: &JetStreamOptions, limits: &ServerLimits) -> Config {
    let folder = options.folder();
    Config {
        max_memory: limits.max_memory,
        max_storage: limits.max_storage,
        sync_interval: if folder.is_some() { options.sync_interval_in_force() } else { Duration::ZERO },
        sync_always: folder.is_some() && options.syncs_always(),
        store_dir: folder.map(|folder| folder.display().to_string()).unwrap_or_default(),
        domain: options.domain_name().unwrap_or_default().to_owned(),
        // As nats-server has it, which forgets it where it chooses a limit by itself.
        compress_ok: limits.max_memory > 0 && limits.max_storage > 0,
        unique_tag: options.tag().to_owned(),
        strict: options.is_strict(),
    }
}

fn stats(server: &JetStreamServer) -> Stats {
    let report = server.report();
    Stats {
        memory: report.memory,
        storage: report.storage,
        reserved_memory: report.reserved_memory,
        reserved_storage: report.reserved_storage,
        accounts: 1,
        ha_assets: 0,
        api: ApiStats { level: API_LEVEL, total: report.api_total, errors: report.api_errors },
    }
}

fn shown(limits: &ServerLimits) -> Limits {
    let usual = ServerLimits::default();
    let number = |number: usize, usual: usize| {
        if number == usual { 0 } else { i64::try_from(number).unwrap_or(i64::MAX) }
    };
    Limits {
        max_request_batch: limits.max_request_batch,
        max_ack_pending: limits.max_ack_pending,
        max_ha_assets: limits.max_ha_assets,
        max_duplicate_window: limits.duplicate_window,
        max_batch_inflight_per_stream: number(limits.batch_max_inflight, usual.batch_max_inflight),
        max_batch_inflight_total: number(limits.batch_max_inflight_total, usual.batch_max_inflight_total),
        max_batch_size: number(limits.batch_max_msgs, usual.batch_max_msgs),
        max_batch_timeout: if limits.batch_timeout == usual.batch_timeout { 0 } else { limits.batch_timeout },
        default_max_consumers: limits.default_max_consumers,
    }
}

/// The answer of `/jsz`, indented. The details of streams are JSON already, so that they are put in as text.
pub(crate) fn jsz(source: &dyn Source, server: &JetStreamServer, options: JszOptions<'_>) -> Vec<u8> {
    let report = server.report();
    let stats = stats(server);
    let limits = server.limits();
    let head = JszHead {
        stats,
        server_id: source.identity().id,
        now: source.now(),
        config: config(server.options(), &limits),
        limits: shown(&limits),
        streams: report.streams,
        // A server that is alone leads all there is.
        streams_leader: Some(report.streams).filter(|count| options.raft && *count > 0),
        consumers: report.consumers,
        consumers_leader: Some(report.consumers).filter(|count| options.raft && *count > 0),
        messages: report.messages,
        bytes: report.bytes,
    };
    let mut out = open(&head);
    if shows_account(&options) {
        let stats = Stats {
            // The limits of the account, none, as nats-server turns -1 around.
            reserved_memory: u64::MAX,
            reserved_storage: u64::MAX,
            accounts: 0,
            api: ApiStats { level: 0, ..stats.api },
            ..stats
        };
        out.push_str(",\"account_details\":[");
        out.push_str(&open(&AccountHead { name: GLOBAL_ACCOUNT, id: GLOBAL_ACCOUNT, stats }));
        if options.streams || options.consumers {
            let mut details = DetailOptions::default();
            (details.consumers, details.config) = (options.consumers, options.config);
            let details = server.stream_details(details);
            let streams: Vec<String> = details.iter().map(|detail| detail.to_json()).collect();
            if !streams.is_empty() {
                out.push_str(",\"stream_detail\":[");
                out.push_str(&streams.join(","));
                out.push(']');
            }
        }
        out.push_str("}]");
    }
    // All accounts that there are.
    out.push_str(",\"total\":1}");
    json::indent(&out)
}

/// Whether the one account is on the page.
fn shows_account(options: &JszOptions<'_>) -> bool {
    let is_meant = options.account == GLOBAL_ACCOUNT;
    let of_all = options.accounts || (options.account.is_empty() && (options.streams || options.consumers));
    let is_on_page = options.limit < 0 || options.offset < 1;
    is_meant || (of_all && is_on_page)
}

/// An object that is still open at its end.
fn open(value: &impl Serialize) -> String {
    let mut text = String::from_utf8(json::compact(value)).expect("JSON is UTF-8");
    text.pop();
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_account_is_shown_if_it_is_asked_for_and_on_the_page() {
        let none = JszOptions::default();
        let cases = [
            (none, false),
            (JszOptions { accounts: true, ..none }, true),
            (JszOptions { streams: true, ..none }, true),
            (JszOptions { consumers: true, ..none }, true),
            (JszOptions { accounts: true, offset: 1, ..none }, false),
            (JszOptions { accounts: true, offset: 1, limit: -1, ..none }, true),
            (JszOptions { account: "$G", offset: 5, ..none }, true),
            (JszOptions { account: "nope", streams: true, ..none }, false),
            (JszOptions { account: "nope", accounts: true, ..none }, true),
        ];
        for (options, expected) in cases {
            assert_eq!(shows_account(&options), expected, "{options:?}");
        }
    }
}
