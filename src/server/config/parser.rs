//! The structure of a configuration text: maps, arrays, variables and included files. It follows nats-server's reader state
//! by state, so that both accept the same texts and get the same values from them, except where a comment says otherwise.

use super::cursor::{Cursor, Scan, Whose, is_blank, is_line_end, is_separator};
use super::files::{clean, text_of};
use super::problem::{ConfigErrorKind, ConfigProblem, Position};
use super::scalar::{self, Word};
use super::source::ConfigSource;
use super::value::{Data, Entry, Node, Value};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How deep maps and arrays may lie in each other. DIFFERENCE: nats-server has no such bound.
pub(super) const DEPTH_MAX: usize = 100;

/// Values that a configuration may have, those that variables repeat counted each time. DIFFERENCE: as above.
pub(super) const VALUES_MAX: usize = 1 << 20;

/// How deep files may include each other, and how many may be read in all. DIFFERENCE: as above.
pub(super) const INCLUDE_DEPTH_MAX: usize = 16;
pub(super) const INCLUDES_MAX: usize = 1_000;

/// How many environment variables may refer to each other in a row. DIFFERENCE: as above.
pub(super) const VARIABLE_DEPTH_MAX: usize = 16;

/// Reads a text. `file` is what positions name and `folder` where included files are; without it nothing can be included.
pub(super) fn parse(
    text: &str,
    file: Option<&Path>,
    folder: Option<&Path>,
    source: &dyn ConfigSource,
) -> Scan<Arc<Node<Entry>>> {
    let open = file.map(clean).into_iter().collect();
    let mut all = All { source, values: 0, includes: 0, open, variables: Vec::new() };
    let whose = file.map_or(Whose::Text, |file| Whose::File(file.into()));
    let parser = Parser { cursor: Cursor::new(text, whose)?, folder, depth: 0, scopes: Vec::new(), all: &mut all };
    Ok(Arc::new(Node::map(parser.document()?)))
}

/// The state that all the texts of one configuration share.
struct All<'a> {
    source: &'a dyn ConfigSource,
    values: usize,
    includes: usize,
    /// Files that are being read, each included by the one before it.
    open: Vec<PathBuf>,
    /// Environment variables that are being read.
    variables: Vec<String>,
}

struct Parser<'a, 'b> {
    cursor: Cursor<'a>,
    folder: Option<&'a Path>,
    depth: usize,
    /// The maps around the cursor, outermost first: where variables are looked up.
    scopes: Vec<Scope>,
    all: &'a mut All<'b>,
}

/// A map while it is read.
#[derive(Default)]
struct Scope {
    entries: Vec<Entry>,
    index: BTreeMap<String, usize>,
}

impl Scope {
    /// The later of two entries with one key counts.
    fn insert(&mut self, entry: Entry) {
        match self.index.get(&entry.key) {
            Some(at) => self.entries[*at] = entry,
            None => {
                self.index.insert(entry.key.clone(), self.entries.len());
                self.entries.push(entry);
            }
        }
    }
}

/// Where the reader is, outside of values. A block is a map without a key around a whole text, as JSON has it: its entries
/// are those of the text.
enum ParserState {
    Text,
    TextEntryRead,
    Block,
    BlockEntryRead,
    BlockRead,
}

/// The surroundings of a text when a block in it ends.
enum Outer {
    Text,
    Block,
}

enum Go {
    On,
    /// The text is at its end, and may be.
    Stop,
}

