//! The shape of each room: files that use each other in a circle, and types whose methods are spread over many files.
//!
//! Arrows between the files of a room come from imports, from paths in the code, and from calls of methods that another file gives
//! a type of the room. A re-export is not an arrow: a name that it gives out leads to the file behind it.

use crate::source::{self, Source};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// How many files may hold methods of one type.
const FILES_MAX: usize = 2;

/// The files of one room, by module path: `bus`, `bus::route`.
struct Room<'a> {
    files: BTreeMap<String, &'a Source>,
    /// The names that each module gives out as its own: `(module, name)` to the module behind it.
    given_out: BTreeMap<(String, String), String>,
}

/// The module path of a file: `src/bus/route.rs` is `bus::route`, `src/bus/mod.rs` is `bus`.
fn module(path: &str) -> String {
    let inner = path.trim_start_matches("src/").trim_end_matches(".rs");
    let inner = inner.strip_suffix("/mod").or(inner.strip_suffix("/main")).unwrap_or(inner);
    inner.replace('/', "::")
}

/// The code of a file without comments and without its tests.
fn code(source: &Source) -> String {
    let mut code = String::new();
    let (mut in_tests, mut of_tests) = (false, false);
    for line in source.text.lines().filter(|line| !line.trim_start().starts_with("//")) {
        if is_of_tests(line) {
            of_tests = true;
        } else if of_tests && line.starts_with("#[") {
            // Another attribute of the same item.
        } else if of_tests {
            // An item ends with its line, or with the first `}` or `);` that is not indented.
            in_tests = !(line.ends_with(';') || line.ends_with('}'));
            of_tests = false;
        } else if in_tests {
            in_tests = !(line.starts_with('}') || line.starts_with(')'));
        } else {
            code += line;
            code.push('\n');
        }
    }
    code
}

/// Whether an attribute of an item at a file's top level keeps it out of the library.
fn is_of_tests(line: &str) -> bool {
    let cfg = line.strip_prefix("#[cfg(").map(|rest| rest.strip_prefix("all(").unwrap_or(rest));
    cfg.is_some_and(|cfg| cfg.starts_with("test)") || cfg.starts_with("test,"))
}

/// The modules that a file declares for its tests, each in a file of its own.
fn test_modules(source: &Source) -> impl Iterator<Item = String> {
    let mut lines = source.code_lines().map(|(_, line)| line).skip_while(|line| !is_of_tests(line)).peekable();
    std::iter::from_fn(move || {
        loop {
            let (attribute, item) = (lines.next()?, lines.peek().copied().unwrap_or_default());
            let name = item.trim_start_matches("pub ").trim_start_matches("pub(crate) ").strip_prefix("mod ");
            if is_of_tests(attribute)
                && let Some(name) = name.and_then(|name| name.strip_suffix(';'))
            {
                return Some(format!("{}::{name}", module(&source.path)));
            }
        }
    })
}

/// Every `use` of the code as `(is_public, path)`, braces taken apart.
fn uses(code: &str) -> Vec<(bool, String)> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("use ") {
        let line = code[..at].rfind('\n').map_or(0, |end| end + 1);
        let before = code[line..at].trim();
        let is_public = before.starts_with("pub");
        if !(before.is_empty() || is_public) {
            continue;
        }
        let Some(end) = code[at..].find(';') else { continue };
        let mut paths = Vec::new();
        source::expand(&code[at + 4..at + end], "", &mut paths);
        found.extend(paths.into_iter().map(|path| (is_public, path)));
    }
    found
}

/// Every path of the code beside its `use`s, as far as it is written in full.
fn paths(code: &str) -> impl Iterator<Item = String> {
    let is_of_path = |c: char| c.is_alphanumeric() || matches!(c, '_' | ':');
    let mut in_use = false;
    let lines = code.lines().filter(move |line| {
        let line = line.trim_start();
        let item = line.strip_prefix("pub").map_or(line, |rest| rest.split_once(' ').map_or("", |(_, item)| item));
        let is_use = in_use || item.starts_with("use ");
        in_use = is_use && !line.ends_with(';');
        !is_use
    });
    // Who may see an item is not a path that it uses.
    let shown = lines.map(|line| {
        line.split_once("pub(in ").and_then(|(_, rest)| rest.split_once(')')).map_or(line, |(_, item)| item)
    });
    let words: Vec<_> = shown.flat_map(|line| line.split(|c: char| !is_of_path(c))).map(str::to_owned).collect();
    words.into_iter().filter(|word| word.contains("::") && !word.starts_with(':'))
}

