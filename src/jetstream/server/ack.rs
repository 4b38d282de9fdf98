//! The answer to a publish (JS43).

use crate::jetstream::engine::Answer;
use crate::jetstream::engine::error::ApiError;
use crate::jetstream::json::write::{Object, text};
use std::fmt::Write as _;

/// The payload of an answer by the stream of that name. `domain` stands in good ones only.
pub(super) fn encode(answer: &Answer, stream: &str, domain: Option<&str>) -> String {
    let mut out = String::with_capacity(64);
    let begin = |out: &mut String, seq: u64| {
        out.push_str("{\"stream\":");
        text(out, stream);
        if let Some(domain) = domain {
            out.push_str(",\"domain\":");
            text(out, domain);
        }
        // Writing to a string does not fail.
        let _ = write!(out, ",\"seq\":{seq}");
    };
    let value_of = |out: &mut String, value: &Option<String>| {
        if let Some(value) = value {
            out.push_str(",\"val\":");
            text(out, value);
        }
    };
    match answer {
        Answer::Stored { seq } => begin(&mut out, *seq),
        Answer::Duplicate { seq } => {
            begin(&mut out, *seq);
            // The server has this blank.
            out.push_str(",\"duplicate\": true");
        }
        Answer::Counter { seq, value } => {
            begin(&mut out, *seq);
            out.push_str(",\"val\":");
            text(&mut out, value);
        }
        Answer::Part => return out,
        Answer::Batch { seq, batch, count, value } => {
            begin(&mut out, *seq);
            value_of(&mut out, value);
            out.push_str(",\"batch\":");
            text(&mut out, batch);
            let _ = write!(out, ",\"count\":{count}");
        }
        Answer::Failed(error) => {
            let mut object = Object::new(&mut out);
            encode_error(&mut object, error);
            object.text("stream", stream);
            object.plain("seq", 0);
            drop(object);
            return out;
        }
    }
    out.push('}');
    out
}

/// Writes an error into a response.
pub(super) fn encode_error(object: &mut Object<'_>, error: &ApiError) {
    object.some_object("error", Some(error), |object, error| {
        object.plain("code", error.code());
        object.plain("err_code", error.err_code());
        object.text("description", error.description());
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jetstream::engine::error::codes;

    /// JS43, as nats-server 2.15.1 sends them.
    #[test]
    fn answers_are_those_of_the_server() {
        let failed = Answer::Failed(codes::STREAM_NOT_MATCH.error());
        let batch = Answer::Batch { seq: 3, batch: "b1".to_owned(), count: 3, value: None };
        let cases = [
            (Answer::Stored { seq: 1 }, None, r#"{"stream":"S","seq":1}"#),
            (Answer::Stored { seq: 1 }, Some("hub"), r#"{"stream":"S","domain":"hub","seq":1}"#),
            (Answer::Duplicate { seq: 3 }, None, r#"{"stream":"S","seq":3,"duplicate": true}"#),
            (Answer::Counter { seq: 2, value: "6".to_owned() }, None, r#"{"stream":"S","seq":2,"val":"6"}"#),
            (Answer::Part, None, ""),
            (batch, None, r#"{"stream":"S","seq":3,"batch":"b1","count":3}"#),
            (
                failed,
                Some("hub"),
                r#"{"error":{"code":400,"err_code":10060,"description":"expected stream does not match"},"stream":"S","seq":0}"#,
            ),
        ];
        for (answer, domain, expected) in cases {
            assert_eq!(encode(&answer, "S", domain), expected);
        }
    }
}
