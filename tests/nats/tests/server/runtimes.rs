//! Where a server lives: without a runtime of the user's, within one of either kind, and over streams of the user's.

use crate::fixture::*;
use crate::wire::{Blocking, Wire};
use postroom::error::RecvTimeoutError;
use postroom::server::{ServerError, ServerOptions};
use postroom::{Bus, Server};
use std::os::unix::net::UnixStream;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::runtime::{Builder, Runtime};

fn runtimes() -> [Runtime; 2] {
    let [mut one, mut several] = [Builder::new_current_thread(), Builder::new_multi_thread()];
    [one.enable_io().build().unwrap(), several.worker_threads(2).enable_io().build().unwrap()]
}

/// Talks to the server as a task does: subscribes, publishes, and gets its own message.
async fn converse(stream: impl AsyncRead + AsyncWrite + Unpin) {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    stream.read_line(&mut line).await.unwrap();
    assert!(line.starts_with("INFO {"), "{line}");
    let connect = r#"CONNECT {"verbose":false,"pedantic":false}"#;
    stream.write_all(format!("{connect}\r\nSUB foo 1\r\nPUB foo 2\r\nhi\r\nPING\r\n").as_bytes()).await.unwrap();
    for expected in ["MSG foo 1 2\r\n", "hi\r\n", "PONG\r\n"] {
        line.clear();
        stream.read_line(&mut line).await.unwrap();
        assert_eq!(line, expected);
    }
}

#[test]
fn a_server_lives_on_the_runtime_that_is_there() {
    for runtime in runtimes() {
        runtime.block_on(async {
            let bus = Bus::new();
            let server = Server::bind(&bus, "127.0.0.1:0").unwrap();
            converse(tokio::net::TcpStream::connect(server.address().unwrap()).await.unwrap()).await;
            converse(server.pipe()).await;
            let inside = bus.connect().subscribe("end").unwrap();
            let mut last = server.pipe();
            last.write_all(b"CONNECT {}\r\nPUB end 0\r\n\r\n").await.unwrap();
            assert_eq!(inside.recv_async().await.unwrap().subject(), "end");
            // Does not wait for itself.
            server.shutdown();
            assert_eq!(bus.stats().subscriptions, 1);
            server.stopped().await;
        });
    }
}

#[test]
fn a_server_made_within_a_runtime_can_be_dropped_there_and_outside() {
    for (at, runtime) in runtimes().into_iter().enumerate() {
        let bus = Bus::new();
        let server = runtime.block_on(async { Server::bind(&bus, "127.0.0.1:0").unwrap() });
        drop(server);
        runtime.block_on(async {
            let server = Server::bind(&bus, "127.0.0.1:0").unwrap();
            converse(server.pipe()).await;
            drop(server);
            let _again = Server::bind(&bus, "127.0.0.1:0").unwrap();
        });
        assert_eq!(bus.stats().subscriptions, 0, "{at}");
    }
}

#[test]
fn a_server_with_a_runtime_of_its_own_can_be_used_and_dropped_within_another() {
    let bus = Bus::new();
    for runtime in runtimes() {
        let server = Server::bind(&bus, "127.0.0.1:0").unwrap();
        runtime.block_on(async {
            converse(server.pipe()).await;
            server.restart().unwrap();
            converse(tokio::net::TcpStream::connect(server.address().unwrap()).await.unwrap()).await;
            drop(server);
        });
    }
    wait_until(|| bus.stats().clients == 0);
}

#[test]
fn a_server_outlives_the_runtime_of_its_maker_without_harm() {
    let bus = Bus::new();
    let [runtime, _] = runtimes();
    let server = runtime.block_on(async { Server::bind(&bus, "127.0.0.1:0").unwrap() });
    drop(runtime);
    // There is no thread left to do its work, and nothing to wait for.
    server.shutdown();
    drop(server);
    assert_eq!(bus.stats().subscriptions, 0);
}

#[test]
fn a_server_without_a_listener_serves_one_connection_over_a_duplex_stream() {
    for runtime in runtimes() {
        runtime.block_on(async {
            let bus = Bus::new();
            let (near, far) = tokio::io::duplex(64);
            let server = Server::builder(&bus).build().unwrap();
            server.serve(far);
            converse(near).await;
        });
    }
}

#[test]
fn a_server_without_a_listener_serves_one_connection_over_a_unix_socket() {
    let bus = Bus::new();
    let (near, far) = UnixStream::pair().unwrap();
    far.set_nonblocking(true).unwrap();
    let [_, runtime] = runtimes();
    let within = runtime.enter();
    let server = Server::builder(&bus).build().unwrap();
    server.serve(tokio::net::UnixStream::from_std(far).unwrap());
    drop(within);
    let mut wire = Wire::over(near).connect("");
    let inside = bus.connect().subscribe("foo").unwrap();
    assert_eq!(wire.ask("SUB foo 1\r\nPUB foo 2\r\nhi\r\n"), ["MSG foo 1 2|hi"]);
    assert_eq!(inside.recv().unwrap().payload(), b"hi");
    // C2: without an address, `client_ip` is not told.
    assert_eq!(wire.info.get("client_ip"), None);
    drop(server);
    assert_eq!(wire.rest(), [""; 0]);
}

#[test]
fn a_stream_that_does_not_belong_to_a_runtime_needs_none_of_the_users() {
    let bus = Bus::new();
    let (near, far) = tokio::io::duplex(7);
    let server = Server::builder(&bus).build().unwrap();
    server.serve(far);
    let mut wire = Wire::over(Blocking(near)).connect("");
    assert_eq!(wire.ask("SUB foo 1\r\nPUB foo 2\r\nhi\r\n"), ["MSG foo 1 2|hi"]);
}

