//! Barriers, and calls that are not.

use super::in_time;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

/// D9: async-nats' flush writes, and asks nothing. Seen from a server that is as silent as can be: the flush returns, and no PING
/// has come when the next message does.
#[test]
fn d9_flush_is_no_round_trip() {
    super::run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("it has one");
        let server = async {
            let (stream, _) = listener.accept().await.expect("a client");
            let mut stream = BufReader::new(stream);
            let info = "INFO {\"server_id\":\"x\",\"version\":\"2.15.1\",\"proto\":1,\"headers\":true,\"max_payload\":1024} \r\n";
            stream.write_all(info.as_bytes()).await.expect("it listens");
            // CONNECT and PING, which must be answered before a client is one.
            for _ in 0..2 {
                stream.read_line(&mut String::new()).await.expect("it speaks");
            }
            stream.write_all(b"PONG\r\n").await.expect("it listens");
            stream
        };
        let options = async_nats::ConnectOptions::new().ping_interval(Duration::from_secs(3600));
        let (client, mut stream) = tokio::join!(options.connect(address.to_string()), server);
        let client = client.expect("a connection");
        client.publish("first", "".into()).await.expect("it is taken");
        in_time(client.flush()).await.expect("it returns, though nobody answered");
        client.publish("second", "".into()).await.expect("it is taken");
        client.flush().await.expect("it returns");
        let mut lines = String::new();
        while !lines.contains("PUB second") {
            assert!(stream.read_line(&mut lines).await.expect("it speaks") > 0, "{lines:?}");
        }
        assert_eq!(lines, "PUB first 0\r\n\r\nPUB second 0\r\n");
    });
}
