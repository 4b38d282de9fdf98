//! The parts that the modules share: buses, policies, payloads that tell when they are dropped, and a way to notice a
//! deadlock.

use bytes::Bytes;
use postroom::{Bus, Limits, Message, OverflowPolicy, Payload};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Once, Weak, mpsc};
use std::time::Duration;

/// Longer than any test may take: only reached when a promise is broken.
pub(crate) const FOREVER: Duration = Duration::from_secs(10);

pub(crate) const POLICIES: [OverflowPolicy; 4] =
    [OverflowPolicy::DropNewest, OverflowPolicy::DropOldest, OverflowPolicy::Block(FOREVER), OverflowPolicy::Close];

/// Buses that take different ways inside: one or many shards, with and without remembered routes.
pub(crate) fn buses() -> impl Iterator<Item = Bus> {
    [(1, 0), (1, 1024), (16, 0), (16, 1024)].into_iter().map(|(shards, cache)| bus(shards, cache))
}

pub(crate) fn bus(shards: usize, route_cache_entries: usize) -> Bus {
    let mut limits = Limits::default();
    limits.route_cache_entries = route_cache_entries;
    Bus::builder().limits(limits).shards(shards).seed(3).build()
}

pub(crate) fn number(message: &Message) -> u64 {
    message.payload_str().expect("tests send text").parse().expect("tests send numbers")
}

/// Runs `test` on a thread of its own and fails if it does not come back.
#[track_caller]
pub(crate) fn must_return<R: Send + 'static>(test: impl FnOnce() -> R + Send + 'static) -> R {
    let (done, result) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        let _ = done.send(test());
    });
    match result.recv_timeout(FOREVER) {
        Ok(result) => result,
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("stuck"),
        Err(mpsc::RecvTimeoutError::Disconnected) => std::panic::resume_unwind(thread.join().unwrap_err()),
    }
}

/// A payload that runs something when its last copy is dropped.
pub(crate) fn payload_that(on_drop: impl FnOnce() + Send + 'static) -> Payload<'static> {
    struct OnDrop<F: FnOnce()>(Option<F>);
    impl<F: FnOnce()> AsRef<[u8]> for OnDrop<F> {
        fn as_ref(&self) -> &[u8] {
            b"a payload with something to do"
        }
    }
    impl<F: FnOnce()> Drop for OnDrop<F> {
        fn drop(&mut self) {
            if let Some(f) = self.0.take() {
                f();
            }
        }
    }
    Payload::from(Bytes::from_owner(OnDrop(Some(on_drop))))
}

/// A payload and a way to see whether any copy of it is left.
pub(crate) fn watched_payload() -> (Payload<'static>, Weak<()>) {
    let owner = Arc::new(());
    let watch = Arc::downgrade(&owner);
    (payload_that(move || drop(owner)), watch)
}

#[derive(Clone, Default)]
pub(crate) struct Count(Arc<AtomicUsize>);

impl Count {
    pub(crate) fn add(&self) -> usize {
        self.0.fetch_add(1, Ordering::SeqCst) + 1
    }

    pub(crate) fn get(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

/// Panics on purpose print nothing; all others print what they always do.
pub(crate) fn quietly() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let text = info.payload().downcast_ref::<&str>().copied();
            let text = text.or_else(|| info.payload().downcast_ref::<String>().map(String::as_str));
            if text.is_some_and(|text| !text.starts_with("on purpose")) {
                usual(info);
            }
        }));
    });
}
