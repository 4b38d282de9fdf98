//! The lines of a recording.

use super::recording::{Recorded, Recording, RecordingError, VERSION};
use crate::headers::{decode, encode};
use crate::{HeaderMap, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use serde_json::{Map, Value};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

const HEAD: &str = "postroom_recording";

/// The text of the file.
impl fmt::Display for Recording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", write_head(&self.unknown))?;
        self.messages.iter().try_for_each(|message| writeln!(f, "{}", write(message)))
    }
}

impl FromStr for Recording {
    type Err = RecordingError;

    /// Reads the text of a file.
    ///
    /// # Errors
    ///
    /// [`RecordingError`], of the first line that is wrong.
    fn from_str(text: &str) -> Result<Self, RecordingError> {
        let mut lines = text.lines().enumerate().map(|(at, line)| (at + 1, line.trim()));
        let (_, head) = lines.next().ok_or(RecordingError::NoHead)?;
        let unknown = read_head(head)?;
        let messages = lines.filter(|(_, line)| !line.is_empty()).map(|(at, line)| read(at, line));
        Ok(Recording { messages: messages.collect::<Result<_, _>>()?, unknown })
    }
}

fn write_head(unknown: &Map<String, Value>) -> String {
    let mut line = Line::default();
    line.field(HEAD, &VERSION.into());
    unknown.iter().for_each(|(name, value)| line.field(name, value));
    line.end()
}

fn read_head(line: &str) -> Result<Map<String, Value>, RecordingError> {
    // Some editors put it there.
    let line = line.strip_prefix('\u{feff}').unwrap_or(line);
    let Ok(Value::Object(mut fields)) = serde_json::from_str(line) else { return Err(RecordingError::NoHead) };
    let found = fields.remove(HEAD).and_then(|version| version.as_u64()).ok_or(RecordingError::NoHead)?;
    match found {
        1..=VERSION => Ok(fields),
        _ => Err(RecordingError::Version { found, max: VERSION }),
    }
}

fn write(message: &Recorded) -> String {
    let mut line = Line::default();
    let nanos = u64::try_from(message.at.as_nanos()).unwrap_or(u64::MAX);
    line.field("at_ns", &nanos.into());
    line.field("client", &message.client.as_str().into());
    line.field("subject", &message.subject.as_str().into());
    if let Some(reply) = &message.reply {
        line.field("reply", &reply.as_str().into());
    }
    if let Some(block) = &message.headers {
        write_headers(block, &mut line);
    }
    match std::str::from_utf8(&message.payload) {
        Ok("") => {}
        Ok(text) => line.field("payload", &text.into()),
        Err(_) => line.field("payload_base64", &BASE64.encode(&message.payload).into()),
    }
    message.unknown.iter().for_each(|(name, value)| line.field(name, value));
    line.end()
}

/// In parts, if the very same block can be made of them again.
fn write_headers(block: &Bytes, line: &mut Line) {
    let parts = decode(block).ok().filter(|(status, headers)| {
        let mut again = Vec::new();
        let status = status.as_ref().map(|(status, text)| (*status, text.as_str()));
        encode(status, headers, &mut again).is_ok() && again == *block && (status.is_some() || !headers.is_empty())
    });
    let Some((status, headers)) = parts else { return line.field("header_block", &BASE64.encode(block).into()) };
    if let Some((status, text)) = status {
        let text = if text.is_empty() { status.to_string() } else { format!("{status} {text}") };
        line.field("status", &text.into());
    }
    if !headers.is_empty() {
        let pairs = headers.iter().map(|(name, value)| Value::from(vec![name, value]));
        line.field("headers", &pairs.collect());
    }
}

/// An object on one line, its fields in the order in which they are written.
#[derive(Default)]
struct Line(String);

impl Line {
    fn field(&mut self, name: &str, value: &Value) {
        self.0.push(if self.0.is_empty() { '{' } else { ',' });
        self.0.push_str(&Value::from(name).to_string());
        self.0.push(':');
        self.0.push_str(&value.to_string());
    }

    fn end(mut self) -> String {
        self.0.push('}');
        self.0
    }
}

