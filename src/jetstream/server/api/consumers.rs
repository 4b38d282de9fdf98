//! Calls on consumers: create, look at, list, delete, pause, unpin, reset (JC1 to JC14, JC160, JC165, JC180).

use super::super::bind::Receivers;
use super::super::shared::Shared;
use super::super::stream::{Locked, ServedStream};
use super::super::streams::Streams;
use super::page::Page;
use super::request::Request;
use super::response::Response;
use crate::jetstream::engine::consumer::{ConsumerAddress, ConsumerInfo, is_group_name};
use crate::jetstream::engine::error::{ApiError, codes};
use crate::jetstream::engine::{ConsumerId, Timestamp};
use crate::jetstream::json::consumer::{CreateRequest, ShownConfig, encode};
use crate::jetstream::json::read::{Decode, Fatal, Reader};
use crate::jetstream::json::write::{Object, list as write_list, text};
use std::sync::Arc;

/// Names on one page; consumers on one (JC13).
const NAMES_MAX: usize = 1_024;
const LIST_MAX: usize = 256;

pub(super) fn create(
    shared: &Shared,
    streams: &Streams,
    stream: &str,
    address: ConsumerAddress<'_>,
    request: &Request<'_>,
) -> Response {
    let kind = "consumer_create";
    let outcome = request.check_level().and_then(|()| {
        let CreateRequest { stream_name, mut request } = request.read(CreateRequest::default())?;
        if stream_name != stream {
            return Err(codes::STREAM_MISMATCH.error());
        }
        request.address(address)?;
        let served = streams.find(stream)?;
        let receivers = Receivers::of(shared, &request.config);
        let weak = Arc::downgrade(&served);
        let (info, now) = ask(&served, |locked| {
            let mut info = locked.machine.create_consumer(locked.now, request, &shared.options.account)?;
            if let (Some(id), Some(receivers)) = (locked.machine.consumer_id(&info.name), receivers) {
                info.push_bound = receivers.are_there();
                receivers.bind(locked, id, weak);
            }
            Ok((info, locked.now))
        })?;
        Ok(Response::new(kind, |object| encode(object, stream, &info, now, ShownConfig::WithVersion)).behind(served))
    });
    Response::of(kind, outcome, |_| {})
}

/// Asks a stream for something that may be refused.
fn ask<R>(stream: &ServedStream, ask: impl FnOnce(&mut Locked<'_>) -> Result<R, ApiError>) -> Result<R, ApiError> {
    let changed = stream.change(|locked| match locked.is_full() {
        true => Err(codes::INSUFFICIENT_RESOURCES.error()),
        false => ask(locked),
    });
    let (outcome, left) = changed.ok_or_else(|| stream.gone())?;
    left.run();
    outcome
}

/// The consumer of a name.
fn find(locked: &Locked<'_>, name: &str) -> Result<ConsumerId, ApiError> {
    locked.machine.consumer_id(name).ok_or_else(|| codes::CONSUMER_NOT_FOUND.error())
}

pub(super) fn info(streams: &Streams, stream: &str, name: &str, request: &Request<'_>) -> Response {
    let outcome = request.check_level().and_then(|()| {
        if !request.is_empty() {
            return Err(codes::NOT_EMPTY_REQUEST.error());
        }
        let served = streams.find(stream)?;
        let (info, now) = ask(&served, |locked| {
            let id = find(locked, name)?;
            Ok((locked.machine.consumer_info(locked.now, id)?, locked.now))
        })?;
        Ok(Response::new("consumer_info", |object| encode(object, stream, &info, now, ShownConfig::WithVersion))
            .behind(served))
    });
    Response::of("consumer_info", outcome, |_| {})
}

pub(super) fn delete(streams: &Streams, stream: &str, name: &str, request: &Request<'_>) -> Response {
    let outcome = request.check_level().and_then(|()| {
        if !request.is_empty() {
            return Err(codes::NOT_EMPTY_REQUEST.error());
        }
        let served = streams.find(stream)?;
        ask(&served, |locked| {
            let id = find(locked, name)?;
            locked.machine.delete_consumer(locked.now, id)
        })?;
        Ok(Response::new("consumer_delete", |object| object.plain("success", true)).behind(served))
    });
    Response::of("consumer_delete", outcome, |_| {})
}

#[derive(Debug, Default)]
struct PageRequest {
    offset: i64,
}

impl Decode for PageRequest {
    const NAME: &'static str = "JSApiConsumersRequest";

    fn decode(&mut self, from: &mut Reader<'_>) -> Result<(), Fatal> {
        from.object("server.JSApiConsumersRequest", &["offset"], |reader, _| reader.integer("int", &mut self.offset))?;
        Ok(())
    }
}

/// The names of a stream's consumers, sorted.
fn all(stream: &ServedStream) -> Result<Vec<String>, ApiError> {
    ask(stream, |locked| {
        // In the order of their names already.
        Ok(locked.machine.consumer_ids().map(|(name, _)| name.to_owned()).collect())
    })
}

pub(super) fn names(streams: &Streams, stream: &str, request: &Request<'_>) -> Response {
    let outcome = request.check_level().and_then(|()| {
        let asked = request.read_if_json(PageRequest::default())?;
        let served = streams.find(stream)?;
        let page = Page::of(all(&served)?, asked.offset, NAMES_MAX);
        let response = Response::new("consumer_names", |object| {
            page.encode(object, NAMES_MAX);
            write_list(object.key("consumers"), &page.items, |out, name| text(out, name));
        });
        Ok(response.behind(served))
    });
    Response::of("consumer_names", outcome, none_listed)
}

pub(super) fn list(streams: &Streams, stream: &str, request: &Request<'_>) -> Response {
    let outcome = request.check_level().and_then(|()| {
        let asked = request.read_if_json(PageRequest::default())?;
        let served = streams.find(stream)?;
        let page = Page::of(all(&served)?, asked.offset, LIST_MAX);
        let (infos, now): (Vec<ConsumerInfo>, Timestamp) = ask(&served, |locked| {
            let (machine, now) = (&mut *locked.machine, locked.now);
            // One that has gone meanwhile is left out.
            let info = |name: &String| machine.consumer_id(name).and_then(|id| machine.consumer_info(now, id).ok());
            Ok((page.items.iter().filter_map(info).collect(), now))
        })?;
        let response = Response::new("consumer_list", |object| {
            page.encode(object, LIST_MAX);
            object.objects("consumers", &infos, |object, info| encode(object, stream, info, now, ShownConfig::Plain));
        });
        Ok(response.behind(served))
    });
    Response::of("consumer_list", outcome, none_listed)
}

fn none_listed(object: &mut Object<'_>) {
    Page::<()>::none().encode(object, 0);
    object.plain("consumers", "[]");
}

#[derive(Debug, Default)]
struct PauseRequest {
    pause_until: Option<Timestamp>,
}

impl Decode for PauseRequest {
    const NAME: &'static str = "JSApiConsumerPauseRequest";

    fn decode(&mut self, from: &mut Reader<'_>) -> Result<(), Fatal> {
        from.object("server.JSApiConsumerPauseRequest", &["pause_until"], |reader, _| {
            reader.instant(&mut self.pause_until)
        })?;
        Ok(())
    }
}

pub(super) fn pause(streams: &Streams, stream: &str, name: &str, request: &Request<'_>) -> Response {
    let kind = "consumer_pause";
    let fields = |object: &mut Object<'_>, is_paused: bool, until: Option<Timestamp>, left: u128| {
        object.plain("paused", is_paused);
        object.instant("pause_until", until);
        object.some_number("pause_remaining", left);
    };
    let outcome = request.check_level().and_then(|()| {
        let PauseRequest { pause_until } = request.read_if_json(PauseRequest::default())?;
        let served = streams.find(stream)?;
        let info = ask(&served, |locked| {
            let id = find(locked, name)?;
            locked.machine.handle_pause(locked.now, id, pause_until)
        })?;
        let left = info.pause_remaining.map_or(0, |left| left.as_nanos());
        let is_paused = info.pause_remaining.is_some();
        Ok(Response::new(kind, |object| fields(object, is_paused, pause_until, left)).behind(served))
    });
    Response::of(kind, outcome, |object| fields(object, false, None, 0))
}

