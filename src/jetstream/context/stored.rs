//! A stored message as it is read: from the API, or directly (JS28, JS82).

use super::error::{GetMessageError, Operation};
use crate::jetstream::engine::Timestamp;
use crate::jetstream::engine::error::codes;
use crate::jetstream::json::read::{Fatal, Reader};
use crate::jetstream::json::response::Fields;
use crate::{HeaderMap, Message, StatusCode, headers};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;

/// A message as a stream has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct StreamMessage {
    /// Its subject.
    pub subject: String,
    /// Its sequence.
    pub sequence: u64,
    /// Its headers; empty also if its header block can't be read (H2).
    pub headers: HeaderMap,
    /// Its payload.
    pub payload: Bytes,
    /// When it was stored.
    pub time: Timestamp,
}

/// The field of a response that carries a message.
#[derive(Debug, Default)]
pub(super) struct Envelope {
    pub(super) message: StreamMessage,
}

impl Fields for Envelope {
    const KEYS: &'static [&'static str] = &["message"];

    fn field(&mut self, _: &'static str, from: &mut Reader<'_>) -> Result<(), Fatal> {
        let message = &mut self.message;
        from.object("message", &["subject", "seq", "hdrs", "data", "time"], |reader, key| match key {
            "subject" => reader.text(&mut message.subject),
            "seq" => reader.integer("uint64", &mut message.sequence),
            "hdrs" => {
                message.headers = headers::decode(&bytes(reader)?).map(|(_, headers)| headers).unwrap_or_default();
                Ok(())
            }
            "data" => {
                message.payload = bytes(reader)?.into();
                Ok(())
            }
            _ => {
                let mut time = None;
                reader.instant(&mut time)?;
                message.time = time.unwrap_or_default();
                Ok(())
            }
        })?;
        Ok(())
    }
}

fn bytes(reader: &mut Reader<'_>) -> Result<Vec<u8>, Fatal> {
    let mut text = String::new();
    reader.text(&mut text)?;
    BASE64.decode(text).map_err(|error| error.to_string())
}

/// The headers that the server adds to a message that is read directly.
const ADDED: [&str; 4] = ["Nats-Stream", "Nats-Subject", "Nats-Sequence", "Nats-Time-Stamp"];

/// A message that was read directly. The server's headers stand behind those of the message (JS82), so that of several with one name the
/// last is the server's; a client library on the way may have changed the order of names.
pub(super) fn direct(response: Message) -> Result<StreamMessage, GetMessageError> {
    read(response, &[])
}

/// A message of an answer with several, which is counted down.
pub(super) fn one_of_several(response: Message) -> Result<StreamMessage, GetMessageError> {
    read(response, &["Nats-Num-Pending", "Nats-Last-Sequence"])
}

/// `more` are headers that the server adds beside [`ADDED`].
fn read(response: Message, more: &[&str]) -> Result<StreamMessage, GetMessageError> {
    if let Some(status) = response.status() {
        return Err(match status {
            StatusCode::NOT_FOUND => GetMessageError::Api(codes::NO_MESSAGE_FOUND.error()),
            status => GetMessageError::unreadable(format!("{status} {}", response.status_description())),
        });
    }
    let all: Vec<_> = response.headers().iter().collect();
    let place_of = |added: &str| all.iter().rposition(|(name, _)| *name == added);
    let places: Vec<_> = ADDED.iter().chain(more).map(|added| place_of(added)).collect();
    let value = |added| place_of(added).map_or("", |place| all[place].1);
    let [_, subject, sequence, time] = ADDED.map(value);
    let (Ok(sequence), Some(time)) = (sequence.parse(), Timestamp::parse(time)) else {
        return Err(GetMessageError::unreadable(format!("sequence {sequence:?}, time {time:?}")));
    };
    let subject = subject.to_owned();
    let own = all.iter().enumerate().filter(|(place, _)| !places.contains(&Some(*place))).map(|(_, header)| *header);
    let headers = HeaderMap::try_from_iter(own).map_err(|error| GetMessageError::unreadable(error.to_string()))?;
    Ok(StreamMessage { subject, sequence, headers, payload: response.into_payload(), time })
}
