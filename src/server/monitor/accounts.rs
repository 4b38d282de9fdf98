//! A server's accounts: `/accountz` and `/accstatz` (M6). There are two, and only one has anything in it.

use super::source::{Counters, Source};
use super::subsz::SublistStats;
use super::{GLOBAL_ACCOUNT, MonitorError, SYSTEM_ACCOUNT, text};
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::SystemTime;

/// The answer of `/accountz`.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Accountz {
    server_id: String,
    #[serde(serialize_with = "text::as_rfc3339")]
    now: SystemTime,
    system_account: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    accounts: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    account_detail: Option<AccountInfo>,
}

#[derive(Clone, Debug, Serialize)]
struct AccountInfo {
    account_name: &'static str,
    #[serde(serialize_with = "text::as_rfc3339")]
    update_time: SystemTime,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    is_system: bool,
    expired: bool,
    complete: bool,
    jetstream_enabled: bool,
    leafnode_connections: usize,
    client_connections: usize,
    subscriptions: usize,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    mappings: BTreeMap<String, [Destination; 1]>,
    name_tag: &'static str,
    sublist_stats: SublistStats,
}

/// Where a mapped subject leads.
#[derive(Clone, Debug, Serialize)]
struct Destination {
    subject: String,
    weight: u8,
}

/// The domain of JetStream, which may be empty; `None` without JetStream.
#[cfg(feature = "jetstream")]
fn domain_of(source: &dyn Source) -> Option<String> {
    source.jetstream().map(|server| server.options().domain_name().unwrap_or_default().to_owned())
}

#[cfg(not(feature = "jetstream"))]
fn domain_of(_: &dyn Source) -> Option<String> {
    None
}

/// The mappings of a domain's API (JL6).
fn mappings(domain: &str, is_system: bool) -> BTreeMap<String, [Destination; 1]> {
    const CALLS: [&str; 7] = ["INFO", "STREAM.>", "CONSUMER.>", "DIRECT.>", "META.>", "SERVER.>", "ACCOUNT.>"];
    const STORES: [&str; 2] = ["$KV.>", "$OBJ.>"];
    if domain.is_empty() {
        return BTreeMap::new();
    }
    let mapped =
        |call: &str, subject: String| (format!("$JS.{domain}.API.{call}"), [Destination { subject, weight: 100 }]);
    if is_system {
        return BTreeMap::from([mapped(">", "$JS.API.>".to_owned())]);
    }
    let calls = CALLS.iter().map(|call| mapped(call, format!("$JS.API.{call}")));
    calls.chain(STORES.iter().map(|store| mapped(store, (*store).to_owned()))).collect()
}

/// The answer of `/accstatz`.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct AccountStatz {
    server_id: String,
    #[serde(serialize_with = "text::as_rfc3339")]
    now: SystemTime,
    account_statz: Vec<AccountStat>,
}

#[derive(Clone, Debug, Serialize)]
struct AccountStat {
    acc: &'static str,
    name: &'static str,
    conns: usize,
    leafnodes: usize,
    total_conns: usize,
    num_subscriptions: usize,
    sent: DataStats,
    received: DataStats,
    slow_consumers: u64,
}

#[derive(Clone, Copy, Debug, Default, Serialize)]
struct DataStats {
    msgs: u64,
    bytes: u64,
    gateways: Volume,
    routes: Volume,
    leafs: Volume,
}

#[derive(Clone, Copy, Debug, Default, Serialize)]
struct Volume {
    msgs: u64,
    bytes: u64,
}

/// All accounts' names, or one account.
pub(crate) fn accountz(source: &dyn Source, account: &str) -> Result<Accountz, MonitorError> {
    let identity = source.identity();
    let jetstream = domain_of(source);
    let names = [SYSTEM_ACCOUNT, GLOBAL_ACCOUNT];
    let account_detail = match names.into_iter().find(|name| *name == account) {
        None if account.is_empty() => None,
        None => return Err(MonitorError::UnknownAccount(account.to_owned())),
        Some(name) => {
            let is_system = name == SYSTEM_ACCOUNT;
            let sublist_stats = if is_system { SublistStats::default() } else { source.sublist().into() };
            Some(AccountInfo {
                account_name: name,
                update_time: identity.config_time,
                is_system,
                expired: false,
                complete: true,
                jetstream_enabled: jetstream.is_some() && !is_system,
                leafnode_connections: 0,
                client_connections: if is_system { 0 } else { source.counters().connections },
                subscriptions: sublist_stats.num_subscriptions,
                mappings: mappings(jetstream.as_deref().unwrap_or_default(), is_system),
                name_tag: name,
                sublist_stats,
            })
        }
    };
    Ok(Accountz {
        server_id: identity.id,
        now: source.now(),
        system_account: SYSTEM_ACCOUNT,
        accounts: if account_detail.is_none() { names.to_vec() } else { Vec::new() },
        account_detail,
    })
}

/// The counters of accounts; those without connections only if `unused`.
pub(crate) fn account_statz(source: &dyn Source, unused: bool) -> AccountStatz {
    let Counters { connections, in_msgs, in_bytes, out_msgs, out_bytes, slow_consumers, .. } = source.counters();
    let volume = |msgs, bytes| DataStats { msgs, bytes, ..DataStats::default() };
    let global = AccountStat {
        acc: GLOBAL_ACCOUNT,
        name: GLOBAL_ACCOUNT,
        conns: connections,
        leafnodes: 0,
        total_conns: connections,
        num_subscriptions: source.sublist().subscriptions,
        sent: volume(out_msgs, out_bytes),
        received: volume(in_msgs, in_bytes),
        slow_consumers,
    };
    let system = AccountStat {
        acc: SYSTEM_ACCOUNT,
        name: SYSTEM_ACCOUNT,
        conns: 0,
        leafnodes: 0,
        total_conns: 0,
        num_subscriptions: 0,
        sent: DataStats::default(),
        received: DataStats::default(),
        slow_consumers: 0,
    };
    let shown = [system, global].into_iter().filter(|account| unused || account.conns > 0);
    AccountStatz { server_id: source.identity().id, now: source.now(), account_statz: shown.collect() }
}
