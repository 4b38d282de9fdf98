//! Other options while the server runs.

use super::auth;
use super::connection::Connection;
use super::options::ServerOptions;
use super::registry::Registry;
use super::workers::in_slices;
use crate::id::SubscriptionId;
use crate::protocol::{DisconnectReason, ProtocolError, Quoted, encode, text};
use crate::steps;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Brings connections in line with options that have just changed: those that may no longer be here are closed, subscriptions that
/// are no longer allowed end, and each session takes the new limits.
pub(super) fn enforce(registry: &Arc<Registry>, before: &ServerOptions) {
    let options = registry.options();
    let mut open: Vec<_> = registry.open().collect();
    for connection in in_slices(&open) {
        connection.out.reconfigure(options.max_pending, options.no_fast_producer_stall);
        if options.auth != before.auth {
            recognise_again(registry, connection);
        } else {
            forget_leaves(&options, connection);
        }
        connection.nudge();
    }
    open.retain(|connection| connection.close_reason().is_none());
    if options.max_connections > 0 && open.len() > options.max_connections {
        // The last to come go first.
        for connection in &open[options.max_connections..] {
            connection.close(DisconnectReason::MaxConnectionsExceeded, Some(&ProtocolError::MaxConnections));
        }
    }
}

/// A connection's permissions to respond end with each reload, as nats-server has it; all else stays.
fn forget_leaves(options: &ServerOptions, connection: &Connection) {
    let (client, connect, checked) = {
        let state = connection.state.lock();
        let Some(client) = &state.client else { return };
        (client.clone(), state.connect.clone(), state.checked.clone())
    };
    if let Ok(same) = auth::recognise(&options.auth, &connect, connection.nonce.as_deref(), checked.as_ref())
        && same.permissions.is_some()
    {
        client.set_permissions(same.permissions);
    }
}

/// Authenticates a connection anew, and holds it to its new permissions.
pub(super) fn recognise_again(registry: &Registry, connection: &Connection) {
    let options = registry.options();
    let (client, connect, mut checked) = {
        let state = connection.state.lock();
        // A connection that has not sent CONNECT yet will be asked under the new rules.
        let Some(client) = &state.client else { return };
        (client.clone(), state.connect.clone(), state.checked.clone())
    };
    if auth::names_a_stranger(&options.auth, &connect) {
        // Without a word, as nats-server: to it, such a client belongs to another account now.
        connection.close(DisconnectReason::ClientClosed, None);
        return;
    }
    if let Some(check) = auth::check_of(&options.auth, &connect)
        && !checked.as_ref().is_some_and(|checked| checked.is_of(&check))
    {
        // Its reader does nothing more until that is done, and comes back here then.
        connection.state.lock().to_check = Some(check.clone());
        connection.nudge();
        checked = Some(check.assumed());
    }
    let recognised = match auth::recognise(&options.auth, &connect, connection.nonce.as_deref(), checked.as_ref()) {
        Ok(recognised) => recognised,
        Err(refusal) => {
            connection.close(DisconnectReason::AuthenticationFailure, Some(&refusal));
            return;
        }
    };
    let ended = client.set_permissions(recognised.permissions);
    let mut gone = Vec::new();
    {
        let mut state = connection.state.lock();
        state.user = recognised.user;
        let mut sids: BTreeMap<SubscriptionId, Box<[u8]>> = BTreeMap::new();
        if !ended.is_empty() {
            let all = state.subscriptions.iter();
            sids.extend(all.map(|(sid, subscription)| (subscription.wire.guard.id(), sid.clone())));
        }
        steps::count(sids.len());
        for subscription in &ended {
            let Some(sid) = sids.get(&subscription.id) else { continue };
            gone.extend(state.subscriptions.remove(sid).map(|interest| (sid.clone(), subscription, interest)));
        }
    }
    for (sid, subscription, _interest) in gone {
        let quoted = |text: &str| Quoted(text.to_owned());
        let (subject, sid) = (quoted(subscription.pattern.as_str()), quoted(&text::to_text(&sid)));
        let refusal = match &subscription.queue {
            Some(queue) => ProtocolError::QueueSubscriptionEnded { subject, queue: quoted(queue), sid },
            None => ProtocolError::SubscriptionEnded { subject, sid },
        };
        let mut line = Vec::new();
        encode::error(&mut line, &refusal);
        connection.out.send(&line);
    }
}
