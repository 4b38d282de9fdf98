//! The keys of a stream's configuration, in the server's order (JS33).

use super::read::{Decode, Fatal, Reader};
use super::write::Object;
use crate::jetstream::engine::config::{
    Compression, ConsumerLimits, Discard, PersistMode, Placement, Republish, Retention, SourceTransform, Storage,
    StreamConfig, StreamSource, SubjectTransform,
};
use std::collections::BTreeMap;

const RETENTION: [(&str, Retention); 3] =
    [("\"limits\"", Retention::Limits), ("\"interest\"", Retention::Interest), ("\"workqueue\"", Retention::WorkQueue)];
const DISCARD: [(&str, Discard); 2] = [("\"old\"", Discard::Old), ("\"new\"", Discard::New)];
const STORAGE: [(&str, Storage); 2] = [("\"file\"", Storage::File), ("\"memory\"", Storage::Memory)];
const PERSIST: [(&str, PersistMode); 3] =
    [("\"default\"", PersistMode::Default), ("\"async\"", PersistMode::Async), ("\"\"", PersistMode::Default)];

/// A request to create or to update a stream.
#[derive(Debug)]
pub(crate) struct StreamConfigRequest {
    pub(crate) config: StreamConfig,
    pub(crate) pedantic: bool,
}

impl StreamConfigRequest {
    pub(crate) fn new() -> Self {
        StreamConfigRequest { config: unset(), pedantic: false }
    }
}

/// What a request without keys says: Go's zero of each field.
pub(crate) fn unset() -> StreamConfig {
    StreamConfig {
        max_consumers: 0,
        max_msgs: 0,
        max_bytes: 0,
        max_msgs_per_subject: 0,
        max_msg_size: 0,
        num_replicas: 0,
        ..StreamConfig::new("")
    }
}

const KEYS: &[&str] = &[
    "name",
    "description",
    "subjects",
    "retention",
    "max_consumers",
    "max_msgs",
    "max_bytes",
    "max_age",
    "max_msgs_per_subject",
    "max_msg_size",
    "discard",
    "storage",
    "num_replicas",
    "no_ack",
    "duplicate_window",
    "placement",
    "mirror",
    "sources",
    "compression",
    "first_seq",
    "subject_transform",
    "republish",
    "allow_direct",
    "mirror_direct",
    "discard_new_per_subject",
    "sealed",
    "deny_delete",
    "deny_purge",
    "allow_rollup_hdrs",
    "consumer_limits",
    "allow_msg_ttl",
    "subject_delete_marker_ttl",
    "allow_msg_counter",
    "allow_atomic",
    "allow_msg_schedules",
    "allow_batched",
    "persist_mode",
    "metadata",
    // Behind those of the configuration, so that it can be left out.
    "pedantic",
];

impl Decode for StreamConfigRequest {
    const NAME: &'static str = "StreamConfigRequest";

    fn decode(&mut self, from: &mut Reader<'_>) -> Result<(), Fatal> {
        let StreamConfigRequest { config, pedantic } = self;
        from.object("server.StreamConfigRequest", KEYS, |reader, key| match key {
            "pedantic" => reader.flag(pedantic),
            _ => field(config, reader, key),
        })?;
        Ok(())
    }
}

/// Reads a configuration that stands inside a request.
pub(crate) fn decode_config(config: &mut StreamConfig, from: &mut Reader<'_>) -> Result<(), Fatal> {
    from.object("server.StreamConfig", &KEYS[..KEYS.len() - 1], |reader, key| field(config, reader, key))?;
    Ok(())
}

