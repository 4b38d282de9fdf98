//! The operations of a client, and their text.
//!
//! In every text `%` stands for the number of the run, `{E}` for the name of the latest nameless consumer, `{P}` for the latest id
//! of a pinned client.

use std::fmt;

/// One operation. Both servers finish it before the next one.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    Ask(Ask),
    /// A pull request, whose messages go to an inbox of the stream, and a malformed one behind it. The answer to the latter
    /// shows that the server has taken both.
    Pull {
        /// The letter of the stream.
        stream: char,
        consumer: String,
        body: Body,
    },
    /// Acknowledges a delivery: counted from the latest one of the sequence.
    Ack {
        back: usize,
        body: String,
    },
    /// Lets so many milliseconds pass on both servers.
    Wait(u64),
    Subscribe {
        sid: u8,
        subject: String,
        queue: &'static str,
    },
    Unsubscribe(u8),
}

/// A request: an API call or a publish.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) subject: String,
    pub(crate) headers: Vec<String>,
    pub(crate) body: Body,
    /// Publishes without a reply subject.
    pub(crate) is_silent: bool,
}

#[derive(Clone, Debug)]
pub(crate) enum Body {
    Text(String),
    Object(Vec<Field>),
}

/// A key of a JSON object.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub(crate) key: String,
    pub(crate) value: Value,
}

#[derive(Clone, Debug)]
pub(crate) enum Value {
    /// JSON as it is.
    Json(String),
    Object(Vec<Field>),
}

pub(crate) fn field(key: &str, json: impl Into<String>) -> Field {
    Field { key: key.to_owned(), value: Value::Json(json.into()) }
}

pub(crate) fn text(key: &str, text: impl fmt::Display) -> Field {
    field(key, format!("\"{text}\""))
}

impl Ask {
    pub(crate) fn publish(subject: String, payload: &str) -> Self {
        Ask { subject, headers: Vec::new(), body: Body::Text(payload.to_owned()), is_silent: false }
    }

    pub(crate) fn api(call: impl fmt::Display, fields: Vec<Field>) -> Self {
        let body = if fields.is_empty() { Body::Text(String::new()) } else { Body::Object(fields) };
        Ask { subject: format!("$JS.API.{call}"), headers: Vec::new(), body, is_silent: false }
    }
}

impl fmt::Display for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Body::Text(text) => f.write_str(text),
            Body::Object(fields) => object(fields, f),
        }
    }
}

fn object(fields: &[Field], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str("{")?;
    for (at, Field { key, value }) in fields.iter().enumerate() {
        if at > 0 {
            f.write_str(",")?;
        }
        write!(f, "\"{key}\":")?;
        match value {
            Value::Json(json) => f.write_str(json)?,
            Value::Object(fields) => object(fields, f)?,
        }
    }
    f.write_str("}")
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Op::Ask(Ask { subject, headers, body, is_silent }) => {
                let reply = if *is_silent { " (without reply)" } else { "" };
                write!(f, "{subject}{reply} {} {body}", headers.join(" | "))
            }
            Op::Pull { stream, consumer, body } => write!(f, "pull {stream}%.{consumer} {body}"),
            Op::Ack { back, body } => write!(f, "ack delivery -{back} {body:?}"),
            Op::Wait(millis) => write!(f, "wait {millis} ms"),
            Op::Subscribe { sid, subject, queue } => write!(f, "SUB {subject} {queue} {sid}"),
            Op::Unsubscribe(sid) => write!(f, "UNSUB {sid}"),
        }
    }
}

impl Op {
    /// The operations that are a little smaller than this one.
    pub(crate) fn smaller(&self) -> Vec<Op> {
        match self {
            Op::Ask(ask) => {
                let without_header = (0..ask.headers.len()).map(|at| {
                    let mut ask = ask.clone();
                    ask.headers.remove(at);
                    Op::Ask(ask)
                });
                let with_body = smaller_bodies(&ask.body).into_iter().map(|body| Op::Ask(Ask { body, ..ask.clone() }));
                without_header.chain(with_body).collect()
            }
            Op::Pull { stream, consumer, body } => {
                let with = |body| Op::Pull { stream: *stream, consumer: consumer.clone(), body };
                smaller_bodies(body).into_iter().map(with).collect()
            }
            Op::Ack { .. } | Op::Wait(_) | Op::Subscribe { .. } | Op::Unsubscribe(_) => Vec::new(),
        }
    }
}

fn smaller_bodies(body: &Body) -> Vec<Body> {
    match body {
        Body::Text(_) => Vec::new(),
        Body::Object(fields) => smaller_objects(fields).into_iter().map(Body::Object).collect(),
    }
}

/// Without one of the fields, at any depth.
fn smaller_objects(fields: &[Field]) -> Vec<Vec<Field>> {
    let mut out = Vec::new();
    for (at, Field { value, .. }) in fields.iter().enumerate() {
        let mut without = fields.to_vec();
        without.remove(at);
        out.push(without);
        if let Value::Object(inner) = value {
            for smaller in smaller_objects(inner) {
                let mut with = fields.to_vec();
                with[at].value = Value::Object(smaller);
                out.push(with);
            }
        }
    }
    out
}

impl Op {
    pub(crate) fn is_publish(&self) -> bool {
        matches!(self, Op::Ask(Ask { subject, .. }) if !subject.starts_with('$'))
    }

    /// The kind of an operation, for figures.
    pub(crate) fn kind(&self) -> String {
        match self {
            Op::Ask(Ask { subject, .. }) => match subject.strip_prefix("$JS.API.") {
                Some(call) => {
                    let words = call.split('.').take_while(|word| word.bytes().all(|byte| byte.is_ascii_uppercase()));
                    words.filter(|word| word.len() > 1).collect::<Vec<_>>().join(".")
                }
                None => "publish".to_owned(),
            },
            Op::Pull { .. } => "CONSUMER.MSG.NEXT".to_owned(),
            Op::Ack { body, .. } => format!("ack {}", body.get(..4).unwrap_or(body)),
            Op::Wait(_) => "wait".to_owned(),
            Op::Subscribe { .. } => "SUB".to_owned(),
            Op::Unsubscribe(_) => "UNSUB".to_owned(),
        }
    }
}
