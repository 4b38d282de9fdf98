//! The measured cases.

use postroom::time::Sleep;
use postroom::{Client, Subscriber, TestKit};
use std::future::Future;
use std::hint::black_box;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};
use std::time::{Duration, Instant};

/// One figure.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) iterations: u64,
    /// The target of each iteration.
    pub(crate) bound_ns: Option<f64>,
    /// Does it so often, and says how long that took.
    pub(crate) run: fn(u64) -> Duration,
}

const TIMERS: usize = 1_000;
const KITS: usize = 1_000;

pub(crate) const ALL: &[Case] = &[
    Case {
        name: "settle_idle",
        about: "`settle` on a bus on which nothing goes on",
        iterations: 100_000,
        bound_ns: Some(2_000.0),
        run: settle_idle,
    },
    Case {
        name: "none_idle",
        about: "`settle` and `none` on a bus on which nothing goes on",
        iterations: 100_000,
        bound_ns: Some(2_000.0),
        run: none_idle,
    },
    Case {
        name: "settle_one_message",
        about: "publish to another thread, which answers; settle; the answer is there",
        iterations: 2_000,
        bound_ns: None,
        run: settle_one_message,
    },
    Case {
        name: "publish_plain",
        about: "publish and receive on a bus without a kit",
        iterations: 100_000,
        bound_ns: None,
        run: publish_plain,
    },
    Case {
        name: "publish_record_on_demand",
        about: "the same on a kit that writes nothing down",
        iterations: 100_000,
        bound_ns: None,
        run: publish_record_on_demand,
    },
    Case {
        name: "publish_tapped",
        about: "the same on a kit with a tap on `>`",
        iterations: 100_000,
        bound_ns: None,
        run: publish_tapped,
    },
    Case {
        name: "timers_1000",
        about: "advance over 1,000 timers, each at a time of its own, settled in between",
        iterations: 20,
        bound_ns: Some(1e6),
        run: timers,
    },
    Case {
        name: "timers_1000_tasks",
        about: "the same, a task of a current_thread runtime behind each",
        iterations: 5,
        bound_ns: None,
        run: timers_of_tasks,
    },
    Case { name: "kits_1000", about: "1,000 kits made and dropped", iterations: 5, bound_ns: Some(100e6), run: kits },
];

/// The benches measure the system's time.
fn timed(run: impl FnOnce()) -> Duration {
    let began = Instant::now();
    run();
    began.elapsed()
}

fn settle_idle(iterations: u64) -> Duration {
    let kit = TestKit::new();
    let (app, test) = (kit.bus().connect(), kit.client());
    let _queues = (app.subscribe("a").unwrap(), test.subscribe("b").unwrap());
    timed(|| (0..iterations).for_each(|_| kit.settle()))
}

fn none_idle(iterations: u64) -> Duration {
    let kit = TestKit::new();
    kit.bus().connect().publish("orders.eu", "").unwrap();
    timed(|| {
        for _ in 0..iterations {
            kit.settle();
            kit.none("bills.*");
        }
    })
}

fn settle_one_message(iterations: u64) -> Duration {
    let kit = TestKit::new();
    let (app, test) = (kit.bus().connect(), kit.client());
    let (input, output) = (app.subscribe("in").unwrap(), test.subscribe("out").unwrap());
    let thread = std::thread::spawn(move || {
        for _ in &input {
            app.publish("out", "").unwrap();
        }
    });
    let took = timed(|| {
        for _ in 0..iterations {
            test.publish("in", "").unwrap();
            kit.settle();
            output.try_recv().unwrap();
        }
    });
    kit.bus().close();
    thread.join().unwrap();
    took
}

fn publish(client: &Client, queue: &Subscriber, iterations: u64) -> Duration {
    timed(|| {
        for _ in 0..iterations {
            client.publish("orders.eu", "0123456789").unwrap();
            black_box(queue.try_recv().unwrap());
        }
    })
}

fn publish_plain(iterations: u64) -> Duration {
    let client = postroom::Bus::new().connect();
    let queue = client.subscribe("orders.*").unwrap();
    publish(&client, &queue, iterations)
}

fn publish_record_on_demand(iterations: u64) -> Duration {
    let kit = TestKit::builder().record_on_demand(true).build();
    let queue = kit.client().subscribe("orders.*").unwrap();
    publish(&kit.bus().connect(), &queue, iterations)
}

fn publish_tapped(iterations: u64) -> Duration {
    let kit = TestKit::new();
    let _tap = kit.tap(">");
    let queue = kit.client().subscribe("orders.*").unwrap();
    publish(&kit.bus().connect(), &queue, iterations)
}

/// Takes notice of its timer on the thread that fires it.
struct Notice {
    sleep: Mutex<Pin<Box<Sleep>>>,
    fired: Arc<AtomicUsize>,
}

impl Notice {
    fn poll(self: &Arc<Self>) {
        let waker = Waker::from(self.clone());
        if self.sleep.lock().unwrap().as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
            self.fired.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Wake for Notice {
    fn wake(self: Arc<Self>) {
        self.poll();
    }
}

fn timers(iterations: u64) -> Duration {
    let kit = TestKit::new();
    let mut took = Duration::ZERO;
    for _ in 0..iterations {
        let fired = Arc::new(AtomicUsize::new(0));
        for at in 1..=TIMERS {
            let sleep = Mutex::new(Box::pin(kit.bus().sleep(Duration::from_millis(at as u64))));
            Arc::new(Notice { sleep, fired: fired.clone() }).poll();
        }
        took += timed(|| kit.advance(Duration::from_millis(TIMERS as u64)));
        assert_eq!(fired.load(Ordering::Relaxed), TIMERS);
    }
    took
}

fn timers_of_tasks(iterations: u64) -> Duration {
    let kit = TestKit::new();
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let mut took = Duration::ZERO;
    for _ in 0..iterations {
        runtime.block_on(async {
            let tasks: Vec<_> =
                (1..=TIMERS).map(|at| tokio::spawn(kit.bus().sleep(Duration::from_millis(at as u64)))).collect();
            kit.settle_async().await;
            let began = Instant::now();
            kit.advance_async(Duration::from_millis(TIMERS as u64)).await;
            took += began.elapsed();
            assert!(tasks.iter().all(|task| task.is_finished()));
        });
    }
    took
}

fn kits(iterations: u64) -> Duration {
    timed(|| {
        for _ in 0..iterations {
            for _ in 0..KITS {
                let kit = TestKit::new();
                let (app, test) = (kit.bus().connect(), kit.client());
                let queue = test.subscribe("a").unwrap();
                app.publish("a", "").unwrap();
                kit.settle();
                assert_eq!(queue.len(), 1);
            }
        }
    })
}
