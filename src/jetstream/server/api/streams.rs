//! Calls on streams as a whole: create, update, look at, list, delete (JS17 to JS26).

use super::super::shared::Shared;
use super::super::stream::ServedStream;
use super::super::streams::Streams;
use super::page::Page;
use super::request::Request;
use super::response::Response;
use crate::jetstream::engine::Stream;
use crate::jetstream::engine::error::{ApiError, codes};
use crate::jetstream::json::config::StreamConfigRequest;
use crate::jetstream::json::info::{Shown, StreamInfo};
use crate::jetstream::json::read::{Decode, Fatal, Reader};
use crate::jetstream::json::write::{Object, list as write_list, text};

/// Names on one page; streams on one; subjects on one (JS23, JS25).
const NAMES_MAX: usize = 1_024;
const LIST_MAX: usize = 256;
const SUBJECTS_MAX: usize = 100_000;

pub(super) fn create(streams: &Streams, name: &str, request: &Request<'_>) -> Response {
    let outcome = request.check_level().and_then(|()| {
        let StreamConfigRequest { config, pedantic } = request.read(StreamConfigRequest::new())?;
        if config.name != name {
            return Err(codes::STREAM_MISMATCH.error());
        }
        let stream = streams.create(config, pedantic)?;
        let info = info_of(&stream)?;
        let shown = Shown { is_alone: true, ..Shown::default() };
        let response = Response::new("stream_create", |object| {
            info.encode(object, shown);
            object.plain("did_create", true);
        });
        Ok(response.behind(stream))
    });
    Response::of("stream_create", outcome, |_| {})
}

pub(super) fn update(shared: &Shared, streams: &Streams, name: &str, request: &Request<'_>) -> Response {
    let outcome = request.check_level().and_then(|()| {
        let StreamConfigRequest { config, pedantic } = request.read(StreamConfigRequest::new())?;
        let stream = streams.update(name, config, pedantic)?;
        let info = info_of(&stream)?;
        let shown = Shown { domain: shared.domain(), is_alone: true, ..Shown::default() };
        Ok(Response::new("stream_update", |object| info.encode(object, shown)).behind(stream))
    });
    Response::of("stream_update", outcome, |_| {})
}

pub(super) fn delete(streams: &Streams, name: &str, request: &Request<'_>) -> Response {
    let outcome = request.check_level().and_then(|()| {
        if !request.is_empty() {
            return Err(codes::NOT_EMPTY_REQUEST.error());
        }
        let stream = streams.delete(name)?;
        Ok(Response::new("stream_delete", |object| object.plain("success", true)).behind(stream))
    });
    Response::of("stream_delete", outcome, |_| {})
}

#[derive(Debug, Default)]
struct InfoRequest {
    deleted_details: bool,
    subjects_filter: String,
    offset: i64,
}

impl Decode for InfoRequest {
    const NAME: &'static str = "JSApiStreamInfoRequest";

    fn decode(&mut self, from: &mut Reader<'_>) -> Result<(), Fatal> {
        let keys = ["offset", "deleted_details", "subjects_filter"];
        from.object("server.JSApiStreamInfoRequest", &keys, |reader, key| match key {
            "offset" => reader.integer("int", &mut self.offset),
            "deleted_details" => reader.flag(&mut self.deleted_details),
            _ => reader.text(&mut self.subjects_filter),
        })?;
        Ok(())
    }
}

pub(super) fn info(shared: &Shared, streams: &Streams, name: &str, request: &Request<'_>) -> Response {
    let paging = |object: &mut Object<'_>, total: usize, offset: usize, limit: usize| {
        object.plain("total", total);
        object.plain("offset", offset);
        object.plain("limit", limit);
    };
    let outcome = request.check_level().and_then(|()| {
        let asked = request.read_if_json(InfoRequest::default())?;
        let stream = streams.find(name)?;
        let offset = usize::try_from(asked.offset).unwrap_or(0);
        let (mut info, total) = look_into(&stream, &asked, offset, shared.bus.limits().max_payload / 4)?;
        // Quotes, a colon, a comma and the number.
        info.subjects = fitting(shared, info.subjects.into_iter(), |(subject, _)| subject.len() + 24);
        let leader = shared.server_name();
        let shown = Shown { domain: shared.domain(), leader: Some(&leader), is_alone: true };
        let response = Response::new("stream_info", |object| {
            match total {
                0 => paging(object, 0, 0, 0),
                _ => paging(object, total, offset, SUBJECTS_MAX),
            }
            info.encode(object, shown);
        });
        Ok(response.behind(stream))
    });
    Response::of("stream_info", outcome, |object| paging(object, 0, 0, 0))
}

