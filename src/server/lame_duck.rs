//! A slow farewell, so that clients find other servers one after the other (C19).

use super::registry::Registry;
use super::workers::AT_ONCE;
use crate::protocol::DisconnectReason;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::yield_now;

/// The longest time between the ends of two connections.
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// Tells the clients, waits, and closes their connections one by one; then the server is shut. Stops at once if the server was
/// shut since there were so many [`Registry::stops`]: it may have been opened again.
pub(super) async fn fade(registry: Arc<Registry>, stops: u64) {
    let options = registry.options();
    if registry.stops() != stops {
        return;
    }
    for (at, connection) in registry.open().collect::<Vec<_>>().iter().enumerate() {
        registry.send_info(connection);
        if at % AT_ONCE == AT_ONCE - 1 {
            yield_now().await;
        }
    }
    if !pause(&registry, stops, options.lame_duck_grace).await {
        return;
    }
    registry.log.info(format_args!("Closing existing clients"));
    let left = options.lame_duck_duration.saturating_sub(options.lame_duck_grace);
    let left = if left.is_zero() { PAUSE_MAX } else { left };
    let open: Vec<_> = registry.open().collect();
    let share = (left / u32::try_from(open.len().max(1)).unwrap_or(u32::MAX)).min(PAUSE_MAX);
    let last = open.len().saturating_sub(1);
    for (at, connection) in open.into_iter().enumerate() {
        connection.close_in_turns(DisconnectReason::ServerShutdown).await;
        // Half of its share at least, so that they don't all come back at once.
        let pieces = 512 + (registry.bus.random() % 512) as u32;
        if at < last && !pause(&registry, stops, share / 1_024 * pieces).await {
            return;
        }
    }
    registry.shut_first_since(stops);
}

/// False if the server was shut meanwhile.
async fn pause(registry: &Registry, stops: u64, time: Duration) -> bool {
    tokio::select! {
        biased;
        () = registry.stopped_since(stops) => false,
        () = registry.bus.sleep(time) => true,
    }
}
