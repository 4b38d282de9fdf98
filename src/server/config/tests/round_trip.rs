//! Goal: what the language can say is read as it was said. Method: random trees, printed in all the ways that the language has for
//! them, come back.

use super::super::parser::parse;
use super::super::value::{Data, Entry, Node, Value};
use super::Texts;
use proptest::prelude::*;
use std::collections::BTreeMap;

#[derive(Clone, Debug, PartialEq)]
enum Tree {
    String(String),
    Boolean(bool),
    Integer(i64),
    Float(f64),
    Datetime(&'static str),
    Array(Vec<Tree>),
    Map(BTreeMap<String, Tree>),
}

fn of_map(map: &Node<Entry>) -> Tree {
    Tree::Map(map.items.iter().map(|entry| (entry.key.clone(), of_value(&entry.value))).collect())
}

fn of_value(value: &Value) -> Tree {
    match &value.data {
        Data::String(text) => Tree::String(text.clone()),
        Data::Boolean(boolean) => Tree::Boolean(*boolean),
        Data::Integer(integer) => Tree::Integer(*integer),
        Data::Float(float) => Tree::Float(*float),
        Data::Datetime(text) => DATES.into_iter().find(|date| date == text).map(Tree::Datetime).expect("one of ours"),
        Data::Array(array) => Tree::Array(array.items.iter().map(of_value).collect()),
        Data::Map(map) => of_map(map),
    }
}

const DATES: [&str; 2] = ["2026-01-31T12:00:00Z", "2024-02-29T23:59:59Z"];

fn trees() -> impl Strategy<Value = Tree> {
    let words = prop_oneof![
        "[a-z]{1,6}",
        "[ -~é\\n\\t\\r\"'\\\\$#]{0,12}",
        Just("true".to_owned()),
        Just("(x\n)\n".to_owned())
    ];
    let leaf = prop_oneof![
        words.prop_map(Tree::String),
        any::<bool>().prop_map(Tree::Boolean),
        prop_oneof![any::<i64>(), -5_i64..5, (-3_i64..3).prop_map(|n| n << 20), (-3_i64..3).prop_map(|n| n * 1_000)]
            .prop_map(Tree::Integer),
        (-1_000_i32..1_000).prop_map(|n| Tree::Float(f64::from(n) / 64.0)),
        (0_usize..2).prop_map(|n| Tree::Datetime(DATES[n])),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        let keys = prop_oneof!["[a-z_]{1,5}", "[ -!#-&(-~é\\n]{0,6}", Just("include".to_owned())];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Tree::Array),
            prop::collection::btree_map(keys, inner, 0..5).prop_map(Tree::Map),
        ]
    })
}

/// Prints with one of the ways open to it at each place, as the choices say.
struct Printer<'a> {
    choices: std::iter::Cycle<std::slice::Iter<'a, u8>>,
    text: String,
    /// A block was the last: its bracket must be alone on its line.
    block: bool,
}

