//! A message as MSG or HMSG in the output of a connection.

use super::chunks::ChunkQueue;
use crate::protocol::encode::Delivery;
use crate::protocol::text;
use crate::{Message, StatusCode};

/// The header block of a 503 as servers before 2.12 send it (R3).
const BARE_503: &[u8] = b"NATS/1.0 503\r\n\r\n";

/// Bytes of the line of MSG and HMSG without the names in it, at most: the operation, the blanks, two numbers, the line
/// end.
const LINE_MAX: usize = 54;

/// How the header block of a 503 of the bus begins (R3).
const NAMED_503: &[u8] = b"NATS/1.0 503\r\nNats-Subject: ";

/// How a subscription's messages are written.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    pub(super) sid: Box<[u8]>,
    /// The client understands headers (H5).
    pub(super) headers: bool,
    /// A 503 names the subject that has no responders (R3).
    pub(super) names_subject: bool,
}

impl Frame {
    /// Appends the message as MSG or HMSG; gives back the size of its payload and headers.
    #[inline]
    pub(super) fn write(&self, message: &Message, out: &mut ChunkQueue) -> usize {
        self.encode(message, |delivery, with_headers| {
            let Delivery { subject, sid, reply, headers, payload } = delivery;
            let line = LINE_MAX + subject.len() + sid.len() + reply.map_or(0, str::len);
            // A shared message keeps its header block, so it is shared only if that is written too.
            if ChunkQueue::shares(payload.len()) && (with_headers || message.header_block().is_none()) {
                let headers = if with_headers { headers } else { &[] };
                out.copy(line + headers.len(), |out| {
                    delivery.write_head(out, with_headers);
                    out.extend_from_slice(headers);
                });
                out.share(message);
                out.copy(2, |out| out.extend_from_slice(b"\r\n"));
            } else {
                out.copy(line + headers.len() + payload.len(), |out| delivery.write(out, with_headers));
            }
        })
    }

    /// The message as MSG or HMSG, in one piece.
    pub(super) fn to_bytes(&self, message: &Message) -> Vec<u8> {
        let mut out = Vec::new();
        self.encode(message, |delivery, with_headers| delivery.write(&mut out, with_headers));
        out
    }

    /// The message that is to be written, and whether with headers; gives back the size of its payload
    /// and headers.
    #[inline]
    fn encode(&self, message: &Message, write: impl FnOnce(Delivery<'_>, bool)) -> usize {
        let block = if self.headers { message.header_block() } else { None };
        let mut delivery = Delivery {
            subject: message.subject().as_str(),
            sid: &self.sid,
            reply: message.reply().map(|reply| reply.as_str()),
            headers: block.as_deref().unwrap_or_default(),
            payload: message.payload(),
        };
        if !self.names_subject && delivery.payload.is_empty() && message.status() == Some(StatusCode::NO_RESPONDERS) {
            delivery.headers = BARE_503;
        }
        // The bus names the subject as the text that it has for it, which is not what a client sent if that was no UTF-8 (S1).
        let named = delivery.payload.is_empty() && delivery.headers.starts_with(NAMED_503);
        let named = named.then(|| std::str::from_utf8(delivery.headers).ok()).flatten().map(text::to_wire);
        if let Some(bytes) = &named {
            delivery.headers = bytes;
        }
        write(delivery, self.headers);
        delivery.headers.len() + delivery.payload.len()
    }
}
