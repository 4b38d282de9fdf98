//! The monitoring port: what its clients can do to each other, and to those that send messages.

use postroom::{Bus, Clock, Server};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;
use tokio::runtime::Builder;

fn get(address: SocketAddr, target: &str) -> String {
    let mut client = TcpStream::connect(address).unwrap();
    // Only so that a hang is a failure.
    client.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    write!(client, "GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    answer
}

/// On a manual clock, too, which stands still.
#[test]
fn half_requests_do_not_close_it_to_others() {
    let bus = Bus::builder().clock(Clock::manual()).build();
    let server = Server::builder(&bus).build().unwrap();
    let address = server.monitor("127.0.0.1:0", "").unwrap();
    let half = || {
        let mut client = TcpStream::connect(address).unwrap();
        client.write_all(b"GET /healthz HTT").unwrap();
        client
    };
    let _many: Vec<TcpStream> = (0..600).map(|_| half()).collect();
    assert!(get(address, "/healthz").starts_with("HTTP/1.1 200 OK\r\n"));
}

/// The runtime is one of the program's that is not driven at this moment: so an answer can't come from where messages are moved.
#[test]
fn it_is_served_beside_the_runtime_that_moves_messages() {
    let runtime = Builder::new_current_thread().enable_io().build().unwrap();
    let _within = runtime.enter();
    let server = Server::builder(&Bus::new()).bind("127.0.0.1:0").unwrap();
    let address = server.monitor("127.0.0.1:0", "").unwrap();
    for target in ["/varz", "/connz?subs=1", "/healthz"] {
        assert!(get(address, target).starts_with("HTTP/1.1 200 OK\r\n"), "{target}");
    }
}