impl Parser<'_, '_> {
    fn document(mut self) -> Scan<Vec<Entry>> {
        self.scopes.push(Scope::default());
        let mut outers = Vec::new();
        let mut state = ParserState::Text;
        loop {
            state = match state {
                ParserState::Text | ParserState::Block => {
                    self.cursor.skip(char::is_whitespace);
                    let in_block = matches!(state, ParserState::Block);
                    match self.cursor.peek() {
                        // As the real one has it: a block need not be closed, if only its last line is.
                        None => break,
                        Some('{') => {
                            if outers.len() == DEPTH_MAX {
                                return Err(self.cursor.problem_here(ConfigErrorKind::TooDeep { max: DEPTH_MAX }));
                            }
                            self.cursor.bump();
                            outers.push(if in_block { Outer::Block } else { Outer::Text });
                            ParserState::Block
                        }
                        Some('}') if in_block => self.end_of_block(&mut outers),
                        Some('#' | '/') => {
                            if !self.cursor.skip_comment() {
                                return Err(self.cursor.expected("a key"));
                            }
                            state
                        }
                        Some(_) => match self.entry()? {
                            Go::Stop => break,
                            Go::On if in_block => ParserState::BlockEntryRead,
                            Go::On => ParserState::TextEntryRead,
                        },
                    }
                }
                ParserState::TextEntryRead => match self.cursor.peek() {
                    _ if self.cursor.skip_comment() => ParserState::Text,
                    None => break,
                    Some(c) if is_blank(c) || c == '/' => {
                        self.cursor.bump();
                        ParserState::TextEntryRead
                    }
                    Some(c) if is_line_end(c) || matches!(c, ';' | ',' | '}') => {
                        self.cursor.bump();
                        ParserState::Text
                    }
                    Some(_) => return Err(self.cursor.expected("a new line, `;`, `,` or a comment after the value")),
                },
                ParserState::BlockEntryRead => match self.cursor.peek() {
                    _ if self.cursor.skip_comment() => ParserState::BlockEntryRead,
                    Some(c) if is_blank(c) || c == '/' => {
                        self.cursor.bump();
                        ParserState::BlockEntryRead
                    }
                    Some(c) if is_line_end(c) || matches!(c, ';' | ',') => {
                        self.cursor.bump();
                        ParserState::Block
                    }
                    Some('}') => self.end_of_block(&mut outers),
                    _ => return Err(self.cursor.expected("a new line, `;`, `,`, a comment or `}` after the value")),
                },
                ParserState::BlockRead => match self.cursor.peek() {
                    _ if self.cursor.skip_comment() => ParserState::Block,
                    Some(c) if is_line_end(c) || is_blank(c) || c == '/' => {
                        self.cursor.bump();
                        ParserState::BlockRead
                    }
                    Some(';' | ',') => {
                        self.cursor.bump();
                        ParserState::Block
                    }
                    Some('}') => self.end_of_block(&mut outers),
                    _ => return Err(self.cursor.expected("`}`")),
                },
            }
        }
        Ok(self.scopes.pop().expect("the scope of the text").entries)
    }

    fn end_of_block(&mut self, outers: &mut Vec<Outer>) -> ParserState {
        self.cursor.bump();
        match outers.pop() {
            Some(Outer::Block) => ParserState::BlockRead,
            Some(Outer::Text) | None => ParserState::Text,
        }
    }

    /// A key with its value, or an `include`, outside of maps.
    fn entry(&mut self) -> Scan<Go> {
        let (key, at) = match self.key(false)? {
            Key::Include => return self.include().map(|()| Go::On),
            Key::Is(key, at) => (key, at),
        };
        self.cursor.skip(char::is_whitespace);
        if self.cursor.bump_if(is_separator).is_none() && self.cursor.peek().is_none() {
            // A last `}` of a text that had none to open it, as JSON may have.
            return if key == "}" { Ok(Go::Stop) } else { Err(self.cursor.expected("a value")) };
        }
        let value = self.value()?;
        self.insert(key, at, value);
        Ok(Go::On)
    }

