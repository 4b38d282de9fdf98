//! A real nats-server over the loopback interface, and its own client, async-nats.

use std::sync::Barrier;
use std::thread;
use std::time::Instant;

use async_nats::{Client, ConnectOptions, Subscriber};
use bytes::Bytes;
use futures_util::StreamExt;
use tokio::runtime::{Builder, Runtime};

use crate::harness::{Setup, Watch, per_message};
use crate::letter::{SUBJECT, Source, Tally, stamp};
use crate::memory;
use crate::nats_server::{self, NatsServer, VERSION};
use crate::rival::{Rival, Workload};
use crate::window::Window;

const QUESTIONS: &str = "svc.echo";

struct Nats {
    server: NatsServer,
}

/// Starts the server.
pub(crate) fn connect() -> Result<Box<dyn Rival>, String> {
    nats_server::find()?;
    Ok(Box::new(Nats { server: NatsServer::start("") }))
}

/// Everything of one thread: a runtime whose only thread is the one that calls it, so that it is pinned with it.
fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}

impl Nats {
    async fn client(&self) -> Client {
        // The client drops what a subscription has no room for, silently; this is more than a window lets happen.
        let options = ConnectOptions::new().subscription_capacity(1 << 17);
        options.connect(self.server.url()).await.expect("a connection")
    }

    /// The time of one delivery.
    fn fanout(&self, iterations: u64, receivers: u64) -> f64 {
        runtime().block_on(async {
            let client = self.client().await;
            let mut inboxes = Vec::new();
            for _ in 0..receivers {
                inboxes.push(subscribe(&client, SUBJECT).await);
            }
            let (mut source, mut tally) = (Source::<16>::new(), Tally::default());
            let mut watch = Watch::new(iterations);
            while watch.turn() {
                publish(&client, source.next()).await;
                for inbox in &mut inboxes {
                    tally.take(stamp(&inbox.next().await.expect("the message just published").payload));
                }
            }
            let ns = watch.per_turn();
            tally.check(source.expected(receivers));
            ns / receivers as f64
        })
    }

    /// Two threads, two connections; a window keeps the server from cutting off a slow subscriber.
    fn threads(&self, setup: &Setup, iterations: u64) -> f64 {
        let (ready, window) = (Barrier::new(2), Window::default());
        thread::scope(|scope| {
            let receiver = scope.spawn(|| {
                setup.pin(1);
                runtime().block_on(async {
                    let mut inbox = subscribe(&self.client().await, SUBJECT).await;
                    ready.wait();
                    let mut tally = Tally::default();
                    while tally.count() < iterations {
                        tally.take(stamp(&inbox.next().await.expect("a message").payload));
                        window.received(tally.count());
                    }
                    (tally, Instant::now())
                })
            });
            runtime().block_on(async {
                let client = self.client().await;
                let mut source = Source::<16>::new();
                ready.wait();
                let start = Instant::now();
                for number in 0..iterations {
                    while window.is_full(number) {
                        // Lets the connection's task write meanwhile.
                        tokio::task::yield_now().await;
                    }
                    publish(&client, source.next()).await;
                }
                client.flush().await.expect("flushed");
                let (tally, end) = receiver.join().expect("the receiver finished");
                tally.check(source.expected(1));
                per_message(end - start, iterations)
            })
        })
    }

    /// Two connections, asker and answerer tasks of one runtime.
    fn request(&self, iterations: u64) -> f64 {
        runtime().block_on(async {
            let (client, service) = (self.client().await, self.client().await);
            let mut questions = subscribe(&service, QUESTIONS).await;
            let answerer = tokio::spawn(async move {
                while let Some(question) = questions.next().await {
                    let reply = question.reply.expect("a request");
                    service.publish(reply, question.payload).await.expect("answered");
                }
            });
            let asker = tokio::spawn(async move {
                let (mut source, mut tally) = (Source::<16>::new(), Tally::default());
                let mut watch = Watch::new(iterations);
                while watch.turn() {
                    let question = Bytes::copy_from_slice(source.next());
                    let answer = client.request(QUESTIONS, question).await.expect("an answer");
                    tally.take(stamp(&answer.payload));
                }
                let ns = watch.per_turn();
                tally.check(source.expected(1));
                ns
            });
            let ns = asker.await.expect("the asker finished");
            answerer.abort();
            ns
        })
    }
}

async fn publish(client: &Client, payload: &[u8]) {
    client.publish(SUBJECT, Bytes::copy_from_slice(payload)).await.expect("published");
}

/// Subscribes, and makes sure that the server knows before anybody publishes.
async fn subscribe(client: &Client, subject: &'static str) -> Subscriber {
    let subscriber = client.subscribe(subject).await.expect("a subscription");
    // A round trip, which a flush alone is not.
    let probe = client.new_inbox();
    let mut echo = client.subscribe(probe.clone()).await.expect("a subscription");
    client.publish(probe, Bytes::new()).await.expect("published");
    echo.next().await.expect("an echo");
    subscriber
}

impl Rival for Nats {
    fn name(&self) -> &'static str {
        "nats-server"
    }

    fn about(&self) -> String {
        format!("nats-server: v{VERSION} over loopback, async-nats; the server is a process of its own, unpinned")
    }

    fn run(&self, workload: Workload, setup: &Setup, iterations: u64) -> Option<f64> {
        setup.pin(0);
        match workload {
            Workload::Pair => Some(self.fanout(iterations, 1)),
            Workload::Fanout8 => Some(self.fanout(iterations.div_ceil(8), 8)),
            Workload::ThreadsTwoCores => Some(self.threads(setup, iterations)),
            Workload::RequestAsync => Some(self.request(iterations)),
            Workload::RequestInline | Workload::RequestThreads => None,
        }
    }

    /// Client and server together: a subscription lives on both sides.
    fn memory(&self, count: usize) -> Option<f64> {
        let server = self.server.pid().to_string();
        runtime().block_on(async {
            let client = self.client().await;
            drop(subscribe(&client, "dev.first.temp").await);
            let resident = || memory::resident("self") + memory::resident(&server);
            let before = resident();
            let mut held = Vec::with_capacity(count);
            for number in 0..count {
                held.push(client.subscribe(format!("dev.{number:08}.temp")).await.expect("a subscription"));
            }
            let last = subscribe(&client, "dev.last.temp").await;
            let after = resident();
            drop((held, last));
            Some(memory::per_one(before, after, count))
        })
    }

    fn memory_count(&self) -> usize {
        20_000
    }
}
