//! The rules of NATS: the manual states each one once to a page, and a test cites it.
//!
//! A citation is a rule's number in a test (`C7`, `S5 to S7`), in a function's name (`c7_garbage_gets_the_right_words`), or at
//! the head of a directed case. A rule without a citation is a fault, and so is a citation that no page states.

use crate::source;
use std::collections::BTreeMap;
use std::path::Path;

/// Pages that state rules.
const PAGES: [&str; 4] =
    ["src/manual/semantics.md", "src/manual/wire.md", "src/manual/jetstream_rules.md", "src/manual/buckets.md"];

/// The head of a table whose rules are kept.
const KEPT: &str = "| rule | in our words | where |";

/// The heads of tables of rules that are not kept, and need no tests.
const NOT_KEPT: [&str; 2] =
    ["| rule | what it is about | why it is not there |", "| rule | what it is about | what happens instead |"];

/// The letters that a rule's number begins with.
const GROUPS: [&str; 16] = ["S", "Q", "R", "H", "C", "L", "D", "P", "M", "X", "JS", "JC", "JE", "JL", "JK", "JO"];

/// Groups whose numbers have gaps: a range names those between that are stated.
const GAPPED: [&str; 2] = ["JC", "JE"];

/// A group and a number.
type Rule = (&'static str, u8);

/// The whole of `word`, or nothing.
fn rule(word: &str) -> Option<Rule> {
    let letters = word.find(|c: char| c.is_ascii_digit())?;
    let group = GROUPS.into_iter().find(|group| *group == &word[..letters])?;
    let digits = &word[letters..];
    let digits_max = if GAPPED.contains(&group) { 3 } else { 2 };
    let is_number = digits.len() <= digits_max && !digits.starts_with('0');
    Some((group, digits.parse().ok().filter(|_| is_number)?))
}

/// The rules that a text names. `S5 to S7` and `S5-S7` name those between as well; whether each stands there by its own number.
fn cited(text: &str) -> BTreeMap<Rule, bool> {
    let mut found = BTreeMap::new();
    let mut last = None::<Rule>;
    let mut between = "";
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_alphanumeric() || c == '_') {
        let end =
            rest[start..].find(|c: char| !(c.is_alphanumeric() || c == '_')).map_or(rest.len(), |end| start + end);
        let word = &rest[start..end];
        let gap = &rest[..start];
        rest = &rest[end..];
        if word == "to" && gap == " " && last.is_some() {
            between = "to";
            continue;
        }
        let is_range = between == "to" || matches!(gap, "-" | "–");
        between = "";
        let this = rule(word);
        if let (Some(first), Some(this), true) = (last, this, is_range)
            && first.0 == this.0
        {
            for number in first.1..this.1 {
                found.entry((first.0, number)).or_insert(false);
            }
        }
        found.extend(this.map(|this| (this, true)));
        // A name such as `c7_garbage`.
        let named = word.split_once('_').and_then(|(head, _)| rule(&head.to_uppercase()));
        found.extend(named.map(|named| (named, true)));
        last = this;
    }
    found
}

/// A place that cites a rule, and whether one does by the rule's own number.
struct Citation {
    place: String,
    is_named: bool,
}

/// The place where each rule is cited first: in the tests, next to the sources, and at the heads of
/// directed cases.
fn citations(root: &Path) -> BTreeMap<Rule, Citation> {
    let mut all = BTreeMap::<Rule, Citation>::new();
    let mut cite = |place: &str, text: &str| {
        for (rule, is_named) in cited(text) {
            let citation = all.entry(rule).or_insert_with(|| Citation { place: place.to_owned(), is_named: false });
            if is_named && !citation.is_named {
                *citation = Citation { place: place.to_owned(), is_named };
            }
        }
    };
    let sources = ["tests", "src"].into_iter().flat_map(|folder| source::all(root, folder));
    for source in sources.filter(|source| !source.path.starts_with("tests/tidy/")) {
        let tests = if source.path.starts_with("tests/") || source.path.contains("/tests") {
            Some(source.text.as_str())
        } else {
            source.text.split_once("#[cfg(test)]").map(|(_, tests)| tests)
        };
        cite(&source.path, tests.unwrap_or_default());
    }
    let cases = root.join("tests/nats/tests/differential/cases");
    for entry in std::fs::read_dir(cases).expect("there are directed cases") {
        let path = entry.expect("can be listed").path();
        let text = std::fs::read_to_string(&path).expect("a text");
        let heads = text.lines().filter_map(|line| line.strip_prefix("== ")?.split_once(' '));
        cite(&path.display().to_string(), &heads.map(|(rules, _)| rules).collect::<Vec<_>>().join(" "));
    }
    all
}

