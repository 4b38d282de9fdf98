//! async-nats, the way a program uses it: clients of a server on this machine.

use std::time::Duration;

use async_nats::{Client, ConnectOptions, Subscriber};
use bytes::Bytes;
use futures_util::StreamExt;
use tokio::runtime::{Builder, Runtime};

/// Messages that may be under way. A client drops what a subscription has no room for, silently: so there is room for more.
pub(crate) const WINDOW: u64 = 16_384;
const ROOM: usize = 4 * WINDOW as usize;

/// How long a round may take before the run is given up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// A payload of this size, different at each place.
pub(crate) fn payload(size: usize) -> Vec<u8> {
    (0..size).map(|place| b'!' + (place % 90) as u8).collect()
}

/// A runtime for the thread that uses it.
pub(crate) fn one_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// Everything of one thread, on a runtime whose only thread it is.
pub(crate) fn block_on<F: Future>(work: F) -> F::Output {
    one_thread().block_on(async { tokio::time::timeout(PATIENCE, work).await.expect("nothing was lost") })
}

pub(crate) async fn connect(url: &str) -> Client {
    ConnectOptions::new().subscription_capacity(ROOM).connect(url).await.expect("a connection")
}

/// Subscribes, and makes sure that the server knows before anybody publishes.
pub(crate) async fn subscribe(client: &Client, subject: &'static str) -> Subscriber {
    let subscriber = client.subscribe(subject).await.expect("a subscription");
    // A round trip, which a flush alone is not.
    let probe = client.new_inbox();
    let mut echo = client.subscribe(probe.clone()).await.expect("a subscription");
    client.publish(probe, Bytes::new()).await.expect("published");
    echo.next().await.expect("an echo");
    subscriber
}
