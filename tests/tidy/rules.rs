//! The manual states each rule once to a page and says how many tests show it. The numbers are counted here, so that they are true.
//!
//! A rule that nothing shows is a fault, and so is a test that cites what no page states. `POSTROOM_WRITE_TABLES=1 cargo test --test
//! tidy` writes the numbers anew.

use crate::evidence::{self, GROUPS, Kind, Rule, Test};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Pages that state rules.
const PAGES: [&str; 2] = ["src/manual/semantics.md", "src/manual/wire.md"];

/// Of a table whose rules are kept, and whose last three columns are counted.
const KEPT: &str = "| rule | in our words | where | directed | one body | other |";

/// Of a table of rules that are not kept, and need no tests.
const NOT_THERE: &str = "| rule | what it is about | why it is not there |";

/// Where the README's table stands.
const MARKS: [&str; 2] = ["<!-- counted by tests/tidy: begin -->\n", "<!-- counted by tests/tidy: end -->\n"];

const WRITE: &str = "POSTROOM_WRITE_TABLES";

/// How often something is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Count {
    directed: usize,
    differs: usize,
    one_body: usize,
    other: usize,
}

impl Count {
    /// Of the tests that cite a rule of which this holds.
    fn of(tests: &[Test], wanted: impl Fn(&Rule) -> bool) -> Self {
        let mut count = Count::default();
        for test in tests.iter().filter(|test| test.rules.iter().any(&wanted)) {
            match test.kind {
                Kind::Directed { differs } => {
                    count.directed += 1;
                    count.differs += usize::from(differs);
                }
                Kind::OneBody => count.one_body += 1,
                Kind::Other => count.other += 1,
            }
        }
        count
    }

    fn is_none(self) -> bool {
        self == Count::default()
    }

    /// The last three cells of a row.
    fn cells(self) -> [String; 3] {
        let directed = match (self.directed, self.differs) {
            (0, _) => String::new(),
            (directed, 0) => directed.to_string(),
            (directed, differs) => format!("{directed}, {differs} differs"),
        };
        let number = |number: usize| if number == 0 { String::new() } else { number.to_string() };
        [directed, number(self.one_body), number(self.other)]
    }
}

/// A page with its numbers as they should be.
#[derive(Default)]
struct Page {
    text: String,
    /// The rules of the tables, in turn; and whether they are kept.
    rules: Vec<(Rule, bool)>,
    /// What is wrong beside numbers.
    faults: Vec<String>,
}

fn page(name: &str, text: &str, tests: &[Test]) -> Page {
    let mut page = Page::default();
    let mut table = None;
    for (number, line) in text.lines().enumerate() {
        let place = format!("{name}:{}", number + 1);
        table = match line {
            KEPT => Some(true),
            NOT_THERE => Some(false),
            _ if line.starts_with('|') => table,
            _ => None,
        };
        let row =
            table.filter(|_| line.starts_with('|') && !matches!(line, KEPT | NOT_THERE) && !line.starts_with("|---"));
        let Some(is_kept) = row else {
            page.text.extend([line, "\n"]);
            continue;
        };
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let rule = Rule::parse(cells[0]).filter(|_| cells.len() == if is_kept { 6 } else { 3 });
        let Some(rule) = rule else {
            page.faults.push(format!("{place}: no row of one rule: {line}"));
            page.text.extend([line, "\n"]);
            continue;
        };
        if page.rules.iter().any(|(other, _)| *other == rule) {
            page.faults.push(format!("{place}: {rule} is stated twice"));
        }
        page.rules.push((rule, is_kept));
        if is_kept {
            let count = Count::of(tests, |other| *other == rule);
            if count.is_none() {
                page.faults.push(format!("{place}: {rule}: no test cites it"));
            }
            let [directed, one_body, other] = count.cells();
            let row = [cells[0], cells[1], cells[2], &directed, &one_body, &other];
            page.text.push_str(&row_of(row));
        } else {
            page.text.extend([line, "\n"]);
        }
    }
    page
}

fn row_of<const N: usize>(cells: [&str; N]) -> String {
    let cell = |cell: &str| if cell.is_empty() { " |".to_owned() } else { format!(" {cell} |") };
    format!("|{}\n", cells.map(cell).concat())
}