impl Printer<'_> {
    fn choose(&mut self, ways: u8) -> u8 {
        self.choices.next().expect("it goes round") % ways
    }

    fn one_of(&mut self, ways: &[&str]) {
        let way = self.choose(ways.len() as u8);
        self.text += ways[usize::from(way)];
    }

    fn end(&mut self, ways: &[&str]) {
        if std::mem::take(&mut self.block) {
            self.text.push('\n');
        } else {
            self.one_of(ways);
        }
    }

    fn entries(&mut self, map: &BTreeMap<String, Tree>, in_map: bool) {
        for (key, value) in map {
            if !in_map {
                self.one_of(&["", "\n", " ", "# x\n"]);
            } else {
                self.one_of(&["", "\n", " ", "// y {\n"]);
            }
            self.key(key);
            self.value(value);
            self.end(&["\n", ",", ";", " # comment\n", "\t// }\r\n", "\r\n", " ;"]);
        }
    }

    fn key(&mut self, key: &str) {
        let bare = !key.is_empty() && key != "include" && key.chars().all(|c| c.is_ascii_lowercase() || c == '_');
        match self.choose(3) {
            0 if bare => self.text += key,
            1 => self.text += &format!("'{key}'"),
            _ => self.text += &format!("\"{key}\""),
        }
        self.one_of(&[":", "=", " ", " : ", "\t=\t", ": "]);
    }

    fn value(&mut self, value: &Tree) {
        match value {
            Tree::String(text) => self.string(text),
            Tree::Boolean(true) => self.one_of(&["true", "yes", "on", "TRUE", "On"]),
            Tree::Boolean(false) => self.one_of(&["false", "no", "off", "False", "OFF"]),
            Tree::Integer(integer) => self.integer(*integer),
            Tree::Float(float) => self.text += &format!("{float:?}"),
            Tree::Datetime(text) => self.text += text,
            Tree::Array(items) => {
                self.text.push('[');
                for item in items {
                    self.one_of(&["", " ", "\n", "# ]\n"]);
                    self.value(item);
                    self.end(&[",", "\n", " , ", " # z\n"]);
                }
                self.text.push(']');
            }
            Tree::Map(map) => {
                self.text.push('{');
                self.entries(map, true);
                self.text.push('}');
            }
        }
    }

    fn integer(&mut self, integer: i64) {
        let (unit, names): (i64, &[&str]) = match self.choose(3) {
            0 => (1 << 20, &["mb", "MB", "mi", "Mib"]),
            1 => (1_000, &["k", "K"]),
            _ => (1, &[""]),
        };
        if integer % unit == 0 {
            self.text += &(integer / unit).to_string();
            self.one_of(names);
        } else {
            self.text += &integer.to_string();
        }
    }

    fn string(&mut self, text: &str) {
        let word = !text.is_empty() && text.bytes().all(|c| c.is_ascii_lowercase());
        let boolean = ["true", "yes", "on", "false", "no", "off"].contains(&text);
        match self.choose(4) {
            0 if word && !boolean => self.text += text,
            1 if !text.contains('\'') => self.text += &format!("'{text}'"),
            2 if text.ends_with('\n') && !text.contains("\n)") && !text.starts_with(')') => {
                self.text += &format!("({text})");
                self.block = true;
            }
            _ => {
                self.text.push('"');
                for c in text.chars() {
                    match c {
                        '"' | '\\' => self.text += &format!("\\{c}"),
                        '\n' => self.one_of(&["\\n", "\n", "\\x0a"]),
                        '\t' => self.one_of(&["\\t", "\t", "\\x09"]),
                        'é' => self.one_of(&["é", "\\xc3\\xa9", "\\xC3\\xA9"]),
                        c => self.text.push(c),
                    }
                }
                self.text.push('"');
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_printed_tree_is_read_as_it_was(
        map in prop::collection::btree_map("[a-z_]{1,5}", trees(), 0..6),
        choices in prop::collection::vec(any::<u8>(), 1..64),
        as_json in any::<bool>(),
    ) {
        let mut printer = Printer { choices: choices.iter().cycle(), text: String::new(), block: false };
        printer.entries(&map, false);
        let text = if as_json { format!("{{{}}}", printer.text) } else { printer.text };
        let read = parse(&text, None, None, &Texts::default());
        let read = read.map_err(|problem| TestCaseError::fail(format!("{problem}\n{text}")))?;
        prop_assert_eq!(of_map(&read), Tree::Map(map), "{}", text);
    }

    /// Whatever the text, there is an answer, and what is wrong is inside the text.
    #[test]
    fn faults_are_inside_the_text(
        text in "[a-c{}\\[\\]()\"':=,;#/$ \\n\\\\0-9.k-]{0,60}",
    ) {
        if let Err(problem) = parse(&text, None, None, &Texts::default()) {
            let at = problem.position.expect("a place");
            let line = text.split('\n').nth(at.line as usize - 1);
            let line = line.ok_or_else(|| TestCaseError::fail("a line after the last"))?;
            prop_assert!((1..=line.len() + 1).contains(&(at.column as usize)), "{} in {:?}", at, text);
        }
    }
}
