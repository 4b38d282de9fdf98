//! Direct reads: messages come as they are stored, without an envelope, and without being counted (JS80 to JS86).

use super::super::outgoing::Outgoing;
use super::super::streams::Streams;
use super::messages::find;
use super::request::exceeds_level;
use crate::Message;
use crate::jetstream::engine::config::Storage;
use crate::jetstream::engine::{Ahead, Filters, StoredMessage, Stream, header};
use crate::jetstream::json::read;
use crate::jetstream::json::requests::MessageRequest;

/// The most subjects of one answer.
const SUBJECTS_MAX: usize = 1_024;

/// The most bytes of one answer, unless the request says fewer.
const BYTES_MAX: u64 = 64 << 20;

/// The answers to a direct read. `call` is its subject behind the prefix of the API.
pub(super) fn serve(streams: &Streams, call: &str, message: &Message) -> Vec<Outgoing> {
    let Some(reply) = message.reply().map(|reply| reply.as_str()) else { return Vec::new() };
    let target = call.strip_prefix("DIRECT.GET.").unwrap_or_default();
    let (name, subject) = target.split_once('.').map_or((target, None), |(name, subject)| (name, Some(subject)));
    let stream = streams.get(name);
    let answers = stream.and_then(|stream| {
        let answer = |machine: &Stream| {
            let config = machine.config();
            (config.allow_direct || config.mirror_direct).then(|| answers(machine, reply, subject, message))
        };
        stream.read(|machine, _| answer(machine)).flatten()
    });
    answers.unwrap_or_else(|| vec![Outgoing::no_responders(reply, message.subject().as_str())])
}

fn answers(machine: &Stream, reply: &str, subject: Option<&str>, message: &Message) -> Vec<Outgoing> {
    let status = |status: &str| vec![Outgoing::status(reply, status, "")];
    if exceeds_level(&message.header_block().unwrap_or_default()) {
        return status("412 Required Api Level");
    }
    let body = message.payload();
    if body.is_empty() && subject.is_none() {
        return status("408 Empty Request");
    }
    let mut asked = MessageRequest::default();
    if !body.is_empty() && read::decode(body, false, &mut asked).is_err() {
        return status("408 Malformed Request");
    }
    if let Some(subject) = subject {
        let without_header =
            MessageRequest { no_hdr: asked.no_hdr, max_bytes: asked.max_bytes, ..MessageRequest::default() };
        if asked != without_header {
            return status("408 Bad Request");
        }
        asked.last_by_subj = subject.to_owned();
    }
    if !selects(&asked) {
        return status("408 Empty Request");
    }
    if contradicts_itself(&asked) {
        return status("408 Bad Request");
    }
    if !asked.multi_last.is_empty() {
        return last_of_each(machine, reply, &asked);
    }
    if asked.batch != 0 {
        return batch(machine, reply, &asked);
    }
    match find(machine, &asked) {
        Some(found) => vec![stored(machine, reply, &found, asked.no_hdr, None)],
        None => status("404 Message Not Found"),
    }
}

fn selects(asked: &MessageRequest) -> bool {
    let texts = [&asked.last_by_subj, &asked.next_by_subj];
    asked.seq > 0
        || asked.start_time.is_some()
        || texts.iter().any(|text| !text.is_empty())
        || !asked.multi_last.is_empty()
}

fn contradicts_itself(asked: &MessageRequest) -> bool {
    let (has_last, has_next) = (!asked.last_by_subj.is_empty(), !asked.next_by_subj.is_empty());
    let (has_start, has_multi) = (asked.start_time.is_some(), !asked.multi_last.is_empty());
    (asked.seq > 0 && (has_last || has_start))
        || (has_start && has_last)
        || (has_last && (has_next || asked.batch > 0 || has_multi))
        || (has_next && has_multi)
        || (asked.up_to_seq > 0 && asked.up_to_time.is_some())
}

/// A message as it is stored, with the headers that say where it comes from. `more` are the messages of this answer that follow,
/// and the sequence of the one before.
fn stored(
    machine: &Stream,
    reply: &str,
    message: &StoredMessage<'_>,
    no_header: bool,
    more: Option<(u64, u64)>,
) -> Outgoing {
    let (head, payload) = message.shared();
    let answer = Outgoing::new(reply, payload);
    if no_header {
        return answer;
    }
    let mut head = head.to_vec();
    let mut add = |name: &str, value: &str| header::append(&mut head, name, value.as_bytes());
    add("Nats-Stream", &machine.config().name);
    add("Nats-Subject", message.subject());
    add("Nats-Sequence", &message.seq().to_string());
    add("Nats-Time-Stamp", &message.time().to_string());
    if let Some((pending, last)) = more {
        add("Nats-Num-Pending", &pending.to_string());
        add("Nats-Last-Sequence", &last.to_string());
    }
    answer.head(head)
}

