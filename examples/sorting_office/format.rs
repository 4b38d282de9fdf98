//! What log lines look like, and which subject each one belongs on.
//!
//! Every record goes to `log.<format>.<kind>.<name>.<detail>`:
//!
//! | format | kind | name | detail |
//! |---|---|---|---|
//! | `dpkg` | action (`install`, `status` …) | package | new state, or architecture |
//! | `access` | method | first part of the path | status code |
//! | `syslog` | severity, or `unranked` | program | host |
//! | `json` | level | service, target, logger … | event or status |

use serde_json::Value;
use std::fmt;

/// The formats this program can read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Json,
    Dpkg,
    Access,
    Syslog,
}

/// Where one line belongs.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Record<'a> {
    pub(crate) kind: &'a str,
    pub(crate) name: &'a str,
    pub(crate) detail: &'a str,
}

impl Format {
    const ALL: [Format; 4] = [Format::Json, Format::Dpkg, Format::Access, Format::Syslog];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Format::Json => "json",
            Format::Dpkg => "dpkg",
            Format::Access => "access",
            Format::Syslog => "syslog",
        }
    }

    /// The subjects of records that somebody ought to look at.
    pub(crate) fn alerts(self) -> &'static str {
        match self {
            Format::Json => "log.json.error.>",
            Format::Dpkg => "log.dpkg.status.*.half-installed",
            Format::Access => "log.access.*.*.404",
            Format::Syslog => "log.syslog.err.>",
        }
    }

    /// The format that most of these lines have; `None` if they have none.
    pub(crate) fn of<'a>(lines: impl Iterator<Item = &'a str> + Clone) -> Option<Format> {
        let hits = |format: &Format| lines.clone().filter(|line| format.file(line, |_| ()).is_ok()).count();
        // The first of equals wins: the stricter formats stand before the looser ones.
        let best = Self::ALL.into_iter().rev().max_by_key(hits)?;
        (hits(&best) > 0).then_some(best)
    }

    /// Finds out where a line belongs, and tells `then`; or says why it belongs nowhere.
    pub(crate) fn file<R>(self, line: &str, then: impl FnOnce(Record<'_>) -> R) -> Result<R, &'static str> {
        match self {
            Format::Dpkg => dpkg(line).map(then),
            Format::Access => access(line).map(then),
            Format::Syslog => syslog(line).map(then),
            Format::Json => {
                let value: Value = serde_json::from_str(line).map_err(|_| "not a JSON value")?;
                json(&value).map(then)
            }
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// `2025-06-24 14:36:25 status installed libc6:amd64 2.36-9`
fn dpkg(line: &str) -> Result<Record<'_>, &'static str> {
    let mut words = line.split_ascii_whitespace();
    let mut next = || words.next().ok_or("too few words for a dpkg line");
    let (date, time, kind) = (next()?, next()?, next()?);
    if !shaped(date, "0000-00-00") || !shaped(time, "00:00:00") {
        return Err("does not begin with a date and a time");
    }
    let (name, detail) = match kind {
        "status" => {
            let state = next()?;
            (package(next()?).0, state)
        }
        "install" | "upgrade" | "remove" | "purge" | "disappear" | "configure" | "trigproc" => package(next()?),
        "startup" => (next()?, next()?),
        "conffile" => (next()?, next()?),
        _ => return Err("an action that dpkg does not know"),
    };
    Ok(Record { kind, name, detail })
}

fn package(word: &str) -> (&str, &str) {
    word.split_once(':').unwrap_or((word, "none"))
}

/// `192.0.2.7 - - [10/Oct/2025:13:55:36 +0000] "GET /a/b HTTP/1.1" 200 2326 …`
fn access(line: &str) -> Result<Record<'_>, &'static str> {
    let (_, rest) = line.split_once(" [").ok_or("no [time] in it")?;
    let (_, rest) = rest.split_once("] \"").ok_or("no \"request\" after the [time]")?;
    let (request, rest) = rest.split_once("\" ").ok_or("the \"request\" does not end")?;
    let mut words = request.split(' ');
    let method = words.next().filter(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_uppercase()));
    let kind = method.ok_or("the request has no method")?;
    let path = words.next().filter(|path| path.starts_with('/') || *path == "*").ok_or("the request has no path")?;
    let first = path.trim_start_matches('/').split(['/', '?', '#']).next().unwrap_or_default();
    let detail = rest.split(' ').next().unwrap_or_default();
    if !shaped(detail, "000") {
        return Err("no status code after the request");
    }
    Ok(Record { kind, name: if first.is_empty() { "root" } else { first }, detail })
}

/// `<34>Oct 11 22:14:15 host program[123]: text`; the number, and the time's form (RFC 3339 too), are free.
fn syslog(line: &str) -> Result<Record<'_>, &'static str> {
    const SEVERITIES: [&str; 8] = ["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"];
    let (kind, rest) = match line.strip_prefix('<') {
        None => ("unranked", line),
        Some(rest) => {
            let (priority, rest) = rest.split_once('>').ok_or("the <priority> does not end")?;
            let priority: usize = priority.parse().map_err(|_| "the <priority> is no number")?;
            (SEVERITIES[priority % 8], rest)
        }
    };
    let time = if shaped(rest.get(..10).unwrap_or_default(), "0000-00-00") {
        rest.split(' ').next().map_or(0, str::len)
    } else {
        let month = rest.get(..3).is_some_and(|month| "JanFebMarAprMayJunJulAugSepOctNovDec".contains(month));
        if !month || !rest.get(7..15).is_some_and(|time| shaped(time, "00:00:00")) {
            return Err("does not begin with a time");
        }
        15
    };
    let (host, rest) = rest[time..].trim_start().split_once(' ').ok_or("no host after the time")?;
    let (tag, _) = rest.split_once(':').ok_or("no program: after the host")?;
    let name = tag.split('[').next().unwrap_or_default();
    if name.is_empty() || name.contains(' ') {
        return Err("no program: after the host");
    }
    Ok(Record { kind, name, detail: host })
}

/// An object with a level under one of the usual keys; the rest is taken if it is there.
fn json(value: &Value) -> Result<Record<'_>, &'static str> {
    let object = value.as_object().ok_or("JSON, but not an object")?;
    let text = |keys: &[&str]| keys.iter().find_map(|key| object.get(*key)?.as_str()).filter(|text| !text.is_empty());
    let kind = text(&["level", "severity", "lvl", "log.level"]).ok_or("no level or severity in it")?;
    let name = text(&["service", "target", "logger", "module", "host", "name"]).unwrap_or("none");
    let detail = text(&["event", "status", "code", "type"]).unwrap_or("none");
    Ok(Record { kind, name, detail })
}

/// Whether `text` has the shape of `like`: a digit for each `0`, all else as it stands.
fn shaped(text: &str, like: &str) -> bool {
    let same = |(is, like): (u8, u8)| if like == b'0' { is.is_ascii_digit() } else { is == like };
    text.len() == like.len() && text.bytes().zip(like.bytes()).all(same)
}

/// The subject of a record.
pub(crate) fn subject(format: Format, record: &Record<'_>) -> String {
    let mut subject = format!("log.{format}");
    for token in [record.kind, record.name, record.detail] {
        subject.push('.');
        push_token(&mut subject, token);
    }
    subject
}

/// Appends any text as one token: what has a meaning in a subject is written as `%` and two digits, so that two texts never
/// become the same token.
pub(crate) fn push_token(subject: &mut String, text: &str) {
    if text.is_empty() {
        subject.push_str("%00");
    }
    for c in text.chars() {
        match c {
            '.' | '*' | '>' | '%' | '\0'..=' ' | '\x7f' => subject.push_str(&format!("%{:02X}", c as u32)),
            c => subject.push(c),
        }
    }
}

/// The text that became this token.
pub(crate) fn from_token(token: &str) -> String {
    let mut parts = token.split('%');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let code = part.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match code {
            Some(0) if token == "%00" => {}
            Some(code) => text.push(char::from(code)),
            None => text.push('%'),
        }
        text.push_str(part.get(2..).unwrap_or_default());
    }
    text
}
