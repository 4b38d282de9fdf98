//! Its words when it does not start, and its exit codes.

use crate::process::{Folder, Postroom, run};
use crate::support::nats_server::NatsServer;
use std::process::Command;

#[test]
fn version_and_usage_are_shown() {
    for flag in ["-v", "--version", "version"] {
        let (code, out, err) = run(&[flag]);
        assert_eq!((code, err.as_str()), (Some(0), ""));
        // Those who look for the version of nats-server find it.
        assert!(out.starts_with("postroom: v") && out.ends_with("(nats-server: v2.15.1)\n"), "{out}");
    }
    for flag in ["-h", "--help", "help"] {
        let (code, out, _) = run(&[flag]);
        assert!(code == Some(0) && out.contains("Usage: postroom [options]"), "{out}");
    }
    assert!(run(&["--help_tls"]).1.contains("--tlscert"));
}

/// As nats-server: the complaint on standard error, the usage on standard output, and an exit that counts as success.
#[test]
fn a_wrong_flag_shows_the_usage() {
    for (flags, text) in [
        (&["--nope"][..], "flag provided but not defined: -nope\n"),
        (&["-p"], "flag needs an argument: -p\n"),
        (&["-p", "x"], "invalid value \"x\" for flag -p: parse error\n"),
        (&["-D=maybe"], "invalid boolean value \"maybe\" for -D: parse error\n"),
    ] {
        let (code, out, err) = run(flags);
        assert_eq!((code, err.as_str()), (Some(0), text));
        assert!(out.contains("Usage: postroom"), "{out}");
    }
}

#[test]
fn what_cannot_be_done_is_said_and_fails() {
    for (flags, text) in [
        (&["--cluster", "a"][..], "postroom: --cluster is not supported: there are no clusters\n"),
        (&["--routes", "nats://x"], "postroom: --routes is not supported: there are no clusters\n"),
        (&["bogus"], "postroom: unrecognized command: \"bogus\"\n"),
        (&["-t"], "postroom: must specify [-c, --config] option to check configuration file syntax\n"),
        (&["--signal", "foo=1"], "postroom: unknown signal \"foo\"\n"),
        (&["--signal", "ldm=99999999"], "postroom: \nsignal \"ldm\" 99999999: no such process\n"),
        (&["-l", "/nonexistent/log"], "error opening file: open /nonexistent/log: no such file or directory\n"),
    ] {
        assert_eq!(run(flags), (Some(1), String::new(), text.to_owned()), "{flags:?}");
    }
    let (code, _, err) = run(&["-c", "/nonexistent.conf"]);
    assert!(code == Some(1) && err.starts_with("postroom: ") && err.contains("/nonexistent.conf"), "{err}");
}

#[test]
fn a_configuration_is_checked_without_a_start() {
    let folder = Folder::new();
    let good = folder.write("good.conf", "port: 4333\nmax_payload: 64kb\n");
    let (code, out, err) = run(&["-t", "-c", &good]);
    assert_eq!((code, out.as_str()), (Some(0), ""));
    assert!(err.starts_with(&format!("postroom: configuration file {good} is valid (sha256:")), "{err}");
    let bad = folder.write("bad.conf", "port: 4333\nmax_payload: lots\nnope: 1\n");
    let (code, _, err) = run(&["-t", "-c", &bad]);
    assert_eq!(code, Some(1));
    assert!(err.contains("bad.conf:2:") && err.contains("bad.conf:3:1"), "all faults, with line and column: {err}");
}

/// A fault that only causes a warning at a start fails the check, with the same code as at nats-server 2.15.1. Options that have no
/// effect here do not: nats-server has no warning for them.
#[test]
fn a_configuration_that_is_warned_of_fails_its_check() {
    let folder = Folder::new();
    folder.write("empty.conf", "");
    for (text, code, ours) in [
        ("write_deadline: 5\n", 1, "s.conf:1:1: `write_deadline` should be converted to a duration"),
        ("ping_interval: 5\n", 1, "s.conf:1:1: `ping_interval` should be converted to a duration"),
        ("authorization { user: a, password: b, timeout: 70 }\n", 1, "`timeout` of 70 seconds is high"),
        ("{}\n", 1, "config has no values or is empty"),
        ("include empty.conf\n", 1, "config has no values or is empty"),
        ("syslog: true\nping_interval: 5\n", 1, "s.conf:1:1: `syslog` has no effect"),
        ("syslog: true\nport: 5000\n", 0, "is valid (sha256:"),
    ] {
        let file = folder.write("s.conf", text);
        let (own, _, err) = run(&["-t", "-c", &file]);
        assert!(own == Some(code) && err.contains(ours), "{text:?}: {own:?}, {err}");
        assert_eq!(err.contains("is valid"), code == 0, "{err}");
        let real = Command::new(NatsServer::get()).args(["-t", "-c", &file]).output().unwrap();
        assert_eq!(real.status.code(), Some(code), "{text:?}");
    }
}

#[test]
fn a_port_that_is_taken_is_fatal() {
    let first = Postroom::start(&["-m", "-1"]);
    let (port, monitor) = (first.port("Listening for client connections on"), first.port("Starting http monitor on"));
    let mut second = Postroom::spawn(&["-a", "127.0.0.1", "-p", &port.to_string()]);
    assert_eq!(second.wait().code(), Some(1));
    let expected = format!("[FTL] Error listening on port: 127.0.0.1:{port}, \"");
    assert!(second.lines.iter().any(|line| line.contains(&expected)), "{:?}", second.lines);
    let mut second = Postroom::spawn(&["-a", "127.0.0.1", "-p", "-1", "-m", &monitor.to_string()]);
    assert_eq!(second.wait().code(), Some(1));
    assert!(
        second.lines.iter().any(|line| line.contains("[FTL] Can't start monitoring: can't listen")),
        "{:?}",
        second.lines
    );
    let mut second = Postroom::spawn(&["-p", "-1", "-P", "/nonexistent/pid"]);
    assert_eq!(second.wait().code(), Some(1));
    let text = "[FTL] Could not write pidfile: open /nonexistent/pid: no such file or directory";
    assert!(second.lines.iter().any(|line| line.ends_with(text)), "{:?}", second.lines);
}
