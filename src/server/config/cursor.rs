//! A place in a text that moves on character by character and knows its line and column.

use super::problem::{ConfigErrorKind, ConfigProblem, Position};
use std::path::Path;
use std::sync::Arc;

/// A faulty text ends the reading, so there is no need for the problem to be as small as the result.
pub(super) type Scan<T> = Result<T, Box<ConfigProblem>>;

pub(super) struct Cursor<'a> {
    text: &'a str,
    at: usize,
    line: u32,
    line_start: usize,
    whose: Whose<'a>,
}

/// The text that positions are counted in.
#[derive(Clone)]
pub(super) enum Whose<'a> {
    File(Arc<Path>),
    Text,
    /// The value of an environment variable: everything in it is where the variable is used.
    Variable(&'a Position),
}

/// A blank: what may stand between words on one line.
pub(super) fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t')
}

pub(super) fn is_line_end(c: char) -> bool {
    matches!(c, '\n' | '\r')
}

pub(super) fn is_separator(c: char) -> bool {
    matches!(c, '=' | ':')
}

impl<'a> Cursor<'a> {
    /// DIFFERENCE: a NUL in the text is a fault; nats-server takes it for the end of what stands before it.
    pub(super) fn new(text: &'a str, whose: Whose<'a>) -> Scan<Self> {
        let mut cursor = Cursor { text, at: 0, line: 1, line_start: 0, whose };
        if text.contains('\0') {
            cursor.skip(|c| c != '\0');
            return Err(cursor.problem_here(ConfigErrorKind::Bytes { what: "NUL byte" }));
        }
        Ok(cursor)
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    pub(super) fn starts_with(&self, text: &str) -> bool {
        self.text[self.at..].starts_with(text)
    }

    pub(super) fn bump(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        if c == '\n' {
            self.line = self.line.saturating_add(1);
            self.line_start = self.at;
        }
        Some(c)
    }

    pub(super) fn bump_if(&mut self, wanted: impl FnOnce(char) -> bool) -> Option<char> {
        if self.peek().is_some_and(wanted) { self.bump() } else { None }
    }

    pub(super) fn skip(&mut self, mut wanted: impl FnMut(char) -> bool) {
        while self.bump_if(&mut wanted).is_some() {}
    }

    /// Goes over a comment up to the end of its line, if there is one here.
    pub(super) fn skip_comment(&mut self) -> bool {
        let comment = self.starts_with("#") || self.starts_with("//");
        if comment {
            self.skip(|c| !is_line_end(c));
        }
        comment
    }

    pub(super) fn offset(&self) -> usize {
        self.at
    }

    /// The text from an earlier offset to here.
    pub(super) fn since(&self, offset: usize) -> &'a str {
        &self.text[offset..self.at]
    }

    pub(super) fn before(&self) -> Option<u8> {
        self.at.checked_sub(1).map(|before| self.text.as_bytes()[before])
    }

    pub(super) fn here(&self) -> Position {
        let file = match &self.whose {
            Whose::File(file) => Some(file.clone()),
            Whose::Text => None,
            Whose::Variable(used) => return (*used).clone(),
        };
        let column = u32::try_from(self.at - self.line_start + 1).unwrap_or(u32::MAX);
        Position { file, line: self.line, column }
    }

    pub(super) fn problem_here(&self, kind: ConfigErrorKind) -> Box<ConfigProblem> {
        Box::new(ConfigProblem::new(self.here(), kind))
    }

    /// Something else was expected here.
    pub(super) fn expected(&self, expected: &'static str) -> Box<ConfigProblem> {
        let found = match self.peek() {
            None => "the end".to_owned(),
            Some('\n' | '\r') => "the end of the line".to_owned(),
            Some('`') => "'`'".to_owned(),
            Some(c) => format!("`{}`", c.escape_debug()),
        };
        self.problem_here(ConfigErrorKind::Syntax { expected, found })
    }
}
