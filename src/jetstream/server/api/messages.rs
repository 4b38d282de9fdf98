//! Calls on the messages of a stream: get, delete, purge (JS27 to JS29).

use super::super::streams::Streams;
use super::request::Request;
use super::response::Response;
use crate::jetstream::engine::error::{ApiError, codes};
use crate::jetstream::engine::{Purge, StoredMessage, Stream};
use crate::jetstream::json::read::{Decode, Fatal, Reader};
use crate::jetstream::json::requests::MessageRequest;
use crate::jetstream::json::write::Object;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

pub(super) fn get(streams: &Streams, name: &str, request: &Request<'_>) -> Response {
    let outcome = request.check_level().and_then(|()| {
        let asked = request.read(MessageRequest::default())?;
        if !is_good(&asked) {
            return Err(codes::BAD_REQUEST.error());
        }
        let stream = streams.find(name)?;
        let answer = |machine: &Stream| -> Result<Response, ApiError> {
            let found = find(machine, &asked).ok_or_else(|| codes::NO_MESSAGE_FOUND.error())?;
            Ok(Response::new("stream_msg_get", |object| {
                object.some_object("message", Some(&found), |object, message| encode(object, message, asked.no_hdr));
            }))
        };
        let response = stream.read(|machine, _| answer(machine)).ok_or_else(|| stream.gone())??;
        // What goes well is not counted (JS15).
        Ok(response.uncounted().behind(stream))
    });
    Response::of("stream_msg_get", outcome, |_| {})
}

fn is_good(asked: &MessageRequest) -> bool {
    let has_start = asked.start_time.is_some();
    let (has_last, has_next) = (!asked.last_by_subj.is_empty(), !asked.next_by_subj.is_empty());
    let selects = asked.seq > 0 || has_last || has_next || has_start;
    let both = (asked.seq > 0 && (has_last || has_start)) || (has_last && (has_next || has_start));
    selects && !both && asked.batch == 0 && asked.max_bytes == 0
}

/// The one message that a request selects.
pub(super) fn find<'a>(machine: &'a Stream, asked: &MessageRequest) -> Option<StoredMessage<'a>> {
    if !asked.last_by_subj.is_empty() {
        return machine.messages().last_by_subject(&asked.last_by_subj);
    }
    let from = match asked.start_time {
        Some(time) => machine.messages().first_at(time)?.seq(),
        None => asked.seq,
    };
    if !asked.next_by_subj.is_empty() {
        return machine.messages().next_match(&[&asked.next_by_subj], from);
    }
    machine.messages().get(from)
}

fn encode(object: &mut Object<'_>, message: &StoredMessage<'_>, no_header: bool) {
    object.text("subject", message.subject());
    object.plain("seq", message.seq());
    if !message.head().is_empty() && !no_header {
        object.text("hdrs", &BASE64.encode(message.head()));
    }
    if !message.payload().is_empty() {
        object.text("data", &BASE64.encode(message.payload()));
    }
    object.instant("time", Some(message.time()));
}

#[derive(Debug, Default)]
struct DeleteRequest {
    seq: u64,
    /// Without effect: there is nothing to be erased from.
    no_erase: bool,
}

impl Decode for DeleteRequest {
    const NAME: &'static str = "JSApiMsgDeleteRequest";

    fn decode(&mut self, from: &mut Reader<'_>) -> Result<(), Fatal> {
        from.object("server.JSApiMsgDeleteRequest", &["seq", "no_erase"], |reader, key| match key {
            "seq" => reader.integer("uint64", &mut self.seq),
            _ => reader.flag(&mut self.no_erase),
        })?;
        Ok(())
    }
}

pub(super) fn delete(streams: &Streams, name: &str, request: &Request<'_>) -> Response {
    let kind = "stream_msg_delete";
    let outcome = request.check_level().and_then(|()| {
        if request.is_empty() {
            return Err(codes::BAD_REQUEST.error());
        }
        let DeleteRequest { seq, no_erase: _ } = request.read(DeleteRequest::default())?;
        let stream = streams.find(name)?;
        let changed = stream.change(|locked| {
            let is_denied = locked.machine.config().deny_delete;
            (locked.machine.handle_delete(locked.now, seq), is_denied)
        });
        let ((deleted, is_denied), left) = changed.ok_or_else(|| stream.gone())?;
        left.run();
        let response = match deleted {
            Ok(()) => Response::new(kind, |object| object.plain("success", true)),
            // A fault of the store counts as a call, but not as an error (JS15).
            Err(error) if !is_denied && is_of_the_store(&error) => {
                Response::refusal(kind, &error, |_| {}).not_as_error()
            }
            Err(error) => return Err(error),
        };
        Ok(response.behind(stream))
    });
    Response::of(kind, outcome, |_| {})
}

fn is_of_the_store(error: &ApiError) -> bool {
    [codes::SEQUENCE_NOT_FOUND, codes::STREAM_MSG_DELETE_FAILED].iter().any(|code| error.is(*code))
}

#[derive(Debug, Default)]
struct PurgeRequest(Purge);

impl Decode for PurgeRequest {
    const NAME: &'static str = "JSApiStreamPurgeRequest";

    fn decode(&mut self, from: &mut Reader<'_>) -> Result<(), Fatal> {
        let Purge { filter, seq, keep } = &mut self.0;
        from.object("server.JSApiStreamPurgeRequest", &["seq", "filter", "keep"], |reader, key| match key {
            "seq" => reader.integer("uint64", seq),
            "keep" => reader.integer("uint64", keep),
            _ => reader.text(filter),
        })?;
        Ok(())
    }
}

pub(super) fn purge(streams: &Streams, name: &str, request: &Request<'_>) -> Response {
    let kind = "stream_purge";
    let none = |object: &mut Object<'_>| object.plain("purged", 0);
    let outcome = request.check_level().and_then(|()| {
        let PurgeRequest(purge) = request.read_if_json(PurgeRequest::default())?;
        if purge.seq > 0 && purge.keep > 0 {
            return Err(codes::BAD_REQUEST.error());
        }
        let stream = streams.find(name)?;
        let changed = stream.change(|locked| locked.machine.handle_purge(locked.now, &purge));
        let (purged, left) = changed.ok_or_else(|| stream.gone())?;
        left.run();
        let purged = purged?;
        let response = Response::new(kind, |object| {
            object.plain("success", true);
            object.plain("purged", purged);
        });
        Ok(response.behind(stream))
    });
    Response::of(kind, outcome, none)
}
