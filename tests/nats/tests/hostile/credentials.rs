//! Authentication: each form of credentials beside `no_auth_user`, here and at nats-server.

use crate::support::nats_server::NatsServer;
use postroom::server::config::Config;
use postroom::server::{ServerOptions, User};
use postroom::{Bus, Clock, Server};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::{Command, Stdio};
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

const NKEY: &str = "UC6NLCN7AS34YOJVCYD4PJ3QB7QGLYG5B5IMBT25VW5K4TNUJODM7BOX";

/// Ways to come in.
const CLIENTS: [&str; 6] = [
    "CONNECT {\"verbose\":false}\r\n",
    // Without CONNECT.
    "",
    "CONNECT {\"verbose\":false,\"user\":\"ann\",\"pass\":\"pw\"}\r\n",
    "CONNECT {\"verbose\":false,\"user\":\"ann\",\"pass\":\"x\"}\r\n",
    "CONNECT {\"verbose\":false,\"auth_token\":\"tok\"}\r\n",
    "CONNECT {\"verbose\":false,\"nkey\":\"NKEY\",\"sig\":\"x\"}\r\n",
];

/// A configuration, and which of [`CLIENTS`] nats-server 2.15.1 lets in; `None`: it does not start.
const CONFIGURATIONS: &[(&str, Option<[bool; 6]>)] = &[
    ("authorization { user: ann, password: pw }\nno_auth_user: ann", None),
    ("no_auth_user: ann\nauthorization { user: ann, password: pw }", None),
    ("authorization { user: ann, password: pw }\nno_auth_user: bob", None),
    ("authorization { user: ann }\nno_auth_user: ann", None),
    ("authorization { token: tok }\nno_auth_user: ann", None),
    ("authorization { users: [] }\nno_auth_user: ann", None),
    ("authorization { timeout: 1 }\nno_auth_user: ann", None),
    ("no_auth_user: ann", None),
    ("authorization { users: [ { user: ann, password: pw } ] }\nno_auth_user: bob", None),
    (
        "authorization { users: [ { user: ann, password: pw } ] }\nno_auth_user: ann",
        Some([true, true, true, false, false, true]),
    ),
    ("authorization { users: [ { nkey: NKEY } ] }\nno_auth_user: NKEY", Some([true, false, false, false, false, true])),
    (
        "authorization { users: [ { nkey: NKEY }, { user: ann, password: pw } ] }\nno_auth_user: NKEY",
        Some([true, false, true, false, false, true]),
    ),
    (
        "authorization { users: [ { nkey: NKEY }, { user: ann, password: pw } ] }\nno_auth_user: ann",
        Some([true, true, true, false, false, false]),
    ),
    ("authorization { user: ann, password: pw }\nno_auth_user: \"\"", Some([false, false, true, false, false, false])),
];

fn is_let_in(port: u16, client: &str) -> bool {
    let mut stream = BufReader::new(TcpStream::connect(("127.0.0.1", port)).unwrap());
    let mut line = String::new();
    stream.read_line(&mut line).unwrap();
    write!(stream.get_mut(), "{}PING\r\n", client.replace("NKEY", NKEY)).unwrap();
    loop {
        line.clear();
        stream.read_line(&mut line).unwrap();
        match line.trim_end() {
            "PONG" => return true,
            "-ERR 'Authorization Violation'" => return false,
            other => assert!(other.starts_with("INFO "), "{other:?}"),
        }
    }
}

fn let_in(port: u16) -> [bool; 6] {
    CLIENTS.map(|client| is_let_in(port, client))
}

#[test]
fn no_auth_user_lets_in_whom_nats_server_lets_in() {
    for (text, expected) in CONFIGURATIONS {
        let config = Config::parse(&text.replace("NKEY", NKEY), None);
        let ours = config.ok().map(|config| {
            let server = Server::builder(&Bus::new()).options(config.server_options()).bind("127.0.0.1:0").unwrap();
            let_in(server.address().unwrap().port())
        });
        assert_eq!(ours, *expected, "{text}");
    }
}

