//! What a path begins and ends with: clients of the server, and a bus that is bridged to it.

use std::time::Duration;

use async_nats::{Client, ConnectOptions, Subscriber};
use bytes::Bytes;
use futures_util::StreamExt;
use postroom::{Bridge, BridgeBuilder, Bus};
use tokio::runtime::{Builder, Runtime};

/// Messages that may be under way. A client drops what a subscription has no room for: so there is room for more.
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

/// A bridge from this bus, through which messages flow.
pub(crate) fn bridge(bus: &Bus, url: &str, rules: impl FnOnce(BridgeBuilder) -> BridgeBuilder) -> Bridge {
    rules(Bridge::builder(bus).server(url)).require_connected(PATIENCE).start().expect("a connection")
}

/// The subscriptions that the bus wants are in force on the server.
pub(crate) fn settle(bridge: &Bridge) {
    bridge.flush(PATIENCE).wait().expect("a round trip");
}

/// Ends a bridge that is to have lost nothing.
pub(crate) fn end(bridge: &Bridge) {
    bridge.drain(PATIENCE).wait().expect("all that was taken has arrived");
}
