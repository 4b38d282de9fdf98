//! Source files, as far as the rules need to understand them: lines without comments, and paths that begin with `crate::`.

use std::path::Path;

#[derive(Clone)]
pub(crate) struct Source {
    /// From the project's root, with slashes.
    pub(crate) path: String,
    pub(crate) text: String,
}

impl Source {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        Source { path: path.to_owned(), text: text.to_owned() }
    }

    /// The room in `src` that it belongs to; the list of rooms itself belongs to none.
    pub(crate) fn room(&self) -> Option<&str> {
        let inner = self.path.strip_prefix("src/")?;
        let room = inner.split('/').next()?.trim_end_matches(".rs");
        (room != "lib").then_some(room)
    }

    /// Numbered lines with something on them that is not a comment.
    pub(crate) fn code_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.text.lines().enumerate().map(|(at, line)| (at + 1, line));
        lines.filter(|(_, line)| !line.trim_start().starts_with("//"))
    }

    /// Where a word stands in the code: `path:line`.
    pub(crate) fn lines_with(&self, word: &str) -> impl Iterator<Item = String> {
        self.code_lines().filter(move |(_, line)| line.contains(word)).map(|(at, _)| format!("{}:{at}", self.path))
    }

    /// Every path after `crate::` in the code, braces taken apart, with the line it begins on.
    pub(crate) fn crate_paths(&self) -> impl Iterator<Item = (usize, String)> {
        const HEAD: &str = "crate::";
        let blank = |line: &str| if line.trim_start().starts_with("//") { String::new() } else { line.to_owned() };
        let code: String = self.text.lines().map(|line| blank(line) + "\n").collect();
        let mut found = Vec::new();
        for (at, _) in code.match_indices(HEAD) {
            let line = code[..at].matches('\n').count() + 1;
            let mut paths = Vec::new();
            expand(&code[at + HEAD.len()..], "", &mut paths);
            found.extend(paths.into_iter().map(|path| (line, path)));
        }
        found.into_iter()
    }
}

/// Collects the paths at the start of `text` under `prefix`, and gives back what follows them.
pub(crate) fn expand<'a>(text: &'a str, prefix: &str, paths: &mut Vec<String>) -> &'a str {
    let text = text.trim_start();
    if let Some(mut rest) = text.strip_prefix('{') {
        loop {
            rest = expand(rest, prefix, paths).trim_start();
            match rest.strip_prefix(',') {
                Some(more) if !more.trim_start().starts_with('}') => rest = more,
                Some(more) => return more.trim_start().trim_start_matches('}'),
                None => return rest.strip_prefix('}').unwrap_or(rest),
            }
        }
    }
    let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '*')).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let path = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}::{name}") };
    match rest.strip_prefix("::") {
        Some(rest) => expand(rest, &path, paths),
        None => {
            paths.push(path);
            rest
        }
    }
}

/// All Rust sources below a folder of the project, those of its unpublished members included. Packages that are workspaces of their
/// own are left out.
pub(crate) fn all(root: &Path, folder: &str) -> Vec<Source> {
    let mut sources = Vec::new();
    let mut folders = vec![root.join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder of the project") {
            let path = entry.expect("can be listed").path();
            if path.is_dir() {
                let manifest = std::fs::read_to_string(path.join("Cargo.toml")).unwrap_or_default();
                if !manifest.contains("\n[workspace]\n") {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).expect("sources are text");
                let inner = path.strip_prefix(root).expect("it lies in the project");
                let name: Vec<_> = inner.iter().map(|part| part.to_string_lossy()).collect();
                sources.push(Source { path: name.join("/"), text });
            }
        }
    }
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    sources
}
