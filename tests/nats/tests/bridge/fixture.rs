//! A server, clients of it, and waits that fail loudly.

use crate::support::nats_server::NatsServer;
use futures_util::StreamExt;
use postroom::bridge::BridgeEvent;
use postroom::event::EventStream;
use postroom::{Bridge, Bus};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};

/// After so long a test has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A client of the server, for tests without a runtime.
pub(crate) struct Remote {
    runtime: Runtime,
    pub(crate) client: async_nats::Client,
}

/// A subscription on the server.
pub(crate) struct RemoteSubscriber {
    handle: tokio::runtime::Handle,
    subscriber: async_nats::Subscriber,
}

impl Remote {
    pub(crate) fn connect(url: &str) -> Self {
        Self::connect_with(url, async_nats::ConnectOptions::new())
    }

    pub(crate) fn connect_with(url: &str, options: async_nats::ConnectOptions) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let client = runtime.block_on(options.connect(url)).unwrap();
        Remote { runtime, client }
    }

    /// Waits until the server has worked through all that was sent, and what it had sent before is here.
    pub(crate) fn flush(&self) {
        let inbox = self.client.new_inbox();
        self.block_on(async {
            let mut back = self.client.subscribe(inbox.clone()).await.unwrap();
            self.client.publish(inbox, "".into()).await.unwrap();
            back.next().await.unwrap();
        });
    }

    pub(crate) fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(async { tokio::time::timeout(PATIENCE, future).await.expect("in time") })
    }

    pub(crate) fn subscribe(&self, pattern: &str) -> RemoteSubscriber {
        let subscriber = self.block_on(self.client.subscribe(pattern.to_owned())).unwrap();
        self.flush();
        self.subscriber(subscriber)
    }

    pub(crate) fn queue_subscribe(&self, pattern: &str, queue: &str) -> RemoteSubscriber {
        let subscribing = self.client.queue_subscribe(pattern.to_owned(), queue.to_owned());
        let subscriber = self.block_on(subscribing).unwrap();
        self.flush();
        self.subscriber(subscriber)
    }

    fn subscriber(&self, subscriber: async_nats::Subscriber) -> RemoteSubscriber {
        RemoteSubscriber { handle: self.runtime.handle().clone(), subscriber }
    }

    pub(crate) fn publish(&self, subject: &str, payload: &str) {
        self.block_on(self.client.publish(subject.to_owned(), payload.to_owned().into())).unwrap();
    }

    /// Answers each request with what `answer` makes of it.
    pub(crate) fn respond(&self, pattern: &str, answer: impl Fn(&async_nats::Message) -> Vec<String> + Send + 'static) {
        let mut requests = self.block_on(self.client.subscribe(pattern.to_owned())).unwrap();
        let client = self.client.clone();
        self.runtime.spawn(async move {
            while let Some(request) = requests.next().await {
                let Some(reply) = request.reply.clone() else { continue };
                for text in answer(&request) {
                    client.publish_with_headers(reply.clone(), headers_of(&request), text.into()).await.unwrap();
                }
            }
        });
        self.flush();
    }
}

fn headers_of(message: &async_nats::Message) -> async_nats::HeaderMap {
    message.headers.clone().unwrap_or_default()
}

impl RemoteSubscriber {
    pub(crate) fn next(&mut self) -> async_nats::Message {
        let next = async { tokio::time::timeout(PATIENCE, self.subscriber.next()).await };
        self.handle.block_on(next).expect("a message in time").expect("it goes on")
    }

    /// The message that is there now.
    pub(crate) fn try_next(&mut self) -> Option<async_nats::Message> {
        let next = async {
            tokio::select! {
                biased;
                message = self.subscriber.next() => message,
                () = std::future::ready(()) => None,
            }
        };
        self.handle.block_on(next)
    }

    pub(crate) fn texts(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.try_next()).map(|message| text(&message)).collect()
    }
}

pub(crate) fn text(message: &async_nats::Message) -> String {
    String::from_utf8(message.payload.to_vec()).unwrap()
}

/// Starts it and waits until messages flow.
pub(crate) fn start(builder: postroom::bridge::BridgeBuilder) -> Bridge {
    builder.require_connected(PATIENCE).start().unwrap()
}

/// Waits for a state that nothing tells of.
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < PATIENCE, "waited in vain until {what}");
        std::thread::yield_now();
    }
}

/// The first event that `wanted` makes something of.
pub(crate) fn event<T>(events: &EventStream<BridgeEvent>, wanted: impl Fn(BridgeEvent) -> Option<T>) -> T {
    let mut seen = Vec::new();
    while let Some(event) = events.recv_timeout(PATIENCE) {
        seen.push(event.clone());
        if let Some(found) = wanted(event) {
            return found;
        }
    }
    panic!("not told; only {seen:?}");
}

/// A server on a port that it keeps when it is started again.
pub(crate) struct Restartable {
    config: String,
    port: u16,
    server: Option<NatsServer>,
}

impl Restartable {
    pub(crate) fn start(config: &str) -> Self {
        let server = NatsServer::start(config);
        Restartable { config: config.to_owned(), port: server.port(), server: Some(server) }
    }

    pub(crate) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    pub(crate) fn signal(&self, signal: &str) {
        let pid = self.server.as_ref().expect("it runs").pid().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }

    /// As `kill -9` does. Gives its log.
    pub(crate) fn kill(&mut self) -> String {
        self.server.take().expect("it runs").kill()
    }

    pub(crate) fn restart_with(&mut self, config: &str) {
        config.clone_into(&mut self.config);
        self.restart();
    }

    pub(crate) fn restart(&mut self) {
        self.server = None;
        let port = self.port.to_string();
        self.server = Some(NatsServer::start_with(&self.config, &["--port", &port]));
    }
}

pub(crate) fn bus() -> Bus {
    Bus::builder().seed(7).build()
}

/// The body of what the server's monitoring port says.
pub(crate) fn monitored(server: &NatsServer, target: &str) -> serde_json::Value {
    let port = server.monitor().expect("it was asked for");
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    write!(stream, "GET {target} HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(body).unwrap()
}
