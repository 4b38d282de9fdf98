//! Values as Go's encoder writes them: no blanks, keys in a fixed order, `<`, `>` and `&` escaped (JS13).

use crate::jetstream::engine::Timestamp;
use std::fmt::{Display, Write as _};

/// How the server writes that there is no instant.
const NO_INSTANT: &str = "0001-01-01T00:00:00Z";

/// An object that is being written. It ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Object<'a> {
    out: &'a mut String,
    is_empty: bool,
}

impl<'a> Object<'a> {
    /// Begins an object.
    pub(crate) fn new(out: &'a mut String) -> Self {
        out.push('{');
        Object { out, is_empty: true }
    }

    /// Writes a key, whose value is to be written next.
    pub(crate) fn key(&mut self, name: &str) -> &mut String {
        if !self.is_empty {
            self.out.push(',');
        }
        self.is_empty = false;
        text(self.out, name);
        self.out.push(':');
        self.out
    }

    pub(crate) fn text(&mut self, name: &str, value: &str) {
        text(self.key(name), value);
    }

    /// A text, or nothing if it is empty.
    pub(crate) fn some_text(&mut self, name: &str, value: &str) {
        if !value.is_empty() {
            self.text(name, value);
        }
    }

    /// Texts, or nothing if there are none.
    pub(crate) fn some_texts<T: AsRef<str>>(&mut self, name: &str, values: &[T]) {
        if !values.is_empty() {
            list(self.key(name), values, |out, value| text(out, value.as_ref()));
        }
    }

    /// A number, or anything else whose text needs no quotes.
    pub(crate) fn plain(&mut self, name: &str, value: impl Display) {
        let out = self.key(name);
        // Writing to a string does not fail.
        let _ = write!(out, "{value}");
    }

    /// A word of a fixed set, in which it stands with its quotes.
    pub(crate) fn word<T: PartialEq>(&mut self, name: &str, words: &[(&str, T)], value: &T) {
        let word = words.iter().find(|(_, other)| other == value).map_or("null", |(word, _)| word);
        self.plain(name, word);
    }

    /// A number, or nothing if it is zero.
    pub(crate) fn some_number<T: Display + Default + PartialEq>(&mut self, name: &str, value: T) {
        if value != T::default() {
            self.plain(name, value);
        }
    }

    /// `true`, or nothing.
    pub(crate) fn some_flag(&mut self, name: &str, value: bool) {
        if value {
            self.plain(name, true);
        }
    }

    /// An instant; without one, the first there is in Go.
    pub(crate) fn instant(&mut self, name: &str, value: Option<Timestamp>) {
        match value {
            Some(instant) => {
                let out = self.key(name);
                let _ = write!(out, "\"{instant}\"");
            }
            None => self.text(name, NO_INSTANT),
        }
    }

    /// An object, or nothing.
    pub(crate) fn some_object<T>(&mut self, name: &str, value: Option<&T>, write: impl FnOnce(&mut Object<'_>, &T)) {
        if let Some(value) = value {
            write(&mut Object::new(self.key(name)), value);
        }
    }

    /// A list of objects.
    pub(crate) fn objects<T>(
        &mut self,
        name: &str,
        values: impl IntoIterator<Item = T>,
        mut write: impl FnMut(&mut Object<'_>, T),
    ) {
        list(self.key(name), values, |out, value| write(&mut Object::new(out), value));
    }
}

impl Drop for Object<'_> {
    fn drop(&mut self) {
        self.out.push('}');
    }
}

/// Writes a list.
pub(crate) fn list<T>(out: &mut String, values: impl IntoIterator<Item = T>, mut write: impl FnMut(&mut String, T)) {
    out.push('[');
    for (at, value) in values.into_iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        write(out, value);
    }
    out.push(']');
}

/// Writes a string.
pub(crate) fn text(out: &mut String, value: &str) {
    out.push('"');
    let mut rest = value;
    while let Some(at) = rest.find(is_special) {
        out.push_str(&rest[..at]);
        let c = rest[at..].chars().next().unwrap_or_default();
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str(r"\\"),
            '\x08' => out.push_str(r"\b"),
            '\x0C' => out.push_str(r"\f"),
            '\n' => out.push_str(r"\n"),
            '\r' => out.push_str(r"\r"),
            '\t' => out.push_str(r"\t"),
            _ => {
                let _ = write!(out, r"\u{:04x}", c as u32);
            }
        }
        rest = &rest[at + c.len_utf8()..];
    }
    out.push_str(rest);
    out.push('"');
}

fn is_special(c: char) -> bool {
    matches!(c, '"' | '\\' | '\0'..='\x1F' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// JS13: as nats-server 2.15.1 echoes a description.
    #[test]
    fn strings_are_escaped_as_go_escapes_them() {
        let mut out = String::new();
        text(&mut out, "a <b> & c \u{2028} é \x01 \" \\ / \n\x08\x0C\x7F");
        assert_eq!(out, "\"a \\u003cb\\u003e \\u0026 c \\u2028 é \\u0001 \\\" \\\\ / \\n\\b\\f\x7F\"");
    }

    #[test]
    fn objects_end_when_they_are_dropped() {
        let mut out = String::new();
        let mut object = Object::new(&mut out);
        object.some_text("none", "");
        object.some_number("zero", 0);
        object.some_flag("no", false);
        object.plain("n", -1);
        object.objects("list", [1, 2], |object, n| object.plain("n", n));
        object.some_texts("texts", &["a", "b"]);
        object.instant("at", None);
        drop(object);
        let expected = r#"{"n":-1,"list":[{"n":1},{"n":2}],"texts":["a","b"],"at":"0001-01-01T00:00:00Z"}"#;
        assert_eq!(out, expected);
    }
}