/// The bytes that a message counts towards `max_bytes`.
fn size(message: &StoredMessage<'_>) -> u64 {
    (message.subject().len() + message.head().len() + message.payload().len()) as u64
}

fn bytes_max(asked: &MessageRequest) -> u64 {
    u64::try_from(asked.max_bytes).ok().filter(|max| *max > 0).unwrap_or(BYTES_MAX)
}

/// Several messages from one on (JS84).
fn batch(machine: &Stream, reply: &str, asked: &MessageRequest) -> Vec<Outgoing> {
    let not_found = || vec![Outgoing::status(reply, "404 Message Not Found", "")];
    let filters: Vec<&str> = if asked.next_by_subj.is_empty() { Vec::new() } else { vec![&asked.next_by_subj] };
    let mut from = match asked.start_time {
        Some(time) => machine.messages().first_at(time).map_or(machine.state().last_seq + 1, |first| first.seq()),
        None => asked.seq,
    };
    let (filters, mut ahead) = (Filters::new(&filters), Ahead::default());
    let mut pending = machine.messages().count(&filters, from);
    let (mut answers, mut last, mut bytes) = (Vec::new(), 0, 0);
    for _ in 0..asked.batch {
        let next = machine.messages().search(&filters, from, &mut ahead);
        let Some(message) = next.and_then(|seq| machine.messages().get(seq)) else { break };
        // Without headers the messages are not counted down.
        if !asked.no_hdr {
            pending = pending.saturating_sub(1);
        }
        answers.push(stored(machine, reply, &message, asked.no_hdr, Some((pending, last))));
        last = message.seq();
        from = last + 1;
        bytes += size(&message);
        if bytes >= bytes_max(asked) {
            break;
        }
    }
    if answers.is_empty() && asked.batch > 0 {
        return not_found();
    }
    let lines = format!("Nats-Num-Pending: {pending}\r\nNats-Last-Sequence: {last}\r\n");
    answers.push(Outgoing::status(reply, "204 EOB", &lines));
    answers
}

/// The last message of each of some subjects (JS85).
fn last_of_each(machine: &Stream, reply: &str, asked: &MessageRequest) -> Vec<Outgoing> {
    let last_seq = machine.state().last_seq;
    let up_to = match asked.up_to_time {
        Some(time) => machine.messages().last_before(time).map_or(0, |message| message.seq()),
        None if asked.up_to_seq > 0 => asked.up_to_seq,
        None => last_seq,
    };
    // A file store finds nothing for an end behind the last message (JS79).
    if machine.config().storage == Storage::File && asked.up_to_time.is_none() && up_to > last_seq {
        return vec![Outgoing::status(reply, "404 No Results", "")];
    }
    let Some(seqs) = machine.messages().last_of_few(&asked.multi_last, up_to, SUBJECTS_MAX) else {
        return vec![Outgoing::status(reply, "413 Too Many Results", "")];
    };
    if seqs.is_empty() {
        return vec![Outgoing::status(reply, "404 No Results", "")];
    }
    let max = usize::try_from(asked.batch).ok().filter(|max| *max > 0).unwrap_or(usize::MAX);
    let mut pending = seqs.len() as u64;
    let (mut answers, mut last, mut bytes) = (Vec::new(), 0, 0);
    for seq in seqs {
        if seq < asked.seq {
            pending -= 1;
            continue;
        }
        let Some(message) = machine.messages().get(seq) else { continue };
        pending -= 1;
        answers.push(stored(machine, reply, &message, false, Some((pending, last))));
        last = seq;
        bytes += size(&message);
        if answers.len() == max || bytes >= bytes_max(asked) {
            break;
        }
    }
    let lines = format!("Nats-Num-Pending: {pending}\r\nNats-Last-Sequence: {last}\r\nNats-UpTo-Sequence: {up_to}\r\n");
    answers.push(Outgoing::status(reply, "204 EOB", &lines));
    answers
}
