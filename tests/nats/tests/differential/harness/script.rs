//! A sequence and what comes back, written down as text.
//!
//! ```text
//! == S4 an empty token: refused, and the connection stays
//! config: max_payload: 64
//! A connects "echo":false
//! A> SUB foo. 1
//! A< -ERR 'Invalid Subject'
//! ```
//!
//! | line | meaning |
//! |---|---|
//! | `== RULES title` | begins a case; rules are separated by commas |
//! | `config: …` | a line of both servers' configuration |
//! | `info` | the answers show INFO too |
//! | `any sid` | of a 503, whose subscription it comes to is not looked at |
//! | `differs: …` | ours answers otherwise, and why |
//! | `A connects …` | CONNECT with `"verbose":false,"pedantic":false` and these keys |
//! | `A> …` | sends this and CR LF. `\r`, `\n`, `\t`, `\s` (a blank), `\xff`; `¦` splits it into two writes; `<x*4096>` repeats |
//! | `A>> …` | sends this as it is, within an operation: A waits for no answer |
//! | `A> … (end)` | ends A's side behind it |
//! | `A waits N` | until so many frames have come by themselves |
//! | `A< …` | the frames that A gets in this step, without INFO and without the PONG of the barrier; `g<` those that a member of the shared group `g` gets |

use super::compare::{expectation, view};
use super::run::{Transcript, Write};
use std::fmt::Write as _;

/// A case of a file.
#[derive(Clone, Debug, Default)]
pub(crate) struct Case {
    pub(crate) rules: Vec<String>,
    pub(crate) title: String,
    pub(crate) config: String,
    pub(crate) info: bool,
    pub(crate) any_sid: bool,
    /// Why ours answers otherwise.
    pub(crate) differs: Option<String>,
    pub(crate) steps: Vec<Step>,
}

/// A line that sends something, and what is to come back.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    /// As it stands in the file.
    pub(crate) text: String,
    pub(crate) write: Write,
    pub(crate) expected: Vec<String>,
}

/// The cases of a file.
pub(crate) fn parse(file: &str, text: &str) -> Vec<Case> {
    let mut cases = Vec::<Case>::new();
    for (number, line) in text.lines().enumerate() {
        let wrong = || -> ! { panic!("{file}:{}: {line}", number + 1) };
        let line = line.trim_end();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(head) = line.strip_prefix("== ") {
            let Some((rules, title)) = head.split_once(' ') else { wrong() };
            let rules = rules.split(',').map(str::to_owned).collect();
            cases.push(Case { rules, title: title.to_owned(), ..Case::default() });
            continue;
        }
        let Some(case) = cases.last_mut() else { wrong() };
        if let Some(config) = line.strip_prefix("config: ") {
            case.config.push_str(config);
            case.config.push('\n');
        } else if let Some(why) = line.strip_prefix("differs: ") {
            case.differs = Some(why.to_owned());
        } else if line == "info" {
            case.info = true;
        } else if line == "any sid" {
            case.any_sid = true;
        } else if line.get(1..3) == Some("< ") {
            let Some(step) = case.steps.last_mut() else { wrong() };
            step.expected.push(line.to_owned());
        } else {
            let Some(write) = write(line) else { wrong() };
            case.steps.push(Step { text: line.to_owned(), write, expected: Vec::new() });
        }
    }
    cases
}

/// The cases as a file, with what a server answered instead of what was expected.
pub(crate) fn print(head: &str, cases: &[(Case, Vec<Vec<String>>)]) -> String {
    let mut text = head.to_owned();
    for (case, answers) in cases {
        writeln!(text, "\n== {} {}", case.rules.join(","), case.title).expect("a string takes everything");
        case.config.lines().for_each(|line| text.push_str(&format!("config: {line}\n")));
        case.differs.iter().for_each(|why| text.push_str(&format!("differs: {why}\n")));
        text.push_str(if case.info { "info\n" } else { "" });
        text.push_str(if case.any_sid { "any sid\n" } else { "" });
        for (step, answer) in case.steps.iter().zip(answers) {
            std::iter::once(&step.text).chain(answer).for_each(|line| text.extend([line, "\n"]));
        }
    }
    text
}

/// The answers in each step, in the words of the file.
pub(crate) fn answers(case: &Case, transcript: &Transcript) -> Vec<Vec<String>> {
    let mut answers = Vec::new();
    for (number, step) in case.steps.iter().enumerate() {
        let lines = transcript.steps.get(number).map(|received| {
            let has_barrier = |connection: usize| {
                step.write.waits == 0 && !(step.write.partial && connection == step.write.connection)
            };
            expectation(view(received), case.info, case.any_sid, has_barrier)
        });
        answers.push(lines.unwrap_or_default());
    }
    if let Some((at, stalled)) = &transcript.stalled {
        let line = format!("{}< (nothing for {:?})", name(*at), stalled.after);
        answers.last_mut().expect("a case has steps").push(line);
    }
    answers
}

pub(crate) fn name(connection: usize) -> char {
    char::from(b'A' + u8::try_from(connection).expect("a few connections"))
}

fn write(line: &str) -> Option<Write> {
    let connection = usize::from(line.bytes().next()?.checked_sub(b'A')?);
    let rest = line.get(1..)?;
    if let Some(count) = rest.strip_prefix(" waits ") {
        return Some(Write { waits: count.parse().ok()?, ..Write::of(connection, Vec::new()) });
    }
    if let Some(keys) = rest.strip_prefix(" connects") {
        let keys = keys.trim();
        let comma = if keys.is_empty() { "" } else { "," };
        let connect = format!("CONNECT {{\"verbose\":false,\"pedantic\":false{comma}{keys}}}\r\n");
        return Some(Write::of(connection, vec![connect.into_bytes()]));
    }
    let partial = rest.starts_with(">> ");
    let text = rest.strip_prefix(">> ").or_else(|| rest.strip_prefix("> "))?;
    let (text, end) = text.strip_suffix(" (end)").map_or((text, false), |text| (text, true));
    let mut chunks: Vec<Vec<u8>> = text.split('¦').map(bytes).collect::<Option<_>>()?;
    if !partial {
        chunks.last_mut()?.extend(b"\r\n");
    }
    let whole = chunks.concat();
    // In a script, an answered PING stands at the start of a line.
    let pings =
        whole.split(|&byte| byte == b'\n').filter(|line| line.to_ascii_uppercase().starts_with(b"PING")).count();
    Some(Write { pongs: if end { 0 } else { pings }, end, partial, ..Write::of(connection, chunks) })
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let used = match c {
            '\\' => {
                let hex = |text: &str| u8::from_str_radix(text, 16).ok();
                let (byte, used) = match rest.as_bytes().get(1)? {
                    b'r' => (b'\r', 2),
                    b'n' => (b'\n', 2),
                    b't' => (b'\t', 2),
                    b's' => (b' ', 2),
                    b'\\' => (b'\\', 2),
                    b'x' => (hex(rest.get(2..4)?)?, 4),
                    _ => return None,
                };
                bytes.push(byte);
                used
            }
            '<' if rest.find('*') < rest.find('>') && rest.contains('*') => {
                let end = rest.find('>')?;
                let (what, count) = rest[1..end].rsplit_once('*')?;
                bytes.extend(what.repeat(count.parse().ok()?).into_bytes());
                end + 1
            }
            c => {
                bytes.extend(c.encode_utf8(&mut [0; 4]).as_bytes());
                c.len_utf8()
            }
        };
        rest = &rest[used..];
    }
    Some(bytes)
}
