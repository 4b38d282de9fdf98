//! Calls that are refused: those that need a cluster, and snapshots, whose format is nats-server's own (JS30 to JS32).

use super::super::streams::Streams;
use super::request::Request;
use super::response::Response;
use crate::Pattern;
use crate::jetstream::engine::config::StreamConfig;
use crate::jetstream::engine::error::codes;
use crate::jetstream::json::config::{decode_config, unset};
use crate::jetstream::json::read::{Decode, Fatal, Reader};
use crate::jetstream::json::write::Object;
use crate::subject::relation;

/// Calls on leaders and peers, without a look at the stream.
pub(super) fn of_clusters(tokens: &[&str]) -> Option<Response> {
    let kind = match tokens {
        ["STREAM", "LEADER", "STEPDOWN", _] => "stream_leader_stepdown",
        ["STREAM", "PEER", "REMOVE", _] => "stream_remove_peer",
        ["STREAM", "PEER", "EVACUATE", _] => "stream_evacuate_peer",
        ["STREAM", "CANCEL_MOVE", _] => "stream_cancel_move",
        ["CONSUMER", "LEADER", "STEPDOWN", _, _] => "consumer_leader_stepdown",
        _ => return None,
    };
    Some(Response::refusal(kind, &codes::CLUSTER_REQUIRED.error(), |_| {}))
}

#[derive(Debug, Default)]
struct SnapshotRequest {
    deliver_subject: String,
    no_consumers: bool,
    chunk_size: i64,
    window_size: i64,
    jsck: bool,
}

impl Decode for SnapshotRequest {
    const NAME: &'static str = "JSApiStreamSnapshotRequest";

    fn decode(&mut self, from: &mut Reader<'_>) -> Result<(), Fatal> {
        let keys = ["deliver_subject", "no_consumers", "chunk_size", "window_size", "jsck"];
        from.object("server.JSApiStreamSnapshotRequest", &keys, |reader, key| match key {
            "deliver_subject" => reader.text(&mut self.deliver_subject),
            "no_consumers" => reader.flag(&mut self.no_consumers),
            "chunk_size" => reader.integer("int", &mut self.chunk_size),
            "window_size" => reader.integer("int", &mut self.window_size),
            _ => reader.flag(&mut self.jsck),
        })?;
        Ok(())
    }
}

pub(super) fn snapshot(streams: &Streams, name: &str, request: &Request<'_>) -> Response {
    let outcome = request.check_level().and_then(|()| {
        if request.is_empty() {
            return Err(codes::BAD_REQUEST.error());
        }
        streams.find(name)?;
        let asked = request.read(SnapshotRequest::default())?;
        let to = &asked.deliver_subject;
        if Pattern::new(to).is_err() || !relation::is_literal(to) {
            return Err(codes::SNAPSHOT_DELIVER_SUBJECT_INVALID.error());
        }
        Err(codes::STREAM_SNAPSHOT.with("not supported by Postroom"))
    });
    Response::of("stream_snapshot", outcome, |_| {})
}

#[derive(Debug)]
struct RestoreRequest {
    config: StreamConfig,
}

impl Decode for RestoreRequest {
    const NAME: &'static str = "JSApiStreamRestoreRequest";

    fn decode(&mut self, from: &mut Reader<'_>) -> Result<(), Fatal> {
        from.object("server.JSApiStreamRestoreRequest", &["config", "state"], |reader, key| match key {
            "config" => decode_config(&mut self.config, reader),
            _ => {
                // Nothing is restored.
                reader.raw();
                Ok(())
            }
        })?;
        Ok(())
    }
}

pub(super) fn restore(streams: &Streams, name: &str, request: &Request<'_>) -> Response {
    let outcome = request.check_level().and_then(|()| {
        if request.is_empty() {
            return Err(codes::BAD_REQUEST.error());
        }
        let RestoreRequest { config } = request.read(RestoreRequest { config: unset() })?;
        if config.name != name {
            return Err(codes::STREAM_MISMATCH.error());
        }
        if streams.get(name).is_some() {
            return Err(codes::STREAM_NAME_EXIST_RESTORE_FAILED.error());
        }
        Err(codes::STREAM_RESTORE.with("not supported by Postroom"))
    });
    Response::of("stream_restore", outcome, |object: &mut Object<'_>| object.text("deliver_subject", ""))
}
