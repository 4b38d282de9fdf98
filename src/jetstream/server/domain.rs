//! The API under the prefix of a domain: mappings onto the plain one (JS6, JL6).
//!
//! A request under `$JS.<domain>.API` is published again without the domain, with its reply and its headers. So those who watch the API
//! see it there as well, and a key-value store's keys are stored as if they were published on their own subjects.

use super::api;
use super::error::StartError;
use super::outgoing::Outgoing;
use super::shared::Shared;
use crate::publish::RawMessage;
use crate::{Message, SubscriptionGuard};
use std::sync::Arc;

/// The calls that are mapped; all else has no responders.
const MAPPED: [&str; 7] = ["INFO", "STREAM.>", "CONSUMER.>", "DIRECT.>", "META.>", "SERVER.>", "ACCOUNT.>"];

/// Subjects that are mapped onto themselves, so that the stores behind them are found in the domain.
const STORES: [&str; 2] = ["$KV.>", "$OBJ.>"];

/// Whether a name can be that of a domain.
pub(super) fn check(domain: &str) -> Result<(), StartError> {
    let is_token = !domain.is_empty() && !domain.contains(|c: char| matches!(c, '.' | '*' | '>') || c.is_whitespace());
    if is_token { Ok(()) } else { Err(StartError::InvalidDomain) }
}

/// Maps the domain's subjects; none without a domain.
pub(super) fn map(shared: &Arc<Shared>) -> Result<Vec<SubscriptionGuard>, StartError> {
    let Some(domain) = shared.domain() else { return Ok(Vec::new()) };
    let prefix = format!("$JS.{domain}.API.");
    let calls = MAPPED.iter().map(|call| (*call, api::PREFIX));
    let stores = STORES.iter().map(|store| (*store, ""));
    let mut guards = Vec::new();
    for (pattern, onto) in calls.chain(stores) {
        let (weak, cut) = (Arc::downgrade(shared), prefix.len());
        let guard = shared.client.subscribe_fn(format!("{prefix}{pattern}"), move |message| {
            if let Some(shared) = weak.upgrade() {
                publish_again(&shared, &message, cut, onto);
            }
        })?;
        guards.push(guard);
    }
    Ok(guards)
}

fn publish_again(shared: &Shared, message: &Message, cut: usize, onto: &str) {
    let subject = format!("{onto}{}", &message.subject().as_str()[cut..]);
    let reply = message.reply().map(|reply| reply.as_str());
    let raw = RawMessage::new(&subject, message.payload_bytes()).reply(reply).headers(message.header_block());
    // Errors: it was published once, within the same bounds; but the bus may be closed by now.
    if let (Ok(0), Some(reply)) = (shared.client.publish_raw(raw), reply) {
        drop(Outgoing::no_responders(reply, &subject).send(&shared.client));
    }
}
