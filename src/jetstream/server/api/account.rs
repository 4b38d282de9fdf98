//! `INFO`: the account as a whole (JS87).

use super::super::shared::Shared;
use super::super::streams::Streams;
use super::counts::Counts;
use super::request::Request;
use super::response::Response;
use crate::jetstream::engine::config::Storage;
use crate::jetstream::json::info::API_LEVEL;
use std::sync::atomic::Ordering;

const KIND: &str = "account_info";

pub(super) fn info(shared: &Shared, streams: &Streams, counts: &Counts, request: &Request<'_>) -> Response {
    if let Err(error) = request.check_level() {
        return Response::refusal(KIND, &error, |_| {});
    }
    Response::new(KIND, |object| {
        object.plain("memory", shared.usage.bytes(Storage::Memory));
        object.plain("storage", shared.usage.bytes(Storage::File));
        object.plain("reserved_memory", streams.reserved(Storage::Memory));
        object.plain("reserved_storage", streams.reserved(Storage::File));
        object.plain("streams", streams.len());
        object.plain("consumers", streams.consumers());
        object.some_object("limits", Some(&shared.options.account), |object, limits| {
            object.plain("max_memory", limits.max_memory);
            object.plain("max_storage", limits.max_storage);
            object.plain("max_streams", limits.max_streams);
            object.plain("max_consumers", limits.max_consumers);
            object.plain("max_ack_pending", limits.max_ack_pending);
            object.plain("memory_max_stream_bytes", limits.memory_max_stream_bytes);
            object.plain("storage_max_stream_bytes", limits.storage_max_stream_bytes);
            object.plain("max_bytes_required", limits.max_bytes_required);
        });
        object.some_text("domain", shared.domain().unwrap_or_default());
        object.some_object("api", Some(counts), |object, counts| {
            object.plain("level", API_LEVEL);
            object.plain("total", counts.total.load(Ordering::Relaxed));
            object.plain("errors", counts.errors.load(Ordering::Relaxed));
        });
    })
}
