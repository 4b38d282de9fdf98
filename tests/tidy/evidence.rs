//! Which tests cite which rule. A citation is a number in the text of a test or in what stands right above it (`C7`, `S5 to S7`), or
//! one in its name (`c7_garbage_gets_the_right_words`).

use crate::source;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::RangeInclusive;
use std::path::Path;

/// The letters of rules, in the order in which they are shown, and what each is about.
pub(crate) const GROUPS: [(char, &str); 10] = [
    ('S', "Subjects"),
    ('Q', "Queue groups"),
    ('R', "Requests"),
    ('H', "Headers"),
    ('C', "Connection and protocol"),
    ('L', "Limits"),
    ('D', "Ends of subscriptions"),
    ('P', "Permissions, credentials"),
    ('M', "Monitoring"),
    ('X', "What naive doubles get wrong"),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rule {
    pub(crate) group: char,
    pub(crate) number: u8,
}

impl Rule {
    /// The whole of `word`, or nothing.
    pub(crate) fn parse(word: &str) -> Option<Self> {
        let mut chars = word.chars();
        let group = chars.next().filter(|group| GROUPS.iter().any(|(letter, _)| letter == group))?;
        let digits = chars.as_str();
        let is_number = matches!(digits.len(), 1..=2) && !digits.starts_with('0');
        let number = digits.parse().ok().filter(|_| is_number && digits.bytes().all(|byte| byte.is_ascii_digit()))?;
        Some(Rule { group, number })
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.group, self.number)
    }
}

/// The rules that a text names; a range names each within it.
pub(crate) fn cited(text: &str) -> BTreeSet<Rule> {
    let mut found = BTreeSet::new();
    // The word before, if it was a rule; and whether a `to` followed it.
    let (mut from, mut is_range) = (None::<Rule>, false);
    // Words in turn with what stands between them.
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_alphanumeric() || c == '_') {
        let (between, word) = rest.split_at(start);
        let end = word.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(word.len());
        let (word, behind) = word.split_at(end);
        rest = behind;
        if word == "to" && between == " " && from.is_some() {
            is_range = true;
            continue;
        }
        let rule = Rule::parse(word);
        found.extend(rule);
        let is_range = (std::mem::take(&mut is_range) && between == " ") || matches!(between, "-" | "–");
        if let (Some(first), Some(last)) = (from, rule)
            && first.group == last.group
            && is_range
        {
            found.extend(within(first.number..=last.number, first.group));
        }
        from = rule;
    }
    found
}

fn within(numbers: RangeInclusive<u8>, group: char) -> impl Iterator<Item = Rule> {
    numbers.map(move |number| Rule { group, number })
}

/// The rules in a function's name.
fn named(function: &str) -> BTreeSet<Rule> {
    function
        .split('_')
        .filter_map(|word| Rule::parse(&word.to_uppercase()).filter(|_| word.starts_with(char::is_lowercase)))
        .collect()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A case of the differential runs: the bytes, and what the real server answers to them.
    Directed { differs: bool },
    /// A function that runs on every system there is.
    OneBody,
    /// Any other test.
    Other,
}

/// One test, and what it cites.
#[derive(Clone, Debug)]
pub(crate) struct Test {
    pub(crate) kind: Kind,
    /// File, and name or title.
    pub(crate) place: String,
    pub(crate) rules: BTreeSet<Rule>,
}

/// The macros that make tests of functions which do not look like tests themselves.
const LISTS: [(&str, Kind); 3] =
    [("on_every_system!(", Kind::OneBody), ("in_process_only!(", Kind::Other), ("on_both_servers!(", Kind::Other)];

/// All tests of the project: below `tests`, and beside the sources.
pub(crate) fn all(root: &Path) -> Vec<Test> {
    let mut tests = Vec::new();
    for folder in ["tests", "src"] {
        for source in source::all(root, folder) {
            tests.extend(of_source(&source.path, &source.text));
        }
    }
    let cases = root.join("tests/differential/cases");
    for entry in std::fs::read_dir(cases).expect("there are directed cases") {
        let path = entry.expect("can be listed").path();
        tests.extend(of_cases(&path.display().to_string(), &std::fs::read_to_string(&path).expect("a text")));
    }
    tests
}

