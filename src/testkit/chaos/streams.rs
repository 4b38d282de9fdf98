//! What chaos knows of JetStream: the subjects of its acknowledgements, deliveries and pull requests.

use super::fault::Kind;
use crate::observe::PublishContext;
use bytes::Bytes;
use serde_json::Value;

/// A message that chaos itself publishes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sent {
    pub(super) subject: String,
    pub(super) head: Option<Bytes>,
}

/// The part of a publish that faults of JetStream look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part<'a> {
    /// An acknowledgement by a consumer's user.
    Ack,
    /// A message on its way to a consumer's user, delivered so often by now.
    Delivery(u64),
    /// A pull request: the prefix of the API with its last dot, and the names of the stream and the consumer.
    Pull(&'a str, &'a str),
    Other,
}

const PULL: &str = "CONSUMER.MSG.NEXT.";

/// The number of deliveries that a reply subject of JetStream's says.
fn deliveries(reply: &str) -> Option<u64> {
    let rest = reply.strip_prefix("$JS.ACK.")?;
    let tokens: Vec<&str> = rest.split('.').collect();
    let place = match tokens.len() {
        7 => 2,
        9.. => 4,
        _ => return None,
    };
    tokens.get(place)?.parse().ok()
}

fn part<'a>(publish: &PublishContext<'a>, routed: &'a str) -> Part<'a> {
    if routed.starts_with("$JS.ACK.") {
        return Part::Ack;
    }
    if let Some((prefix, names)) = routed.split_once(PULL)
        && prefix.starts_with("$JS.")
        && prefix.ends_with("API.")
        && publish.message.reply().is_some()
    {
        return Part::Pull(prefix, names);
    }
    let reply = publish.message.reply().map(|reply| reply.as_str());
    reply.and_then(deliveries).map_or(Part::Other, Part::Delivery)
}

/// Whether a fault can happen to a publish; `None` if it is no fault of JetStream.
pub(super) fn concerns(kind: &Kind, publish: &PublishContext<'_>) -> Option<bool> {
    let part = || part(publish, publish.routed_subject());
    match kind {
        Kind::LostAck => Some(part() == Part::Ack),
        Kind::LateRedelivery { .. } => Some(matches!(part(), Part::Delivery(2..))),
        Kind::ConsumerDeleted | Kind::ConsumerGone | Kind::PullEnded => Some(matches!(part(), Part::Pull(..))),
        _ => None,
    }
}

/// The request that deletes the consumer of a pull request.
pub(super) fn deletion(routed: &str) -> Option<Sent> {
    let (prefix, names) = routed.split_once(PULL)?;
    Some(Sent { subject: format!("{prefix}CONSUMER.DELETE.{names}"), head: None })
}

/// The status by which a server that shuts down ends a pull request (JC76).
pub(super) fn end_of_pull(publish: &PublishContext<'_>) -> Option<Sent> {
    let subject = publish.message.reply()?.as_str().to_owned();
    let body = publish.message.payload();
    let asked: Option<Value> = serde_json::from_slice(body).ok();
    let number = |key: &str| asked.as_ref().and_then(|asked| asked.get(key)).and_then(Value::as_u64);
    // A body that is no JSON is a number of messages, or stands for one.
    let text = || std::str::from_utf8(body).ok().and_then(|text| text.trim().parse().ok());
    let left = number("batch").or_else(text).unwrap_or(1).max(1);
    let bytes = number("max_bytes").unwrap_or(0);
    let lines = format!("Nats-Pending-Messages: {left}\r\nNats-Pending-Bytes: {bytes}\r\n");
    Some(Sent { subject, head: Some(format!("NATS/1.0 409 Server Shutdown\r\n{lines}\r\n").into()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// JC81: both forms of reply subjects say how often a message was delivered.
    #[test]
    fn deliveries_are_read_off_the_reply_subject() {
        assert_eq!(deliveries("$JS.ACK.S.c.2.7.9.1000.3"), Some(2));
        assert_eq!(deliveries("$JS.ACK._.szMpdrwD.S.c.3.7.9.1000.3.x"), Some(3));
        for other in ["a.b", "$JS.ACK.S.c", "$JS.ACK.S.c.x.7.9.1000.3"] {
            assert_eq!(deliveries(other), None, "{other}");
        }
    }

    #[test]
    fn a_deletion_has_the_prefix_of_the_pull_request() {
        let deleted = deletion("$JS.hub.API.CONSUMER.MSG.NEXT.S.c").unwrap();
        assert_eq!(deleted.subject, "$JS.hub.API.CONSUMER.DELETE.S.c");
    }
}
