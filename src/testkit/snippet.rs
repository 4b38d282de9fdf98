//! The start of a payload, as tables and errors show it.

/// Characters of a payload that are shown.
const SNIPPET: usize = 60;

/// The start of a payload, on one line.
pub(super) fn snippet(payload: &[u8]) -> String {
    let text = match std::str::from_utf8(payload) {
        Ok(text) => text.chars().take(SNIPPET + 1).fold(String::new(), push_escaped),
        Err(_) => {
            payload.iter().take(SNIPPET * 4).copied().flat_map(std::ascii::escape_default).map(char::from).collect()
        }
    };
    shortened(text, payload.len())
}

/// Escapes what would break a line, and leaves quotes as they are: payloads are mostly JSON.
fn push_escaped(mut text: String, c: char) -> String {
    if matches!(c, '"' | '\'' | '\\') {
        text.push(c)
    } else {
        text.extend(c.escape_debug())
    }
    text
}

fn shortened(text: String, bytes: usize) -> String {
    match text.char_indices().nth(SNIPPET) {
        None => text,
        Some((end, _)) => format!("{}... ({bytes} bytes)", &text[..end]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snippets_stay_on_one_line_and_are_short() {
        assert_eq!(snippet(br#"{"a":"b"}"#), r#"{"a":"b"}"#);
        assert_eq!(snippet(b"a\nb"), "a\\nb");
        assert_eq!(snippet(&[0xff, b'a']), "\\xffa");
        assert_eq!(snippet(&[b'x'; 100]), format!("{}... (100 bytes)", "x".repeat(60)));
    }
}