#[derive(Debug, Default)]
struct UnpinRequest {
    group: String,
}

impl Decode for UnpinRequest {
    const NAME: &'static str = "JSApiConsumerUnpinRequest";

    fn decode(&mut self, from: &mut Reader<'_>) -> Result<(), Fatal> {
        from.object("server.JSApiConsumerUnpinRequest", &["group"], |reader, _| reader.text(&mut self.group))?;
        Ok(())
    }
}

pub(super) fn unpin(streams: &Streams, stream: &str, name: &str, request: &Request<'_>) -> Response {
    let outcome = request.check_level().and_then(|()| {
        let UnpinRequest { group } = request.read_leniently(UnpinRequest::default(), false)?;
        if group.is_empty() {
            return Err(codes::INVALID_JSON.with("consumer group not specified"));
        }
        // Judged before the stream is looked for.
        if !is_group_name(&group) {
            return Err(codes::CONSUMER_INVALID_GROUP_NAME.error());
        }
        let served = streams.find(stream)?;
        ask(&served, |locked| {
            let id = find(locked, name)?;
            locked.machine.handle_unpin(locked.now, id, &group)
        })?;
        Ok(Response::new("consumer_unpin", |_| {}).behind(served))
    });
    Response::of("consumer_unpin", outcome, |_| {})
}

#[derive(Debug, Default)]
struct ResetRequest {
    seq: u64,
}

impl Decode for ResetRequest {
    const NAME: &'static str = "JSApiConsumerResetRequest";

    fn decode(&mut self, from: &mut Reader<'_>) -> Result<(), Fatal> {
        from.object("server.JSApiConsumerResetRequest", &["seq"], |reader, _| reader.integer("uint64", &mut self.seq))?;
        Ok(())
    }
}

/// Answered by the consumer: without one there is silence, and it is not counted (JC2, JC3).
pub(super) fn reset(streams: &Streams, stream: &str, name: &str, request: &Request<'_>) -> Option<Response> {
    let served = streams.get(stream)?;
    ask(&served, |locked| find(locked, name)).ok()?;
    let outcome = request.check_level().and_then(|()| {
        let ResetRequest { seq } = request.read_leniently(ResetRequest::default(), true)?;
        let ((info, next), now) = ask(&served, |locked| {
            let id = find(locked, name)?;
            Ok((locked.machine.handle_reset(locked.now, id, Some(seq))?, locked.now))
        })?;
        let response = Response::new("consumer_reset", |object| {
            encode(object, stream, &info, now, ShownConfig::WithVersion);
            object.plain("reset_seq", next);
        });
        Ok(response)
    });
    let response = Response::of("consumer_reset", outcome, |object| object.plain("reset_seq", 0));
    Some(response.uncounted().behind(served))
}
