//! `CONSUMER.MSG.NEXT`: pull requests, which the consumer answers, not the API (JC2, JC60).

use super::super::outgoing::Outgoing;
use super::super::streams::Streams;
use super::request::exceeds_level;
use crate::Message;
use crate::jetstream::json::pull::pull_request;

/// Hands a pull request to its consumer; a status comes back if that does not take it. `call` is the subject behind the prefix of the API.
pub(super) fn serve(streams: &Streams, call: &str, message: &Message) -> Option<Outgoing> {
    let reply = message.reply()?;
    let no_responders = || Some(Outgoing::no_responders(reply.as_str(), message.subject().as_str()));
    let target = call.strip_prefix("CONSUMER.MSG.NEXT.").and_then(|target| target.split_once('.'));
    let Some((name, consumer)) = target else { return no_responders() };
    let Some(stream) = streams.get(name) else { return no_responders() };
    let request = pull_request(message.payload());
    let has_level = !exceeds_level(&message.header_block().unwrap_or_default());
    let changed = stream.change(|locked| {
        if locked.is_full() {
            // As a call that finds the server's queue full (JS16).
            return true;
        }
        let Some(id) = locked.machine.consumer_id(consumer) else { return false };
        if has_level {
            locked.machine.handle_pull(locked.now, id, reply, request.as_ref().map_err(String::as_str));
        } else {
            locked.send([Outgoing::status(reply.as_str(), "412 Required Api Level", "")]);
        }
        true
    });
    let Some((is_taken, left)) = changed else { return no_responders() };
    left.run();
    if is_taken { None } else { no_responders() }
}
