//! The body of a pull request, and the delay of a negative acknowledgement (JC60, JC111).

use super::read::{Decode, Fatal, Reader, decode};
use super::write::Object;
use crate::jetstream::engine::consumer::PullRequest;

/// Wraps the request, whose type has no name in the server's faults.
#[derive(Debug, Default)]
struct Body(PullRequest);

impl Decode for Body {
    const NAME: &'static str = "";

    fn decode(&mut self, from: &mut Reader<'_>) -> Result<(), Fatal> {
        let request = &mut self.0;
        let keys = [
            "batch",
            "expires",
            "no_wait",
            "max_bytes",
            "idle_heartbeat",
            "group",
            "min_pending",
            "min_ack_pending",
            "id",
            "priority",
        ];
        from.object("server.JSApiConsumerGetNextRequest", &keys, |reader, key| match key {
            "batch" => reader.integer("int", &mut request.batch),
            "expires" => reader.span(&mut request.expires),
            "no_wait" => reader.flag(&mut request.no_wait),
            "max_bytes" => reader.integer("int", &mut request.max_bytes),
            "idle_heartbeat" => reader.span(&mut request.idle_heartbeat),
            "group" => reader.text(&mut request.group),
            "min_pending" => reader.integer("int64", &mut request.min_pending),
            "min_ack_pending" => reader.integer("int64", &mut request.min_ack_pending),
            "id" => reader.text(&mut request.id),
            _ => reader.integer("int", &mut request.priority),
        })?;
        Ok(())
    }
}

/// Writes a pull request.
pub(crate) fn encode(request: &PullRequest) -> String {
    let mut body = String::with_capacity(64);
    let mut object = Object::new(&mut body);
    object.plain("batch", request.batch);
    object.some_number("expires", request.expires);
    object.some_flag("no_wait", request.no_wait);
    object.some_number("max_bytes", request.max_bytes);
    object.some_number("idle_heartbeat", request.idle_heartbeat);
    object.some_text("group", &request.group);
    object.some_number("min_pending", request.min_pending);
    object.some_number("min_ack_pending", request.min_ack_pending);
    object.some_text("id", &request.id);
    object.some_number("priority", request.priority);
    drop(object);
    body
}

/// Reads the body of a pull request: JSON, a number of messages, or anything else for one.
///
/// # Errors
///
/// The words that refuse it.
pub(crate) fn pull_request(body: &[u8]) -> Result<PullRequest, String> {
    let body = body.trim_ascii();
    if body.first() == Some(&b'{') {
        let mut request = Body::default();
        decode(body, false, &mut request)?;
        return Ok(request.0);
    }
    let number = std::str::from_utf8(body).ok().and_then(|text| text.parse().ok());
    Ok(PullRequest::plain(number.unwrap_or(1)))
}

#[derive(Debug, Default)]
struct Nak {
    delay: i64,
}

impl Decode for Nak {
    const NAME: &'static str = "ConsumerNakOptions";

    fn decode(&mut self, from: &mut Reader<'_>) -> Result<(), Fatal> {
        from.object("server.ConsumerNakOptions", &["delay"], |reader, _| reader.span(&mut self.delay))?;
        Ok(())
    }
}

/// The delay of a negative acknowledgement, in nanoseconds; `None` if it can't be read.
pub(crate) fn nak_delay(text: &str) -> Option<i64> {
    let mut nak = Nak::default();
    decode(text.as_bytes(), false, &mut nak).ok().map(|()| nak.delay)
}
