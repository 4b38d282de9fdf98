//! Pull requests to streams of the server's: which requests are some, and what they ask for.
//!
//! JetStream sends the messages of a stream to the reply subject of the request, but under their own subjects: on the wire, nothing in a
//! message names the request that it is for. Only the subscription does. So a pull request has a subscription of its own on the server (`pulls.rs`).

/// The token before those of pull requests in their reply subjects, which have one token more than others.
const PREFIX: &str = "pull.";

/// A request for messages of a stream.
#[derive(Debug)]
pub(super) struct Pull {
    /// The name of the request among those that the bus has called.
    pub(super) token: String,
    /// Its reply subject on the bus.
    pub(super) bus_reply: String,
    /// Messages that it asks for; `None` if that can't be told.
    pub(super) messages: Option<u64>,
}

impl Pull {
    /// Whether requests on a subject of the server's are for messages of a stream (JC80), in whichever domain or account.
    pub(super) fn is_asked_on(subject: &str) -> bool {
        const API: &str = "API.CONSUMER.MSG.NEXT.";
        subject.match_indices(API).any(|(at, _)| at == 0 || subject.as_bytes()[at - 1] == b'.')
    }

    /// The last tokens of its reply subject, below the inbox: deeper than those of other requests, whose subscription must not get a copy.
    pub(super) fn reply(&self) -> String {
        format!("{PREFIX}{}", self.token)
    }

    /// The name of a request by the last tokens of its reply subject, whether it is a pull request or not.
    pub(super) fn token_of(reply: &str) -> &str {
        reply.strip_prefix(PREFIX).unwrap_or(reply)
    }

    /// The number of messages that the content of a request asks for: none, a number, or JSON.
    pub(super) fn batch(payload: &[u8]) -> Option<u64> {
        let text = std::str::from_utf8(payload).ok()?.trim();
        let batch = match text {
            "" => 1,
            _ if text.starts_with('{') => number_of(text, "batch")?,
            _ => text.parse().ok()?,
        };
        Some(batch.max(1))
    }
}

/// The number that a flat JSON object has under a name: 0 if there is none; `None` if the object is not so simple.
fn number_of(json: &str, name: &str) -> Option<u64> {
    let mut found = 0;
    let mut rest = json.strip_prefix('{')?.trim_start();
    while !rest.starts_with('}') {
        let (key, after) = rest.strip_prefix('"')?.split_once('"')?;
        let value = after.trim_start().strip_prefix(':')?.trim_start();
        let end = match value.strip_prefix('"') {
            Some(text) => text.find(['"', '\\'])? + 2,
            None => value.find([',', '}'])?,
        };
        let (value, after) = value.split_at_checked(end)?;
        if key.contains('\\') || value.ends_with('\\') || value.starts_with(['{', '[']) {
            return None;
        }
        if key.eq_ignore_ascii_case(name) {
            found = value.trim().parse().ok()?;
        }
        rest = after.trim_start();
        rest = rest.strip_prefix(',').map_or(rest, str::trim_start);
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pull_request_says_how_much_it_asks_for() {
        let cases: [(&str, Option<u64>); 14] = [
            ("", Some(1)),
            ("  ", Some(1)),
            ("25", Some(25)),
            ("{}", Some(1)),
            (r#"{"batch":10}"#, Some(10)),
            (r#"{ "expires" : 5000000000 , "Batch" : 7, "no_wait":true }"#, Some(7)),
            (r#"{"group":"batch","batch":3}"#, Some(3)),
            (r#"{"group":"a,b}","batch":3}"#, Some(3)),
            (r#"{"expires":1,"no_wait":true}"#, Some(1)),
            (r#"{"priority":{"batch":3}}"#, None),
            (r#"{"group":"a\"b","batch":3}"#, None),
            (r#"{"batch":-1}"#, None),
            (r#"{"batch":"#, None),
            ("many", None),
        ];
        for (payload, expected) in cases {
            assert_eq!(Pull::batch(payload.as_bytes()), expected, "{payload}");
        }
        assert_eq!(Pull::batch(b"\xff"), None);
    }

    #[test]
    fn a_pull_request_is_known_by_its_subject() {
        for subject in
            ["$JS.API.CONSUMER.MSG.NEXT.S.C", "$JS.hub.API.CONSUMER.MSG.NEXT.S.C", "js.acc.API.CONSUMER.MSG.NEXT.S.C"]
        {
            assert!(Pull::is_asked_on(subject), "{subject}");
        }
        for subject in ["$JS.API.CONSUMER.INFO.S.C", "x.MYAPI.CONSUMER.MSG.NEXT.S.C", "$JS.API.CONSUMER.MSG.NEXT"] {
            assert!(!Pull::is_asked_on(subject), "{subject}");
        }
    }
}