#[test]
fn a_pipe_alone_is_a_connection_without_listener_socket_or_runtime_of_the_users() {
    let bus = Bus::new();
    let server = Server::builder(&bus).build().unwrap();
    let mut wire = Wire::pipe(server.pipe()).connect("");
    let client = bus.connect();
    let answers = client.subscribe_fn("svc.add", |question| {
        question.respond("3").unwrap();
    });
    assert_eq!(wire.ask("SUB inbox.1 1\r\nPUB svc.add inbox.1 3\r\n1 2\r\n"), ["MSG inbox.1 1 1|3"]);
    drop(answers);
    drop(wire);
    wait_until(|| bus.stats().clients == 1);
    assert_eq!(bus.stats().subscriptions, 0);
}

#[test]
fn a_pipe_alone_works_within_runtimes_too() {
    for runtime in runtimes() {
        runtime.block_on(async {
            let bus = Bus::new();
            let server = Server::builder(&bus).build().unwrap();
            converse(server.pipe()).await;
        });
    }
}

#[test]
fn serve_on_a_server_that_was_shut_down_ends_at_once() {
    let bus = Bus::new();
    let server = Server::builder(&bus).build().unwrap();
    server.shutdown();
    assert!(Wire::pipe(server.pipe()).rest().len() <= 1, "at most the greeting");
    assert_eq!(bus.stats().clients, 0);
}

#[test]
fn a_server_ends_with_its_runtime() {
    for runtime in runtimes() {
        let bus = Bus::new();
        let server = runtime.block_on(async { Server::bind(&bus, "127.0.0.1:0").unwrap() });
        let (address, end) = (server.address().unwrap(), bus.connect().subscribe("end").unwrap());
        runtime.block_on(async {
            let mut client = tokio::net::TcpStream::connect(address).await.unwrap();
            client.write_all(b"CONNECT {}\r\nSUB foo 1\r\nPUB end 0\r\n\r\n").await.unwrap();
            end.recv_async().await.unwrap();
            std::mem::forget(client.into_std().unwrap());
        });
        drop(runtime);
        assert_eq!((connections(&server), bus.has_interest("foo")), (0, false));
        let refused = std::net::TcpStream::connect(address).unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
        assert!(matches!(server.restart(), Err(ServerError::Runtime(_))));
        assert!(matches!(server.listen("127.0.0.1:0"), Err(ServerError::Runtime(_))));
        assert!(matches!(server.monitor("127.0.0.1:0", ""), Err(ServerError::Runtime(_))));
        assert_eq!(Wire::pipe(server.pipe()).next(), None);
        server.lame_duck();
        server.wait();
        server.shutdown();
    }
}

/// As in a `static` that several tests share, each with a runtime of its own.
#[test]
fn a_server_with_a_runtime_of_its_own_outlives_the_current_one() {
    let (bus, mut server) = (Bus::new(), None);
    for runtime in runtimes() {
        runtime.block_on(async {
            let options = ServerOptions::new().own_runtime(true);
            let server =
                server.get_or_insert_with(|| Server::builder(&bus).options(options).bind("127.0.0.1:0").unwrap());
            converse(tokio::net::TcpStream::connect(server.address().unwrap()).await.unwrap()).await;
            converse(server.pipe()).await;
        });
    }
}

#[test]
fn a_server_on_a_runtime_without_io_brings_one_for_its_sockets() {
    let runtimes = [Builder::new_current_thread().build(), Builder::new_multi_thread().worker_threads(1).build()];
    for runtime in runtimes.map(Result::unwrap) {
        let bus = Bus::new();
        let server = runtime.block_on(async {
            let server = Server::bind(&bus, "127.0.0.1:0").unwrap();
            converse(server.pipe()).await;
            server
        });
        let mut wire = Wire::tcp(server.address().unwrap()).connect("");
        assert!(wire.flush().is_empty());
        let monitor = server.monitor("127.0.0.1:0", "").unwrap();
        std::net::TcpStream::connect(monitor).unwrap();
        server.restart().unwrap();
        assert_eq!(wire.next(), None);
        let mut wire = Wire::tcp(server.address().unwrap()).connect("");
        assert!(wire.flush().is_empty());
    }
}

/// In a process of its own, whose threads would need more memory for their stacks than there is.
#[test]
fn without_threads_there_is_an_error_or_it_works() {
    const MARK: &str = "POSTROOM_WITHOUT_THREADS";
    if std::env::var_os(MARK).is_none() {
        let name = "runtimes::without_threads_there_is_an_error_or_it_works";
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", name, "--test-threads=1"]).env(MARK, "").env("RUST_MIN_STACK", (1u64 << 60).to_string());
        let output = child.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains("1 passed"), "{text}");
        return;
    }
    assert!(std::thread::Builder::new().spawn(|| ()).is_err(), "there are threads");
    let bus = Bus::new();
    assert!(matches!(Server::bind(&bus, "127.0.0.1:0"), Err(ServerError::Runtime(_))));
    {
        let bridge = postroom::Bridge::builder(&bus).server("nats://127.0.0.1:1").export("a").start();
        assert!(matches!(bridge, Err(postroom::bridge::StartError::Thread(_))));
    }
    let client = bus.connect();
    let _silent = client.subscribe("ask").unwrap();
    let limit = std::time::Duration::from_millis(5);
    Builder::new_current_thread().build().unwrap().block_on(async {
        bus.sleep(limit).await;
        let timeout = client.request_timeout_async("ask", "", limit).await;
        assert!(timeout.unwrap_err().is_timeout());
    });
    assert_eq!(client.subscribe("b").unwrap().recv_timeout(limit).unwrap_err(), RecvTimeoutError::Timeout);
}
