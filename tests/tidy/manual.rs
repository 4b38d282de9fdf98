//! The manual and the source name each other; neither may change alone.

use crate::source;
use std::path::Path;

fn page(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/manual").join(name);
    std::fs::read_to_string(path).expect("a page of the manual")
}

#[test]
fn every_difference_in_the_source_is_in_the_manual() {
    let page = page("differences.md");
    let sources = source::all(Path::new(env!("CARGO_MANIFEST_DIR")), "src");
    let differing: Vec<_> = sources.iter().filter(|source| source.text.contains("DIFFERENCE")).collect();
    assert!(!differing.is_empty());
    for source in differing {
        let name = source.path.trim_start_matches("src/").trim_end_matches("mod.rs");
        assert!(page.contains(&format!("`{name}`")), "{} has a DIFFERENCE that the manual does not list", source.path);
    }
}

#[test]
fn the_files_that_the_manual_names_are_there() {
    let mut named = 0;
    for page in ["semantics.md", "wire.md", "differences.md", "jetstream_rules.md", "buckets.md"].map(page) {
        // Words between back-quotes that look like a path.
        for name in page.split('`').filter(|word| word.ends_with(".rs") || word.ends_with('/')) {
            named += 1;
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(name);
            assert!(path.exists(), "the manual names {name}");
        }
    }
    assert!(named > 20, "{named}");
}