    fn key(&mut self, bare: bool) -> Scan<Key> {
        let quote = self.cursor.bump_if(|c| !bare && matches!(c, '"' | '\''));
        let (start, at) = (self.cursor.offset(), self.cursor.here());
        if let Some(quote) = quote {
            self.cursor.skip(|c| c != quote);
            let key = self.cursor.since(start).to_owned();
            self.cursor.bump().ok_or_else(|| self.cursor.expected("the key's closing quote"))?;
            return Ok(Key::Is(key, at));
        }
        if !bare && self.cursor.peek().is_some_and(is_separator) {
            return Err(self.cursor.expected("a key"));
        }
        // The first sign belongs to the key whatever it is.
        self.cursor.bump();
        self.cursor.skip(|c| !c.is_whitespace() && !is_separator(c));
        let key = self.cursor.since(start);
        if key.eq_ignore_ascii_case("include") && self.cursor.peek().is_some_and(char::is_whitespace) {
            return Ok(Key::Include);
        }
        Ok(Key::Is(key.to_owned(), at))
    }

    fn insert(&mut self, key: String, at: Position, value: Value) {
        let scope = self.scopes.last_mut().expect("a map is being read");
        scope.insert(Entry { key, at, value, used: false });
    }

    /// A value on this line.
    fn value(&mut self) -> Scan<Value> {
        self.cursor.skip(is_blank);
        let at = self.cursor.here();
        let word = match self.cursor.peek() {
            Some('[') => return self.array(at),
            Some('{') => return self.map(at),
            Some('\'') => scalar::single_quoted(&mut self.cursor),
            Some('"') => scalar::double_quoted(&mut self.cursor),
            Some('(') => scalar::block(&mut self.cursor),
            Some('-') => scalar::negative(&mut self.cursor),
            Some('0'..='9') => scalar::number(&mut self.cursor),
            Some('.') => Err(self.cursor.expected("a value; a number begins with a digit")),
            Some('\n' | '\r') => Err(self.cursor.expected("a value")),
            _ => scalar::bare(&mut self.cursor),
        };
        let word = word.map_err(|mut problem| {
            // A fault of the whole word is reported at its beginning; a word that breaks off, at
            // its end.
            if !matches!(problem.kind, ConfigErrorKind::Syntax { .. }) {
                problem.position = Some(at.clone());
            }
            problem
        });
        match word? {
            Word::Data(data) => self.counted(Value { at, data }),
            Word::Variable(name) => self.variable(&name, at),
        }
    }

    fn counted(&mut self, value: Value) -> Scan<Value> {
        // A map or array counts as one: its content has been counted before.
        self.count(1, &value.at)?;
        Ok(value)
    }

    fn count(&mut self, values: usize, at: &Position) -> Scan<()> {
        self.all.values = self.all.values.saturating_add(values);
        if self.all.values > VALUES_MAX {
            return Err(Box::new(ConfigProblem::new(at.clone(), ConfigErrorKind::TooMany { max: VALUES_MAX })));
        }
        Ok(())
    }

