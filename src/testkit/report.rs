//! The texts of failed tests: tables, snippets, differences of JSON.

use super::entry::JournalEntry;
use super::snippet::snippet;
use crate::{Pattern, ToPattern};
use serde_json::Value;
use std::fmt::{Display, Write};

/// Differences of one payload that are shown.
pub(super) const MISMATCHES: usize = 8;

/// A pattern that a test wrote.
#[track_caller]
pub(super) fn pattern(pattern: impl ToPattern) -> Pattern {
    pattern.into_pattern().map_err(|error| format!("not a pattern: {error}")).or_panic()
}

/// For what a test asked for and can't have: the error is written to be read as the text of a panic.
pub(super) trait OrPanic<T> {
    fn or_panic(self) -> T;
}

impl<T, E: Display> OrPanic<T> for Result<T, E> {
    #[track_caller]
    fn or_panic(self) -> T {
        match self {
            Ok(value) => value,
            Err(error) => panic!("{error}"),
        }
    }
}

/// Why there is no JSON.
pub(super) fn not_json(error: serde_json::Error) -> String {
    format!("can't be written as JSON: {error}")
}

/// A line that says that the journal is incomplete.
pub(super) fn cut(entries: u64) -> String {
    format!(
        "the journal had no room for all that was published, and {entries} older entries are gone: see TestKitBuilder::journal\n"
    )
}

/// `1 time`, `2 times`.
pub(super) fn times(count: usize) -> String {
    format!("{count} time{}", if count == 1 { "" } else { "s" })
}

/// Entries in columns.
pub(super) fn table(entries: &[JournalEntry]) -> String {
    let head = ["#", "time", "client", "subject", "payload", "to"].map(str::to_owned);
    let rows = entries.iter().map(|entry| {
        [
            entry.number.to_string(),
            format!("{:?}", entry.at),
            if entry.is_notice { "(the bus)".to_owned() } else { entry.publisher() },
            entry.subject().to_string(),
            snippet(entry.payload()),
            entry.fate(),
        ]
    });
    columns(&std::iter::once(head).chain(rows).collect::<Vec<_>>())
}

/// Rows of cells, each column as wide as its widest cell.
pub(super) fn columns<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; N] = std::array::from_fn(width);
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            // Writing to a string does not fail.
            let _ = write!(line, "{cell:width$}  ");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Where `found` differs from `wanted`, a line for each place. If `wanted` is only a part, additional content of `found` does not
/// count as a difference; arrays are compared element by element and must be of the same length either way.
pub(super) fn json_differences(wanted: &Value, found: &Value, is_part: bool) -> Vec<String> {
    let mut differences = Vec::new();
    compare("", wanted, found, is_part, &mut differences);
    differences
}

fn compare(path: &str, wanted: &Value, found: &Value, is_part: bool, out: &mut Vec<String>) {
    let place = if path.is_empty() { "payload" } else { path };
    match (wanted, found) {
        (Value::Object(wanted), Value::Object(found)) => {
            for (key, wanted) in wanted {
                match found.get(key) {
                    Some(found) => compare(&format!("{path}.{key}"), wanted, found, is_part, out),
                    None => {
                        let near = super::near::nearest(key, found.keys().map(String::as_str));
                        let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
                        out.push(format!("{path}.{key}: expected {}, is missing{near}", short(wanted)));
                    }
                }
            }
            if !is_part {
                for (key, found) in found.iter().filter(|(key, _)| !wanted.contains_key(*key)) {
                    out.push(format!("{path}.{key}: not expected, is {}", short(found)));
                }
            }
        }
        (Value::Array(wanted), Value::Array(found)) => {
            if wanted.len() != found.len() {
                out.push(format!("{place}: expected {} elements, has {}", wanted.len(), found.len()));
            }
            for (at, (wanted, found)) in wanted.iter().zip(found).enumerate() {
                compare(&format!("{path}[{at}]"), wanted, found, is_part, out);
            }
        }
        (wanted, found) if wanted == found => {}
        (wanted, found) => out.push(format!("{place}: expected {}, is {}", short(wanted), short(found))),
    }
}

pub(super) fn short(value: &Value) -> String {
    snippet(value.to_string().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn differences_name_their_place() {
        let wanted = json!({"id": 7, "lines": [{"sku": "a", "count": 2}], "totl": 3});
        let found = json!({"id": 8, "lines": [{"sku": "a", "count": 1, "gift": true}], "total": 3});
        let part = json_differences(&wanted, &found, true);
        assert_eq!(
            part,
            [
                ".id: expected 7, is 8",
                ".lines[0].count: expected 2, is 1",
                ".totl: expected 3, is missing; did you mean `total`?",
            ]
        );
        let exact = json_differences(&wanted, &found, false);
        assert_eq!(exact.len(), 5, "{exact:?}");
        assert!(exact.contains(&".lines[0].gift: not expected, is true".to_owned()));
        assert!(json_differences(&json!({"a": {"b": 1}}), &json!({"a": {"b": 1, "c": 2}, "d": 3}), true).is_empty());
        assert_eq!(json_differences(&json!([1]), &json!([1, 2]), true), ["payload: expected 1 elements, has 2"]);
        assert_eq!(json_differences(&json!(1), &json!("1"), true), ["payload: expected 1, is \"1\""]);
    }
}