impl<'a> Room<'a> {
    fn new(sources: impl Iterator<Item = &'a Source>) -> Self {
        let files: BTreeMap<_, _> = sources.map(|source| (module(&source.path), source)).collect();
        let mut room = Room { files, given_out: BTreeMap::new() };
        let mut given_out = BTreeMap::new();
        for (at, source) in &room.files {
            for (_, path) in uses(&code(source)).into_iter().filter(|(is_public, _)| *is_public) {
                let name = path.rsplit("::").next().unwrap_or_default().to_owned();
                if let Some(target) = room.resolve(at, &path) {
                    given_out.insert((at.clone(), name), target);
                }
            }
        }
        room.given_out = given_out;
        room
    }

    /// The module of this room that a path in module `at` leads to.
    fn resolve(&self, at: &str, path: &str) -> Option<String> {
        let mut words: Vec<&str> = path.split("::").collect();
        let mut place: Vec<&str> = at.split("::").collect();
        match words[0] {
            "crate" => place.clear(),
            "self" => {}
            "super" => {
                place.pop();
            }
            child if self.files.contains_key(&format!("{at}::{child}")) => words.insert(0, "self"),
            _ => return None,
        }
        words.remove(0);
        while words.first() == Some(&"super") {
            place.pop();
            words.remove(0);
        }
        let mut place = place.join("::");
        for word in words {
            let child = if place.is_empty() { word.to_owned() } else { format!("{place}::{word}") };
            if self.files.contains_key(&child) || self.files.keys().any(|file| file.starts_with(&format!("{child}::")))
            {
                place = child;
            } else if let Some(behind) = self.given_out.get(&(place.clone(), word.to_owned())) {
                return Some(behind.clone());
            } else {
                break;
            }
        }
        self.files.contains_key(&place).then_some(place)
    }

    /// Names that types of several parts of the room have: each is a type of its part.
    fn shared_names(&self) -> BTreeSet<String> {
        let mut parts = BTreeMap::<String, BTreeSet<&str>>::new();
        for (at, source) in &self.files {
            for line in code(source).lines() {
                let Some(name) = declared(line) else { continue };
                parts.entry(name.to_owned()).or_default().insert(part(at));
            }
        }
        parts.into_iter().filter(|(_, parts)| parts.len() > 1).map(|(name, _)| name).collect()
    }

    /// The files that hold methods of each type, with the names of the methods.
    fn methods(&self) -> BTreeMap<String, BTreeMap<String, BTreeSet<String>>> {
        let mut all = BTreeMap::<String, BTreeMap<String, BTreeSet<String>>>::new();
        let shared = self.shared_names();
        for (at, source) in &self.files {
            let mut current = None;
            for line in code(source).lines() {
                if line.starts_with("impl") {
                    current = implemented(line).map(|name| match shared.contains(&name) {
                        true => format!("{}::{name}", part(at)),
                        false => name,
                    });
                } else if line.starts_with('}') {
                    current = None;
                } else if let Some(name) = &current
                    && let Some(method) = method(line)
                {
                    all.entry(String::clone(name))
                        .or_default()
                        .entry(at.clone())
                        .or_default()
                        .insert(method.to_owned());
                }
            }
        }
        all
    }