#[test]
fn nats_server_lets_in_who_is_listed() {
    let folder = std::env::temp_dir().join(format!("postroom-credentials-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    for (text, expected) in CONFIGURATIONS {
        let text = text.replace("NKEY", NKEY);
        if let Some(expected) = expected {
            let server = NatsServer::start(&text);
            assert_eq!(let_in(server.port()), *expected, "{text}");
            continue;
        }
        let file = folder.join("refused.conf");
        std::fs::write(&file, &text).unwrap();
        let mut refused = Command::new(NatsServer::get());
        refused.args(["-a", "127.0.0.1", "-p", "-1", "-c"]).arg(&file).stdin(Stdio::null());
        let refused = refused.output().unwrap();
        let said = String::from_utf8_lossy(&refused.stderr);
        assert!(!refused.status.success() && said.contains("no_auth_user"), "{text}: {said}");
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

/// Hashes of `right`: one so slow that a hundred comparisons with it take many seconds, and two quick ones.
const SLOW: &str = "$2a$12$abcdefghijklmnopqrstuu3ZNTWactmkRXVB8K.1w4IlxX.O8lI12";
const QUICK: &str = "$2a$04$abcdefghijklmnopqrstuuFmEfrkTQnczNzw475xE2VhDrK1uwJiC";
const ANOTHER: &str = "$2a$04$bbcdefghijklmnopqrstuuT.4qtWfOigmQ2c.ajVvEyi8DaAStr9m";
/// The hash of `other`.
const OTHER: &str = "$2a$04$cbcdefghijklmnopqrstuup8El2YHhpvxmg9BvZ4XWkhnJuWrUV/W";

/// A server with a user whose password is slow to check, on a runtime of one thread.
fn single_threaded(name: &str, auth_timeout: Duration) -> (Runtime, Server) {
    let runtime = Builder::new_multi_thread().worker_threads(1).thread_name(name).enable_io().build().unwrap();
    let options = ServerOptions::new().user(User::new("ann", SLOW)).user(User::new("bob", "pw"));
    let server = {
        let _within = runtime.enter();
        Server::builder(&Bus::new()).options(options.auth_timeout(auth_timeout)).bind("127.0.0.1:0").unwrap()
    };
    (runtime, server)
}

fn dial(server: &Server, credentials: &str) -> BufReader<TcpStream> {
    let mut stream = TcpStream::connect(server.address().unwrap()).unwrap();
    write!(stream, "CONNECT {{\"verbose\":false,{credentials}}}\r\nPING\r\n").unwrap();
    BufReader::new(stream)
}

/// The first line behind INFO that is not the server's own PING.
fn answer(stream: &mut BufReader<TcpStream>) -> String {
    let mut line = String::new();
    while line.is_empty() || line.starts_with("INFO") || line.starts_with("PING") {
        line.clear();
        assert!(stream.read_line(&mut line).unwrap() > 0, "the server ended the connection without a word");
    }
    line.trim_end().to_owned()
}

#[test]
fn wrong_passwords_hold_up_nobody_who_is_connected() {
    const WRONG: usize = 12;
    let (runtime, server) = single_threaded("only-worker", Duration::from_secs(600));
    let mut bob = dial(&server, r#""user":"bob","pass":"pw""#);
    assert_eq!(answer(&mut bob), "PONG");
    let mut wrong: Vec<_> = (0..WRONG).map(|_| dial(&server, r#""user":"ann","pass":"wrong""#)).collect();
    bob.get_mut().write_all(b"PING\r\n").unwrap();
    assert_eq!(answer(&mut bob), "PONG");
    let is_refused = |client: &mut BufReader<TcpStream>| {
        client.get_ref().set_nonblocking(true).unwrap();
        let mut all = Vec::new();
        // It fails where the connection is still open.
        let _ = client.read_to_end(&mut all);
        String::from_utf8(all).unwrap().contains("-ERR")
    };
    let refused = wrong.iter_mut().map(is_refused).filter(|refused| *refused).count();
    assert!(refused < WRONG, "the PONG waited for all of them");
    // The number of checks at once is bounded, and so are the threads. The servers of several tests share this
    // process.
    let threads = |wanted: &str| {
        let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
        let name = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("comm")).unwrap_or_default();
        tasks.map(name).filter(|name| name.starts_with(wanted)).count()
    };
    assert!(threads("only-worker") <= 1 && threads("postroom-passwo") <= 4 * 4);
    drop((server, wrong));
    runtime.shutdown_background();
}

#[test]
fn a_password_is_not_checked_for_a_client_that_has_gone() {
    const GONE: usize = 150;
    // To check them all would take much longer than this, to check none but the last much less.
    let (runtime, server) = single_threaded("one-worker", Duration::from_secs(15));
    for _ in 0..GONE {
        let mut gone = dial(&server, r#""user":"ann","pass":"wrong""#);
        // Unread input would make its end a reset.
        gone.read_line(&mut String::new()).unwrap();
    }
    let mut ann = dial(&server, r#""user":"ann","pass":"right""#);
    assert_eq!(answer(&mut ann), "PONG");
    drop(server);
    runtime.shutdown_background();
}

#[test]
fn a_client_that_leaves_at_once_still_has_published() {
    let bus = Bus::new();
    let server =
        Server::builder(&bus).options(ServerOptions::new().user(User::new("ann", QUICK))).bind("127.0.0.1:0").unwrap();
    let inbox = bus.connect().subscribe("farewell").unwrap();
    let mut ann = TcpStream::connect(server.address().unwrap()).unwrap();
    ann.write_all(b"CONNECT {\"user\":\"ann\",\"pass\":\"right\"}\r\nPUB farewell 2\r\nhi\r\n").unwrap();
    ann.shutdown(Shutdown::Write).unwrap();
    assert_eq!(inbox.recv_timeout(Duration::from_secs(20)).unwrap().payload(), b"hi");
}

#[test]
fn a_password_that_waits_too_long_for_its_check_times_out() {
    let clock = Clock::manual();
    let bus = Bus::builder().clock(&clock).build();
    let options = ServerOptions::new().user(User::new("ann", SLOW));
    let server = Server::builder(&bus).options(options).bind("127.0.0.1:0").unwrap();
    let mut waiting: Vec<_> = (0..8).map(|_| dial(&server, r#""user":"ann","pass":"wrong""#)).collect();
    assert_eq!(answer(&mut waiting[0]), "-ERR 'Authorization Violation'");
    clock.advance(Duration::from_secs(3));
    let answers: Vec<_> = waiting[1..].iter_mut().map(answer).collect();
    assert!(answers.iter().any(|answer| answer == "-ERR 'Authentication Timeout'"), "{answers:?}");
}

/// A reload compares a connection's password again if its hash has changed, and ends a connection whose password does
/// not match any more.
#[test]
fn a_reload_checks_a_password_again_only_if_its_hash_has_changed() {
    let options = |hash: &str, others: &[&str]| {
        let ann = ServerOptions::new().user(User::new("ann", hash));
        others.iter().fold(ann, |options, name| options.user(User::new(*name, "pw")))
    };
    let server = Server::builder(&Bus::new()).options(options(QUICK, &[])).bind("127.0.0.1:0").unwrap();
    let mut ann = dial(&server, r#""user":"ann","pass":"right""#);
    assert_eq!(answer(&mut ann), "PONG");
    let mut stays = |options| {
        server.reload(options).unwrap();
        ann.get_mut().write_all(b"PING\r\n").unwrap();
        answer(&mut ann)
    };
    assert_eq!(stays(options(QUICK, &["bob"])), "PONG");
    assert_eq!(stays(options(ANOTHER, &["bob"])), "PONG");
    assert_eq!(stays(options(OTHER, &["bob"])), "-ERR 'Authorization Violation'");
}
