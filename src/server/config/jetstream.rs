//! JetStream: the map `jetstream`, with its limits.

use super::builder::{ConfigBuilder, store_dir};
use super::problem::ConfigErrorKind;
use super::table::{Reader, Row, Support, Takes, row};
use super::value::{Data, Entry, Value};
use crate::jetstream::JetStreamOptions;
use crate::jetstream::engine::config::ServerLimits;
use std::time::Duration;

const CLUSTERS: &str = "there are no clusters";
const QUEUES: &str = "calls are answered as they come";
const STORING: &str = "each stream is stored by one thread at a time";
const ENCRYPTION: &str = "streams are not encrypted";

pub(super) static JETSTREAM: &[Row<ConfigBuilder>] = &[
    row(&["enabled", "enable"], Support::Supported(enabled), "the flag `-js` goes before it"),
    row(&["store_dir", "storedir", "store"], Support::Supported(store_dir), "in one place only"),
    row(&["max_memory_store", "max_mem_store", "max_mem"], Support::Supported(max_mem), "1 GiB by default"),
    row(&["max_file_store", "max_file"], Support::Supported(max_file), "16 GiB by default"),
    row(&["domain"], Support::Supported(domain), ""),
    row(&["strict"], Support::Supported(strict), ""),
    row(&["unique_tag"], Support::Supported(unique_tag), "it only shows in monitoring"),
    row(&["sync_interval", "sync"], Support::Supported(sync), "a duration, or `always`"),
    row(&["limits"], Support::Supported(limits), "see below"),
    row(&["max_buffered_msgs"], Support::Supported(max_buffered_msgs), ""),
    row(&["max_buffered_size"], Support::Ignored(Takes::Size), "messages that wait are counted, not their bytes"),
    row(&["max_outstanding_catchup"], Support::Ignored(Takes::Size), CLUSTERS),
    row(&["request_queue_limit", "info_queue_limit"], Support::Ignored(Takes::Integer), QUEUES),
    row(&["meta_compact"], Support::Ignored(Takes::Natural), CLUSTERS),
    row(&["meta_compact_size"], Support::Ignored(Takes::NaturalSize), CLUSTERS),
    row(&["meta_compact_sync"], Support::Ignored(Takes::Boolean), CLUSTERS),
    row(&["max_concurrent_io"], Support::Ignored(Takes::Checked(max_concurrent_io)), STORING),
    row(&["extension_hint"], Support::Ignored(Takes::String), CLUSTERS),
    row(&["key", "ek", "encryption_key"], Support::Refused(Value::is_empty), ENCRYPTION),
    row(&["prev_key", "prev_ek", "prev_encryption_key"], Support::Refused(Value::is_empty), ENCRYPTION),
    row(&["cipher"], Support::Ignored(Takes::Checked(cipher)), ENCRYPTION),
    row(&["tpm"], Support::Refused(Value::is_empty), ENCRYPTION),
];

pub(super) static LIMITS: &[Row<ServerLimits>] = &[
    row(
        &["max_ack_pending"],
        Support::Supported(|_, into, entry| {
            into.max_ack_pending = entry.integer()?;
            Ok(())
        }),
        "",
    ),
    row(
        &["max_request_batch"],
        Support::Supported(|_, into, entry| {
            into.max_request_batch = entry.integer()?;
            Ok(())
        }),
        "",
    ),
    row(
        &["max_ha_assets"],
        Support::Supported(|_, into, entry| {
            into.max_ha_assets = entry.integer()?;
            Ok(())
        }),
        "it only shows in monitoring",
    ),
    row(
        &["default_max_consumers"],
        Support::Supported(|_, into, entry| {
            into.default_max_consumers = entry.integer()?;
            Ok(())
        }),
        "1000 by default",
    ),
    row(
        &["duplicate_window"],
        Support::Supported(|_, into, entry| {
            into.duplicate_window = entry.nanos(DURATION)?;
            Ok(())
        }),
        "",
    ),
    row(
        &["batch"],
        Support::Supported(|reader, into, entry| {
            let map = map(entry, "batch limits")?;
            reader.read(map, BATCH, into);
            Ok(())
        }),
        "see below",
    ),
];

pub(super) static BATCH: &[Row<ServerLimits>] = &[
    row(
        &["max_inflight_per_stream"],
        Support::Supported(|_, into, entry| set_positive(&mut into.batch_max_inflight, entry)),
        "",
    ),
    row(
        &["max_inflight_total"],
        Support::Supported(|_, into, entry| set_positive(&mut into.batch_max_inflight_total, entry)),
        "",
    ),
    row(&["max_msgs"], Support::Supported(|_, into, entry| set_positive(&mut into.batch_max_msgs, entry)), ""),
    row(
        &["timeout"],
        Support::Supported(|_, into, entry| {
            let timeout = entry.nanos(DURATION)?;
            if timeout > 0 {
                into.batch_timeout = timeout;
            }
            Ok(())
        }),
        "",
    ),
];

const DURATION: &str = "a duration such as \"2m\"";

type Done = Result<(), ConfigErrorKind>;

