//! Acknowledgements and flow control responses, which clients publish on subjects of the server's (JC90, JC126).
//!
//! One subscription takes them for all consumers. A request to a consumer that is not there is told that there are no responders, as if
//! each consumer had a subscription of its own (JC2).

use super::outgoing::Outgoing;
use super::shared::Shared;
use super::streams::Streams;
use crate::Message;
use crate::jetstream::engine::consumer::{Ack, AckPolicy, AckSubject};
use crate::jetstream::json::pull::{nak_delay, pull_request};

/// The subjects of acknowledgements and of flow control responses.
pub(super) const PATTERNS: [&str; 2] = ["$JS.ACK.>", "$JS.FC.>"];

/// Takes what was published on one of the subjects.
pub(super) fn serve(shared: &Shared, streams: &Streams, message: &Message) {
    let is_taken = match message.subject().as_str().strip_prefix("$JS.FC.") {
        Some(flow) => flow_response(streams, flow, message),
        None => acknowledge(streams, message),
    };
    if let (false, Some(reply)) = (is_taken, message.reply()) {
        // The bus may be closed.
        drop(Outgoing::no_responders(reply.as_str(), message.subject().as_str()).send(&shared.client));
    }
}

/// False if there is no such consumer, or one that expects no acknowledgements.
fn acknowledge(streams: &Streams, message: &Message) -> bool {
    let Some(subject) = AckSubject::parse(message.subject().as_str()) else { return false };
    let Some(stream) = streams.get(subject.stream) else { return false };
    let ack = Ack::parse(message.payload(), nak_delay);
    let changed = stream.change(|locked| {
        if locked.is_full() {
            // As if it had been lost on its way: the message comes again.
            return true;
        }
        let (machine, now) = (&mut *locked.machine, locked.now);
        let Some(id) = machine.consumer_id(subject.consumer) else { return false };
        let policy = machine.consumer_config(id).map(|config| config.ack_policy);
        if !matches!(policy, Some(AckPolicy::All | AckPolicy::Explicit)) {
            return false;
        }
        machine.handle_ack(now, id, &subject, ack, message.reply());
        if let (Ack::Next { body }, Some(inbox)) = (ack, message.reply()) {
            let request = pull_request(body);
            machine.handle_pull(now, id, inbox, request.as_ref().map_err(String::as_str));
        }
        true
    });
    let Some((is_taken, left)) = changed else { return false };
    left.run();
    is_taken
}

fn flow_response(streams: &Streams, flow: &str, message: &Message) -> bool {
    let mut tokens = flow.split('.');
    let (Some(stream), Some(consumer)) = (tokens.next(), tokens.next()) else { return false };
    let Some(stream) = streams.get(stream) else { return false };
    let changed = stream.change(|locked| {
        if locked.is_full() {
            return true;
        }
        let Some(id) = locked.machine.consumer_id(consumer) else { return false };
        locked.machine.handle_flow_response(locked.now, id, message.subject());
        true
    });
    let Some((is_taken, left)) = changed else { return false };
    left.run();
    is_taken
}
