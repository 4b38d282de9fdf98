//! The effects of signals on a running process.

use crate::process::{Folder, Postroom, Wire, get};
use crate::support::nats_server::NatsServer;
use std::process::Command;

#[test]
fn quit_and_term_end_it_well() {
    for (signal, name) in [("quit", "interrupt"), ("term", "terminated")] {
        let mut started = Postroom::start(&[]);
        let mut wire = started.connect();
        started.signal(signal);
        assert_eq!(started.wait().code(), Some(0));
        let texts = started.texts();
        let trapped = format!("[INF] Trapped \"{name}\" signal");
        let at = texts.iter().position(|line| *line == trapped).unwrap_or_else(|| panic!("{texts:?}"));
        assert_eq!(texts[at + 1..at + 3], ["[INF] Initiating Shutdown...", "[INF] Server Exiting.."]);
        assert_eq!(wire.rest(), "");
    }
}

#[test]
fn stop_ends_it_at_once() {
    let mut started = Postroom::start(&[]);
    started.signal("stop");
    assert_eq!(started.wait().code(), None, "killed");
}

#[test]
fn a_lame_duck_without_clients_ends() {
    let folder = Folder::new();
    let pid = folder.path("pid");
    let mut started = Postroom::start(&["-P", &pid]);
    // By the file that has the process's id.
    assert_eq!(crate::process::run(&["-sl", &format!("ldm={pid}")]).0, Some(0));
    assert_eq!(started.wait().code(), Some(0));
    let texts = started.texts();
    let at = texts.iter().position(|line| line.contains("Trapped \"user defined signal 2\" signal")).unwrap();
    let expected = [
        "[INF] Entering lame duck mode, stop accepting new clients",
        "[INF] Initiating Shutdown...",
        "[INF] Server Exiting..",
    ];
    assert_eq!(texts[at + 1..at + 4], expected);
}