    /// Which file uses which.
    fn arrows(&self) -> BTreeMap<String, BTreeSet<String>> {
        let mut arrows = BTreeMap::<String, BTreeSet<String>>::new();
        let methods = self.methods();
        let spread: Vec<_> = methods.values().filter(|files| files.len() > 1).collect();
        for (at, source) in &self.files {
            let code = code(source);
            let mut to: BTreeSet<String> = uses(&code)
                .into_iter()
                .filter(|(is_public, _)| !is_public)
                .map(|(_, path)| path)
                .chain(paths(&code))
                .filter_map(|path| self.resolve(at, &path))
                .collect();
            for files in &spread {
                for (file, names) in files.iter().filter(|(file, _)| *file != at) {
                    let own = files.get(at);
                    let calls = |name: &String| {
                        !own.is_some_and(|own| own.contains(name)) && code.contains(&format!(".{name}("))
                    };
                    // A type that lies in this room is called by its methods only where the file knows the type.
                    if own.is_some() && names.iter().any(calls) {
                        to.insert(file.clone());
                    }
                }
            }
            to.remove(at);
            arrows.insert(at.clone(), to);
        }
        arrows
    }

    /// Sets of files each of which leads to all others of its set.
    fn circles(&self) -> Vec<BTreeSet<String>> {
        let arrows = self.arrows();
        let reached = |from: &String| {
            let (mut seen, mut next) = (BTreeSet::new(), vec![from]);
            while let Some(file) = next.pop() {
                for to in arrows.get(file).into_iter().flatten() {
                    if seen.insert(to.clone()) {
                        next.push(to);
                    }
                }
            }
            seen
        };
        let reached: BTreeMap<_, _> = arrows.keys().map(|file| (file, reached(file))).collect();
        let mut circles = BTreeSet::new();
        for (file, others) in &reached {
            if others.contains(*file) {
                circles.insert(others.iter().filter(|other| reached[other].contains(*file)).cloned().collect());
            }
        }
        circles.into_iter().collect()
    }
}

/// The part of a room that a module belongs to: `jetstream::engine` for `jetstream::engine::config::source`, `bus` for `bus::route`.
fn part(module: &str) -> &str {
    let mut ends = module.match_indices("::").map(|(at, _)| at);
    let first = ends.next();
    match ends.next() {
        Some(second) => &module[..second],
        None => first.map_or(module, |first| &module[..first]),
    }
}

/// The type that a line of a file's top level declares for the whole crate.
fn declared(line: &str) -> Option<&str> {
    let rest = ["pub ", "pub(crate) "].iter().find_map(|open| line.strip_prefix(open))?;
    let rest = rest.strip_prefix("struct ").or_else(|| rest.strip_prefix("enum "))?;
    rest.split(|c: char| !(c.is_alphanumeric() || c == '_')).next()
}

/// The type of an inherent impl that begins on this line.
fn implemented(line: &str) -> Option<String> {
    let mut rest = line.strip_prefix("impl")?;
    if rest.starts_with('<') {
        let mut depth = 0;
        let end = rest.find(|c| {
            depth += i32::from(c == '<') - i32::from(c == '>');
            depth == 0
        })?;
        rest = &rest[end + 1..];
    }
    let rest = rest.trim_start();
    let name = rest.split(['<', ' ', '{']).next()?;
    let is_trait = rest.split('{').next()?.contains(" for ");
    (!is_trait && !name.is_empty()).then(|| name.rsplit("::").next().unwrap_or(name).to_owned())
}

/// The method that begins on this line of an impl.
fn method(line: &str) -> Option<&str> {
    let line = line.strip_prefix("    ")?;
    let (before, rest) = line.split_once("fn ")?;
    let is_head =
        before.split(' ').all(|word| word.is_empty() || word.starts_with("pub") || matches!(word, "async" | "const"));
    is_head.then(|| rest.split(['(', '<']).next().unwrap_or(rest))
}

fn rooms(sources: &[Source]) -> BTreeMap<&str, Room<'_>> {
    let tests: Vec<_> = sources.iter().flat_map(test_modules).collect();
    let is_of_tests = |source: &Source| {
        let module = module(&source.path);
        tests.iter().any(|test| module.strip_prefix(test).is_some_and(|rest| rest.is_empty() || rest.starts_with("::")))
    };
    let mut by_room = BTreeMap::<&str, Vec<&Source>>::new();
    for source in sources.iter().filter(|source| !is_of_tests(source)) {
        by_room.entry(source.room().unwrap_or("lib")).or_default().push(source);
    }
    by_room.into_iter().map(|(name, sources)| (name, Room::new(sources.into_iter()))).collect()
}

