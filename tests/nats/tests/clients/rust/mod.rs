//! async-nats: what the tests of its users rely on beyond messages, which are in `tests/semantics`.

/// Turns async functions over a server into tests, one for each server.
macro_rules! on_both_servers {
    ($($check:ident),+ $(,)?) => {
        mod postroom {
            $(#[test] fn $check() { crate::rust::run(super::$check::<crate::servers::Postroom>()); })+
        }
        mod nats_server {
            $(#[test] fn $check() { crate::rust::run(super::$check::<crate::servers::RealServer>()); })+
        }
    };
}

mod access;
mod barrier;
mod events;
mod requests;
mod tls;

use crate::servers::AnyServer;
use async_nats::{Client, ConnectOptions, Event, Message, Request, RequestErrorKind, Subscriber};
use futures_util::StreamExt;
use std::time::Duration;
use tokio::sync::mpsc;

/// How long a check may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Runs a check on a runtime of its own, where the server lives too.
fn run(check: impl Future<Output = ()>) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    runtime.block_on(in_time(check));
}

/// Panics rather than wait for ever.
async fn in_time<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work).await.unwrap_or_else(|_| panic!("nothing for {PATIENCE:?}"))
}

async fn connect(server: &impl AnyServer) -> Client {
    async_nats::connect(server.url()).await.expect("a connection")
}

/// A connection, and the events of it in order.
async fn connect_and_listen(server: &impl AnyServer, options: ConnectOptions) -> (Client, Events) {
    let (send, events) = mpsc::unbounded_channel();
    let options = options.event_callback(move |event| {
        // The receiver need not live to the end.
        drop(send.send(event));
        std::future::ready(())
    });
    (options.connect(server.url()).await.expect("a connection"), Events(events))
}

struct Events(mpsc::UnboundedReceiver<Event>);

impl Events {
    /// Waits for this event, whatever comes before.
    async fn wait_for(&mut self, wanted: Event) {
        let mut before = Vec::new();
        loop {
            match tokio::time::timeout(PATIENCE / 2, self.0.recv()).await {
                Ok(Some(event)) if event == wanted => return,
                Ok(Some(event)) => before.push(event),
                Ok(None) | Err(_) => panic!("no {wanted:?}, but {before:?}"),
            }
        }
    }
}

/// All that was sent before, on this connection, has been done: an answer to a question of its own has come back
/// (C15).
async fn round_trip(client: &Client) {
    let inbox = client.new_inbox();
    let mut answers = client.subscribe(inbox.clone()).await.expect("an open connection");
    client.publish(inbox, "".into()).await.expect("an open connection");
    answers.next().await.expect("it comes back");
}

/// Waits until there is no subscription on a subject: the operation that ends it may reach the server later than this
/// connection's requests.
async fn until_nobody_answers(client: &Client, subject: &'static str) {
    let question = || Request::new().timeout(Some(Duration::from_millis(100)));
    in_time(async {
        loop {
            match client.send_request(subject, question()).await.map_err(|refusal| refusal.kind()) {
                Err(RequestErrorKind::NoResponders) => return,
                Ok(_) | Err(RequestErrorKind::TimedOut) => {}
                Err(kind) => panic!("{kind}"),
            }
        }
    })
    .await;
}

async fn next(subscriber: &mut Subscriber) -> Message {
    in_time(subscriber.next()).await.expect("the subscription is alive")
}

fn text(message: &Message) -> &str {
    std::str::from_utf8(&message.payload).expect("tests send text")
}
