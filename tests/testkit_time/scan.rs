//! After `settle`, a full scan of the bus finds nothing pending: whatever an application is made of.

use postroom::TestKit;
use postroom::error::TryRecvError;
use postroom::*;
use proptest::prelude::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

/// How one part of the application gets its messages.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Thread,
    /// A thread that only looks now and then whether there is something.
    Polling,
    Callback,
    Task,
    Channel,
}

/// A part: it takes what comes on the subject of its number and, while the message says so, passes it on to two others.
#[derive(Clone, Copy, Debug)]
struct Part {
    kind: Kind,
    next: [usize; 2],
    queue: bool,
}

fn parts() -> impl Strategy<Value = Vec<Part>> {
    let kind = prop_oneof![
        Just(Kind::Thread),
        Just(Kind::Polling),
        Just(Kind::Callback),
        Just(Kind::Task),
        Just(Kind::Channel)
    ];
    let part = (kind, [0..8usize, 0..8usize], any::<bool>());
    prop::collection::vec(part.prop_map(|(kind, next, queue)| Part { kind, next, queue }), 1..8)
}

/// Publishes to the next ones as often as the message says it may still be passed on.
fn pass_on(app: &Client, part: Part, parts: usize, handled: &AtomicU64, message: Message) {
    let left = message.payload()[0];
    drop(message);
    handled.fetch_add(1, Ordering::SeqCst);
    if left > 0 {
        for next in part.next {
            app.publish(format!("part.{}", next % parts), vec![left - 1]).unwrap();
        }
    }
}

/// Guards that must be kept for the part to live, and threads that end when the bus is closed.
#[derive(Default)]
struct Running {
    guards: Vec<SubscriptionGuard>,
    threads: Vec<JoinHandle<()>>,
}

fn start(
    kit: &TestKit,
    runtime: &tokio::runtime::Runtime,
    number: usize,
    part: Part,
    parts: usize,
    handled: &Arc<AtomicU64>,
    running: &mut Running,
) {
    let (app, handled) = (kit.bus().connect(), handled.clone());
    let subject = format!("part.{number}");
    let mut options = SubscribeOptions::new();
    if part.queue {
        options = options.queue("members");
    }
    match part.kind {
        Kind::Thread | Kind::Polling => {
            let input = app.subscribe_with(subject, options).unwrap();
            running.threads.push(std::thread::spawn(move || {
                loop {
                    let next = match part.kind {
                        Kind::Polling => match input.try_recv() {
                            Ok(message) => Some(message),
                            Err(TryRecvError::Empty) => {
                                std::thread::yield_now();
                                continue;
                            }
                            Err(_) => None,
                        },
                        _ => input.recv().ok(),
                    };
                    let Some(message) = next else { return };
                    pass_on(&app, part, parts, &handled, message);
                }
            }));
        }
        Kind::Callback => {
            let publisher = app.clone();
            let callback = move |message: Message| pass_on(&publisher, part, parts, &handled, message);
            running.guards.push(app.subscribe_fn_with(subject, options, callback).unwrap());
        }
        Kind::Task => {
            let input = app.subscribe_with(subject, options).unwrap();
            drop(runtime.spawn(kit.task(async move {
                while let Ok(message) = input.recv_async().await {
                    tokio::task::yield_now().await;
                    pass_on(&app, part, parts, &handled, message);
                }
            })));
        }
        Kind::Channel => {
            let (into, channel) = crossbeam_channel::unbounded();
            running.guards.push(app.subscribe_channel_with(subject, options, into).unwrap());
            let busy = kit.clone();
            running.threads.push(std::thread::spawn(move || {
                for message in channel {
                    // The bus does not see which thread takes a message out: the thread says so while
                    // it still has it.
                    let _busy = busy.busy(format!("part {number}"));
                    pass_on(&app, part, parts, &handled, message);
                }
            }));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn after_settle_nothing_is_pending(parts in parts(), rounds in prop::collection::vec((0..8usize, 0..5u8), 1..6)) {
        let kit = TestKit::new();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
        let handled = Arc::new(AtomicU64::new(0));
        let mut running = Running::default();
        for (number, part) in parts.iter().enumerate() {
            start(&kit, &runtime, number, *part, parts.len(), &handled, &mut running);
        }
        let test = kit.client();
        let all = test.subscribe("part.*").unwrap();
        let mut expected = 0;
        for (first, left) in rounds {
            test.publish(format!("part.{}", first % parts.len()), vec![left]).unwrap();
            kit.settle();
            // Each message is passed on twice, as often as it says.
            expected += (1_u64 << (left + 1)) - 1;
            let ledger = kit.bus().stats().ledger;
            prop_assert_eq!(handled.load(Ordering::SeqCst), expected);
            prop_assert_eq!((ledger.queued, all.len() as u64), (expected, expected), "only the test's own are left");
            prop_assert!(ledger.balances());
            prop_assert!(kit.activity().is_quiet(), "{:?}", kit.activity());
            prop_assert_eq!(kit.activity().held(), []);
        }
        kit.bus().close();
        drop(running.guards);
        for thread in running.threads {
            thread.join().unwrap();
        }
    }
}
