//! Values of a request become fields, as Go's decoder does it: keys in any case, `null` leaves a field alone, a value of the wrong
//! kind is told when all is read, and the first such fault counts (JS11, JC6).

use super::scan::{self, Fault, skip_blanks, value_end};
use crate::jetstream::engine::Timestamp;
use crate::jetstream::engine::consumer::WrittenTime;
use std::collections::BTreeMap;

/// A fault that ends the reading at once, in the server's words.
pub(crate) type Fatal = String;

/// A request that can be read from JSON.
pub(crate) trait Decode {
    /// The name of its type in the server, which stands in faults.
    const NAME: &'static str;

    /// Takes over the fields of an object.
    fn decode(&mut self, from: &mut Reader<'_>) -> Result<(), Fatal>;
}

/// Reads a request; an empty body has no fields. A strict reader refuses unknown keys, and reads several objects one behind the
/// other into the same request; a lenient one takes exactly one object (JS11, JS12).
///
/// # Errors
///
/// The words that stand behind `invalid JSON: `.
pub(crate) fn decode<T: Decode>(text: &[u8], is_strict: bool, into: &mut T) -> Result<(), String> {
    let mut at = skip_blanks(text, 0);
    let worded = |Fault { words, offset }: Fault| match offset {
        Some(offset) if is_strict => format!("{words} at offset {offset}"),
        Some(_) => words,
        None if is_strict => words,
        None => "unexpected end of JSON input".to_owned(),
    };
    if !is_strict && at < text.len() {
        let end = skip_blanks(text, value_end(text, at).map_err(worded)?);
        if end < text.len() {
            return Err(worded(scan::behind_value(text, end)));
        }
    }
    while at < text.len() {
        let end = value_end(text, at).map_err(worded)?;
        let mut reader = Reader { text, at, root: T::NAME, path: Vec::new(), fault: None, is_strict };
        into.decode(&mut reader)?;
        if let Some(fault) = reader.fault {
            return Err(fault);
        }
        at = skip_blanks(text, end);
    }
    Ok(())
}

/// A place in a text that is known to be JSON.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    text: &'a [u8],
    at: usize,
    root: &'static str,
    path: Vec<Step>,
    /// The first fault that does not end the reading.
    fault: Option<String>,
    is_strict: bool,
}

#[derive(Debug)]
enum Step {
    Key(String),
    Index(usize),
}

/// The kind of a value, in Go's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Object,
    Array,
    String,
    Number,
    Bool,
    Null,
}

impl<'a> Reader<'a> {
    fn kind(&mut self) -> Kind {
        self.at = skip_blanks(self.text, self.at);
        match self.text.get(self.at) {
            Some(b'{') => Kind::Object,
            Some(b'[') => Kind::Array,
            Some(b'"') => Kind::String,
            Some(b't' | b'f') => Kind::Bool,
            Some(b'n') => Kind::Null,
            _ => Kind::Number,
        }
    }