pub(crate) fn of_cases(path: &str, text: &str) -> Vec<Test> {
    let mut tests = Vec::<Test>::new();
    for line in text.lines() {
        if let Some(head) = line.strip_prefix("== ") {
            let (rules, title) = head.split_once(' ').expect("a case has rules and a title");
            let rules: BTreeSet<_> = rules.split(',').filter_map(Rule::parse).collect();
            tests.push(Test { kind: Kind::Directed { differs: false }, place: format!("{path}: {title}"), rules });
        } else if line.starts_with("differs: ") {
            tests.last_mut().expect("within a case").kind = Kind::Directed { differs: true };
        }
    }
    tests
}

pub(crate) fn of_source(path: &str, text: &str) -> Vec<Test> {
    let lines: Vec<&str> = text.lines().collect();
    let mut tests = Vec::new();
    let mut listed = BTreeMap::new();
    for (call, kind) in LISTS {
        for (at, _) in text.match_indices(call) {
            let list = &text[at + call.len()..];
            let list = &list[..list.find(");").unwrap_or(0)];
            // `name,` or `name because "…",`; other words are in the reasons, and name no function.
            let names = list.split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(|word| !word.is_empty());
            listed.extend(names.map(|name| (name, kind)));
        }
    }
    for (at, line) in lines.iter().enumerate() {
        let Some(name) = function(line) else { continue };
        let head = head(&lines, at);
        let is_test = lines[head..at].iter().any(|line| {
            let line = line.trim_start();
            line.starts_with("#[test]") || line.starts_with("#[tokio::test")
        });
        let kind = if is_test { Some(Kind::Other) } else { listed.get(name).copied() };
        if let Some(kind) = kind {
            let mut rules = cited(&lines[head..=end(&lines, at)].join("\n"));
            rules.extend(named(name));
            tests.push(Test { kind, place: format!("{path}: {name}"), rules });
        }
    }
    tests
}

/// The name of the function that begins on this line.
fn function(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let line = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ")?;
    line.split(['(', '<']).next()
}

/// Where the comments and attributes of a function begin.
fn head(lines: &[&str], function: usize) -> usize {
    let belongs = |line: &&&str| {
        let line = line.trim_start();
        line.starts_with("//") && !line.starts_with("//!") || line.starts_with("#[")
    };
    function - lines[..function].iter().rev().take_while(belongs).count()
}

/// The last line of a function, which is formatted.
fn end(lines: &[&str], function: usize) -> usize {
    let indent = lines[function].len() - lines[function].trim_start().len();
    let brace = format!("{}}}", &lines[function][..indent]);
    if lines[function].ends_with('}') {
        return function;
    }
    let length = lines[function..].iter().position(|line| *line == brace);
    function + length.expect("a function ends")
}

#[test]
fn citations_are_seen() {
    let rules = |text: &str| cited(text).iter().map(Rule::to_string).collect::<Vec<_>>().join(" ");
    assert_eq!(rules("/// S5 to S7, H2 and R2: so."), "H2 R2 S5 S6 S7");
    assert_eq!(rules("\"C18\" (C7, C10-C12) C28."), "C7 C10 C11 C12 C18 C28");
    assert_eq!(rules("S5 S7; S0 S01 S123 aS1 S1a S_1 G3 NATS/1.0 5 S"), "S5 S7");
    assert_eq!(rules("S2 to H4"), "H4 S2");
    let text = "//! C1\n\n// C2\n#[test]\nfn c3_a() {\n    // C4\n}\n\n/// C5\nfn helper() {}\n\n\
        on_every_system!(d5_b, c);\n/// C6\nfn d5_b<S: System>() {\n    if x {\n    }\n    // C7\n}\nfn c<S: System>() {}\n";
    let found: Vec<_> = of_source("x.rs", text)
        .into_iter()
        .map(|test| (test.kind, test.place, test.rules.iter().map(Rule::to_string).collect::<Vec<_>>().join(" ")))
        .collect();
    let expected = [
        (Kind::Other, "x.rs: c3_a", "C2 C3 C4"),
        (Kind::OneBody, "x.rs: d5_b", "C6 C7 D5"),
        (Kind::OneBody, "x.rs: c", ""),
    ];
    assert_eq!(found, expected.map(|(kind, place, rules)| (kind, place.to_owned(), rules.to_owned())));
    let found = of_cases("x.txt", "# C9\n== X1,C11 a title\nA< C1\n== C5 other\ndiffers: because\n");
    assert_eq!(found.len(), 2);
    assert_eq!(found[0].kind, Kind::Directed { differs: false });
    assert_eq!(found[0].rules.iter().map(Rule::to_string).collect::<Vec<_>>(), ["C11", "X1"]);
    assert_eq!(found[1].kind, Kind::Directed { differs: true });
}