#[derive(Debug, Default)]
struct ListRequest<const IS_LIST: bool> {
    subject: String,
    offset: i64,
}

impl<const IS_LIST: bool> Decode for ListRequest<IS_LIST> {
    const NAME: &'static str = if IS_LIST { "JSApiStreamListRequest" } else { "JSApiStreamNamesRequest" };

    fn decode(&mut self, from: &mut Reader<'_>) -> Result<(), Fatal> {
        from.object(&format!("server.{}", Self::NAME), &["offset", "subject"], |reader, key| match key {
            "offset" => reader.integer("int", &mut self.offset),
            _ => reader.text(&mut self.subject),
        })?;
        Ok(())
    }
}

pub(super) fn names(streams: &Streams, request: &Request<'_>) -> Response {
    let outcome = request.check_level().and_then(|()| {
        let asked = request.read_if_json(ListRequest::<false>::default())?;
        let page = Page::of(streams.list(&asked.subject), asked.offset, NAMES_MAX);
        Ok(Response::new("stream_names", |object| {
            page.encode(object, NAMES_MAX);
            let out = object.key("streams");
            match page.items.is_empty() {
                true => out.push_str("null"),
                false => write_list(out, &page.items, |out, (name, _)| text(out, name)),
            }
        }))
    });
    Response::of("stream_names", outcome, |object| {
        Page::<()>::none().encode(object, 0);
        object.plain("streams", "null");
    })
}

pub(super) fn list(shared: &Shared, streams: &Streams, request: &Request<'_>) -> Response {
    let outcome = request.check_level().and_then(|()| {
        let asked = request.read_if_json(ListRequest::<true>::default())?;
        let page = Page::of(streams.list(&asked.subject), asked.offset, LIST_MAX);
        let shown = Shown { domain: shared.domain(), ..Shown::default() };
        // One that was deleted meanwhile is left out.
        let infos = page.items.iter().filter_map(|(_, stream)| info_of(stream).ok());
        let infos = infos.map(|info| {
            let mut json = String::new();
            info.encode(&mut Object::new(&mut json), shown);
            json
        });
        let infos = fitting(shared, infos, String::len);
        Ok(Response::new("stream_list", |object| {
            page.encode(object, LIST_MAX);
            write_list(object.key("streams"), &infos, |out, info| out.push_str(info));
        }))
    });
    Response::of("stream_list", outcome, |object| {
        Page::<()>::none().encode(object, 0);
        object.plain("streams", "[]");
    })
}

/// As many of the first items as fit into one message; the first does in any case. Clients ask for the rest behind the last one that they got.
fn fitting<T>(shared: &Shared, items: impl Iterator<Item = T>, size: impl Fn(&T) -> usize) -> Vec<T> {
    // The other half is for all else.
    let mut room = shared.bus.limits().max_payload / 2;
    let mut is_first = true;
    let fits = |item: &T| {
        let left = room.checked_sub(size(item));
        room = left.unwrap_or(0);
        std::mem::take(&mut is_first) || left.is_some()
    };
    items.take_while(fits).collect()
}

/// What is told of a stream.
fn info_of(stream: &ServedStream) -> Result<StreamInfo, ApiError> {
    look_into(stream, &InfoRequest::default(), 0, 0).map(|(info, _)| info)
}

/// What is told of a stream with details, and how many subjects matched the filter. The first deleted sequences are told of, as many as fit
/// into so many bytes; the state says how many there are.
fn look_into(
    stream: &ServedStream,
    asked: &InfoRequest,
    offset: usize,
    mut room: usize,
) -> Result<(StreamInfo, usize), ApiError> {
    // Digits and a comma.
    let mut fits = |seq: &u64| {
        let size = seq.checked_ilog10().unwrap_or(0) as usize + 2;
        let fits = size <= room;
        room = room.saturating_sub(size);
        fits
    };
    let look = |machine: &Stream, now| {
        let mut total = 0;
        let mut subjects = Vec::new();
        if !asked.subjects_filter.is_empty() {
            for (at, (subject, count)) in machine.messages().subjects(&asked.subjects_filter).enumerate() {
                total += 1;
                if (offset..offset.saturating_add(SUBJECTS_MAX)).contains(&at) {
                    subjects.push((subject.to_owned(), count));
                }
            }
        }
        let deleted = if asked.deleted_details {
            machine.messages().deleted().take_while(&mut fits).collect()
        } else {
            Vec::new()
        };
        let (config, created, state) = (machine.config().clone(), machine.created(), machine.state());
        (StreamInfo { config, created, state, subjects, deleted, now }, total)
    };
    stream.read(look).ok_or_else(|| stream.gone())
}