    fn deeper(&mut self, at: &Position) -> Scan<()> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(Box::new(ConfigProblem::new(at.clone(), ConfigErrorKind::TooDeep { max: DEPTH_MAX })));
        }
        Ok(())
    }

    fn array(&mut self, at: Position) -> Scan<Value> {
        self.deeper(&at)?;
        self.cursor.bump();
        let mut items = Vec::new();
        'items: loop {
            self.cursor.skip(char::is_whitespace);
            match self.cursor.peek() {
                _ if self.cursor.skip_comment() => continue,
                Some(']') => break,
                None | Some(',' | '/') => return Err(self.cursor.expected("a value or `]`")),
                Some(_) => items.push(self.value()?),
            }
            loop {
                match self.cursor.peek() {
                    _ if self.cursor.skip_comment() => {}
                    Some(c) if is_blank(c) => self.cursor.skip(is_blank),
                    Some(c) if is_line_end(c) || matches!(c, ',' | '/') => {
                        self.cursor.bump();
                        break;
                    }
                    Some(']') => break 'items,
                    _ => return Err(self.cursor.expected("`,`, a new line or `]`")),
                }
            }
        }
        self.cursor.bump();
        self.depth -= 1;
        self.counted(Value { at, data: Data::Array(Arc::new(Node::array(items))) })
    }

    fn map(&mut self, at: Position) -> Scan<Value> {
        self.deeper(&at)?;
        self.cursor.bump();
        self.scopes.push(Scope::default());
        'entries: loop {
            self.cursor.skip(char::is_whitespace);
            match self.cursor.peek() {
                _ if self.cursor.skip_comment() => continue,
                Some('}') => break,
                None | Some(']') => return Err(self.cursor.expected("a key or `}`")),
                Some(c) => {
                    // As the real one has it: one such sign before a key is passed over, and a quote that follows is
                    // not one.
                    let bare = c == '/';
                    if bare {
                        self.cursor.bump();
                    }
                    self.map_entry(bare)?;
                }
            }
            loop {
                match self.cursor.peek() {
                    _ if self.cursor.skip_comment() => {}
                    Some(c) if is_blank(c) => self.cursor.skip(is_blank),
                    Some(c) if is_line_end(c) || matches!(c, ';' | ',' | '/') => {
                        self.cursor.bump();
                        break;
                    }
                    Some('}') => break 'entries,
                    _ => return Err(self.cursor.expected("`,`, `;`, a new line or `}`")),
                }
            }
        }
        self.cursor.bump();
        self.depth -= 1;
        let entries = self.scopes.pop().expect("the scope of the map").entries;
        self.counted(Value { at, data: Data::Map(Arc::new(Node::map(entries))) })
    }

    fn map_entry(&mut self, bare: bool) -> Scan<()> {
        let (key, at) = match self.key(bare)? {
            Key::Include => return self.include(),
            Key::Is(key, at) => (key, at),
        };
        self.cursor.skip(char::is_whitespace);
        if self.cursor.bump_if(is_separator).is_some() {
            self.cursor.skip(char::is_whitespace);
        }
        // DIFFERENCE: a key without a value is a fault. nats-server gives the key to the map itself and loses the map's own.
        if matches!(self.cursor.peek(), None | Some(',' | '}')) {
            return Err(self.cursor.expected("a value"));
        }
        let value = self.value()?;
        self.insert(key, at, value);
        Ok(())
    }

    /// The value of `$NAME`: of a key before this place, in this map or one around it, or else of the environment.
    fn variable(&mut self, name: &str, at: Position) -> Scan<Value> {
        let found = self.scopes.iter_mut().rev().find_map(|scope| {
            let entry = &mut scope.entries[*scope.index.get(name)?];
            entry.used = true;
            Some(entry.value.data.clone())
        });
        let value = match found {
            Some(data) => Value { at, data },
            None => self.of_environment(name, at)?,
        };
        self.count(value.count(), &value.at)?;
        if self.depth + value.height() > DEPTH_MAX {
            return Err(Box::new(ConfigProblem::new(value.at, ConfigErrorKind::TooDeep { max: DEPTH_MAX })));
        }
        Ok(value)
    }

    /// The text of an environment variable is read as if it stood behind a key.
    fn of_environment(&mut self, name: &str, at: Position) -> Scan<Value> {
        const KEY: &str = "value";
        let fault = |fault| Box::new(ConfigProblem::new(at.clone(), fault));
        let unknown = || fault(ConfigErrorKind::UnknownVariable { name: name.to_owned() });
        let reading = &mut self.all.variables;
        if reading.len() == VARIABLE_DEPTH_MAX || reading.iter().any(|other| other == name) {
            return Err(fault(ConfigErrorKind::VariableCycle { name: name.to_owned(), max: VARIABLE_DEPTH_MAX }));
        }
        let text = format!("{KEY}={}", self.all.source.variable(name).ok_or_else(unknown)?);
        self.all.variables.push(name.to_owned());
        let entries = Cursor::new(&text, Whose::Variable(&at)).and_then(|cursor| {
            let (folder, depth) = (self.folder, self.depth);
            Parser { cursor, folder, depth, scopes: Vec::new(), all: &mut *self.all }.document()
        });
        self.all.variables.pop();
        let of_variable = |problem: Box<ConfigProblem>| match problem.kind {
            // It says all there is to say.
            ConfigErrorKind::VariableCycle { .. } => problem,
            inner => fault(ConfigErrorKind::Variable { name: name.to_owned(), kind: Box::new(inner) }),
        };
        let value = entries.map_err(of_variable)?.into_iter().rfind(|entry| entry.key == KEY);
        value.map(|entry| Value { at: at.clone(), data: entry.value.data }).ok_or_else(unknown)
    }

    /// The rest of `include FILE`: its entries become those of the map that it stands in.
    fn include(&mut self) -> Scan<()> {
        self.cursor.skip(is_blank);
        let at = self.cursor.here();
        let quote = self.cursor.bump_if(|c| matches!(c, '"' | '\''));
        let start = self.cursor.offset();
        let name = if let Some(quote) = quote {
            self.cursor.skip(|c| c != quote);
            let name = self.cursor.since(start);
            self.cursor.bump().ok_or_else(|| self.cursor.expected("the closing quote of a file name"))?;
            name
        } else {
            let is_none = |c: char| is_line_end(c) || is_digit_or_minus(c) || "[{(\\".contains(c);
            if self.cursor.peek().is_none_or(is_none) {
                return Err(self.cursor.expected("the name of a file; one that begins with a digit or `-` in quotes"));
            }
            self.cursor.skip(|c| !is_line_end(c) && !is_blank(c) && !matches!(c, ';' | '}' | '\''));
            let name = self.cursor.since(start);
            self.cursor.bump_if(|c| c == '\'');
            name
        };
        for entry in self.included(name, &at)? {
            self.scopes.last_mut().expect("a map is being read").insert(entry);
        }
        Ok(())
    }

    fn included(&mut self, name: &str, at: &Position) -> Scan<Vec<Entry>> {
        let fault = |fault| Box::new(ConfigProblem::new(at.clone(), fault));
        let unreadable = |why: String| fault(ConfigErrorKind::File { path: name.to_owned(), why });
        let folder = self.folder.ok_or_else(|| unreadable("this configuration is not in a folder".to_owned()))?;
        // As the real one has it: even a path that begins with a slash is one below the folder.
        let path = clean(&folder.join(name.trim_start_matches('/')));
        let shown = || path.display().to_string();
        if self.all.open.contains(&path) {
            return Err(fault(ConfigErrorKind::IncludeCycle { path: shown() }));
        }
        // The outermost file is open too, if there is one.
        if self.all.open.len() > INCLUDE_DEPTH_MAX {
            return Err(fault(ConfigErrorKind::TooManyIncludes {
                what: "each other too deep",
                max: INCLUDE_DEPTH_MAX,
            }));
        }
        self.all.includes += 1;
        if self.all.includes > INCLUDES_MAX {
            return Err(fault(ConfigErrorKind::TooManyIncludes { what: "are too many", max: INCLUDES_MAX }));
        }
        let bytes = self.all.source.read(&path).map_err(|error| unreadable(error.to_string()))?;
        let text = text_of(&bytes, &path)?;
        let cursor = Cursor::new(text, Whose::File(path.as_path().into()))?;
        let folder = path.parent();
        self.all.open.push(path.clone());
        let depth = self.depth;
        let entries = Parser { cursor, folder, depth, scopes: Vec::new(), all: &mut *self.all }.document();
        self.all.open.pop();
        entries
    }
}

enum Key {
    Include,
    Is(String, Position),
}

fn is_digit_or_minus(c: char) -> bool {
    c.is_ascii_digit() || c == '-'
}