#[test]
fn a_lame_duck_says_farewell_to_its_clients() {
    let folder = Folder::new();
    let file = folder
        .write("c.conf", "lame_duck_duration: \"30s\"\nlame_duck_grace_period: \"200ms\"\nhttp: \"127.0.0.1:-1\"\n");
    let mut started = Postroom::start(&["-c", &file]);
    let mut wire = started.connect();
    wire.send("CONNECT {\"verbose\":false,\"protocol\":1}\r\nPING\r\n");
    wire.until("PONG");
    started.signal("ldm");
    wire.until(r#""ldm":true"#);
    let (status, text) = get(started.port("Starting http monitor on"), "/healthz");
    assert!(status.contains("500") && text.contains("failed to be ready for connections"), "{status} {text}");
    started.wait_for("[WRN] Healthcheck failed: \"failed to be ready");
    // Not hurried by a second signal.
    started.signal("term");
    started.wait_for("Trapped \"terminated\" signal");
    started.wait_for("Closing existing clients");
    wire.rest();
    assert_eq!(started.wait().code(), Some(0));
    assert!(
        started.texts().ends_with(&["[INF] Initiating Shutdown...", "[INF] Server Exiting..", ""]),
        "{:?}",
        started.lines
    );
}

#[test]
fn reload_takes_over_what_can_change_and_refuses_the_rest() {
    let folder = Folder::new();
    let base = "authorization { users: [ { user: ann, password: x }, { user: bob, password: y } ] }\n";
    let file = folder.write("c.conf", base);
    let mut started = Postroom::start(&["-c", &file]);
    let login = |user: &str, pass: &str| {
        let mut wire = started.connect();
        wire.send(&format!("CONNECT {{\"verbose\":false,\"user\":\"{user}\",\"pass\":\"{pass}\"}}\r\nPING\r\n"));
        wire.until("PONG");
        wire
    };
    let (mut ann, mut bob) = (login("ann", "x"), login("bob", "y"));

    folder.write(
        "c.conf",
        &base.replace(", { user: bob, password: y }", "").replace('\n', "\nmax_payload: 2000\ndebug: true\n"),
    );
    started.signal("reload");
    started.wait_for("Trapped \"hangup\" signal");
    let done = started.wait_for("Reloaded server configuration");
    assert!(done.contains(" [INF] Reloaded server configuration (sha256:"), "{done}");
    let lines = started.lines.join("\n");
    for text in ["Reloaded: authorization users", "Reloaded: max_payload = 2000", "Reloaded: debug = true"] {
        assert!(lines.contains(text), "no {text:?} in\n{lines}");
    }
    assert_eq!(bob.rest(), "", "bob has to go, without a word");
    ann.send("PING\r\n");
    assert!(ann.until("PONG").len() < 3, "ann stays");
    assert!(started.connect().info.contains(r#""max_payload":2000"#));
    started.wait_for("[DBG]");

    // An error says where; the old configuration stays.
    folder.write("c.conf", "max_payload: 3000\nnope: 1\n");
    started.signal("reload");
    let refused = started.wait_for("[ERR] Failed to reload server configuration: ");
    assert!(refused.contains("c.conf:2:1"), "{refused}");
    folder.write("c.conf", &format!("{base}server_name: other\nmax_payload: 3000\n"));
    started.signal("reload");
    let refused = started.wait_for("[ERR] Failed to reload server configuration: ");
    assert!(refused.contains("config reload not supported for ServerName: old="), "{refused}");
    assert!(started.connect().info.contains(r#""max_payload":2000"#));
}

/// As nats-server 2.15.1, run beside it: answers that were allowed are not any more, whatever the reload was
/// for.
#[test]
fn a_reload_ends_leaves_to_answer() {
    const USERS: &str = "authorization { users: [ { user: bob, password: b }, { user: ann, password: a, permissions: { \
         subscribe: [\"svc.>\"], publish: \"log.>\", allow_responses: { max: 2, expires: \"1m\" } } } ] }\n";
    let folder = Folder::new();
    let file = folder.write("c.conf", USERS);
    let own = Postroom::start(&["-c", &file]);
    let mut real = Command::new(NatsServer::get());
    real.args(["-a", "127.0.0.1", "-p", "-1", "-c", &file]);
    let mut real = Postroom::spawn_command(real);
    real.wait_for("Server is ready");
    for mut server in [own, real] {
        for change in ["debug: true", "# nothing"] {
            let login = |user: &str| {
                let mut wire = server.connect();
                let pass = &user[..1];
                wire.send(&format!("CONNECT {{\"verbose\":false,\"user\":\"{user}\",\"pass\":\"{pass}\"}}\r\n"));
                wire
            };
            let (mut ann, mut bob) = (login("ann"), login("bob"));
            ann.send("SUB svc.x 1\r\nPING\r\n");
            ann.until("PONG");
            bob.send("PUB svc.x answers 1\r\n?\r\n");
            ann.until("?");
            ann.send("PUB answers 1\r\n!\r\nPING\r\n");
            assert!(!ann.until("PONG").concat().contains("-ERR"), "one of two answers");
            folder.write("c.conf", &format!("{USERS}{change}\n"));
            server.signal("reload");
            server.wait_for("Reloaded server configuration");
            ann.send("PUB answers 1\r\n!\r\nPING\r\n");
            let told = ann.until("PONG").concat();
            assert!(told.contains("-ERR 'Permissions Violation for Publish to \"answers\"'"), "{change}: {told}");
        }
    }
}

#[test]
fn reload_needs_a_file() {
    let mut started = Postroom::start(&[]);
    started.signal("reload");
    let refused = started.wait_for("[ERR]");
    let text =
        "Failed to reload server configuration: can only reload config when a file is provided using -c or --config";
    assert!(refused.ends_with(text), "{refused}");
}

#[test]
fn a_log_file_can_be_moved_away() {
    let folder = Folder::new();
    let (log, moved) = (folder.path("log"), folder.path("moved"));
    // As the harness of the Rust client starts it, and looks for the port.
    let mut started =
        Postroom::spawn(&["--store_dir", &folder.path("store"), "-p", "-1", "-l", &log, "--debug", "--trace"]);
    await_text(&log, "Server is ready");
    let text = std::fs::read_to_string(&log).unwrap();
    let port = text.split_once("client connections on 0.0.0.0:").unwrap().1.lines().next().unwrap();
    Wire::dial(port.parse().unwrap());
    std::fs::rename(&log, &moved).unwrap();
    started.signal("reopen");
    await_text(&log, "[INF] File log re-opened");
    let before = std::fs::read_to_string(&moved).unwrap();
    assert!(before.contains("Trapped \"user defined signal 1\" signal"), "{before}");
    started.signal("quit");
    assert!(started.wait().success());
    assert!(std::fs::read_to_string(&log).unwrap().contains("Server Exiting.."));
    assert_eq!(started.lines, [""], "nothing goes to standard error");

    let mut started = Postroom::start(&[]);
    started.signal("reopen");
    started.wait_for("File log re-open ignored, not a file logger");
}

/// There is nothing to wait on but the file's state.
fn await_text(path: &str, text: &str) {
    while !std::fs::read_to_string(path).is_ok_and(|found| found.contains(text)) {
        std::thread::yield_now();
    }
}

/// As nats-server 2.15.1, run beside it: a signal that does not ask for its end does not end it.
#[test]
fn signals_that_mean_nothing_to_it_do_not_end_it() {
    let started = Postroom::start(&[]);
    let real = NatsServer::start("");
    for name in ["ALRM", "VTALRM", "PROF", "XCPU", "XFSZ", "PIPE", "CHLD", "URG", "WINCH", "IO", "PWR", "RTMAX"] {
        for (pid, port) in
            [(started.pid(), started.port("Listening for client connections on")), (real.pid(), real.port())]
        {
            let status =
                Command::new("bash").args(["-c", "kill -s \"$0\" \"$1\"", name, &pid.to_string()]).status().unwrap();
            assert!(status.success(), "{name}");
            let mut wire = Wire::dial(port);
            wire.send("CONNECT {\"verbose\":false}\r\nPING\r\n");
            wire.until("PONG");
        }
    }
}
