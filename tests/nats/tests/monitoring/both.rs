//! Two servers with a monitor each: ours and the real one.

use crate::support::nats_server::NatsServer;
use postroom::server::ServerOptions;
use postroom::{Bus, Server};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

/// Ours listens as the real one that the harness starts: on the loopback interface, without a file.
pub(crate) struct Ours {
    pub(crate) server: Server,
    pub(crate) bus: Bus,
    pub(crate) port: u16,
    pub(crate) monitor: u16,
}

impl Ours {
    pub(crate) fn start() -> Self {
        Ours::start_with(ServerOptions::new(), "")
    }

    pub(crate) fn start_with(options: ServerOptions, base_path: &str) -> Self {
        let bus = Bus::new();
        let server = Server::builder(&bus).options(options).build().unwrap();
        let monitor = server.monitor("127.0.0.1:0", base_path).unwrap().port();
        server.listen("127.0.0.1:0").unwrap();
        let port = server.address().unwrap().port();
        Ours { server, bus, port, monitor }
    }
}

pub(crate) struct Real {
    _server: NatsServer,
    pub(crate) port: u16,
    pub(crate) monitor: u16,
}

impl Real {
    pub(crate) fn start(config: &str) -> Self {
        let server = NatsServer::start_with(config, &["--http_port", "-1"]);
        let (port, monitor) = (server.port(), server.monitor().expect("it was asked for"));
        Real { _server: server, port, monitor }
    }
}

/// A connection of raw bytes.
pub(crate) struct Wire {
    stream: BufReader<TcpStream>,
    /// A line of a message was read.
    has_message: bool,
}

impl Wire {
    /// Connects, sends this and a PING, and reads up to the PONG: so that the server has done it all.
    pub(crate) fn open(port: u16, text: &str) -> Self {
        let stream = BufReader::new(TcpStream::connect(("127.0.0.1", port)).unwrap());
        let mut wire = Wire { stream, has_message: false };
        assert!(wire.line().starts_with("INFO "));
        wire.send(text);
        wire
    }

    pub(crate) fn send(&mut self, text: &str) {
        write!(self.stream.get_mut(), "{text}PING\r\n").unwrap();
        while !self.line().starts_with("PONG") {}
    }

    /// Reads a message that has come, or comes.
    pub(crate) fn until_message(&mut self) {
        while !std::mem::take(&mut self.has_message) {
            let line = self.line();
            if line.starts_with("PING") {
                write!(self.stream.get_mut(), "PONG\r\n").unwrap();
            }
        }
    }

    /// Ends the connection, and waits until the server has ended it too.
    pub(crate) fn close(mut self) {
        self.stream.get_mut().shutdown(std::net::Shutdown::Write).unwrap();
        let mut rest = Vec::new();
        self.stream.read_to_end(&mut rest).unwrap();
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        assert!(self.stream.read_line(&mut line).unwrap() > 0, "the server ended the connection");
        self.has_message |= line.starts_with("MSG ") || line.starts_with("HMSG ");
        line
    }
}

/// An answer over HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Content type and the other headers that matter, in lower case.
    pub(crate) headers: Vec<String>,
    pub(crate) body: String,
}

pub(crate) fn get(port: u16, target: &str) -> Answer {
    ask(port, "GET", target)
}

pub(crate) fn ask(port: u16, method: &str, target: &str) -> Answer {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    write!(stream, "{method} {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let matter =
        ["content-type", "access-control-allow-origin", "x-content-type-options", "location", "content-length"];
    let mut headers: Vec<_> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value))
        .filter(|(name, _)| matter.contains(&name.as_str()))
        .map(|(name, value)| format!("{name}: {value}"))
        .collect();
    headers.sort();
    let chunked = head.to_lowercase().contains("\r\ntransfer-encoding: chunked");
    Answer { status, headers, body: if chunked { joined(body) } else { body.to_owned() } }
}

/// The chunks of a body that came in such.
fn joined(mut rest: &str) -> String {
    let mut body = String::new();
    loop {
        let (size, chunk) = rest.split_once("\r\n").unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        if size == 0 {
            return body;
        }
        body += &chunk[..size];
        rest = chunk[size..].strip_prefix("\r\n").unwrap();
    }
}
