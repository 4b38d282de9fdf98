//! Plain English: a sentence of a comment begins with its subject.
//!
//! A headless sentence begins with "What", "Who", "Whoever", "Whose", "Of" or "That" and names its subject by a clause. The share of
//! such sentences is bounded for each room. A question may begin so.

use crate::source::{self, Source};
use std::collections::BTreeMap;
use std::path::Path;

const HEADLESS: [&str; 6] = ["What", "Who", "Whoever", "Whose", "Of", "That"];

/// Headless sentences of a hundred that a room may have.
const PERCENT_MAX: usize = 2;

/// The paragraphs of a file's comments, or of a page of text.
fn paragraphs(source: &Source) -> Vec<String> {
    let is_page = source.path.ends_with(".md");
    let (mut all, mut current) = (Vec::new(), String::new());
    let mut is_code = false;
    for line in source.text.lines() {
        let line = line.trim_start();
        let comment =
            if is_page { Some(line) } else { line.strip_prefix("//").map(|rest| rest.trim_start_matches(['/', '!'])) };
        let text = comment.unwrap_or_default().trim();
        is_code ^= text.starts_with("```");
        let is_prose = !is_code && !text.starts_with(['|', '#', '`']);
        let begins = text.starts_with("- ") || text.starts_with("* ");
        if !is_prose || text.is_empty() || begins {
            all.push(std::mem::take(&mut current));
        }
        if is_prose && !text.is_empty() {
            current.push_str(text.trim_start_matches(['-', '*', ' ']));
            current.push(' ');
        }
    }
    all.push(current);
    all.retain(|paragraph| !paragraph.is_empty());
    all
}

fn sentences(paragraph: &str) -> Vec<&str> {
    let mut all = Vec::new();
    let mut start = 0;
    let bytes = paragraph.as_bytes();
    for at in 0..bytes.len().saturating_sub(2) {
        let is_end = matches!(bytes[at], b'.' | b'!' | b'?') && bytes[at + 1] == b' ';
        if is_end && !bytes[at + 2].is_ascii_lowercase() {
            all.push(paragraph[start..=at].trim());
            start = at + 1;
        }
    }
    all.push(paragraph[start..].trim());
    all.retain(|sentence| !sentence.is_empty());
    all
}

fn is_headless(sentence: &str) -> bool {
    let first = sentence.trim_start_matches(['*', '_', '(', '"']).split([' ', ',', '\'']).next().unwrap_or_default();
    HEADLESS.contains(&first) && !sentence.ends_with('?')
}

fn count<'a>(sources: impl Iterator<Item = &'a Source>) -> (usize, usize) {
    let (mut all, mut headless) = (0, 0);
    for paragraph in sources.flat_map(paragraphs) {
        let sentences = sentences(&paragraph);
        all += sentences.len();
        headless += sentences.iter().filter(|sentence| is_headless(sentence)).count();
    }
    (all, headless)
}

#[test]
fn sentences_begin_with_their_subject() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut by_room = BTreeMap::<String, Vec<Source>>::new();
    for source in source::all(root, "src") {
        by_room.entry(source.room().unwrap_or("lib").to_owned()).or_default().push(source);
    }
    for folder in ["tests", "benches", "examples"] {
        by_room.insert(folder.to_owned(), source::all(root, folder));
    }
    let pages =
        std::fs::read_dir(root.join("src/manual")).expect("the manual").map(|entry| entry.expect("a page").path());
    let pages = pages.chain(["README.md", "DESIGN.md", "CHANGELOG.md"].map(|name| root.join(name)));
    for page in pages.filter(|path| path.extension().is_some_and(|extension| extension == "md")) {
        let text = std::fs::read_to_string(&page).expect("a text");
        by_room.entry("pages".to_owned()).or_default().push(Source::new(&page.display().to_string(), &text));
    }
    let mut complaints = Vec::new();
    for (room, sources) in &by_room {
        let (all, headless) = count(sources.iter());
        let most = all * PERCENT_MAX / 100;
        if headless > most {
            complaints.push(format!("{room}: {headless} of {all} sentences are headless, {most} may be"));
        }
    }
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

#[test]
fn headless_sentences_are_seen() {
    let text = "//! What is left. The rest, e.g. this.\n//! Who knows? Of these, one\n//! goes on.\n\nfn f() {} // That\n/// | What | a table |\n/// - That one. 1 is fine.\n";
    assert_eq!(count([Source::new("src/a.rs", text)].iter()), (6, 3));
}
