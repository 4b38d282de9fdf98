//! How long it takes from the start of a server, as a program or in this process, to the first byte of INFO.

use std::io::Read;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use postroom::{Bus, Server};

use crate::nats_server::NatsServer;
use crate::process;

/// How long a server may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// The real server, a process of its own; in nanoseconds.
pub(crate) fn nats_server() -> f64 {
    program(|port| {
        let mut command = Command::new(NatsServer::get());
        command.args(["--addr", "127.0.0.1", "--port", port]);
        command
    })
}

/// Ours, the same.
pub(crate) fn postroom() -> f64 {
    program(|port| process::postroom(&["--addr", "127.0.0.1", "--port", port]))
}

/// Ours on a new bus in this process, as a test starts it: with a runtime that it brings, and a client that is no part of it.
pub(crate) fn in_process() -> f64 {
    let start = Instant::now();
    let bus = Bus::new();
    let server = Server::bind(&bus, "127.0.0.1:0").expect("the server starts");
    let address = server.address().expect("it listens");
    let mut stream = TcpStream::connect(address).expect("it listens");
    first_byte(&mut stream, start)
}

/// Nanoseconds until a client that dials all the time has the first byte.
fn program(at_port: fn(&str) -> Command) -> f64 {
    let port = free_port();
    let mut command = at_port(&port.to_string());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let start = Instant::now();
    let mut child = Ended(command.spawn().expect("the server starts"));
    let mut stream = loop {
        match TcpStream::connect((Ipv4Addr::LOCALHOST, port)) {
            Ok(stream) => break stream,
            Err(_) => {
                let gone = child.0.try_wait().expect("a child");
                assert!(gone.is_none() && start.elapsed() < PATIENCE, "the server does not listen");
                thread::yield_now();
            }
        }
    };
    first_byte(&mut stream, start)
}

fn first_byte(stream: &mut TcpStream, start: Instant) -> f64 {
    let mut first = [0];
    stream.read_exact(&mut first).expect("read");
    let elapsed = start.elapsed();
    assert_eq!(first[0], b'I');
    elapsed.as_secs_f64() * 1e9
}

/// One that nobody listens at; the programs are told a port, because to find out which one they took would cost time.
fn free_port() -> u16 {
    let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    socket.local_addr().expect("its address").port()
}

/// A process that is ended when dropped.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // Both fail only if it is gone already.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}
