//! The directed cases: scripts for each row of the rules, in `../cases/*.txt`, with what the real server answers.
//!
//! Each is run on both servers, and both must answer as written down. With `POSTROOM_WRITE_CASES=1` the files are written anew with the
//! answers of the real server, for people to read before they commit them.

use super::run::{Target, run};
use super::script::{self, Case};
use super::servers::{ours_with_text, real_with_text};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(10);

/// The results of the cases.
#[derive(Clone, Debug, Default)]
pub(crate) struct Report {
    pub(crate) cases: usize,
    pub(crate) rules: BTreeSet<String>,
    /// Cases that ours answers otherwise, as is known: their rules and titles, and why.
    pub(crate) known: Vec<String>,
    /// Answers that differ from those written down.
    pub(crate) wrong: Vec<String>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rules: Vec<_> = self.rules.iter().map(String::as_str).collect();
        writeln!(f, "{} directed cases of {} rules: {}", self.cases, rules.len(), rules.join(" "))?;
        writeln!(f, "known differences: {}", self.known.len())?;
        self.known.iter().try_for_each(|known| writeln!(f, "  {known}"))?;
        self.wrong.iter().try_for_each(|wrong| writeln!(f, "\n{wrong}"))
    }
}

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/differential/cases");
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<_> = entries.map(|entry| entry.expect("can be listed").path()).collect();
    files.sort();
    files
}

/// Runs all cases on both servers.
pub(crate) fn run_all() -> Report {
    let write = std::env::var_os("POSTROOM_WRITE_CASES").is_some();
    let mut report = Report::default();
    let mut servers = BTreeMap::<String, [Target; 2]>::new();
    for file in files() {
        let text = std::fs::read_to_string(&file).expect("a text");
        let name = file.file_name().expect("it has one").to_string_lossy().into_owned();
        let mut answered = Vec::new();
        for case in script::parse(&name, &text) {
            let pair = servers.entry(case.config.clone());
            let [ours, real] = pair.or_insert_with_key(|config| [ours_with_text(config), real_with_text(config)]);
            let real = answers(&case, real);
            if !write {
                let ours = answers(&case, ours);
                report.wrong.extend(judge(&name, &case, &ours, &real));
            }
            report.cases += 1;
            report.rules.extend(case.rules.iter().cloned());
            if let Some(why) = &case.differs {
                report.known.push(format!("{} {}: {why}", case.rules.join(","), case.title));
            }
            answered.push((case, real));
        }
        if write {
            let head: String =
                text.lines().take_while(|line| line.starts_with('#')).map(|line| format!("{line}\n")).collect();
            std::fs::write(&file, script::print(&head, &answered)).expect("the file can be written");
        }
    }
    report
}

fn answers(case: &Case, target: &mut Target) -> Vec<Vec<String>> {
    let writes: Vec<_> = case.steps.iter().map(|step| step.write.clone()).collect();
    script::answers(case, &run(target, &[], &writes, PATIENCE))
}

fn judge(file: &str, case: &Case, ours: &[Vec<String>], real: &[Vec<String>]) -> Option<String> {
    let expected: Vec<_> = case.steps.iter().map(|step| step.expected.clone()).collect();
    let complaint = if real != expected {
        "the real server answers"
    } else if case.differs.is_some() && ours == expected {
        return Some(format!("{file}: {} {}: there is no difference any more", case.rules.join(","), case.title));
    } else if case.differs.is_none() && ours != expected {
        "ours answers"
    } else {
        return None;
    };
    let answers = if real != expected { real } else { ours };
    let mut text = format!("{file}: {} {}: {complaint}", case.rules.join(","), case.title);
    for (step, answer) in case.steps.iter().zip(answers) {
        text.push_str(&format!("\n    {}", step.text));
        answer.iter().for_each(|line| text.push_str(&format!("\n    {line}")));
        if *answer != step.expected {
            step.expected.iter().for_each(|line| text.push_str(&format!("\n  instead of\n    {line}")));
        }
    }
    Some(text)
}
