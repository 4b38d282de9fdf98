//! Goal: no text makes the reader run for long or use much memory. Method: the shortest texts that would, against each bound.

use super::super::parser::{DEPTH_MAX, INCLUDES_MAX, VALUES_MAX};
use super::super::{Config, ConfigSource};
use super::{Texts, tree};
use std::io::Result;
use std::path::Path;

fn nested(depth: usize, open: &str, close: &str) -> String {
    format!("a: {}{}", open.repeat(depth), close.repeat(depth))
}

#[test]
fn maps_and_arrays_lie_only_so_deep() {
    let none = Texts::default();
    for (open, close) in [("[", "]"), ("{b: ", "}")] {
        let good = format!("a: {}1 {}", open.repeat(DEPTH_MAX), close.repeat(DEPTH_MAX));
        assert!(tree(&good, &none).is_ok(), "{open}");
        let bad = format!("a: {}1 {}", open.repeat(DEPTH_MAX + 1), close.repeat(DEPTH_MAX + 1));
        let column = 4 + DEPTH_MAX * open.len();
        let expected = format!("main:1:{column}: more than {DEPTH_MAX} maps and arrays inside each other");
        assert_eq!(tree(&bad, &none), Err(expected));
    }
    assert!(tree(&format!("{}a: 1\n", "{".repeat(DEPTH_MAX)), &none).is_ok());
    let blocks = tree(&"{".repeat(100_000), &none);
    assert_eq!(blocks, Err(format!("main:1:101: more than {DEPTH_MAX} maps and arrays inside each other")));
}

#[test]
fn variables_do_not_get_round_the_bound_of_depth() {
    let half = DEPTH_MAX / 2;
    let text =
        |inner: usize| format!("{}\nb: {}$a ]{}", nested(half, "[", "]"), "[".repeat(inner), "]".repeat(inner - 1));
    assert!(tree(&text(half), &Texts::default()).is_ok());
    let error = tree(&text(half + 1), &Texts::default()).unwrap_err();
    assert!(error.ends_with("more than 100 maps and arrays inside each other"), "{error}");
}

#[test]
fn variables_cannot_blow_a_text_up() {
    let mut text = "v0: [x, x]\n".to_owned();
    for n in 1..60 {
        text += &format!("v{n}: [$v{}, $v{}]\n", n - 1, n - 1);
    }
    let error = tree(&text, &Texts::default()).unwrap_err();
    assert!(error.ends_with(&format!("more than {VALUES_MAX} values")), "{error}");
}

#[test]
fn one_user_repeated_by_a_variable_is_looked_at_twice() {
    let subjects = "a, ".repeat(1_000);
    let users = "$u, ".repeat(500);
    let text =
        format!("u: {{user: ann, permissions: {{publish: [{subjects}]}}}}\nauthorization {{\n users: [ {users} ]\n}}");
    let error = super::wrong(&text);
    assert_eq!(error, "3:15: duplicate user \"ann\"");
}

/// Any file includes two more, without end.
struct Endless;

impl ConfigSource for Endless {
    fn read(&self, path: &Path) -> Result<Vec<u8>> {
        let name = path.display();
        Ok(format!("include {name}a\ninclude {name}b").into_bytes())
    }

    fn variable(&self, _: &str) -> Option<String> {
        None
    }
}

/// The first file includes many, which are empty.
struct Wide;

impl ConfigSource for Wide {
    fn read(&self, _: &Path) -> Result<Vec<u8>> {
        Ok(Vec::new())
    }

    fn variable(&self, name: &str) -> Option<String> {
        // Each is defined by two others, so that reading one would take two to the power of what is left.
        let number: u32 = name.strip_prefix('v')?.parse().ok()?;
        Some(format!("[$v{}, $v{}]", number + 1, number + 1))
    }
}

#[test]
fn files_include_each_other_only_so_deep_and_so_often() {
    let parse = |text: &str, source: &dyn ConfigSource| {
        Config::parse_with(text, None, Some(Path::new("")), source).unwrap_err().to_string()
    };
    let error = parse("include x", &Endless);
    assert!(error.ends_with("include files each other too deep: 16 are allowed"), "{error}");
    let error = parse(&"include x\n".repeat(INCLUDES_MAX + 1), &Wide);
    assert_eq!(error, "1001:9: include files are too many: 1000 are allowed");
    let error = parse("a: $v1", &Wide);
    assert_eq!(error, "1:4: environment variable `$v17` refers to itself, or to more than 16 others");
}
