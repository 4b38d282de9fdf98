use super::*;
use crate::server::listener::begin;
use crate::server::snapshot;

/// A registry with so many open connections.
fn registry(connections: usize) -> (Arc<Registry>, Vec<Arc<Connection>>) {
    let registry = Registry::new(Bus::new(), ServerOptions::new()).unwrap();
    let enter = |_| {
        let (connection, ..) = begin(&registry, None);
        registry.enter(&connection).unwrap();
        connection
    };
    let open = (0..connections).map(enter).collect();
    (registry, open)
}

#[cfg(all(debug_assertions, not(postroom_shuttle)))]
#[test]
fn connections_are_taken_out_of_the_list_a_slice_at_a_time() {
    let (registry, open) = registry(AT_ONCE * 3 + 5);
    let all: Vec<_> = steps::assert_few_under_a_lock(AT_ONCE, || registry.open().map(|one| one.cid).collect());
    assert_eq!(all, open.iter().map(|one| one.cid).collect::<Vec<_>>());
    assert_eq!(steps::assert_few_under_a_lock(AT_ONCE, || registry.totals().1), open.len());
    steps::assert_few_under_a_lock(AT_ONCE, || registry.shut());
    assert!(open.iter().all(|one| one.close_reason() == Some(DisconnectReason::ServerShutdown)));
    assert!(registry.enter(&begin(&registry, None).0).is_err());
}

#[test]
fn a_shutdown_in_turns_closes_all_and_lets_others_in_between() {
    let (registry, open) = registry(5);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let turns = runtime.block_on(async {
        let mut shutting = std::pin::pin!(registry.shut_in_turns());
        let mut turns = 0;
        std::future::poll_fn(|context| {
            turns += 1;
            shutting.as_mut().poll(context)
        })
        .await;
        turns
    });
    assert!(turns >= open.len(), "{turns}");
    assert!(registry.is_shut() && open.iter().all(|one| one.close_reason().is_some()));
}

#[test]
fn the_totals_are_the_same_before_and_after_an_end() {
    let (registry, open) = registry(3);
    let counts = |registry: &Registry| (registry.totals().0.in_msgs, registry.totals().0.in_bytes);
    for (at, connection) in open.iter().enumerate() {
        connection.traffic.in_msgs.store(10 + at as u64, Relaxed);
        connection.traffic.in_bytes.store(100, Relaxed);
    }
    for (left, connection) in open.iter().enumerate() {
        assert_eq!((counts(&registry), registry.totals().1), ((33, 300), 3 - left));
        registry.leave(connection, snapshot::picture(connection, &registry));
    }
    assert_eq!((counts(&registry), registry.totals().1), ((33, 300), 0));
}
