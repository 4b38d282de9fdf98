//! `--signal`: tells another postroom what to do.

use rustix::process::{Pid, Signal, kill_process};
use std::fmt::Write;

/// Sends what `ldm=123` or `reload=/run/postroom.pid` says; without a process, to the only other one of this program.
///
/// # Errors
///
/// An error in the argument, or in the processes that it names.
pub(crate) fn send(argument: &str) -> Result<(), String> {
    let parts: Vec<_> = argument.split('=').collect();
    let (command, target) = match parts[..] {
        [command] => (command, String::new()),
        [command, target] => (command, std::fs::read_to_string(target).unwrap_or_else(|_| target.to_owned())),
        _ => return Err(format!("invalid signal parameters: [{}]", parts[2..].join(" "))),
    };
    let pids = pids(target.trim())?;
    let signal = signal(command)?;
    let mut failures = String::new();
    for pid in pids {
        let sent = Pid::from_raw(pid).ok_or(rustix::io::Errno::SRCH).and_then(|pid| kill_process(pid, signal));
        if let Err(error) = sent {
            let why = if error == rustix::io::Errno::SRCH { "no such process".to_owned() } else { error.to_string() };
            let _ = write!(failures, "\nsignal {command:?} {pid}: {why}");
        }
    }
    if failures.is_empty() { Ok(()) } else { Err(failures) }
}

fn signal(command: &str) -> Result<Signal, String> {
    Ok(match command {
        "stop" => Signal::KILL,
        "quit" => Signal::INT,
        "term" => Signal::TERM,
        "reopen" => Signal::USR1,
        "reload" => Signal::HUP,
        "ldm" => Signal::USR2,
        _ => return Err(format!("unknown signal {command:?}")),
    })
}

/// The processes meant: one by its id, or those whose ids begin so (`12*`), or the only one there is.
fn pids(target: &str) -> Result<Vec<i32>, String> {
    let (digits, many) = target.strip_suffix('*').map_or((target, false), |digits| (digits, true));
    let exact = match digits {
        "" => None,
        _ => Some(digits.parse::<i32>().map_err(|_| format!("invalid pid: {digits}"))?),
    };
    if let (Some(pid), false) = (exact, many) {
        return Ok(vec![pid]);
    }
    let running = running();
    let list: String = running.iter().map(|pid| format!("\n{pid}")).collect();
    match running.len() {
        0 => Err("no postroom processes running".to_owned()),
        2.. if !many => Err(format!("multiple postroom processes running:{list}")),
        _ => Ok(running.into_iter().filter(|pid| pid.to_string().starts_with(digits)).collect()),
    }
}

/// Other processes of this program, by the name that Linux gives them.
fn running() -> Vec<i32> {
    let name = |pid: &str| std::fs::read_to_string(format!("/proc/{pid}/comm")).ok();
    let Some(own) = name("self") else { return Vec::new() };
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let mut pids: Vec<_> = pids
        .filter(|pid| u32::try_from(*pid) != Ok(std::process::id()) && name(&pid.to_string()).as_ref() == Some(&own))
        .collect();
    pids.sort_unstable();
    pids
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The words of nats-server 2.15.1.
    #[test]
    fn what_cannot_be_sent_is_refused_in_the_servers_words() {
        let refused = [
            ("foo=1", "unknown signal \"foo\""),
            ("a=b=c", "invalid signal parameters: [c]"),
            ("reload=/nonexistent", "invalid pid: /nonexistent"),
            ("ldm=99999999", "\nsignal \"ldm\" 99999999: no such process"),
        ];
        for (argument, text) in refused {
            assert_eq!(send(argument).unwrap_err(), text);
        }
    }

    #[test]
    fn a_process_is_named_by_its_id_or_by_a_file() {
        assert_eq!(pids("123"), Ok(vec![123]));
        let path = std::env::temp_dir().join(format!("postroom-signal-{}", std::process::id()));
        std::fs::write(&path, "99999999\n").unwrap();
        let refused = send(&format!("reload={}", path.display())).unwrap_err();
        assert_eq!(refused, "\nsignal \"reload\" 99999999: no such process");
        std::fs::remove_file(path).unwrap();
    }
}
