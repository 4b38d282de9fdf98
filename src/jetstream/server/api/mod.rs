//! The API under `$JS.API`: which call a subject is, and what happens around each of them (JS8 to JS16).
//!
//! | file | reason to change |
//! |---|---|
//! | `request` | what all requests have in common: levels, JSON, empty bodies |
//! | `response` | what all responses have in common |
//! | `account` | the account's own call |
//! | `counts` | calls that were answered |
//! | `streams` | calls on streams as a whole |
//! | `consumers` | calls on consumers |
//! | `pull` | pull requests |
//! | `page` | one page of a list |
//! | `messages` | calls on the messages of a stream |
//! | `direct` | reads without an envelope |
//! | `refused` | calls that a single server refuses |

mod account;
mod consumers;
mod counts;
mod direct;
mod messages;
mod page;
mod pull;
mod refused;
mod request;
mod response;
mod streams;

use super::advisory;
use super::outgoing::Outgoing;
use super::shared::Shared;
use super::streams::{Streams, send_behind};
use crate::Message;
use crate::jetstream::engine::consumer::ConsumerAddress;
use counts::Counts;
use request::Request;
use response::Response;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// The prefix of all calls.
pub(super) const PREFIX: &str = "$JS.API.";

/// Answers calls.
pub(super) struct Api {
    shared: Arc<Shared>,
    streams: Streams,
    counts: Counts,
}

impl Api {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Api { streams: Streams::new(shared.clone()), shared, counts: Counts::default() }
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// The calls that were answered so far, and how many of them were refused.
    pub(super) fn answered(&self) -> (u64, u64) {
        // ORDERING: Relaxed; only counts.
        (self.counts.total.load(Ordering::Relaxed), self.counts.errors.load(Ordering::Relaxed))
    }

    /// Counts anew: with a restart (JS7).
    pub(super) fn reset_counts(&self) {
        self.counts.total.store(0, Ordering::Relaxed);
        self.counts.errors.store(0, Ordering::Relaxed);
    }

    pub(super) fn shared_arc(&self) -> &Arc<Shared> {
        &self.shared
    }

    pub(super) fn streams(&self) -> &Streams {
        &self.streams
    }

    /// Answers the call that a message is, if it is one.
    pub(super) fn serve(&self, message: &Message) {
        let Some(call) = message.subject().as_str().strip_prefix(PREFIX) else { return };
        if call.starts_with("DIRECT.GET") {
            let answers = direct::serve(&self.streams, call, message);
            return send_behind(&self.shared, None, answers);
        }
        if call.starts_with("CONSUMER.MSG.NEXT") {
            let status = pull::serve(&self.streams, call, message);
            return send_behind(&self.shared, None, status.into_iter().collect());
        }
        let request = Request::of(message, self.shared.options.is_strict);
        let Some(response) = self.call(call, &request) else { return };
        self.answer(message, response);
    }

    /// The call of those tokens; `None` if there is none, which stays without an answer (JS8).
    fn call(&self, call: &str, request: &Request<'_>) -> Option<Response> {
        let tokens: Vec<&str> = call.split('.').collect();
        let (shared, streams) = (&*self.shared, &self.streams);
        Some(match tokens[..] {
            ["INFO"] => account::info(shared, streams, &self.counts, request),
            ["STREAM", "NAMES"] => streams::names(streams, request),
            ["STREAM", "LIST"] => streams::list(shared, streams, request),
            ["STREAM", "CREATE", name] => streams::create(streams, name, request),
            ["STREAM", "UPDATE", name] => streams::update(shared, streams, name, request),
            ["STREAM", "INFO", name] => streams::info(shared, streams, name, request),
            ["STREAM", "DELETE", name] => streams::delete(streams, name, request),
            ["STREAM", "PURGE", name] => messages::purge(streams, name, request),
            ["STREAM", "MSG", "GET", name] => messages::get(streams, name, request),
            ["STREAM", "MSG", "DELETE", name] => messages::delete(streams, name, request),
            ["STREAM", "SNAPSHOT", name] => refused::snapshot(streams, name, request),
            ["STREAM", "RESTORE", name] => refused::restore(streams, name, request),
            ["CONSUMER", "CREATE", stream] => {
                consumers::create(shared, streams, stream, ConsumerAddress::Unnamed, request)
            }
            ["CONSUMER", "CREATE", stream, name, ref filter @ ..] => {
                let filter = filter.join(".");
                let filter = (!filter.is_empty()).then_some(filter.as_str());
                consumers::create(shared, streams, stream, ConsumerAddress::Named { name, filter }, request)
            }
            ["CONSUMER", "DURABLE", "CREATE", stream, name] => {
                consumers::create(shared, streams, stream, ConsumerAddress::Durable { name }, request)
            }
            ["CONSUMER", "NAMES", stream] => consumers::names(streams, stream, request),
            ["CONSUMER", "LIST", stream] => consumers::list(streams, stream, request),
            ["CONSUMER", "INFO", stream, name] => consumers::info(streams, stream, name, request),
            ["CONSUMER", "DELETE", stream, name] => consumers::delete(streams, stream, name, request),
            ["CONSUMER", "PAUSE", stream, name] => consumers::pause(streams, stream, name, request),
            ["CONSUMER", "UNPIN", stream, name] => consumers::unpin(streams, stream, name, request),
            ["CONSUMER", "RESET", stream, name] => consumers::reset(streams, stream, name, request)?,
            _ => refused::of_clusters(&tokens)?,
        })
    }

    /// Counts the call, answers it and tells of it, in this order.
    fn answer(&self, message: &Message, response: Response) {
        let Response { json, is_error, is_counted, stream } = response;
        let mut out = Vec::with_capacity(2);
        if is_counted {
            self.counts.total.fetch_add(1, Ordering::Relaxed);
            self.counts.errors.fetch_add(u64::from(is_error), Ordering::Relaxed);
            out.extend(advisory::api_audit(&self.shared, message.subject().as_str(), message.payload(), &json));
        }
        if let Some(reply) = message.reply() {
            out.insert(0, Outgoing::new(reply.as_str(), json));
        }
        send_behind(&self.shared, stream.as_deref(), out);
    }
}
