//! JSON as nats-server's library writes it.

use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::{CompactFormatter, Formatter, PrettyFormatter};
use std::io::{Result, Write};

/// Indented by two spaces.
pub(crate) fn indented(value: &impl Serialize) -> Vec<u8> {
    write(value, Escaping(PrettyFormatter::with_indent(b"  ")))
}

/// On one line, without blanks.
pub(crate) fn compact(value: &impl Serialize) -> Vec<u8> {
    write(value, Escaping(CompactFormatter))
}

/// Compact JSON in lines, indented by two spaces. What is empty stays on its line.
#[cfg(feature = "jetstream")]
pub(crate) fn indent(compact: &str) -> Vec<u8> {
    let bytes = compact.as_bytes();
    let mut out = Vec::with_capacity(compact.len() * 2);
    let (mut depth, mut in_text) = (0_usize, false);
    let line = |out: &mut Vec<u8>, depth: usize| {
        out.push(b'\n');
        out.resize(out.len() + 2 * depth, b' ');
    };
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        match byte {
            _ if in_text => {
                out.push(byte);
                if byte == b'\\' {
                    out.extend(bytes.get(at));
                    at += 1;
                }
                in_text = byte != b'"';
            }
            b'{' | b'[' => {
                out.push(byte);
                match bytes.get(at) {
                    Some(close @ (b'}' | b']')) => {
                        out.push(*close);
                        at += 1;
                    }
                    _ => {
                        depth += 1;
                        line(&mut out, depth);
                    }
                }
            }
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                line(&mut out, depth);
                out.push(byte);
            }
            b',' => {
                out.push(byte);
                line(&mut out, depth);
            }
            b':' => out.extend_from_slice(b": "),
            _ => {
                in_text = byte == b'"';
                out.push(byte);
            }
        }
    }
    out
}

fn write(value: &impl Serialize, formatter: impl Formatter) -> Vec<u8> {
    let mut bytes = Vec::new();
    value
        .serialize(&mut Serializer::with_formatter(&mut bytes, formatter))
        .expect("a snapshot has only keys that are text, and memory takes every byte");
    bytes
}

/// Also escapes what could end a script in an HTML page, and writes whole numbers without a point.
struct Escaping<F>(F);

macro_rules! pass_on {
    ($($name:ident($($argument:ident: $type:ty),*)),* $(,)?) => {
        $(fn $name<W: ?Sized + Write>(&mut self, writer: &mut W $(, $argument: $type)*) -> Result<()> {
            self.0.$name(writer $(, $argument)*)
        })*
    };
}

impl<F: Formatter> Formatter for Escaping<F> {
    pass_on! {
        begin_array(),
        end_array(),
        begin_array_value(first: bool),
        end_array_value(),
        begin_object(),
        end_object(),
        begin_object_key(first: bool),
        end_object_key(),
        begin_object_value(),
        end_object_value(),
    }

    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> Result<()> {
        let mut rest = fragment;
        while let Some(at) = rest.find(['<', '>', '&', '\u{2028}', '\u{2029}']) {
            let character = rest[at..].chars().next().expect("found just now");
            write!(writer, "{}\\u{:04x}", &rest[..at], u32::from(character))?;
            rest = &rest[at + character.len_utf8()..];
        }
        writer.write_all(rest.as_bytes())
    }

    fn write_f64<W: ?Sized + Write>(&mut self, writer: &mut W, value: f64) -> Result<()> {
        let size = value.abs();
        if size != 0.0 && !(1e-6..1e21).contains(&size) {
            write!(writer, "{value:e}")
        } else {
            write!(writer, "{value}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn looks_as_the_servers_json_does() {
        let value = json!({"a": "x<&>y\n\u{2028}", "b": [1, 2.0, 0.5, 1e-7], "c": {}, "d": []});
        let text = String::from_utf8(indented(&value)).unwrap();
        assert_eq!(
            text,
            "{\n  \"a\": \"x\\u003c\\u0026\\u003ey\\n\\u2028\",\n  \"b\": [\n    1,\n    2,\n    0.5,\n    1e-7\n  ],\n  \
             \"c\": {},\n  \"d\": []\n}"
        );
        assert_eq!(compact(&json!({"status": "ok"})), br#"{"status":"ok"}"#);
    }

    #[cfg(feature = "jetstream")]
    #[test]
    fn compact_json_becomes_the_indented_one() {
        let value = json!({"a": "x{[:,\\\"]}", "b": [1, [2.5, null], {}, []], "c": {"d": "\\"}, "e": true});
        let compact = String::from_utf8(compact(&value)).unwrap();
        assert_eq!(String::from_utf8(indent(&compact)), String::from_utf8(indented(&value)));
    }
}
