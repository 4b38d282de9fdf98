//! Answers about what a server of this kind does not have: routes, gateways, leaf nodes, JetStream.

use super::source::Source;
use super::text;
use serde::Serialize;
use std::time::SystemTime;

/// The answer of `/routez`.
#[derive(Debug, Serialize)]
pub(crate) struct Routez {
    server_id: String,
    server_name: String,
    #[serde(serialize_with = "text::as_rfc3339")]
    now: SystemTime,
    num_routes: usize,
    routes: [(); 0],
}

/// The answer of `/gatewayz`.
#[derive(Debug, Serialize)]
pub(crate) struct Gatewayz {
    server_id: String,
    #[serde(serialize_with = "text::as_rfc3339")]
    now: SystemTime,
    outbound_gateways: Nothing,
    inbound_gateways: Nothing,
}

/// The answer of `/leafz`.
#[derive(Debug, Serialize)]
pub(crate) struct Leafz {
    server_id: String,
    #[serde(serialize_with = "text::as_rfc3339")]
    now: SystemTime,
    leafnodes: usize,
    leafs: [(); 0],
}

/// The answer of `/jsz`.
#[derive(Debug, Serialize)]
pub(crate) struct Jsz {
    memory: u64,
    storage: u64,
    reserved_memory: u64,
    reserved_storage: u64,
    accounts: usize,
    ha_assets: usize,
    api: JszApi,
    server_id: String,
    #[serde(serialize_with = "text::as_rfc3339")]
    now: SystemTime,
    disabled: bool,
    config: JszConfig,
    streams: usize,
    consumers: usize,
    messages: u64,
    bytes: u64,
    total: usize,
}

#[derive(Debug, Default, Serialize)]
struct JszApi {
    level: u32,
    total: u64,
    errors: u64,
}

#[derive(Debug, Default, Serialize)]
struct JszConfig {
    max_memory: u64,
    max_storage: u64,
}

#[derive(Debug, Serialize)]
struct Nothing {}

pub(crate) fn routez(source: &dyn Source) -> Routez {
    let identity = source.identity();
    Routez { server_id: identity.id, server_name: identity.name, now: source.now(), num_routes: 0, routes: [] }
}

pub(crate) fn gatewayz(source: &dyn Source) -> Gatewayz {
    let server_id = source.identity().id;
    Gatewayz { server_id, now: source.now(), outbound_gateways: Nothing {}, inbound_gateways: Nothing {} }
}

pub(crate) fn leafz(source: &dyn Source) -> Leafz {
    Leafz { server_id: source.identity().id, now: source.now(), leafnodes: 0, leafs: [] }
}

pub(crate) fn jsz(source: &dyn Source) -> Jsz {
    Jsz {
        memory: 0,
        storage: 0,
        reserved_memory: 0,
        reserved_storage: 0,
        accounts: 0,
        ha_assets: 0,
        api: JszApi::default(),
        server_id: source.identity().id,
        now: source.now(),
        disabled: true,
        config: JszConfig::default(),
        streams: 0,
        consumers: 0,
        messages: 0,
        bytes: 0,
        total: 0,
    }
}
