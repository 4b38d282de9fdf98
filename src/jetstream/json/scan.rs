//! The grammar of JSON, and the words in which Go refuses what does not follow it.
//!
//! A text is scanned without recursion, so that a deep one costs no stack.

/// The most objects and arrays inside each other.
const DEPTH_MAX: usize = 10_000;

/// A fault of a text: the words, and the offset behind the byte at which it was found. The end of the text has no offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) words: String,
    pub(super) offset: Option<usize>,
}

/// The first byte at or behind `at` that is not white space.
pub(super) fn skip_blanks(text: &[u8], mut at: usize) -> usize {
    while matches!(text.get(at), Some(b' ' | b'\t' | b'\r' | b'\n')) {
        at += 1;
    }
    at
}

/// The end of the value that begins at or behind `at`.
pub(super) fn value_end(text: &[u8], at: usize) -> Result<usize, Fault> {
    // Whether each open one is an object.
    let mut open: Vec<bool> = Vec::new();
    let mut at = at;
    loop {
        at = skip_blanks(text, at);
        match text.get(at) {
            Some(first @ (b'{' | b'[')) => {
                if open.len() == DEPTH_MAX {
                    return Err(Fault { words: "exceeded max depth".to_owned(), offset: Some(at + 1) });
                }
                let is_object = *first == b'{';
                at = skip_blanks(text, at + 1);
                let is_empty = text.get(at) == Some(if is_object { &b'}' } else { &b']' });
                if !is_empty {
                    open.push(is_object);
                    if is_object {
                        at = key_end(text, at)?;
                    }
                    continue;
                }
                at += 1;
            }
            Some(b'"') => at = string_end(text, at)?,
            Some(b't') => at = literal_end(text, at, "true")?,
            Some(b'f') => at = literal_end(text, at, "false")?,
            Some(b'n') => at = literal_end(text, at, "null")?,
            Some(b'-' | b'0'..=b'9') => at = number_end(text, at)?,
            _ => return Err(unexpected(text, at, "looking for beginning of value")),
        }
        // Behind a value: the ends of what it ends, or the next one.
        loop {
            let Some(&in_object) = open.last() else { return Ok(at) };
            at = skip_blanks(text, at);
            match (text.get(at), in_object) {
                (Some(b','), true) => {
                    at = key_end(text, skip_blanks(text, at + 1))?;
                    break;
                }
                (Some(b','), false) => {
                    at += 1;
                    break;
                }
                (Some(b'}'), true) | (Some(b']'), false) => {
                    open.pop();
                    at += 1;
                }
                (_, true) => return Err(unexpected(text, at, "after object key:value pair")),
                (_, false) => return Err(unexpected(text, at, "after array element")),
            }
        }
    }
}

/// Behind the colon of the key that begins at `at`.
fn key_end(text: &[u8], at: usize) -> Result<usize, Fault> {
    if text.get(at) != Some(&b'"') {
        return Err(unexpected(text, at, "looking for beginning of object key string"));
    }
    let at = skip_blanks(text, string_end(text, at)?);
    if text.get(at) != Some(&b':') {
        return Err(unexpected(text, at, "after object key"));
    }
    Ok(at + 1)
}

fn string_end(text: &[u8], at: usize) -> Result<usize, Fault> {
    let mut at = at + 1;
    loop {
        match text.get(at) {
            Some(b'"') => return Ok(at + 1),
            Some(b'\\') => at = escape_end(text, at)?,
            Some(0x20..) => at += 1,
            _ => return Err(unexpected(text, at, "in string")),
        }
    }
}

fn escape_end(text: &[u8], at: usize) -> Result<usize, Fault> {
    let end = match text.get(at + 1) {
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => return Ok(at + 2),
        Some(b'u') => at + 6,
        Some(_) => at + 2,
        None => return Err(end_of_text()),
    };
    let Some(sequence) = text.get(at..end) else { return Err(end_of_text()) };
    if sequence.len() == 6 && sequence[2..].iter().all(u8::is_ascii_hexdigit) {
        return Ok(end);
    }
    let words = format!("invalid escape sequence `{}` in string", String::from_utf8_lossy(sequence));
    Err(Fault { words, offset: Some(end) })
}

