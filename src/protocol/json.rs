//! Objects as nats-server's JSON reader takes them: names in either case, null for nothing, unknown names ignored, and a wrong
//! type an error (C8).

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use std::borrow::Cow;
use std::fmt;
use std::ops::RangeInclusive;

/// The type of a known field.
#[derive(Clone, Debug)]
pub(super) enum Kind {
    Bool,
    Text,
    Integer(RangeInclusive<i128>),
    Texts,
    /// An object with lists of subjects.
    Subjects,
}

/// The value of a known field. Lists are only checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Bool(bool),
    Text(String),
    Integer(i128),
    Checked,
}

/// Calls `set` for each known name that holds something, in the order of the text. `null` in place of the object is an empty one.
pub(super) fn read(
    json: &[u8],
    names: &[(&'static str, Kind)],
    mut set: impl FnMut(&'static str, Value),
) -> serde_json::Result<()> {
    let text = mend(json);
    let mut reader = serde_json::Deserializer::from_str(&text);
    Object { names, set: &mut set }.deserialize(&mut reader)?;
    reader.end()
}

/// The text with invalid characters replaced by U+FFFD, as Go does where others give up: bytes that are not UTF-8, and halves
/// of surrogate pairs in escapes.
fn mend(json: &[u8]) -> Cow<'_, str> {
    let text = match std::str::from_utf8(json) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => {
            let mut text = String::with_capacity(json.len());
            for chunk in json.utf8_chunks() {
                text.push_str(chunk.valid());
                chunk.invalid().iter().for_each(|_| text.push(char::REPLACEMENT_CHARACTER));
            }
            Cow::Owned(text)
        }
    };
    if text.contains("\\u") { Cow::Owned(mend_escapes(&text)) } else { text }
}

fn mend_escapes(text: &str) -> String {
    let mut mended = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        mended.push_str(&rest[..at]);
        rest = &rest[at..];
        let len = match unit(rest) {
            None => 1 + rest[1..].chars().next().map_or(0, char::len_utf8),
            Some(0xD800..=0xDBFF) if matches!(unit(&rest[6..]), Some(0xDC00..=0xDFFF)) => 12,
            Some(0xD800..=0xDFFF) => {
                mended.push(char::REPLACEMENT_CHARACTER);
                rest = &rest[6..];
                continue;
            }
            Some(_) => 6,
        };
        mended.push_str(&rest[..len]);
        rest = &rest[len..];
    }
    mended + rest
}

/// The number in `\uXXXX`, if the text begins with that.
fn unit(text: &str) -> Option<u32> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    if digits.bytes().all(|byte| byte.is_ascii_hexdigit()) { u32::from_str_radix(digits, 16).ok() } else { None }
}

/// Names are equal whatever the case of their letters; two characters that are no ASCII fold to letters that are.
fn is_named(given: &str, name: &str) -> bool {
    let fold = |char: char| match char {
        'ſ' => 's',
        '\u{212A}' => 'k',
        _ => char.to_ascii_lowercase(),
    };
    given.chars().map(fold).eq(name.chars())
}

struct Object<'a, F> {
    names: &'a [(&'static str, Kind)],
    set: &'a mut F,
}

impl<'de, F: FnMut(&'static str, Value)> DeserializeSeed<'de> for Object<'_, F> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_option(self)
    }
}

impl<'de, F: FnMut(&'static str, Value)> Visitor<'de> for Object<'_, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_none<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(given) = map.next_key::<String>()? {
            let Some((name, kind)) = self.names.iter().find(|(name, _)| is_named(&given, name)) else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            if let Some(value) = kind.value(&mut map)? {
                (self.set)(name, value);
            }
        }
        Ok(())
    }
}

impl Kind {
    fn value<'de, A: MapAccess<'de>>(&self, map: &mut A) -> Result<Option<Value>, A::Error> {
        Ok(match self {
            Kind::Bool => map.next_value::<Option<bool>>()?.map(Value::Bool),
            Kind::Text => map.next_value::<Option<String>>()?.map(Value::Text),
            Kind::Integer(range) => match map.next_value::<Option<i128>>()? {
                Some(number) if !range.contains(&number) => {
                    return Err(A::Error::custom(format_args!("{number} is not within {range:?}")));
                }
                number => number.map(Value::Integer),
            },
            Kind::Texts => map.next_value::<Option<Vec<Option<String>>>>()?.map(|_| Value::Checked),
            Kind::Subjects => {
                let names = [("allow", Kind::Texts), ("deny", Kind::Texts)];
                map.next_value_seed(Object { names: &names, set: &mut |_, _| {} })?;
                Some(Value::Checked)
            }
        })
    }
}
