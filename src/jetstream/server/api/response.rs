//! What all responses have in common: the envelope, and what becomes of them (JS10).

use super::super::ack::encode_error;
use super::super::stream::ServedStream;
use crate::jetstream::engine::error::ApiError;
use crate::jetstream::json::write::Object;
use std::sync::Arc;

/// A response to a call.
pub(super) struct Response {
    pub(super) json: String,
    /// It counts as an error.
    pub(super) is_error: bool,
    /// The call is counted, and told of to those who audit.
    pub(super) is_counted: bool,
    /// Goes out behind all that this stream has to send.
    pub(super) stream: Option<Arc<ServedStream>>,
}

impl Response {
    /// A response of a type such as `stream_info`, with these fields.
    pub(super) fn new(kind: &str, fields: impl FnOnce(&mut Object<'_>)) -> Self {
        Response { json: envelope(kind, fields), is_error: false, is_counted: true, stream: None }
    }

    /// A refusal, with those of the response's fields that stay in it.
    pub(super) fn refusal(kind: &str, error: &ApiError, fields: impl FnOnce(&mut Object<'_>)) -> Self {
        let json = envelope(kind, |object| {
            encode_error(object, error);
            fields(object);
        });
        Response { json, is_error: true, is_counted: true, stream: None }
    }

    /// What went well, or a refusal with those of the response's fields that stay in it.
    pub(super) fn of(kind: &str, outcome: Result<Response, ApiError>, fields: impl FnOnce(&mut Object<'_>)) -> Self {
        outcome.unwrap_or_else(|error| Response::refusal(kind, &error, fields))
    }

    /// Goes out behind all that a stream has to send.
    pub(super) fn behind(mut self, stream: Arc<ServedStream>) -> Self {
        self.stream = Some(stream);
        self
    }

    /// Is not counted.
    pub(super) fn uncounted(mut self) -> Self {
        self.is_counted = false;
        self
    }

    /// Does not count as an error.
    pub(super) fn not_as_error(mut self) -> Self {
        self.is_error = false;
        self
    }
}

fn envelope(kind: &str, fields: impl FnOnce(&mut Object<'_>)) -> String {
    let mut json = String::with_capacity(128);
    let mut object = Object::new(&mut json);
    object.text("type", &format!("io.nats.jetstream.api.v1.{kind}_response"));
    fields(&mut object);
    drop(object);
    json
}
