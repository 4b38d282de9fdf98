//! Any bytes as a configuration, with files and variables that are parts of them: reading never panics, ends soon, and what is wrong is
//! inside a text.
#![no_main]

use libfuzzer_sys::fuzz_target;
use postroom::server::config::{Config, ConfigSource, changes};
use std::cell::Cell;
use std::io::{ErrorKind, Result};
use std::path::Path;

/// Texts by the last letter of their name: `a` is the first.
struct Parts<'a> {
    parts: Vec<&'a str>,
    reads: Cell<usize>,
}

impl Parts<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        self.reads.set(self.reads.get() + 1);
        let letter = name.bytes().next_back().filter(u8::is_ascii_lowercase)?;
        self.parts.get(usize::from(letter - b'a')).copied()
    }
}

impl ConfigSource for Parts<'_> {
    fn read(&self, path: &Path) -> Result<Vec<u8>> {
        let text = self.get(path.to_str().expect("it came from a text"));
        text.map(|text| text.as_bytes().to_vec()).ok_or_else(|| ErrorKind::NotFound.into())
    }

    fn variable(&self, name: &str) -> Option<String> {
        self.get(name).map(str::to_owned)
    }
}

fuzz_target!(|input: &str| {
    // What stands between these signs is one text.
    let mut texts = input.split('\u{1}');
    let main = texts.next().expect("there is always one");
    let source = Parts { parts: texts.collect(), reads: Cell::new(0) };
    let read = Config::parse_with(main, None, Some(Path::new("")), &source);
    assert!(source.reads.get() <= 1_000 + (1 << 20), "{} reads", source.reads.get());
    let error = match read {
        Ok(config) => {
            assert_eq!(changes(&config, &config), Ok(Vec::new()), "nothing differs from itself");
            return;
        }
        Err(error) => error,
    };
    assert!(!error.problems().is_empty() && !error.to_string().is_empty());
    for problem in error.problems() {
        let at = problem.position.as_ref().expect("the text itself could be read");
        let file = at.file.as_ref().map(|file| source.get(file.to_str().expect("UTF-8")).expect("it was read"));
        let line = file.unwrap_or(main).split('\n').nth(at.line as usize - 1).expect("a line of the text");
        assert!((1..=line.len() + 1).contains(&(at.column as usize)), "{problem}");
    }
});
