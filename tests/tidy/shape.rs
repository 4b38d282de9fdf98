//! The shape of each room: files that use each other in a circle, and types whose methods are spread over many files.
//!
//! Arrows between the files of a room come from imports, from paths in the code, and from calls of methods that another file gives
//! a type of the room. A re-export is not an arrow: a name that it gives out leads to the file behind it. The exceptions of today
//! stand in two lists, which only shrink: an entry that has become needless fails the test as well.

use crate::source::{self, Source};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Files that use each other in a circle today, a circle a line.
const CIRCLES: &[&str] = &["matcher matcher::lookup matcher::prepared"];

/// Types whose own methods lie in more than two files today.
const SPREAD: &[&str] = &["matcher::Matcher: 3"];

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
    let tests = ["\n#[cfg(test)]", "\n#[cfg(all(test, not(postroom_shuttle)))]\nmod tests {"];
    let tests = tests.iter().filter_map(|head| source.text.find(head)).min().unwrap_or(source.text.len());
    let lines = source.text[..tests].lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.map(|line| format!("{line}\n")).collect()
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
                .filter_map(|(_, path)| self.resolve(at, &path))
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
    let mut by_room = BTreeMap::<&str, Vec<&Source>>::new();
    for source in sources.iter().filter(|source| !source.path.contains("/tests")) {
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
    assert_eq!(circles, CIRCLES, "circles of files, and those that are listed");
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
    assert_eq!(spread, SPREAD, "types that are spread over files, and those that are listed");
}

#[test]
fn circles_and_spread_types_are_seen() {
    let files = [
        ("src/a/mod.rs", "mod b;\nmod c;\npub use b::B;\nuse b::start;\n"),
        ("src/a/b.rs", "use super::c::C;\npub struct B;\nimpl B {\n    fn x(&self) { self.y() }\n}\n"),
        (
            "src/a/c.rs",
            "pub struct C;\nimpl super::B {\n    pub(crate) fn y(&self) {}\n}\n#[cfg(test)]\nmod tests { use super::super::d::D; }\n",
        ),
        ("src/a/d.rs", "use super::B;\n"),
    ];
    let mut sources = files.map(|(path, text)| Source::new(path, text)).to_vec();
    let names = |sources: &[Source]| Room::new(sources.iter()).circles();
    assert_eq!(names(&sources), []);
    // By an import through a re-export.
    sources[2] = Source::new("src/a/c.rs", "use super::B;\n");
    assert_eq!(names(&sources).len(), 1);
    // By a method.
    sources[2] = Source::new("src/a/c.rs", "impl super::B {\n    pub(crate) fn y(&self) { self.x() }\n}\n");
    assert_eq!(names(&sources), [BTreeSet::from(["a::b".to_owned(), "a::c".to_owned()])]);
    assert_eq!(implemented("impl<T: Into<u8>> Room<T> {"), Some("Room".to_owned()));
    assert_eq!(implemented("impl<'a> Iterator for Room<'a> {"), None);
    assert_eq!(method("    pub(crate) async fn go<T>(&self) {"), Some("go"));
    // Two types of one name in two parts of a room.
    let files = [("src/a/x/one.rs", "pub struct S;\nimpl S {\n    fn f(&self) {}\n}\n")];
    let files = files.into_iter().chain([("src/a/y/two.rs", files[0].1)]);
    let sources: Vec<_> = files.map(|(path, text)| Source::new(path, text)).collect();
    let methods = Room::new(sources.iter()).methods();
    assert_eq!(methods.keys().collect::<Vec<_>>(), ["a::x::S", "a::y::S"]);
}