/// Reads `jetstream`: a map, a boolean, or a word.
pub(super) fn read(reader: &mut Reader<'_>, builder: &mut ConfigBuilder, entry: &Entry) -> Done {
    match &entry.value.data {
        Data::Boolean(enabled) => builder.jetstream_enabled = *enabled,
        Data::String(word) => {
            builder.jetstream_enabled = match word.to_lowercase().as_str() {
                "enabled" | "enable" => true,
                "disabled" | "disable" => false,
                _ => {
                    let why = format!("Expected 'enabled' or 'disabled' for string value, got '{word}'");
                    return Err(entry.invalid(why));
                }
            };
        }
        Data::Map(map) => {
            builder.jetstream_enabled = true;
            reader.read(map, JETSTREAM, builder);
        }
        _ => return Err(entry.wrong("a map, a boolean or a string")),
    }
    Ok(())
}

fn map<'a>(entry: &'a Entry, what: &str) -> Result<&'a super::value::Node<Entry>, ConfigErrorKind> {
    entry.map().map_err(|_| entry.invalid(format!("Expected a map to define {what}, got {}", entry.value.kind())))
}

/// A number of more than zero; zero and less stand for the default.
fn set_positive(place: &mut usize, entry: &Entry) -> Done {
    if let Some(number) = usize::try_from(entry.integer()?).ok().filter(|number| *number > 0) {
        *place = number;
    }
    Ok(())
}

fn enabled(_: &mut Reader<'_>, into: &mut ConfigBuilder, entry: &Entry) -> Done {
    into.jetstream_enabled = entry.boolean()?;
    Ok(())
}

fn max_mem(_: &mut Reader<'_>, into: &mut ConfigBuilder, entry: &Entry) -> Done {
    let bytes = entry.storage_size("max_mem_store")?;
    let bytes = if bytes < 0 { ServerLimits::default().max_memory } else { bytes };
    set_limits(into, |limits| limits.max_memory = bytes);
    Ok(())
}

fn max_file(_: &mut Reader<'_>, into: &mut ConfigBuilder, entry: &Entry) -> Done {
    let bytes = entry.storage_size("max_file_store")?;
    let bytes = if bytes < 0 { ServerLimits::default().max_storage } else { bytes };
    set_limits(into, |limits| limits.max_storage = bytes);
    Ok(())
}

fn domain(_: &mut Reader<'_>, into: &mut ConfigBuilder, entry: &Entry) -> Done {
    if let Some(domain) = entry.some_string()? {
        set(into, |options| options.domain(domain));
    }
    Ok(())
}

fn strict(_: &mut Reader<'_>, into: &mut ConfigBuilder, entry: &Entry) -> Done {
    let strict = entry.boolean()?;
    set(into, |options| options.strict(strict));
    Ok(())
}

fn unique_tag(_: &mut Reader<'_>, into: &mut ConfigBuilder, entry: &Entry) -> Done {
    let tag = entry.string()?.trim().to_lowercase();
    set(into, |options| options.unique_tag(tag));
    Ok(())
}

fn sync(reader: &mut Reader<'_>, into: &mut ConfigBuilder, entry: &Entry) -> Done {
    let is_always = entry.value.as_string().is_some_and(|text| text.eq_ignore_ascii_case("always"));
    if is_always {
        set(into, |options| options.sync_always(true));
    } else {
        let interval = reader.duration(entry)?.unwrap_or(Duration::ZERO);
        set(into, |options| options.sync_interval(interval));
    }
    Ok(())
}

fn limits(reader: &mut Reader<'_>, into: &mut ConfigBuilder, entry: &Entry) -> Done {
    let map = map(entry, "JetStreamLimits")?;
    set_limits(into, |limits| reader.read(map, LIMITS, limits));
    Ok(())
}

fn max_buffered_msgs(_: &mut Reader<'_>, into: &mut ConfigBuilder, entry: &Entry) -> Done {
    // Zero and less stand for the default.
    if let Some(messages) = usize::try_from(entry.integer()?).ok().filter(|messages| *messages > 0) {
        set(into, |options| options.max_buffered_messages(messages));
    }
    Ok(())
}

fn max_concurrent_io(entry: &Entry) -> Done {
    match entry.value.data {
        Data::Integer(4..=8_192) => Ok(()),
        _ => Err(entry.invalid("Expected an absolute size between 4 and 8192")),
    }
}

fn cipher(entry: &Entry) -> Done {
    let cipher = entry.string()?;
    let is_known = ["chacha", "chachapoly", "aes"].contains(&cipher.to_lowercase().as_str());
    if is_known { Ok(()) } else { Err(entry.invalid(format!("Unknown cipher type: {cipher:?}"))) }
}

fn set(builder: &mut ConfigBuilder, set: impl FnOnce(JetStreamOptions) -> JetStreamOptions) {
    builder.jetstream = set(std::mem::take(&mut builder.jetstream));
}

fn set_limits(builder: &mut ConfigBuilder, change: impl FnOnce(&mut ServerLimits)) {
    let mut limits = builder.jetstream.limits().clone();
    change(&mut limits);
    set(builder, |options| options.server_limits(limits));
}
