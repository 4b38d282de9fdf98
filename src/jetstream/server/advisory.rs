//! Advisories: what the server tells of itself under `$JS.EVENT.ADVISORY` (JS88, JS89, JS63).

use super::outgoing::Outgoing;
use super::shared::Shared;
use crate::jetstream::engine::AbandonReason;
use crate::jetstream::json::write::Object;

/// A change of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StreamAction {
    Created,
    Updated,
    Deleted,
}

/// The advisory of an action on a stream; none if nobody listens.
pub(super) fn stream_action(shared: &Shared, stream: &str, action: StreamAction) -> Option<Outgoing> {
    let (token, word) = match action {
        StreamAction::Created => ("CREATED", "create"),
        StreamAction::Updated => ("UPDATED", "modify"),
        StreamAction::Deleted => ("DELETED", "delete"),
    };
    let subject = format!("$JS.EVENT.ADVISORY.STREAM.{token}.{stream}");
    advisory(shared, subject, "stream_action", |object| {
        object.text("stream", stream);
        object.text("action", word);
        domain(shared, object);
    })
}

/// The advisory of an atomic batch that came to nothing.
pub(super) fn batch_abandoned(shared: &Shared, stream: &str, batch: &str, reason: AbandonReason) -> Option<Outgoing> {
    let subject = format!("$JS.EVENT.ADVISORY.STREAM.BATCH_ABANDONED.{stream}");
    advisory(shared, subject, "stream_batch_abandoned", |object| {
        object.text("stream", stream);
        domain(shared, object);
        object.text("batch", batch);
        object.text("reason", reason.as_str());
    })
}

/// The advisory of an API call and its response.
pub(super) fn api_audit(shared: &Shared, subject: &str, request: &[u8], response: &str) -> Option<Outgoing> {
    advisory(shared, "$JS.EVENT.ADVISORY.API".to_owned(), "api_audit", |object| {
        object.text("server", shared.server_name());
        object.some_object("client", Some(&()), |object, ()| {
            object.text("acc", "$G");
            object.text("server", shared.server_name());
        });
        object.text("subject", subject);
        object.some_text("request", &String::from_utf8_lossy(request));
        object.text("response", response);
        domain(shared, object);
    })
}

fn domain(shared: &Shared, object: &mut Object<'_>) {
    object.some_text("domain", shared.domain().unwrap_or_default());
}

fn advisory(shared: &Shared, subject: String, kind: &str, fields: impl FnOnce(&mut Object<'_>)) -> Option<Outgoing> {
    // A stream of a lenient name has a subject of its own kind as well: what is not a subject reaches nobody.
    if !shared.has_interest(&subject) {
        return None;
    }
    let mut out = String::new();
    let mut object = Object::new(&mut out);
    object.text("type", &format!("io.nats.jetstream.advisory.v1.{kind}"));
    object.text("id", &shared.new_id());
    object.instant("timestamp", Some(shared.now()));
    fields(&mut object);
    drop(object);
    Some(Outgoing::new(subject, out))
}