/// The rules that a page states, with whether they are kept, and its faults.
fn stated(name: &str, text: &str) -> (BTreeMap<Rule, bool>, Vec<String>) {
    let (mut rules, mut faults) = (BTreeMap::new(), Vec::new());
    let mut table = None;
    for (number, line) in text.lines().enumerate() {
        let is_head = line == KEPT || NOT_KEPT.contains(&line);
        table = if is_head { Some(line == KEPT) } else { table.filter(|_| line.starts_with('|')) };
        let Some(is_kept) = table.filter(|_| !is_head && !line.starts_with("|---")) else { continue };
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        match rule(cells[0]).filter(|_| cells.len() == 3) {
            None => faults.push(format!("{name}:{}: not a row of one rule: {line}", number + 1)),
            Some(rule) => {
                if rules.insert(rule, is_kept).is_some() {
                    faults.push(format!("{name}:{}: {}{} is stated twice", number + 1, rule.0, rule.1));
                }
            }
        }
    }
    (rules, faults)
}

#[test]
fn every_rule_is_stated_and_cited() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let cited = citations(root);
    let (mut all, mut faults) = (BTreeMap::<Rule, bool>::new(), Vec::new());
    for name in PAGES {
        let text = std::fs::read_to_string(root.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        let (rules, found) = stated(name, &text);
        faults.extend(found);
        for (rule, is_kept) in rules {
            // A rule that one page leaves to the other is kept.
            *all.entry(rule).or_default() |= is_kept;
        }
    }
    for group in GROUPS.into_iter().filter(|group| !GAPPED.contains(group)) {
        let last = all.keys().filter(|rule| rule.0 == group).map(|rule| rule.1).max().unwrap_or(1);
        let missing = (1..last).filter(|number| !all.contains_key(&(group, *number)));
        faults.extend(missing.map(|number| format!("{group}{number} is stated on no page")));
    }
    let uncited = all.iter().filter(|(rule, is_kept)| **is_kept && !cited.contains_key(rule));
    faults.extend(uncited.map(|((group, number), _)| format!("{group}{number} is cited by no test")));
    let unknown = cited.iter().filter(|(rule, citation)| {
        let is_of_range = GAPPED.contains(&rule.0) && !citation.is_named;
        !all.contains_key(rule) && !is_of_range
    });
    faults.extend(
        unknown.map(|((group, number), Citation { place, .. })| {
            format!("{place} cites {group}{number}, stated on no page")
        }),
    );
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn citations_and_faults_of_pages_are_seen() {
    let names = |rules: BTreeMap<Rule, bool>| {
        let name = |((group, number), is_named): (&Rule, &bool)| {
            format!("{group}{number}{}", if *is_named { "" } else { "?" })
        };
        rules.iter().map(name).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(names(cited("/// S5 to S7, H2 and R2: so.")), "H2 R2 S5 S6? S7");
    assert_eq!(names(cited("\"C18\" (C7, C10-C12) C28.")), "C7 C10 C11? C12 C18 C28");
    assert_eq!(names(cited("S5 S7; S0 S01 S123 aS1 S1a S_1 G3 NATS/1.0 5 S")), "S5 S7");
    assert_eq!(names(cited("S2 to H4; fn c3_a() {}")), "C3 H4 S2");
    assert_eq!(names(cited("JC98 to JC101, JS7; JS100 JC1000 JE10C")), "JC98 JC99? JC100? JC101 JS7");
    let rows = "| C1 | a | b |\n| C2 | a | b |\n| C1 | again | b |\n| C4, C5 | a | b |\n";
    let page = format!(
        "{KEPT}\n|---|---|---|\n{rows}\n{}\n|---|---|---|\n| C6 | a | b |\n\n| rule | other |\n| C9 | a |\n",
        NOT_KEPT[0]
    );
    let (rules, faults) = stated("p.md", &page);
    assert_eq!(
        rules.into_iter().map(|((_, number), is_kept)| (number, is_kept)).collect::<Vec<_>>(),
        [(1, true), (2, true), (6, false)]
    );
    assert_eq!(faults, ["p.md:5: C1 is stated twice", "p.md:6: not a row of one rule: | C4, C5 | a | b |"]);
}
