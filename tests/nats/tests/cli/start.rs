//! From the start until it is ready.

use crate::process::{Folder, Postroom, Wire, get};
use postroom_nats_tests::program;
use std::net::TcpStream;
use std::process::Command;

#[test]
fn a_start_writes_the_lines_that_harnesses_wait_for() {
    let started = Postroom::start(&["-m", "-1", "-n", "tester"]);
    let (port, monitor) =
        (started.port("Listening for client connections on"), started.port("Starting http monitor on"));
    let texts = started.texts();
    assert_eq!(texts[0], "[INF] Starting postroom");
    assert!(
        texts[1].starts_with("[INF]   Version:  ") && texts[1].ends_with(", speaks as nats-server 2.15.1"),
        "{texts:?}"
    );
    assert_eq!(texts[2], "[INF]   Name:     tester");
    let id = texts[3].strip_prefix("[INF]   ID:       ").unwrap();
    assert!(id.starts_with('N') && id.len() == 56, "{id}");
    let expected = [
        format!("[INF] Starting http monitor on 127.0.0.1:{monitor}"),
        format!("[INF] Listening for client connections on 127.0.0.1:{port}"),
        "[INF] Server is ready".to_owned(),
    ];
    assert_eq!(texts[4..], expected);
    // `[PID] 2026/11/21 01:49:10.123456 [INF] `
    let shape: String = started.lines[0].chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    let rest = shape.trim_start_matches(['[', '0']);
    assert_eq!(rest, "] 0000/00/00 00:00:00.000000 [INF] Starting postroom");
    assert!(started.lines[0].starts_with(&format!("[{}] ", started.pid())));

    let wire = started.connect();
    for field in [format!(r#""server_id":"{id}""#), r#""server_name":"tester""#.into(), format!(r#""port":{port}"#)] {
        assert!(wire.info.contains(&field), "{}", wire.info);
    }
    let (status, varz) = get(monitor, "/varz");
    assert_eq!(status, "HTTP/1.1 200 OK");
    assert!(varz.contains(&format!("\"server_id\": \"{id}\"")) && varz.contains("\"http_port\": -1"), "{varz}");
    assert_eq!(get(monitor, "/healthz").1, r#"{"status":"ok"}"#);
}

#[test]
fn lines_have_the_local_time() {
    const DAY: u32 = 24 * 60 * 60;
    let second_of_day = |zone: &str| {
        let mut started = Postroom::spawn_with(&["-a", "127.0.0.1", "-p", "-1"], &[("TZ", zone)]);
        let line = started.wait_for("Starting postroom");
        let time = line.split(' ').nth(2).unwrap().split('.').next().unwrap();
        time.split(':').fold(0, |seconds, part| seconds * 60 + part.parse::<u32>().unwrap())
    };
    // A zone that is 9 hours before UTC by the letter of POSIX is 9 hours ahead.
    let (there, here) = (second_of_day("JST-9"), second_of_day("UTC0"));
    let behind = (here + 9 * 60 * 60 + DAY - there) % DAY;
    assert!(behind < 60, "{there} and {here}");
}

#[test]
fn everywhere_is_the_usual_place_to_listen() {
    let mut started = Postroom::spawn(&["-p", "-1", "-T=false"]);
    let line = started.wait_for("Listening for client connections on 0.0.0.0:");
    assert!(line.starts_with(&format!("[{}] [INF] ", started.pid())), "no time: {line}");
    started.wait_for("Server is ready");
    started.connect();
}

#[test]
fn files_tell_other_programs_of_the_process() {
    let folder = Folder::new();
    let (pid, ports) = (folder.path("pid"), folder.path(""));
    let mut started = Postroom::start(&["-P", &pid, "--ports_file_dir", &ports, "-m", "-1"]);
    assert_eq!(std::fs::read_to_string(&pid).unwrap(), started.pid().to_string());
    let name = format!("postroom_{}.ports", started.pid());
    let (port, monitor) =
        (started.port("Listening for client connections on"), started.port("Starting http monitor on"));
    let expected = format!(r#"{{"nats":["nats://127.0.0.1:{port}"],"monitoring":["http://127.0.0.1:{monitor}"]}}"#);
    assert_eq!(std::fs::read_to_string(folder.path(&name)).unwrap(), expected);
    started.signal("quit");
    assert!(started.wait().success());
    assert_eq!(folder.files(), ["pid"], "the file with the ports goes with the process");
}

#[test]
fn flags_go_before_the_configuration_file() {
    let folder = Folder::new();
    let file = folder.write("c.conf", "port: 1\nserver_name: file\nmax_payload: 2000\nlog_size_limit: 1gb\n");
    let started = Postroom::start(&["-c", &file, "-n", "flag"]);
    let texts = started.texts();
    let line = texts.iter().find(|line| line.contains("Using configuration file: ")).unwrap();
    assert!(line.starts_with(&format!("[INF] Using configuration file: {file} (sha256:")), "{line}");
    assert!(started.lines.iter().any(|line| line.contains("[WRN]") && line.contains("log_size_limit")), "{texts:?}");
    let info = started.connect().info;
    assert!(info.contains(r#""server_name":"flag""#) && info.contains(r#""max_payload":2000"#), "{info}");
}

#[test]
fn users_and_tokens_come_from_flags() {
    let started = Postroom::start(&["--user", "ann", "--pass", "secret"]);
    let mut wire = started.connect();
    assert!(wire.info.contains(r#""auth_required":true"#), "{}", wire.info);
    wire.send("CONNECT {\"user\":\"ann\",\"pass\":\"secret\",\"verbose\":false}\r\nPING\r\n");
    wire.until("PONG");
    let mut wire = started.connect();
    wire.send("CONNECT {\"user\":\"ann\",\"pass\":\"x\"}\r\n");
    assert_eq!(wire.rest().trim_end(), "-ERR 'Authorization Violation'");
    let started = Postroom::start(&["--auth", "t0k"]);
    let mut wire = started.connect();
    wire.send("CONNECT {\"auth_token\":\"t0k\",\"verbose\":false}\r\nPING\r\n");
    wire.until("PONG");
}

#[test]
fn tls_comes_from_flags() {
    let folder = Folder::new();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (cert, key) =
        (folder.write("cert.pem", &made.cert.pem()), folder.write("key.pem", &made.signing_key.serialize_pem()));
    let started = Postroom::start(&["--tls", "--tlscert", &cert, "--tlskey", &key]);
    assert!(started.texts().contains(&"[INF] TLS required for client connections"), "{:?}", started.lines);
    let info = started.connect().info;
    assert!(info.contains(r#""tls_required":true"#), "{info}");
}

#[test]
fn a_trace_shows_the_protocol() {
    let mut started = Postroom::start(&["-DV"]);
    let mut wire = started.connect();
    let created = started.wait_for("Client connection created");
    assert!(created.contains(" [DBG] 127.0.0.1:") && created.contains(" - cid:5 - "), "{created}");
    wire.send(
        "CONNECT {\"verbose\":false,\"name\":\"n1\",\"lang\":\"go\",\"version\":\"1.2\",\"pass\":\"hidden\"}\r\n",
    );
    wire.send("SUB foo 1\r\nPUB foo 5\r\nhello\r\nPING\r\n");
    wire.until("PONG");
    drop(wire);
    started.wait_for("Client connection closed: Client Closed");
    let lines = started.lines.join("\n");
    assert!(!lines.contains("hidden"), "{lines}");
    let mut rest = &*lines;
    for text in [
        "<<- [CONNECT {",
        " - \"v1.2:go:n1\" - <<- [SUB foo 1]",
        "<<- [PUB foo 5]",
        "<<- MSG_PAYLOAD: [\"hello\"]",
        "->> [MSG foo 1 5]",
        "->> MSG_PAYLOAD: [\"hello\"]",
        "<<- [PING]",
        "->> [PONG]",
    ] {
        let at = rest.find(text).unwrap_or_else(|| panic!("no {text:?}, or not in order, in\n{lines}"));
        rest = &rest[at + text.len()..];
    }
}

/// The lines of nats-server 2.15.1.
#[test]
fn connections_that_cannot_be_let_in_are_told_and_let_in_later() {
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n 32; exec \"$0\" -a 127.0.0.1 -p -1 -m -1"]).arg(program::postroom());
    let mut started = Postroom::spawn_command(command);
    started.wait_for("Server is ready");
    let port = started.port("Listening for client connections on");
    let dial = |port: u16| TcpStream::connect(("127.0.0.1", port)).unwrap();
    let many: Vec<_> = (0..64).map(|_| dial(port)).collect();
    let first = started.wait_for("[ERR] Temporary Client Accept Error(");
    assert!(first.to_lowercase().contains("too many open files") && first.ends_with("), sleeping 10ms"), "{first}");
    let second = started.wait_for("[ERR] Temporary Client Accept Error(");
    assert!(second.ends_with("), sleeping 20ms"), "{second}");
    let _monitor = dial(started.port("Starting http monitor on"));
    let third = started.wait_for("[ERR] monitoring: Accept error: ");
    assert!(third.ends_with("; retrying in 5ms"), "{third}");
    drop(many);
    let mut wire = Wire::dial(port);
    wire.send("CONNECT {\"verbose\":false}\r\nPING\r\n");
    wire.until("PONG");
}
