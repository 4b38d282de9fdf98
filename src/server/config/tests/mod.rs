//! The results of the reader of configurations, down to line and column.

mod bounds;
#[cfg(feature = "jetstream")]
mod documented;
#[cfg(feature = "jetstream")]
mod jetstream;
mod language;
mod options;
mod reload;
mod round_trip;
mod users;

use super::parser::parse;
use super::value::{Data, Entry, Node, Value};
use super::{Config, ConfigError, ConfigSource};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{ErrorKind, Result};
use std::path::Path;

/// Files and variables that are only texts.
#[derive(Default)]
struct Texts(BTreeMap<&'static str, &'static str>);

impl Texts {
    /// A name with a `$` is a variable.
    fn of(all: &[(&'static str, &'static str)]) -> Self {
        Texts(all.iter().copied().collect())
    }
}

impl ConfigSource for Texts {
    fn read(&self, path: &Path) -> Result<Vec<u8>> {
        let text = self.0.get(path.to_str().expect("a test's path"));
        text.map(|text| text.as_bytes().to_vec()).ok_or_else(|| ErrorKind::NotFound.into())
    }

    fn variable(&self, name: &str) -> Option<String> {
        self.0.get(format!("${name}").as_str()).map(|value| (*value).to_owned())
    }
}

/// The tree of a text in one line: keys with their places, and values.
fn tree(text: &str, source: &Texts) -> std::result::Result<String, String> {
    let map =
        parse(text, Some(Path::new("main")), Some(Path::new("")), source).map_err(|problem| problem.to_string())?;
    let mut shown = String::new();
    show_map(&map, &mut shown);
    Ok(shown)
}

fn show_map(map: &Node<Entry>, shown: &mut String) {
    shown.push('{');
    for (n, entry) in map.items.iter().enumerate() {
        let sep = if n > 0 { ", " } else { "" };
        let file = entry.at.file.as_deref().filter(|file| *file != Path::new("main"));
        let file = file.map(|file| format!("{}:", file.display())).unwrap_or_default();
        write!(shown, "{sep}{}@{file}{}:{} ", entry.key, entry.at.line, entry.at.column).expect("a string");
        show(&entry.value, shown);
    }
    shown.push('}');
}

fn show(value: &Value, shown: &mut String) {
    match &value.data {
        Data::String(text) => write!(shown, "{text:?}").expect("a string"),
        Data::Boolean(boolean) => write!(shown, "{boolean}").expect("a string"),
        Data::Integer(integer) => write!(shown, "{integer}").expect("a string"),
        Data::Float(float) => write!(shown, "{float:?}").expect("a string"),
        Data::Datetime(text) => shown.push_str(text),
        Data::Array(array) => {
            shown.push('[');
            for (n, item) in array.items.iter().enumerate() {
                shown.push_str(if n > 0 { ", " } else { "" });
                show(item, shown);
            }
            shown.push(']');
        }
        Data::Map(map) => show_map(map, shown),
    }
}

fn read(text: &str) -> std::result::Result<Config, ConfigError> {
    Config::parse_with(text, None, None, &Texts::default())
}

/// The one thing that is wrong with a text.
fn wrong(text: &str) -> String {
    match read(text) {
        Ok(config) => panic!("nothing wrong with {text:?}: {config:?}"),
        Err(error) => error.to_string(),
    }
}
