//! The binary `postroom`: a bus that real NATS clients attach to, with the flags and log lines of nats-server, so that a test
//! suite can start it in the real one's place.
//!
//! | file | reason to change |
//! |---|---|
//! | `flags` | the command line |
//! | `settings` | the configuration file, and flags before it |
//! | `run` | from start to end |
//! | `reload` | other settings while it runs |
//! | `signal` | commands to another process |
//! | `log` | the log |
//! | `files` | files with the process's id and ports |

#[cfg(not(unix))]
compile_error!("the feature `cli` is for Unix: the program lives by signals");

mod files;
mod flags;
mod log;
mod reload;
mod run;
mod settings;
mod signal;

use flags::Flags;
use postroom::protocol::ServerVersion;
use settings::Settings;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().map(|argument| argument.to_string_lossy().into_owned());
    let program = arguments.next().unwrap_or_default();
    let (flags, rest) = match Flags::parse(&arguments.collect::<Vec<_>>()) {
        Ok(parsed) => parsed,
        Err(text) => {
            eprintln!("{text}");
            println!("{}", flags::USAGE);
            // As nats-server, whose usage always ends well.
            return ExitCode::SUCCESS;
        }
    };
    match act(&flags, &rest, &program) {
        Ok(()) => ExitCode::SUCCESS,
        Err(text) => {
            eprintln!("{text}");
            ExitCode::FAILURE
        }
    }
}

/// # Errors
///
/// The last line on standard error, if the run fails.
fn act(flags: &Flags, rest: &[String], program: &str) -> Result<(), String> {
    let command = rest.first().map(|word| word.to_lowercase());
    let asks = |flag: Option<bool>, word: &str| flag == Some(true) || command.as_deref() == Some(word);
    if asks(flags.version, "version") {
        println!("{}", version());
    } else if asks(flags.help, "help") {
        println!("{}", flags::USAGE);
    } else if flags.help_tls == Some(true) {
        println!("{}", flags::USAGE_TLS);
    } else if let Some(word) = rest.first() {
        return Err(format!("postroom: unrecognized command: {word:?}"));
    } else if let Some(signal) = flags.signal.as_ref().filter(|signal| !signal.is_empty()) {
        return signal::send(signal).map_err(|error| format!("postroom: {error}"));
    } else if flags.check == Some(true) {
        return check(flags).map_err(|error| format!("postroom: {error}"));
    } else {
        let settings = Settings::load(flags).map_err(|error| format!("postroom: {error}"))?;
        return run::run(settings, flags, program);
    }
    Ok(())
}

/// `-t`. As nats-server, it fails for what a start would only warn of; but an option without effect here is not a fault.
fn check(flags: &Flags) -> Result<(), String> {
    let Some(path) = &flags.config else {
        return Err("must specify [-c, --config] option to check configuration file syntax".to_owned());
    };
    let settings = Settings::load(flags)?;
    if !settings.doubts.is_empty() {
        return Err([settings.warnings, settings.doubts].concat().join("\npostroom: "));
    }
    for warning in &settings.warnings {
        eprintln!("postroom: {warning}");
    }
    eprintln!("postroom: configuration file {path} is valid ({})", settings.digest);
    Ok(())
}

/// With nats-server's own line in it, for those who look which one they have.
fn version() -> String {
    format!("postroom: v{} (nats-server: v{})", env!("CARGO_PKG_VERSION"), ServerVersion::default().as_str())
}
