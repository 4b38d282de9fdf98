//! Requests for push consumers of the server's: which requests are some, and where the consumer is to deliver.
//!
//! JetStream sends the messages of a stream to the delivery subject, but under their own subjects: on the wire, only the subscription says
//! which delivery subject a message came by. So an inbox that a consumer delivers to has a subscription of its own on the server
//! (`deliveries.rs`).

/// A push consumer that is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Delivery {
    /// Where it is to deliver.
    pub(super) subject: String,
    /// Whether its messages are not acknowledged, so that nothing has to find its way back by their reply subjects.
    pub(super) is_unacknowledged: bool,
}

impl Delivery {
    /// Whether requests on a subject of the server's are for consumers (JC1), in whichever domain or account.
    pub(super) fn is_asked_on(subject: &str) -> bool {
        const APIS: [&str; 2] = ["API.CONSUMER.CREATE.", "API.CONSUMER.DURABLE.CREATE."];
        let at_token =
            |api: &str| subject.match_indices(api).any(|(at, _)| at == 0 || subject.as_bytes()[at - 1] == b'.');
        APIS.into_iter().any(at_token)
    }

    /// The push consumer that the content of a request asks for; `None` if it is for another consumer, or is not so simple.
    pub(super) fn of(payload: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(payload).ok()?;
        let mut delivery = Delivery::default();
        let (mut depth, mut rest) = (0_u32, text);
        while let Some(at) = rest.find(['{', '}', '[', ']', '"']) {
            let after = &rest[at + 1..];
            rest = match rest.as_bytes()[at] {
                b'{' | b'[' => {
                    depth += 1;
                    after
                }
                b'}' | b']' => {
                    depth = depth.checked_sub(1)?;
                    after
                }
                _ => {
                    let (key, after) = string(after)?;
                    match after.trim_start().strip_prefix(':').map(str::trim_start).and_then(|it| it.strip_prefix('"'))
                    {
                        // The keys of the consumer's configuration lie in an object inside of the request.
                        Some(value) if depth == 2 && key == "deliver_subject" => {
                            let (value, after) = string(value)?;
                            delivery.subject = value.to_owned();
                            after
                        }
                        Some(value) if depth == 2 && key == "ack_policy" => {
                            let (value, after) = string(value)?;
                            delivery.is_unacknowledged = value == "none";
                            after
                        }
                        _ => after,
                    }
                }
            };
        }
        let is_plain = !delivery.subject.is_empty() && !delivery.subject.contains('\\');
        is_plain.then_some(delivery)
    }
}

/// The content of a string behind its first quote, escapes as they are, and the text behind its last one.
fn string(text: &str) -> Option<(&str, &str)> {
    let mut from = 0;
    loop {
        let at = from + text[from..].find(['"', '\\'])?;
        match text.as_bytes()[at] {
            b'"' => return Some((&text[..at], &text[at + 1..])),
            // The escaped character is one byte, or stands in front of nothing that matters.
            _ => from = at + 1 + text[at + 1..].chars().next()?.len_utf8(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_says_where_its_consumer_delivers() {
        let of = |text: &str| Delivery::of(text.as_bytes());
        let delivery =
            |subject: &str, is_unacknowledged| Some(Delivery { subject: subject.to_owned(), is_unacknowledged });
        assert_eq!(
            of(r#"{"stream_name":"S","config":{"deliver_subject":"_INBOX.a","ack_policy":"none"}}"#),
            delivery("_INBOX.a", true)
        );
        assert_eq!(
            of(
                r#"{ "config" : { "description":"\"deliver_subject\":\"x\"", "deliver_subject" : "a.b", "filter_subjects":["x"] } }"#
            ),
            delivery("a.b", false)
        );
        // A pull consumer, keys at other places, and texts that are not so simple.
        for text in [
            "",
            "{}",
            r#"{"config":{"ack_policy":"none"}}"#,
            r#"{"deliver_subject":"a","config":{"metadata":{"deliver_subject":"b"}}}"#,
            r#"{"config":{"deliver_subject":"a\u0062"}}"#,
            r#"{"config":{"deliver_subject":"a"#,
            r#"}"deliver_subject":"a""#,
            r#"{"config":{"deliver_subject":["a"]}}"#,
        ] {
            assert_eq!(of(text), None, "{text}");
        }
        assert_eq!(Delivery::of(b"\xff"), None);
    }

    #[test]
    fn a_request_for_a_consumer_is_known_by_its_subject() {
        for subject in
            ["$JS.API.CONSUMER.CREATE.S", "$JS.hub.API.CONSUMER.DURABLE.CREATE.S.c", "$JS.API.CONSUMER.CREATE.S.c.f"]
        {
            assert!(Delivery::is_asked_on(subject), "{subject}");
        }
        for subject in ["$JS.API.CONSUMER.INFO.S.C", "x.MYAPI.CONSUMER.CREATE.S", "$JS.API.CONSUMER.CREATE"] {
            assert!(!Delivery::is_asked_on(subject), "{subject}");
        }
    }
}
