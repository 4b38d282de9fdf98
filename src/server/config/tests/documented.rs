//! Goal: the table of options in the documentation says what the code does. Method: the table is made from the rows that read, and
//! compared with the text.

use super::super::authorization::{AUTHORIZATION, USER};
use super::super::jetstream::{BATCH, JETSTREAM, LIMITS};
use super::super::options::OPTIONS;
use super::super::permissions::PERMISSIONS;
use super::super::table::{Row, Support};
use super::super::tls::TLS;

fn rows<T>(place: &str, rows: &[Row<T>]) -> Vec<String> {
    let row = |row: &Row<T>| {
        let names: Vec<_> = row.names.iter().map(|name| format!("`{place}{name}`")).collect();
        let stance = match row.support {
            Support::Supported(_) => "works",
            Support::Ignored(_) => "warning",
            Support::Refused(_) => "error",
        };
        format!("//! | {} | {stance} | {} |", names.join(", "), row.note).replace("  |", " |")
    };
    rows.iter().map(row).collect()
}

fn table() -> Vec<String> {
    let mut all = vec!["//! | option | | |".to_owned(), "//! |---|---|---|".to_owned()];
    all.extend(rows("", OPTIONS));
    all.extend(rows("authorization.", AUTHORIZATION));
    all.extend(rows("users[].", USER));
    all.extend(rows("permissions.", PERMISSIONS));
    all.extend(rows("tls.", TLS));
    all.extend(rows("jetstream.", JETSTREAM));
    all.extend(rows("jetstream.limits.", LIMITS));
    all.extend(rows("jetstream.limits.batch.", BATCH));
    all
}

#[test]
fn the_table_of_the_documentation_is_that_of_the_code() {
    let page = include_str!("../mod.rs");
    let documented: Vec<_> = page.lines().skip_while(|line| !line.starts_with("//! | option |")).collect();
    let documented: Vec<_> = documented.into_iter().take_while(|line| line.starts_with("//! |")).collect();
    let table = table();
    assert!(documented == table, "the table should be:\n{}", table.join("\n"));
}

fn names<T>(place: &str, rows: &[Row<T>]) -> Vec<String> {
    rows.iter().flat_map(|row| row.names.iter().map(|name| format!("{place}{name}"))).collect()
}

#[test]
fn no_option_has_two_rows_and_all_are_in_lower_case() {
    let mut all = names("", OPTIONS);
    all.extend(names("authorization.", AUTHORIZATION));
    all.extend(names("users[].", USER));
    all.extend(names("permissions.", PERMISSIONS));
    all.extend(names("tls.", TLS));
    all.extend(names("jetstream.", JETSTREAM));
    all.extend(names("jetstream.limits.", LIMITS));
    all.extend(names("jetstream.limits.batch.", BATCH));
    let count = all.len();
    assert!(count > 120, "{count}");
    let mut seen = std::collections::BTreeSet::new();
    let twice: Vec<_> = all.iter().filter(|name| !seen.insert(*name) || **name != name.to_lowercase()).collect();
    assert!(twice.is_empty(), "{twice:?}");
}
