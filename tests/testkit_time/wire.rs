//! Wire clients: what the server has to write to them counts, and their times go by the kit's clock.

use crate::{HOUR, SECOND, SHORT};
use postroom::TestKit;
use postroom::server::{PipeStream, ServerOptions};
use postroom::*;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};

/// A client that speaks the protocol by hand, connected to the server through a pipe, with its INFO read.
async fn connect(server: &Server) -> BufReader<PipeStream> {
    let mut client = BufReader::new(server.pipe());
    assert!(line(&mut client).await.starts_with("INFO "));
    client
}

async fn line(client: &mut BufReader<PipeStream>) -> String {
    let mut line = String::new();
    client.read_line(&mut line).await.unwrap();
    line
}

/// Sends it, and waits until the server has dealt with all of it.
async fn send(client: &mut BufReader<PipeStream>, text: &str) {
    client.write_all(format!("{text}PING\r\n").as_bytes()).await.unwrap();
    assert_eq!(line(client).await, "PONG\r\n");
}

fn run<F: Future<Output = ()>>(test: F) {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap().block_on(test);
}

#[test]
fn what_the_server_has_not_written_yet_counts() {
    const LARGE: usize = 500_000;
    run(async {
        let kit = TestKit::new();
        let server = Server::builder(kit.bus()).build().unwrap();
        let mut client = connect(&server).await;
        send(&mut client, "CONNECT {\"verbose\":false}\r\nSUB a 1\r\n").await;
        kit.settle_async().await;
        let app = kit.bus().connect();
        // More than the pipe holds: the rest waits in the server.
        assert_eq!(app.publish("a", vec![b'x'; LARGE]), Ok(1));
        let unsettled = kit.try_settle_async(SHORT).await.unwrap_err();
        assert!(unsettled.to_string().contains("the server, which writes to wire connection"), "{unsettled}");
        assert_eq!(line(&mut client).await, format!("MSG a 1 {LARGE}\r\n"));
        let mut payload = vec![0; LARGE + 2];
        client.read_exact(&mut payload).await.unwrap();
        kit.settle_async().await;
    });
}

#[test]
fn what_a_wire_client_wrote_to_a_pipe_has_been_dealt_with() {
    run(async {
        let kit = TestKit::new();
        let server = Server::builder(kit.bus()).build().unwrap();
        let app = kit.bus().connect();
        let doubler = app.subscribe("double").unwrap();
        let worker = std::thread::spawn(move || doubler.iter().for_each(|question| drop(question.respond("42"))));
        let mut client = connect(&server).await;
        send(&mut client, "CONNECT {\"verbose\":false}\r\nSUB answer 1\r\n").await;
        // Not even acknowledged: bytes in a pipe have woken the server.
        client.write_all(b"PUB double answer 2\r\n21\r\n").await.unwrap();
        kit.settle_async().await;
        assert_eq!(kit.bus().stats().traffic.published, 2);
        assert_eq!(line(&mut client).await, "MSG answer 1 2\r\n");
        assert_eq!(line(&mut client).await, "42\r\n");
        kit.bus().close();
        worker.join().unwrap();
    });
}

#[test]
fn pings_and_the_end_of_a_silent_client_come_in_their_time() {
    run(async {
        let kit = TestKit::new();
        let options = ServerOptions::new().ping_interval(SECOND * 60).ping_max(2);
        let server = Server::builder(kit.bus()).options(options).build().unwrap();
        let mut client = connect(&server).await;
        send(&mut client, "CONNECT {\"verbose\":false}\r\n").await;
        kit.advance_async(HOUR).await;
        let mut rest = String::new();
        client.read_to_string(&mut rest).await.unwrap();
        assert!(rest.starts_with("PING\r\nPING\r\n"), "{rest}");
        assert!(rest.contains("Stale Connection"), "{rest}");
        assert_eq!(kit.clock().now(), HOUR);
    });
}
