//! The ends of a bridged path: a bus that is bridged to the server.

use postroom::bridge::BridgeBuilder;
use postroom::{Bridge, Bus};

use crate::clients::PATIENCE;

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