fn read(line: usize, text: &str) -> Result<Recorded, RecordingError> {
    let value: Value = serde_json::from_str(text).map_err(|error| RecordingError::Json {
        line,
        column: error.column(),
        problem: error.to_string(),
    })?;
    let Value::Object(fields) = value else {
        return Err(RecordingError::Json { line, column: 0, problem: "a message is an object".to_owned() });
    };
    let mut fields = Fields { line, fields };
    let at = fields.take("at_ns", "a whole number of nanoseconds", |value| value.as_u64())?;
    let client = fields.text("client")?;
    let subject = fields.text("subject")?;
    let message = Recorded {
        at: Duration::from_nanos(at.ok_or(fields.missing("at_ns"))?),
        client: client.ok_or(fields.missing("client"))?,
        subject: subject.ok_or(fields.missing("subject"))?,
        reply: fields.text("reply")?,
        headers: read_headers(&mut fields)?,
        payload: read_payload(&mut fields)?,
        unknown: Map::new(),
    };
    Ok(Recorded { unknown: fields.fields, ..message })
}

fn read_headers(fields: &mut Fields) -> Result<Option<Bytes>, RecordingError> {
    let block = fields.base64("header_block")?;
    let status = fields.take("status", "a number of three digits, and a text that may follow it", |value| {
        let (code, text) = value.as_str().map(|text| text.split_once(' ').unwrap_or((text, "")))?;
        let is_plain = code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_digit());
        Some((StatusCode::new(code.parse().ok().filter(|_| is_plain)?)?, text.to_owned()))
    })?;
    const PAIRS: &str = "pairs of a name and a value that can be in a header";
    let headers = fields.take("headers", PAIRS, |value| {
        let mut headers = HeaderMap::new();
        for pair in value.as_array()? {
            let [name, value] = pair.as_array()?.as_slice() else { return None };
            headers.append(name.as_str()?, value.as_str()?).ok()?;
        }
        Some(headers)
    })?;
    if block.is_some() && (status.is_some() || headers.is_some()) {
        return Err(RecordingError::Wrong {
            line: fields.line,
            field: "header_block",
            expected: "there without `status` and `headers`",
        });
    }
    if status.is_none() && headers.as_ref().is_none_or(HeaderMap::is_empty) {
        // A block without bytes counts as none (H3).
        return Ok(block.filter(|block| !block.is_empty()));
    }
    let mut block = Vec::new();
    let status = status.as_ref().map(|(status, text)| (*status, text.as_str()));
    if encode(status, &headers.unwrap_or_default(), &mut block).is_err() {
        return Err(RecordingError::Wrong {
            line: fields.line,
            field: "status",
            expected: "a text without line breaks",
        });
    }
    Ok(Some(block.into()))
}

fn read_payload(fields: &mut Fields) -> Result<Bytes, RecordingError> {
    let (text, bytes) = (fields.text("payload")?, fields.base64("payload_base64")?);
    match (text, bytes) {
        (Some(_), Some(_)) => Err(RecordingError::Wrong {
            line: fields.line,
            field: "payload_base64",
            expected: "there without `payload`",
        }),
        (text, bytes) => Ok(bytes.or(text.map(Bytes::from)).unwrap_or_default()),
    }
}

/// The fields of a line that have not been read yet.
struct Fields {
    line: usize,
    fields: Map<String, Value>,
}

impl Fields {
    fn take<T>(
        &mut self,
        field: &'static str,
        expected: &'static str,
        read: impl FnOnce(&Value) -> Option<T>,
    ) -> Result<Option<T>, RecordingError> {
        let Some(value) = self.fields.remove(field) else { return Ok(None) };
        let line = self.line;
        read(&value).map(Some).ok_or(RecordingError::Wrong { line, field, expected })
    }

    fn text(&mut self, field: &'static str) -> Result<Option<String>, RecordingError> {
        self.take(field, "a text", |value| value.as_str().map(str::to_owned))
    }

    fn base64(&mut self, field: &'static str) -> Result<Option<Bytes>, RecordingError> {
        self.take(field, "a text in base64", |value| BASE64.decode(value.as_str()?).ok().map(Bytes::from))
    }

    fn missing(&self, field: &'static str) -> RecordingError {
        RecordingError::Missing { line: self.line, field }
    }
}
