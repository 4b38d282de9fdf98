//! The program `postroom -js`, used by an unmodified client.

use super::support::program;
use async_nats::jetstream::{self, stream};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

/// Ended when dropped.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Starts the program on a free port, and gives the port.
fn start(flags: &[&str]) -> (Program, u16) {
    let mut command = Command::new(program::postroom());
    command.args(["-a", "127.0.0.1", "-p", "-1"]).args(flags);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    let log = BufReader::new(child.stderr.take().expect("it is piped"));
    let program = Program(child);
    let line = log.lines().map_while(Result::ok).find(|line| line.contains("Listening for client connections on "));
    let port = line.as_deref().and_then(|line| line.rsplit(':').next()?.parse().ok());
    (program, port.expect("it listens"))
}

#[test]
fn an_unmodified_client_uses_the_program() {
    let (_program, port) = start(&["-js"]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let client = async_nats::connect(format!("127.0.0.1:{port}")).await.expect("a connection");
        let js = jetstream::new(client);
        let config = stream::Config { name: "S".into(), subjects: vec!["s.>".into()], ..Default::default() };
        let stream = js.create_stream(config).await.unwrap();
        let ack = js.publish("s.1", "hello".into()).await.unwrap().await.unwrap();
        assert_eq!((ack.stream.as_str(), ack.sequence), ("S", 1));
        assert_eq!(&stream.get_raw_message(1).await.unwrap().payload[..], b"hello");
        let kv = js.create_key_value(jetstream::kv::Config { bucket: "b".into(), ..Default::default() }).await.unwrap();
        kv.put("k", "v".into()).await.unwrap();
        assert_eq!(kv.get("k").await.unwrap().as_deref(), Some(&b"v"[..]));
    });
}