fn field(config: &mut StreamConfig, reader: &mut Reader<'_>, key: &'static str) -> Result<(), Fatal> {
    match key {
        "name" => reader.text(&mut config.name),
        "description" => reader.text(&mut config.description),
        "subjects" => reader.texts(&mut config.subjects),
        "retention" => reader.word(&RETENTION, &mut config.retention),
        "max_consumers" => reader.integer("int", &mut config.max_consumers),
        "max_msgs" => reader.integer("int64", &mut config.max_msgs),
        "max_bytes" => reader.integer("int64", &mut config.max_bytes),
        "max_age" => reader.span(&mut config.max_age),
        "max_msgs_per_subject" => reader.integer("int64", &mut config.max_msgs_per_subject),
        "max_msg_size" => reader.integer("int32", &mut config.max_msg_size),
        "discard" => reader.word_in_any_case(&DISCARD, &mut config.discard),
        "storage" => reader.word(&STORAGE, &mut config.storage),
        "num_replicas" => reader.integer("int", &mut config.num_replicas),
        "no_ack" => reader.flag(&mut config.no_ack),
        "duplicate_window" => reader.span(&mut config.duplicate_window),
        "placement" => reader.optional(&mut config.placement, placement),
        "mirror" => reader.optional(&mut config.mirror, source),
        "sources" => reader.list("[]*server.StreamSource", &mut config.sources, source),
        "compression" => compression(&mut config.compression, reader),
        "first_seq" => reader.integer("uint64", &mut config.first_seq),
        "subject_transform" => reader.optional(&mut config.subject_transform, |reader, transform| {
            let SubjectTransform { src, dest } = transform;
            transform_fields(reader, src, dest)
        }),
        "republish" => reader.optional(&mut config.republish, republish),
        "allow_direct" => reader.flag(&mut config.allow_direct),
        "mirror_direct" => reader.flag(&mut config.mirror_direct),
        "discard_new_per_subject" => reader.flag(&mut config.discard_new_per_subject),
        "sealed" => reader.flag(&mut config.sealed),
        "deny_delete" => reader.flag(&mut config.deny_delete),
        "deny_purge" => reader.flag(&mut config.deny_purge),
        "allow_rollup_hdrs" => reader.flag(&mut config.allow_rollup_hdrs),
        "consumer_limits" => consumer_limits(&mut config.consumer_limits, reader),
        "allow_msg_ttl" => reader.flag(&mut config.allow_msg_ttl),
        "subject_delete_marker_ttl" => reader.span(&mut config.subject_delete_marker_ttl),
        "allow_msg_counter" => reader.flag(&mut config.allow_msg_counter),
        "allow_atomic" => reader.flag(&mut config.allow_atomic),
        "allow_msg_schedules" => reader.flag(&mut config.allow_msg_schedules),
        "allow_batched" => reader.flag(&mut config.allow_batched),
        "persist_mode" => reader.word(&PERSIST, &mut config.persist_mode),
        "metadata" => reader.map(&mut config.metadata),
        _ => {
            reader.raw();
            Ok(())
        }
    }
}

fn placement(reader: &mut Reader<'_>, placement: &mut Placement) -> Result<(), Fatal> {
    reader.object("server.Placement", &["cluster", "tags", "preferred"], |reader, key| match key {
        "cluster" => reader.text(&mut placement.cluster),
        "tags" => reader.texts(&mut placement.tags),
        _ => reader.text(&mut placement.preferred),
    })?;
    Ok(())
}

fn source(reader: &mut Reader<'_>, source: &mut StreamSource) -> Result<(), Fatal> {
    let keys =
        ["name", "opt_start_seq", "opt_start_time", "filter_subject", "subject_transforms", "external", "consumer"];
    reader.object("server.StreamSource", &keys, |reader, key| match key {
        "name" => reader.text(&mut source.name),
        "opt_start_seq" => reader.integer("uint64", &mut source.opt_start_seq),
        "opt_start_time" => reader.instant(&mut source.opt_start_time),
        "filter_subject" => reader.text(&mut source.filter_subject),
        "subject_transforms" => {
            let mut transforms = Some(std::mem::take(&mut source.subject_transforms));
            reader.list("[]server.SubjectTransformConfig", &mut transforms, |reader, transform| {
                let SourceTransform { src, dest } = transform;
                transform_fields(reader, src, dest)
            })?;
            source.subject_transforms = transforms.unwrap_or_default();
            Ok(())
        }
        "external" => reader.optional(&mut source.external, |reader, external| {
            reader.object("server.ExternalStream", &["api", "deliver"], |reader, key| match key {
                "api" => reader.text(&mut external.api),
                _ => reader.text(&mut external.deliver),
            })?;
            Ok(())
        }),
        _ => reader.optional(&mut source.consumer, |reader, consumer| {
            reader.object("server.StreamConsumerSource", &["name", "deliver_subject"], |reader, key| match key {
                "name" => reader.text(&mut consumer.name),
                _ => reader.text(&mut consumer.deliver_subject),
            })?;
            Ok(())
        }),
    })?;
    Ok(())
}

fn transform_fields(reader: &mut Reader<'_>, src: &mut String, dest: &mut String) -> Result<(), Fatal> {
    reader.object("server.SubjectTransformConfig", &["src", "dest"], |reader, key| match key {
        "src" => reader.text(src),
        _ => reader.text(dest),
    })?;
    Ok(())
}

fn republish(reader: &mut Reader<'_>, republish: &mut Republish) -> Result<(), Fatal> {
    reader.object("server.RePublish", &["src", "dest", "headers_only"], |reader, key| match key {
        "src" => reader.text(&mut republish.src),
        "dest" => reader.text(&mut republish.dest),
        _ => reader.flag(&mut republish.headers_only),
    })?;
    Ok(())
}

fn consumer_limits(limits: &mut ConsumerLimits, reader: &mut Reader<'_>) -> Result<(), Fatal> {
    let keys = ["inactive_threshold", "max_ack_pending"];
    reader.object("server.StreamConsumerLimits", &keys, |reader, key| match key {
        "inactive_threshold" => reader.span(&mut limits.inactive_threshold),
        _ => reader.integer("int", &mut limits.max_ack_pending),
    })?;
    Ok(())
}

