//! Texts in quotation marks, as Go writes them.

use super::text::to_wire;
use std::fmt::{self, Write};

/// A text in quotation marks, escaped as Go's `%q` does (P4). Escaped bytes of the wire are shown as the bytes they are.
///
/// # Example
///
/// ```
/// use postroom::protocol::Quoted;
///
/// assert_eq!(Quoted("no.\\\"\u{7}é\u{2028}".to_owned()).to_string(), r#""no.\\\"\aé\u2028""#);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "it is its text")]
pub struct Quoted(pub String);

impl fmt::Display for Quoted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for chunk in to_wire(&self.0).utf8_chunks() {
            chunk.valid().chars().try_for_each(|char| quote(char, f))?;
            chunk.invalid().iter().try_for_each(|byte| write!(f, "\\x{byte:02x}"))?;
        }
        f.write_char('"')
    }
}

fn quote(char: char, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match char {
        '"' | '\\' => write!(f, "\\{char}"),
        '\x07' => f.write_str("\\a"),
        '\x08' => f.write_str("\\b"),
        '\x0C' => f.write_str("\\f"),
        '\n' => f.write_str("\\n"),
        '\r' => f.write_str("\\r"),
        '\t' => f.write_str("\\t"),
        '\x0B' => f.write_str("\\v"),
        _ if is_print(char) => f.write_char(char),
        '\0'..='\x1F' | '\x7F' => write!(f, "\\x{:02x}", u32::from(char)),
        '\u{80}'..='\u{FFFF}' => write!(f, "\\u{:04x}", u32::from(char)),
        _ => write!(f, "\\U{:08x}", u32::from(char)),
    }
}

/// Go's notion: letters, marks, numbers, punctuation, symbols and the ASCII space. The standard library escapes the others in
/// debug output; and marks too, but only at the start of a text.
fn is_print(char: char) -> bool {
    if char.is_ascii() {
        return matches!(char, ' '..='~');
    }
    let mut buffer = [b'a', 0, 0, 0, 0];
    let len = char.encode_utf8(&mut buffer[1..]).len();
    let text = std::str::from_utf8(&buffer[..=len]).unwrap_or_default();
    text.escape_debug().nth(1) == Some(char)
}
