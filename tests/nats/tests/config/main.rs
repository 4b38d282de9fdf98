//! Goal: a configuration that nats-server takes is taken here, and one that it refuses is refused, with the same line; where we judge
//! otherwise, that is listed. Method: the same texts to [`Config`] and to the real server's `-t`, against one table.
//!
//! Source: nats-server 2.15.1. The output of `-t` is not compared, only whether it takes the text and which line it
//! blames.

mod texts;

use postroom::server::config::{
    Change, Config, ConfigError, ConfigErrorKind, ConfigWarning, ProcessOptions, ReloadError, WarningKind,
};
use postroom_nats_tests as support;
use std::path::Path;
use std::process::Command;
use support::nats_server::NatsServer;
use texts::{DIFFERENT, SAME};

/// The outcome of a text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Outcome {
    Valid,
    /// It is taken, with a warning; `-t` fails all the same.
    Warning,
    /// It is refused, because of this line; 0 if none is named.
    Error(u32),
}

const NKEY: &str = "UC6NLCN7AS34YOJVCYD4PJ3QB7QGLYG5B5IMBT25VW5K4TNUJODM7BOX";

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(&text.replace("NKEY", NKEY), Some(Path::new("/nowhere")))
}

fn ours(text: &str) -> Outcome {
    match parse(text) {
        Ok(config) if config.warnings().is_empty() => Outcome::Valid,
        Ok(_) => Outcome::Warning,
        Err(error) => Outcome::Error(error.position().map_or(0, |at| at.line)),
    }
}

/// A fault without a line in nats-server's text has one in ours.
fn fits(ours: Outcome, theirs: Outcome) -> bool {
    ours == theirs || matches!((ours, theirs), (Outcome::Error(_), Outcome::Error(0)))
}

#[test]
fn we_judge_as_nats_server_does() {
    let wrong: Vec<_> = SAME
        .iter()
        .filter(|(text, real)| !fits(ours(text), *real))
        .map(|(text, real)| format!("{text:?}: {:?}, not {real:?}: {:?}", ours(text), parse(text).err()))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn where_we_judge_otherwise_we_do_as_listed() {
    for (text, real, expected) in DIFFERENT {
        assert_eq!(ours(text), *expected, "{text:?}: {:?}", parse(text).err());
        assert!(!fits(*expected, *real), "{text:?} is no difference");
    }
}

#[test]
fn nats_server_judges_as_listed() {
    let folder = std::env::temp_dir().join(format!("postroom-config-texts-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder for one file");
    let all = SAME.iter().copied().chain(DIFFERENT.iter().map(|(text, real, _)| (*text, *real)));
    let wrong: Vec<_> = all
        .filter_map(|(text, listed)| {
            let (real, said) = theirs(&folder, text);
            (real != listed).then(|| format!("{text:?}: {real:?}, not {listed:?}: {said}"))
        })
        .collect();
    std::fs::remove_dir_all(&folder).expect("the folder");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_types_go_anywhere() {
    fn error<T: std::error::Error + Clone + PartialEq + Send + Sync + Unpin + 'static>() {}
    fn value<T: Clone + PartialEq + std::fmt::Debug + Send + Sync + Unpin + 'static>() {}
    error::<ConfigError>();
    error::<ConfigErrorKind>();
    error::<WarningKind>();
    error::<ReloadError>();
    value::<Config>();
    value::<ProcessOptions>();
    value::<ConfigWarning>();
    value::<Change>();
}

/// The real server's opinion, and its words.
fn theirs(folder: &Path, text: &str) -> (Outcome, String) {
    let file = folder.join("text.conf");
    std::fs::write(&file, text.replace("NKEY", NKEY)).expect("a file");
    let run = Command::new(NatsServer::get()).arg("-c").arg(&file).arg("-t").current_dir(folder).output();
    let run = run.expect("nats-server runs");
    let said = format!("{}{}", String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    if run.status.success() {
        return (Outcome::Valid, said);
    }
    let said = said.trim_start_matches("nats-server: ").replace(&format!("{}:", file.display()), "FILE:");
    let warning = |line: &str| line.contains("invalid use of field") || line.contains("config has no values");
    if said.lines().filter(|line| !line.trim().is_empty()).all(warning) {
        return (Outcome::Warning, said);
    }
    // The first of its words that stands before a line's number.
    let line = ["FILE:", "on line "].iter().filter_map(|before| said.split_once(before)).find_map(|(_, after)| {
        let digits = after.split(|c: char| !c.is_ascii_digit()).next()?;
        digits.parse().ok()
    });
    (Outcome::Error(line.unwrap_or(0)), said)
}
