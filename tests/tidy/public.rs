//! The public names: how many stand at the root, and that each has one place.

use crate::source::{self, Source};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Names at the root at most, those of features included: what a program names every day. All others lie in modules.
const ROOT_MAX: usize = 33;

/// Names of several items, each of which is known by its module.
const SHARED: &[&str] = &["IntoIter", "Iter", "StartError"];

/// The room whose names have two places: its engine's own, and those of a user of streams.
const LAYERED: &str = "jetstream::";

/// Every public name as its path from the root: `Bus`, `error`, `error::CloseReason`.
pub(crate) fn names(sources: &[Source]) -> BTreeSet<String> {
    let files = sources.iter().map(|source| (source.path.as_str(), source)).collect();
    let mut names = BTreeSet::new();
    walk(&files, "src/lib.rs", "", &mut names);
    names
}

/// Collects the public names of the module that a file holds.
fn walk(files: &BTreeMap<&str, &Source>, file: &str, module: &str, names: &mut BTreeSet<String>) {
    let text = &files.get(file).unwrap_or_else(|| panic!("{file} is declared")).text;
    let folder = file.strip_suffix("mod.rs").or(file.strip_suffix("lib.rs")).map(str::to_owned);
    let folder = folder.unwrap_or_else(|| format!("{}/", file.trim_end_matches(".rs")));
    let within =
        |module: &str, name: &str| if module.is_empty() { name.to_owned() } else { format!("{module}::{name}") };
    // The module written inside the file that the lines are in, and whether they are arguments of a macro.
    let (mut inner, mut in_macro) = (module.to_owned(), false);
    let mut rest = text.as_str();
    while let Some((line, after)) = rest.split_once('\n') {
        let (begin, code) = (rest, line.trim_start());
        rest = after;
        if line == "}" {
            (inner, in_macro) = (module.to_owned(), false);
        } else if line.ends_with("! {") && !line.starts_with([' ', '/']) {
            in_macro = !line.starts_with("macro_rules!");
        } else if in_macro && code.starts_with(char::is_uppercase) && line.ends_with(',') {
            names.insert(within(&inner, code.trim_end_matches(',')));
        }
        // Methods and fields are indented; so are the items of an inner module.
        let is_item = line.len() == code.len() || inner != module;
        let Some(item) = code.strip_prefix("pub ").filter(|_| is_item && !in_macro) else { continue };
        if let Some(name) = item.strip_prefix("mod ").and_then(|name| name.strip_suffix(" {")) {
            inner = within(module, name);
            names.insert(inner.clone());
        } else if let Some(name) = item.strip_prefix("mod ").and_then(|name| name.strip_suffix(';')) {
            let module = within(module, name);
            let file = [format!("{folder}{name}.rs"), format!("{folder}{name}/mod.rs")];
            let file = file.iter().find(|file| files.contains_key(file.as_str())).expect("a module has a file");
            walk(files, file, &module, names);
            names.insert(module);
        } else if item.starts_with("use ") {
            let mut paths = Vec::new();
            source::expand(&begin[line.len() - code.len() + "pub use ".len()..], "", &mut paths);
            names.extend(paths.iter().map(|path| within(&inner, path.rsplit("::").next().unwrap_or(path))));
        } else {
            let words = ["const ", "async ", "struct ", "enum ", "trait ", "fn ", "type ", "static "];
            let name = words.iter().fold(item, |item, word| item.strip_prefix(word).unwrap_or(item));
            let end = name.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(name.len());
            names.insert(within(&inner, &name[..end]));
        }
    }
}

fn is_module(name: &str, all: &BTreeSet<String>) -> bool {
    let inside = format!("{name}::");
    all.range(inside.clone()..).next().is_some_and(|next| next.starts_with(&inside))
}

#[test]
fn the_root_is_short_and_each_name_has_one_place() {
    let all = names(&source::all(Path::new(env!("CARGO_MANIFEST_DIR")), "src"));
    let items = || all.iter().filter(|name| !is_module(name, &all));
    let root: Vec<_> = items().filter(|name| name.starts_with(char::is_uppercase) && !name.contains("::")).collect();
    assert!((20..=ROOT_MAX).contains(&root.len()), "{} names at the root: {root:?}", root.len());
    let mut places = BTreeMap::<&str, Vec<&str>>::new();
    for name in items().filter(|name| !name.starts_with(LAYERED)) {
        places.entry(name.rsplit("::").next().unwrap_or(name)).or_default().push(name);
    }
    let twice: Vec<_> = places.iter().filter(|(name, places)| places.len() > 1 && !SHARED.contains(name)).collect();
    assert!(twice.is_empty(), "names with several places: {twice:?}");
}

#[test]
fn public_names_are_seen() {
    let files = [
        (
            "src/lib.rs",
            "pub mod a;\nmod b;\npub use b::{C, d::E};\npub mod f {\n    pub use crate::b::G;\n}\npub use b::{\n    H,\n    I,\n};\n",
        ),
        (
            "src/a/mod.rs",
            "pub mod x;\npub(crate) use x::J;\npub struct K<T>(T);\nimpl K {\n    pub fn no(&self) {}\n}\n",
        ),
        ("src/a/x.rs", "pub const fn l() {}\nnumbers! {\n    /// A number.\n    M,\n}\n"),
        ("src/b.rs", "pub struct C;\n"),
    ];
    let sources = files.map(|(path, text)| Source::new(path, text));
    let all = names(&sources);
    assert_eq!(
        all.iter().map(String::as_str).collect::<Vec<_>>(),
        ["C", "E", "H", "I", "a", "a::K", "a::x", "a::x::M", "a::x::l", "f", "f::G"]
    );
    assert!(is_module("a", &all) && is_module("f", &all) && !is_module("C", &all));
}
