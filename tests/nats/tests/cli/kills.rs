//! A process with a store directory that is killed again and again, at any moment: what it acknowledged is there, once.

use crate::process::{Folder, Postroom};
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, pull};
use async_nats::jetstream::{self, stream};
use futures_util::StreamExt;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const KILLS: usize = 50;

/// Publishes that wait for their acknowledgements at once.
const AT_ONCE: usize = 64;

/// The program on a directory, and a client of it.
async fn start(folder: &str) -> (Postroom, jetstream::Context) {
    let server = Postroom::start(&["-js", "-sd", folder]);
    let client = async_nats::connect(format!("127.0.0.1:{}", server.port("Listening for client connections on")));
    (server, jetstream::new(client.await.unwrap()))
}

fn config() -> stream::Config {
    stream::Config {
        name: "S".to_owned(),
        subjects: vec!["s.*".to_owned()],
        storage: stream::StorageType::File,
        ..Default::default()
    }
}

/// What clients were told.
#[derive(Default)]
struct Told {
    /// The next number to be published.
    next: AtomicU64,
    /// Numbers that were acknowledged, and the sequences that were said.
    acked: Mutex<BTreeMap<u64, u64>>,
    /// Sequences whose acknowledgements were confirmed.
    done: Mutex<BTreeSet<u64>>,
}

/// Publishes numbers for as long as the server is there.
async fn publish(js: jetstream::Context, told: Arc<Told>) {
    let publish = |number: u64| {
        let js = js.clone();
        async move {
            let ack = js.publish(format!("s.{}", number % 7), number.to_string().into()).await.ok()?.await.ok()?;
            Some((number, ack.sequence))
        }
    };
    let numbers = futures_util::stream::iter(std::iter::from_fn(|| Some(told.next.fetch_add(1, Ordering::Relaxed))));
    let mut acks = numbers.map(publish).buffer_unordered(AT_ONCE);
    while let Some(Some((number, seq))) = acks.next().await {
        assert_eq!(told.acked.lock().unwrap().insert(number, seq), None);
    }
}

/// Takes messages from a durable consumer for as long as the server is there.
async fn work(js: jetstream::Context, told: Arc<Told>) {
    let Ok(consumer) = js.get_consumer_from_stream::<pull::Config, _, _>("worker", "S").await else { return };
    loop {
        let Ok(mut batch) = consumer.fetch().max_messages(20).messages().await else { return };
        while let Some(Ok(message)) = batch.next().await {
            let seq = message.info().unwrap().stream_sequence;
            if message.double_ack().await.is_err() {
                return;
            }
            told.done.lock().unwrap().insert(seq);
        }
    }
}

#[test]
fn what_was_acknowledged_is_there_once_whenever_the_process_is_killed() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let files = Folder::new();
        let folder = files.path("store");
        let told = Arc::new(Told::default());
        let (server, js) = start(&folder).await;
        let stream = js.create_stream(config()).await.unwrap();
        let worker = pull::Config {
            durable_name: Some("worker".to_owned()),
            ack_policy: AckPolicy::Explicit,
            ack_wait: Duration::from_millis(200),
            ..Default::default()
        };
        stream.create_consumer(worker).await.unwrap();
        drop((server, js, stream));
        for round in 0..KILLS {
            let (server, js) = start(&folder).await;
            let last = js.get_stream("S").await.unwrap().cached_info().state.last_sequence;
            let (highest, before) = {
                let acked = told.acked.lock().unwrap();
                (acked.values().copied().max().unwrap_or(0), acked.len())
            };
            assert!(last >= highest, "round {round}: {last} of {highest} are there");
            let clients =
                [tokio::spawn(publish(js.clone(), told.clone())), tokio::spawn(work(js.clone(), told.clone()))];
            // Not at the same place each time.
            let enough = before + 50 + round * 37 % 400;
            while told.acked.lock().unwrap().len() < enough {
                tokio::task::yield_now().await;
            }
            // SIGKILL.
            drop(server);
            for client in clients {
                client.abort();
                // It was aborted.
                drop(client.await);
            }
        }
        let (acked, done) = (told.acked.lock().unwrap().clone(), told.done.lock().unwrap().clone());
        let (_server, js) = start(&folder).await;
        let stream = js.get_stream("S").await.unwrap();
        let held = stream.cached_info().state.messages;
        let config =
            pull::Config { deliver_policy: DeliverPolicy::All, ack_policy: AckPolicy::None, ..Default::default() };
        let reader = stream.create_consumer(config).await.unwrap();
        let mut messages = reader.messages().await.unwrap();
        let mut found = BTreeMap::new();
        for _ in 0..held {
            let message = messages.next().await.unwrap().unwrap();
            let number: u64 = std::str::from_utf8(&message.payload).unwrap().parse().unwrap();
            assert_eq!(message.subject.as_str(), format!("s.{}", number % 7));
            assert_eq!(found.insert(number, message.info().unwrap().stream_sequence), None, "{number} is there twice");
        }
        assert!(acked.len() >= KILLS * 50 && done.len() > KILLS);
        for (number, seq) in &acked {
            assert_eq!(found.get(number), Some(seq), "{number} was acknowledged as {seq}");
        }
        // What the worker acknowledged does not come again.
        let worker = stream.get_consumer::<pull::Config>("worker").await.unwrap();
        let mut batch = worker.fetch().max_messages(held as usize).messages().await.unwrap();
        while let Some(message) = batch.next().await {
            let seq = message.unwrap().info().unwrap().stream_sequence;
            assert!(!done.contains(&seq), "{seq} was acknowledged");
        }
    });
}
