//! Who is let in: each form of credentials beside `no_auth_user`, here and at nats-server.

use crate::support::nats_server::NatsServer;
use postroom::server::Config;
use postroom::{Bus, Server};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};

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
            let server = Server::bind_with(&Bus::new(), "127.0.0.1:0", config.server_options()).unwrap();
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