fn compression(compression: &mut Compression, reader: &mut Reader<'_>) -> Result<(), Fatal> {
    *compression = match reader.lone_text()?.as_str() {
        "none" => Compression::None,
        "s2" => Compression::S2,
        _ => return Err("unknown compression algorithm".to_owned()),
    };
    Ok(())
}

/// Writes a configuration. `metadata` are its own, or those with what the server adds in some responses (JS35).
pub(crate) fn encode(object: &mut Object<'_>, config: &StreamConfig, metadata: &BTreeMap<String, String>) {
    object.text("name", &config.name);
    object.some_text("description", &config.description);
    object.some_texts("subjects", &config.subjects);
    object.word("retention", &RETENTION, &config.retention);
    object.plain("max_consumers", config.max_consumers);
    object.plain("max_msgs", config.max_msgs);
    object.plain("max_bytes", config.max_bytes);
    object.plain("max_age", config.max_age);
    object.plain("max_msgs_per_subject", config.max_msgs_per_subject);
    object.plain("max_msg_size", config.max_msg_size);
    object.word("discard", &DISCARD, &config.discard);
    object.word("storage", &STORAGE, &config.storage);
    object.plain("num_replicas", config.num_replicas);
    object.some_flag("no_ack", config.no_ack);
    object.some_number("duplicate_window", config.duplicate_window);
    object.some_object("placement", config.placement.as_ref(), |object, placement| {
        object.some_text("cluster", &placement.cluster);
        object.some_texts("tags", &placement.tags);
        object.some_text("preferred", &placement.preferred);
    });
    object.some_object("mirror", config.mirror.as_ref(), encode_source);
    let sources = config.source_list();
    if !sources.is_empty() {
        object.objects("sources", sources, encode_source);
    }
    object.text("compression", if config.compression == Compression::S2 { "s2" } else { "none" });
    object.some_number("first_seq", config.first_seq);
    object.some_object("subject_transform", config.subject_transform.as_ref(), |object, transform| {
        object.text("src", &transform.src);
        object.text("dest", &transform.dest);
    });
    object.some_object("republish", config.republish.as_ref(), |object, republish| {
        object.some_text("src", &republish.src);
        object.text("dest", &republish.dest);
        object.some_flag("headers_only", republish.headers_only);
    });
    object.plain("allow_direct", config.allow_direct);
    object.plain("mirror_direct", config.mirror_direct);
    object.some_flag("discard_new_per_subject", config.discard_new_per_subject);
    object.plain("sealed", config.sealed);
    object.plain("deny_delete", config.deny_delete);
    object.plain("deny_purge", config.deny_purge);
    object.plain("allow_rollup_hdrs", config.allow_rollup_hdrs);
    object.some_object("consumer_limits", Some(&config.consumer_limits), |object, limits| {
        object.some_number("inactive_threshold", limits.inactive_threshold);
        object.some_number("max_ack_pending", limits.max_ack_pending);
    });
    object.plain("allow_msg_ttl", config.allow_msg_ttl);
    object.some_number("subject_delete_marker_ttl", config.subject_delete_marker_ttl);
    object.some_flag("allow_msg_counter", config.allow_msg_counter);
    object.some_flag("allow_atomic", config.allow_atomic);
    object.some_flag("allow_msg_schedules", config.allow_msg_schedules);
    object.some_flag("allow_batched", config.allow_batched);
    if config.persist_mode != PersistMode::Default {
        object.word("persist_mode", &PERSIST, &config.persist_mode);
    }
    if !metadata.is_empty() {
        let mut object = Object::new(object.key("metadata"));
        metadata.iter().for_each(|(key, value)| object.text(key, value));
    }
}

fn encode_source(object: &mut Object<'_>, source: &StreamSource) {
    object.text("name", &source.name);
    object.some_number("opt_start_seq", source.opt_start_seq);
    if source.opt_start_time.is_some() {
        object.instant("opt_start_time", source.opt_start_time);
    }
    object.some_text("filter_subject", &source.filter_subject);
    if !source.subject_transforms.is_empty() {
        object.objects("subject_transforms", &source.subject_transforms, |object, transform| {
            object.text("src", &transform.src);
            object.text("dest", &transform.dest);
        });
    }
    object.some_object("external", source.external.as_ref(), |object, external| {
        object.text("api", &external.api);
        object.text("deliver", &external.deliver);
    });
    object.some_object("consumer", source.consumer.as_ref(), |object, consumer| {
        object.some_text("name", &consumer.name);
        object.some_text("deliver_subject", &consumer.deliver_subject);
    });
}