fn literal_end(text: &[u8], at: usize, literal: &str) -> Result<usize, Fault> {
    for (behind, &byte) in literal.as_bytes().iter().enumerate() {
        if text.get(at + behind) != Some(&byte) {
            let place = format!("in literal {literal} (expecting {})", quoted(&literal[behind..=behind]));
            return Err(unexpected(text, at + behind, &place));
        }
    }
    Ok(at + literal.len())
}

fn number_end(text: &[u8], at: usize) -> Result<usize, Fault> {
    let digits = |at: usize| at + text[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let some_digits = |at: usize| match text.get(at) {
        Some(b'0'..=b'9') => Ok(digits(at)),
        _ => Err(unexpected(text, at, "in numeric literal")),
    };
    let at = if text[at] == b'-' { at + 1 } else { at };
    // Nothing follows a zero, but a fraction or an exponent.
    let mut at = if text.get(at) == Some(&b'0') { at + 1 } else { some_digits(at)? };
    if text.get(at) == Some(&b'.') {
        at = some_digits(at + 1)?;
    }
    if let Some(b'e' | b'E') = text.get(at) {
        let sign = matches!(text.get(at + 1), Some(b'+' | b'-'));
        at = some_digits(at + 1 + usize::from(sign))?;
    }
    Ok(at)
}

/// The fault of a text that goes on behind its one value.
pub(super) fn behind_value(text: &[u8], at: usize) -> Fault {
    unexpected(text, at, "after top-level value")
}

fn end_of_text() -> Fault {
    Fault { words: "unexpected EOF".to_owned(), offset: None }
}

fn unexpected(text: &[u8], at: usize, place: &str) -> Fault {
    if at >= text.len() {
        return end_of_text();
    }
    let piece = &text[at..text.len().min(at + 4)];
    let valid = match std::str::from_utf8(piece) {
        Ok(valid) => valid,
        Err(error) => std::str::from_utf8(&piece[..error.valid_up_to()]).unwrap_or_default(),
    };
    let (shown, len) = match valid.chars().next() {
        Some(first) => (quoted(first.encode_utf8(&mut [0; 4])), first.len_utf8()),
        None => (format!(r"'\x{:02x}'", text[at]), 1),
    };
    Fault { words: format!("invalid character {shown} {place}"), offset: Some(at + len) }
}

/// One character in single quotes, as Go shows it.
fn quoted(character: &str) -> String {
    let c = character.chars().next().unwrap_or_default();
    let inner = match c {
        '\'' => r"\'".to_owned(),
        '"' => "\"".to_owned(),
        '\\' => r"\\".to_owned(),
        '\x07' => r"\a".to_owned(),
        '\x08' => r"\b".to_owned(),
        '\x0B' => r"\v".to_owned(),
        '\x0C' => r"\f".to_owned(),
        '\n' => r"\n".to_owned(),
        '\r' => r"\r".to_owned(),
        '\t' => r"\t".to_owned(),
        _ if c.is_ascii_control() => format!(r"\x{:02x}", c as u32),
        _ if c.escape_debug().len() > 1 && (c as u32) < 0x1_0000 => format!(r"\u{:04x}", c as u32),
        _ if c.escape_debug().len() > 1 => format!(r"\U{:08x}", c as u32),
        _ => c.to_string(),
    };
    format!("'{inner}'")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &[u8]) -> String {
        match value_end(text, 0) {
            Ok(end) => format!("ends at {end}"),
            Err(Fault { words, offset: None }) => words,
            Err(Fault { words, offset: Some(offset) }) => format!("{words} at offset {offset}"),
        }
    }

    /// JS11: each text was sent to nats-server 2.15.1, and refused so.
    #[test]
    fn faults_are_worded_as_the_server_words_them() {
        let eof = "unexpected EOF";
        let cases: [(&[u8], &str); 52] = [
            (b"x", "invalid character 'x' looking for beginning of value at offset 1"),
            (b"{\"name\":\"a\\q\"}", r"invalid escape sequence `\q` in string at offset 12"),
            (b"{\"name\":\"a\\u12g4\"}", r"invalid escape sequence `\u12g4` in string at offset 16"),
            (b"{\"name\":\"a\nb\"}", r"invalid character '\n' in string at offset 11"),
            (b"{\"name\":\"a\x00\"}", r"invalid character '\x00' in string at offset 11"),
            (b"{\"name\":tru}", "invalid character '}' in literal true (expecting 'e') at offset 12"),
            (b"{\"name\" \"x\"}", "invalid character '\"' after object key at offset 9"),
            (b"{name:1}", "invalid character 'n' looking for beginning of object key string at offset 2"),
            (b"{\"a\":01}", "invalid character '1' after object key:value pair at offset 7"),
            (b"{\"a\":1,}", "invalid character '}' looking for beginning of object key string at offset 8"),
            (b"[1,]", "invalid character ']' looking for beginning of value at offset 4"),
            (b"{\"a\":-}", "invalid character '}' in numeric literal at offset 7"),
            (b"{\"a\":1.}", "invalid character '}' in numeric literal at offset 8"),
            (b"{\"a\":1e}", "invalid character '}' in numeric literal at offset 8"),
            (b"{\"a\":1e+}", "invalid character '}' in numeric literal at offset 9"),
            (b"{\"a\":1.e}", "invalid character 'e' in numeric literal at offset 8"),
            (b"{\"a\":\xff}", r"invalid character '\xff' looking for beginning of value at offset 6"),
            ("{\"a\":é}".as_bytes(), "invalid character 'é' looking for beginning of value at offset 7"),
            ("\u{feff}{}".as_bytes(), r"invalid character '\ufeff' looking for beginning of value at offset 3"),
            (b"{'a':1}", r"invalid character '\'' looking for beginning of object key string at offset 2"),
            (b"{\"a\":1 \"b\"}", "invalid character '\"' after object key:value pair at offset 8"),
            (b"{\"a\":1]", "invalid character ']' after object key:value pair at offset 7"),
            (b"[1}", "invalid character '}' after array element at offset 3"),
            (b"[1 2]", "invalid character '2' after array element at offset 4"),
            (b"{\"a\":nulx}", "invalid character 'x' in literal null (expecting 'l') at offset 9"),
            (b"{\"a\":fals1}", "invalid character '1' in literal false (expecting 'e') at offset 10"),
            (b"{\"a\"/", "invalid character '/' after object key at offset 5"),
            (b"{\"a\":.5}", "invalid character '.' looking for beginning of value at offset 6"),
            (b"", eof),
            (b"nul", eof),
            (b"{\"name\":\"S\"", eof),
            (b"{\"name\":\"S", eof),
            (b"{\"name\":\"\\u12", eof),
            (b"{\"name\":\"a\\", eof),
            (b"{", eof),
            (b"[", eof),
            (b"{\"a\"", eof),
            (b"{\"a\":", eof),
            (b"{\"a\":1,", eof),
            (b"-", eof),
            (b"1e", eof),
            (b"\"", eof),
            (b" {} ", "ends at 3"),
            (b"{\"a\":[1,-0.5e+7,{\"b\":[]}],\"c\":null}x", "ends at 35"),
            (b"[[],{},\"\\ud800\\n\",true,false]", "ends at 29"),
            (b"10 ", "ends at 2"),
            (b"0.25", "ends at 4"),
            (b"0", "ends at 1"),
            (b"\"\xff\"", "ends at 3"),
            (b"[ ]", "ends at 3"),
            (b"{ }", "ends at 3"),
            (b"[ 1 , 2 ]", "ends at 9"),
        ];
        for (text, expected) in cases {
            assert_eq!(words(text), expected, "{:?}", String::from_utf8_lossy(text));
        }
        assert_eq!(words(&b"[".repeat(10_001)), "exceeded max depth at offset 10001");
        assert_eq!(words(&b"{\"name\":".repeat(10_001)), "exceeded max depth at offset 80001");
        assert_eq!(words(&b"[".repeat(10_000)), eof);
    }
}
