//! Each call that waits has a form for tasks: on an executor of one thread, which the other form
//! would stop.

use crate::{assert_has, named};
use postroom::TestKit;
use postroom::testkit::{Recording, Speed};
use std::future::Future;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

fn on_one_thread<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(test)
}

/// Starts a task that writes a bill for each order. It has the order in its hands while it waits for another task.
fn billing(kit: &TestKit) {
    let app = named(kit, "billing");
    let orders = app.subscribe("orders.*").unwrap();
    let (tell, mut told) = tokio::sync::mpsc::channel(1);
    tokio::spawn(async move {
        while let Ok(order) = orders.recv_async().await {
            tokio::task::yield_now().await;
            tell.send(order).await.unwrap();
        }
    });
    tokio::spawn(async move {
        while let Some(order) = told.recv().await {
            app.publish("bills", order.payload_bytes()).unwrap();
        }
    });
}

#[test]
fn expectations_and_their_contrary() {
    let kit = TestKit::new();
    on_one_thread(async {
        billing(&kit);
        let (bill, two) = (kit.expect("bills").times(1), kit.expect("bills").times(2));
        kit.client().publish("orders.eu", "7").unwrap();
        bill.verify_async().await;
        kit.none_async("refunds").await;
        kit.client().publish("orders.us", "8").unwrap();
        let mismatch = kit.try_none_async("bills").await.unwrap_err();
        assert_has(&mismatch.to_string(), &["expected nothing on `bills`, it came 2 times"]);
        two.try_verify_async().await.unwrap();
        kit.client().publish("orders.us", "9").unwrap();
        let none = kit.expect("shipments").try_verify_async().await.unwrap_err();
        assert_has(&none.to_string(), &["expected `shipments` at least 1 time", "billing: bills 9"]);
    });
}

#[test]
fn who_gives_an_expectation_up_does_not_fail_by_it() {
    let kit = TestKit::new();
    let busy = kit.busy("the importer");
    let mut verifying = Box::pin(kit.expect("never").verify_async());
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(verifying.as_mut().poll(&mut cx).is_pending());
    drop(verifying);
    drop(busy);
}

#[test]
fn a_bus_that_does_not_settle_is_told_as_by_the_other_forms() {
    let kit = TestKit::builder().settle_limit(Duration::from_millis(20)).build();
    let _busy = kit.busy("the importer");
    on_one_thread(async {
        let mismatch = kit.expect("a").never().try_verify_async().await.unwrap_err();
        assert_has(&mismatch.to_string(), &["expected `a` never", "the importer is busy"]);
        assert_has(&kit.try_none_async("a").await.unwrap_err().to_string(), &["the importer is busy"]);
        assert_has(&kit.try_advance_async(SECOND).await.unwrap_err().to_string(), &["the importer is busy"]);
        assert_eq!(kit.clock().now(), Duration::ZERO);
    });
}

#[test]
fn contracts() {
    let kit = TestKit::new();
    on_one_thread(async {
        billing(&kit);
        kit.client().publish("orders.eu", "7").unwrap();
        let contracts = kit.contracts_async().await;
        assert_eq!(contracts.unmatched[0].subject, "bills");
        assert!(contracts.idle.is_empty() && contracts.unread.is_empty(), "{contracts}");
        // An unread message is not waited for without end.
        let kept = named(&kit, "app").subscribe("bills").unwrap();
        kit.client().publish("orders.eu", "8").unwrap();
        assert_eq!(kit.contracts_async().await.unread[0].subject(), "bills");
        drop(kept);
    });
}

#[test]
fn time_runs_until_something_is_so() {
    let kit = TestKit::new();
    let tap = kit.tap("beat");
    on_one_thread(async {
        let (app, bus) = (named(&kit, "app"), kit.bus().clone());
        let heart = tokio::spawn(async move {
            for _ in 0..10 {
                bus.sleep(SECOND).await;
                app.publish("beat", "").unwrap();
            }
        });
        kit.settle_async().await;
        assert_eq!(kit.run_until_async(|| tap.len() == 7).await, SECOND * 7);
        assert_eq!(kit.run_until_async(|| true).await, Duration::ZERO);
        kit.try_advance_async(SECOND * 3).await.unwrap();
        assert_eq!(tap.len(), 10);
        heart.await.unwrap();
    });
}

#[test]
fn a_replay() {
    let kit = TestKit::new();
    for _ in 0..3 {
        named(&kit, "shop").publish("orders.eu", "7").unwrap();
        kit.advance(SECOND);
    }
    let recording: Recording = kit.record();
    let second = TestKit::new();
    let tap = second.tap(">");
    on_one_thread(async {
        billing(&second);
        let replayed = second.replay_async(&recording, Speed::Recorded).await;
        assert_eq!((replayed.published, replayed.refused), (3, vec![]));
    });
    let seen: Vec<_> = tap.entries().iter().map(|entry| (entry.subject().to_string(), entry.at.as_secs())).collect();
    let seen: Vec<_> = seen.iter().map(|(subject, at)| (subject.as_str(), *at)).collect();
    let each = |at| [("orders.eu", at), ("bills", at)];
    assert_eq!(seen, [each(0), each(1), each(2)].concat(), "each is dealt with before the next:\n{tap}");
}