#[test]
fn no_files_of_a_room_use_each_other_in_a_circle() {
    let sources = source::all(Path::new(env!("CARGO_MANIFEST_DIR")), "src");
    let circles: Vec<String> = rooms(&sources)
        .values()
        .flat_map(Room::circles)
        .map(|circle| circle.into_iter().collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(circles, [""; 0], "circles of files");
}

#[test]
fn the_methods_of_a_type_lie_in_two_files_at_most() {
    let sources = source::all(Path::new(env!("CARGO_MANIFEST_DIR")), "src");
    let mut spread: Vec<String> = Vec::new();
    for (room, files) in rooms(&sources) {
        let methods = files.methods();
        let wide = methods.iter().filter(|(_, files)| files.len() > FILES_MAX);
        spread.extend(wide.map(|(name, files)| format!("{room}::{name}: {}", files.len())));
    }
    assert_eq!(spread, [""; 0], "types that are spread over files");
}

#[test]
fn circles_and_spread_types_are_seen() {
    let files = [
        ("src/a/mod.rs", "mod b;\nmod c;\npub use b::B;\nuse b::start;\n"),
        ("src/a/b.rs", "use super::c::C;\npub struct B;\nimpl B {\n    fn x(&self) { self.y() }\n}\n"),
        ("src/a/c.rs", "pub struct C;\n#[cfg(test)]\nmod tests { use super::super::b::B; }\n"),
        ("src/a/d.rs", "use super::B;\n"),
    ];
    let mut sources = files.map(|(path, text)| Source::new(path, text)).to_vec();
    let names = |sources: &[Source]| Room::new(sources.iter()).circles();
    assert_eq!(names(&sources), []);
    // By an import through a re-export.
    sources[2] = Source::new("src/a/c.rs", "use super::B;\n");
    assert_eq!(names(&sources).len(), 1);
    // By a path in the code.
    sources[2] = Source::new("src/a/c.rs", "fn f() {\n    crate::a::b::start()\n}\n");
    assert_eq!(names(&sources).len(), 1);
    // By a method: neither of the two files names the other in both directions.
    sources[1] = Source::new("src/a/b.rs", "pub struct B;\nimpl B {\n    fn x(&self) { self.y() }\n}\n");
    sources[2] = Source::new("src/a/c.rs", "use super::B;\nimpl B {\n    pub(crate) fn y(&self) {}\n}\n");
    assert_eq!(names(&sources), [BTreeSet::from(["a::b".to_owned(), "a::c".to_owned()])]);
    assert_eq!(implemented("impl<T: Into<u8>> Room<T> {"), Some("Room".to_owned()));
    assert_eq!(implemented("impl<'a> Iterator for Room<'a> {"), None);
    assert_eq!(method("    pub(crate) async fn go<T>(&self) {"), Some("go"));
    // Behind the tests that a file declares at its head.
    sources[1] = Source::new(files[1].0, files[1].1);
    let head = "#[cfg(all(test, not(postroom_shuttle)))]\nmod tests;\n#[cfg(test)]\nuse super::d::D;\n";
    sources[2] = Source::new("src/a/c.rs", &format!("{head}use super::B;\n"));
    assert_eq!(names(&sources).len(), 1);
    sources[2] =
        Source::new("src/a/c.rs", &format!("{head}#[cfg(test)]\nmod inner {{\n    use super::super::B;\n}}\n"));
    assert_eq!(names(&sources).len(), 0);
    assert_eq!(test_modules(&sources[2]).collect::<Vec<_>>(), ["a::c::tests"]);
    // Two types of one name in two parts of a room.
    let files = [("src/a/x/one.rs", "pub struct S;\nimpl S {\n    fn f(&self) {}\n}\n")];
    let files = files.into_iter().chain([("src/a/y/two.rs", files[0].1)]);
    let sources: Vec<_> = files.map(|(path, text)| Source::new(path, text)).collect();
    let methods = Room::new(sources.iter()).methods();
    assert_eq!(methods.keys().collect::<Vec<_>>(), ["a::x::S", "a::y::S"]);
}