/// The README's table.
fn by_group(kept: &BTreeSet<Rule>, tests: &[Test]) -> String {
    let mut table =
        "| group | rules | directed cases | one body on three systems | other tests | known differences |\n\
        |---|---|---|---|---|---|\n"
            .to_owned();
    let mut row = |name: &str, wanted: &dyn Fn(&Rule) -> bool| {
        let rules = kept.iter().filter(|rule| wanted(rule)).count();
        let Count { directed, differs, one_body, other } = Count::of(tests, |rule| wanted(rule));
        let numbers = [rules, directed, one_body, other, differs].map(|number| number.to_string());
        let [rules, directed, one_body, other, differs] = numbers.each_ref().map(String::as_str);
        table.push_str(&row_of([name, rules, directed, one_body, other, differs]));
    };
    for (letter, name) in GROUPS {
        row(&format!("{name} ({letter})"), &|rule| rule.group == letter);
    }
    row("**all**, each test once", &|_| true);
    table
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// All that is wrong beside numbers, and the files as they should be.
fn look() -> (Vec<String>, Vec<(PathBuf, String, String)>) {
    let tests = evidence::all(root());
    let mut faults = Vec::new();
    let mut files = Vec::new();
    let mut stated = BTreeMap::new();
    for name in PAGES {
        let text = read(name);
        let page = page(name, &text, &tests);
        faults.extend(page.faults);
        for (rule, is_kept) in page.rules {
            // What one page leaves to the other is kept all the same.
            *stated.entry(rule).or_insert(false) |= is_kept;
        }
        files.push((root().join(name), text, page.text));
    }
    for (group, _) in GROUPS {
        let numbers = || stated.keys().filter(|rule| rule.group == group).map(|rule| rule.number);
        let missing = (1..numbers().max().unwrap_or(1)).filter(|number| !numbers().any(|stated| stated == *number));
        faults.extend(missing.map(|number| format!("{group}{number} is stated on no page")));
    }
    for test in &tests {
        let unknown = test.rules.iter().filter(|rule| !stated.contains_key(rule));
        faults.extend(unknown.map(|rule| format!("{} cites {rule}, which no page states", test.place)));
    }
    let kept = stated.iter().filter(|(_, is_kept)| **is_kept).map(|(rule, _)| *rule).collect();
    let readme = read("README.md");
    let (before, rest) = readme.split_once(MARKS[0]).expect("the README has the first mark");
    let (_, after) = rest.split_once(MARKS[1]).expect("the README has the second mark");
    let counted = format!("{before}{}\n{}\n{}{after}", MARKS[0], by_group(&kept, &tests), MARKS[1]);
    files.push((root().join("README.md"), readme, counted));
    (faults, files)
}

#[test]
fn the_tables_of_rules_say_what_the_tests_show() {
    let (mut faults, files) = look();
    let write = std::env::var_os(WRITE).is_some();
    for (path, is, should) in files {
        if write && is != should {
            std::fs::write(&path, &should).expect("the page can be written");
        } else if is != should {
            let pairs = is.lines().zip(should.lines()).enumerate();
            let differing = pairs.filter(|(_, (is, should))| is != should);
            faults.extend(
                differing
                    .take(5)
                    .map(|(at, (is, should))| format!("{}:{}: {is}\n    should be: {should}", path.display(), at + 1)),
            );
            faults.push(format!("to write the numbers anew: {WRITE}=1 cargo test --test tidy"));
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn faults_of_pages_are_seen() {
    let tests = evidence::of_cases("x.txt", "== C1,C2 a\n== C2 b\ndiffers: so\n");
    let text = format!(
        "# A\n{KEPT}\n|---|---|---|---|---|---|\n| C1 | words | `a` | 7 | | |\n| C2 | words | `b` | | | |\n| C3 | words | `c` | | | |\n\
         | C1 | again | `a` | | | |\n| C4, C5 | two | `a` | | | |\n\n{NOT_THERE}\n|---|---|---|\n| C6 | words | because |\n\
         \n| rule | other |\n|---|---|\n| C9 | no table of rules |\n"
    );
    let page = page("p.md", &text, &tests);
    assert!(
        page.text.contains("| C1 | words | `a` | 1 | | |\n| C2 | words | `b` | 2, 1 differs | | |\n"),
        "{}",
        page.text
    );
    assert_eq!(page.text.lines().count(), text.lines().count());
    let faults = [
        "p.md:6: C3: no test cites it",
        "p.md:7: C1 is stated twice",
        "p.md:8: no row of one rule: | C4, C5 | two | `a` | | | |",
    ];
    assert_eq!(page.faults, faults);
    assert_eq!(page.rules.iter().filter(|(_, is_kept)| !is_kept).count(), 1);
    assert!(!page.rules.contains(&(Rule { group: 'C', number: 9 }, true)));
}