    /// The text of the next value, which is passed over.
    pub(crate) fn raw(&mut self) -> &'a [u8] {
        let from = skip_blanks(self.text, self.at);
        // The whole was scanned before.
        self.at = value_end(self.text, from).unwrap_or(self.text.len());
        &self.text[from..self.at]
    }

    /// Notes that the next value, which is passed over, is none for a field of this type.
    fn mismatch(&mut self, kind: Kind, go_type: &str) {
        let raw = self.raw();
        let value = match kind {
            Kind::Object => "object".to_owned(),
            Kind::Array => "array".to_owned(),
            Kind::String => "string".to_owned(),
            Kind::Bool => "bool".to_owned(),
            Kind::Null => "null".to_owned(),
            Kind::Number if is_integer_type(go_type) => format!("number {}", String::from_utf8_lossy(raw)),
            Kind::Number => "number".to_owned(),
        };
        let place = match self.path.last() {
            None => "Go value".to_owned(),
            Some(Step::Index(_)) => format!("{}{}", self.root, self.joined_path()),
            Some(Step::Key(_)) => format!("Go struct field {}{}", self.root, self.joined_path()),
        };
        self.note(format!("json: cannot unmarshal {value} into {place} of type {go_type}"));
    }

    fn joined_path(&self) -> String {
        let steps = self.path.iter().map(|step| match step {
            Step::Key(key) => format!(".{key}"),
            Step::Index(index) => format!(".{index}"),
        });
        steps.collect()
    }

    fn note(&mut self, fault: String) {
        self.fault.get_or_insert(fault);
    }

    /// Reads an object: `visit` is told each of the keys that are among `names`, as it stands there. False for `null`, and for a
    /// value of another kind, which is a fault.
    pub(crate) fn object(
        &mut self,
        go_type: &str,
        names: &[&'static str],
        mut visit: impl FnMut(&mut Self, &'static str) -> Result<(), Fatal>,
    ) -> Result<bool, Fatal> {
        self.pairs(go_type, |reader, key| {
            let exact = names.iter().find(|name| **name == key);
            let found = exact.or_else(|| names.iter().find(|name| name.eq_ignore_ascii_case(&key)));
            let Some(name) = found else {
                if reader.is_strict {
                    reader.note(format!("json: unknown field {key:?}"));
                }
                reader.raw();
                return Ok(());
            };
            reader.path.push(Step::Key(key));
            visit(reader, name)?;
            reader.path.pop();
            Ok(())
        })
    }

    /// Each key of an object, in turn; `visit` is to read its value.
    pub(crate) fn pairs(
        &mut self,
        go_type: &str,
        mut visit: impl FnMut(&mut Self, String) -> Result<(), Fatal>,
    ) -> Result<bool, Fatal> {
        match self.kind() {
            Kind::Object => {}
            Kind::Null => {
                self.raw();
                return Ok(false);
            }
            kind => {
                self.mismatch(kind, go_type);
                return Ok(false);
            }
        }
        self.at = skip_blanks(self.text, self.at + 1);
        while self.text.get(self.at) == Some(&b'"') {
            let key = unescaped(self.raw());
            self.at = skip_blanks(self.text, self.at) + 1;
            visit(self, key)?;
            self.next_item();
        }
        self.at += 1;
        Ok(true)
    }

    /// Moves behind the comma, or to the closing bracket.
    fn next_item(&mut self) {
        self.at = skip_blanks(self.text, self.at);
        if self.text.get(self.at) == Some(&b',') {
            self.at = skip_blanks(self.text, self.at + 1);
        }
    }

    /// A list whose items `read` reads; `null` is no list.
    pub(crate) fn list<T: Default>(
        &mut self,
        go_type: &str,
        target: &mut Option<Vec<T>>,
        mut read: impl FnMut(&mut Self, &mut T) -> Result<(), Fatal>,
    ) -> Result<(), Fatal> {
        match self.kind() {
            Kind::Array => {}
            Kind::Null => {
                self.raw();
                *target = None;
                return Ok(());
            }
            kind => {
                self.mismatch(kind, go_type);
                return Ok(());
            }
        }
        let mut items = Vec::new();
        self.at = skip_blanks(self.text, self.at + 1);
        while self.text.get(self.at) != Some(&b']') {
            let mut item = T::default();
            self.path.push(Step::Index(items.len()));
            read(self, &mut item)?;
            self.path.pop();
            items.push(item);
            self.next_item();
        }
        self.at += 1;
        *target = Some(items);
        Ok(())
    }

    /// A list of texts.
    pub(crate) fn texts(&mut self, target: &mut Vec<String>) -> Result<(), Fatal> {
        let mut list = Some(std::mem::take(target));
        self.list("[]string", &mut list, Reader::text)?;
        *target = list.unwrap_or_default();
        Ok(())
    }

    /// Pairs of texts.
    pub(crate) fn map(&mut self, target: &mut BTreeMap<String, String>) -> Result<(), Fatal> {
        if self.kind() == Kind::Null {
            self.raw();
            target.clear();
            return Ok(());
        }
        self.pairs("map[string]string", |reader, key| {
            let mut value = String::new();
            reader.path.push(Step::Key(key.clone()));
            reader.text(&mut value)?;
            reader.path.pop();
            target.insert(key, value);
            Ok(())
        })?;
        Ok(())
    }

    /// What is behind a pointer in the server: `null` takes it away.
    pub(crate) fn optional<T: Default>(
        &mut self,
        target: &mut Option<T>,
        read: impl FnOnce(&mut Self, &mut T) -> Result<(), Fatal>,
    ) -> Result<(), Fatal> {
        if self.kind() == Kind::Null {
            self.raw();
            *target = None;
            return Ok(());
        }
        read(self, target.get_or_insert_default())
    }

    pub(crate) fn text(&mut self, target: &mut String) -> Result<(), Fatal> {
        match self.kind() {
            Kind::String => *target = unescaped(self.raw()),
            Kind::Null => drop(self.raw()),
            kind => self.mismatch(kind, "string"),
        }
        Ok(())
    }

    pub(crate) fn flag(&mut self, target: &mut bool) -> Result<(), Fatal> {
        match self.kind() {
            Kind::Bool => *target = self.raw() == b"true",
            Kind::Null => drop(self.raw()),
            kind => self.mismatch(kind, "bool"),
        }
        Ok(())
    }

    /// A number without fraction and exponent. `go_type` is the server's type, which stands in faults.
    pub(crate) fn integer<T: std::str::FromStr>(&mut self, go_type: &str, target: &mut T) -> Result<(), Fatal> {
        match self.kind() {
            Kind::Null => drop(self.raw()),
            Kind::Number => {
                let from = self.at;
                let parsed = std::str::from_utf8(self.raw()).ok().and_then(|digits| digits.parse().ok());
                match parsed {
                    Some(number) => *target = number,
                    None => {
                        self.at = from;
                        self.mismatch(Kind::Number, go_type);
                    }
                }
            }
            // Only what is a number is shown.
            kind => self.mismatch(kind, go_type),
        }
        Ok(())
    }

    /// A span in nanoseconds.
    pub(crate) fn span(&mut self, target: &mut i64) -> Result<(), Fatal> {
        self.integer("time.Duration", target)
    }

    /// An instant in RFC 3339. One before 1970 counts as the first there is.
    pub(crate) fn instant(&mut self, target: &mut Option<Timestamp>) -> Result<(), Fatal> {
        match self.kind() {
            Kind::Null => {
                self.raw();
                *target = None;
            }
            Kind::String => {
                let text = unescaped(self.raw());
                *target = Some(parse_instant(&text)?);
            }
            kind => self.mismatch(kind, "time.Time"),
        }
        Ok(())
    }

    /// An instant in RFC 3339, kept as it is written. One before 1970 counts as the first there is.
    pub(crate) fn written_instant(&mut self, target: &mut Option<WrittenTime>) -> Result<(), Fatal> {
        let from = skip_blanks(self.text, self.at);
        let mut at = None;
        self.instant(&mut at)?;
        if self.text.get(from) == Some(&b'n') {
            *target = None;
        }
        if let Some(at) = at {
            let text = as_go_writes_it(&unescaped(&self.text[from..self.at])).into();
            *target = Some(WrittenTime { at, text });
        }
        Ok(())
    }

    /// A word of a fixed set, by its text as it stands there, quotes included.
    pub(crate) fn word<T: Copy>(&mut self, words: &[(&str, T)], target: &mut T) -> Result<(), Fatal> {
        self.word_or(words, target, |raw| format!("can not unmarshal {raw:?}"))
    }

    /// As [`Reader::word`], with words of its own for what is none.
    pub(crate) fn word_or<T: Copy>(
        &mut self,
        words: &[(&str, T)],
        target: &mut T,
        fault: impl FnOnce(&str) -> String,
    ) -> Result<(), Fatal> {
        let raw = String::from_utf8_lossy(self.raw());
        match words.iter().find(|(word, _)| *word == raw) {
            Some((_, value)) => *target = *value,
            None => return Err(fault(&raw)),
        }
        Ok(())
    }

    /// As [`Reader::word`], of the words in lower case.
    pub(crate) fn word_in_any_case<T: Copy>(&mut self, words: &[(&str, T)], target: &mut T) -> Result<(), Fatal> {
        let raw = String::from_utf8_lossy(self.raw());
        match words.iter().find(|(word, _)| word.eq_ignore_ascii_case(&raw)) {
            Some((_, value)) => *target = *value,
            None => return Err(format!("can not unmarshal {raw:?}")),
        }
        Ok(())
    }

    /// The text of a value that has a decoder of its own in the server, so that faults name no field.
    pub(crate) fn lone_text(&mut self) -> Result<String, Fatal> {
        let kind = self.kind();
        let raw = self.raw();
        let name = match kind {
            Kind::String => return Ok(unescaped(raw)),
            Kind::Null => return Ok(String::new()),
            Kind::Object => "object",
            Kind::Array => "array",
            Kind::Number => "number",
            Kind::Bool => "bool",
        };
        Err(format!("json: cannot unmarshal {name} into Go value of type string"))
    }
}

/// An instant that was read, with as few decimals as it needs, and `Z` for an offset of zero.
fn as_go_writes_it(text: &str) -> String {
    let zone_at = text.rfind(['Z', '+', '-']).unwrap_or(text.len());
    let (clock, zone) = text.split_at(zone_at);
    let clock = match clock.split_once('.') {
        Some((seconds, decimals)) => {
            let decimals = decimals.get(..9).unwrap_or(decimals).trim_end_matches('0');
            if decimals.is_empty() { seconds.to_owned() } else { format!("{seconds}.{decimals}") }
        }
        None => clock.to_owned(),
    };
    let zone = if matches!(zone, "+00:00" | "-00:00") { "Z" } else { zone };
    format!("{clock}{zone}")
}

/// A number that does not fit a type of these is shown in the fault.
fn is_integer_type(go_type: &str) -> bool {
    matches!(go_type, "int" | "int32" | "int64" | "uint64" | "time.Duration")
}

fn parse_instant(text: &str) -> Result<Timestamp, Fatal> {
    if let Some(instant) = Timestamp::parse(text) {
        return Ok(instant);
    }
    let is_early = text.is_char_boundary(4)
        && text.get(..4).is_some_and(|year| year.bytes().all(|byte| byte.is_ascii_digit()))
        && Timestamp::parse(&format!("2000{}", &text[4..])).is_some();
    if is_early {
        return Ok(Timestamp::from_nanos(0));
    }
    Err(format!("parsing time {text:?} as \"2006-01-02T15:04:05Z07:00\": cannot parse {text:?} as \"2006\""))
}

/// The text of a string that is known to be JSON. Bytes and surrogates that are no text become U+FFFD.
fn unescaped(raw: &[u8]) -> String {
    let inner = &raw[1..raw.len() - 1];
    if !inner.contains(&b'\\') {
        return String::from_utf8_lossy(inner).into_owned();
    }
    let mut out = Vec::with_capacity(inner.len());
    let mut at = 0;
    let unit = |at: usize| {
        let digits = inner.get(at..at + 6).filter(|sequence| sequence.starts_with(br"\u"))?;
        u32::from_str_radix(std::str::from_utf8(&digits[2..]).ok()?, 16).ok()
    };
    while let Some(&byte) = inner.get(at) {
        if byte != b'\\' {
            out.push(byte);
            at += 1;
            continue;
        }
        let plain = match inner[at + 1] {
            b'b' => '\x08',
            b'f' => '\x0C',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let high = unit(at).unwrap_or(0xFFFD);
                at += 4;
                let low = unit(at + 2).filter(|low| (0xD800..0xDC00).contains(&high) && (0xDC00..0xE000).contains(low));
                match low {
                    Some(low) => {
                        at += 6;
                        char::from_u32(0x1_0000 + ((high - 0xD800) << 10) + (low - 0xDC00)).unwrap_or('\u{FFFD}')
                    }
                    None => char::from_u32(high).unwrap_or('\u{FFFD}'),
                }
            }
            other => other as char,
        };
        at += 2;
        out.extend_from_slice(plain.encode_utf8(&mut [0; 4]).as_bytes());
    }
    String::from_utf8_lossy(&out).into_owned()
}
