//! Watches, histories and keys, for threads and for tasks.

use crate::support::{SEC, run, setup, shown};
use futures_util::{StreamExt, TryStreamExt};
use postroom::jetstream::kv::{Config, Operation, WatchOptions};

/// JK12 to JK14.
#[test]
fn a_watch_shows_what_is_put_and_deleted() {
    let setup = setup();
    let kv = setup.bucket(Config::new("b").history(3));
    kv.put("a", "0").wait().unwrap();
    let mut watch = kv.watch(">").wait().unwrap();
    assert!(watch.is_current());
    kv.put("a", "1").wait().unwrap();
    kv.put("b.c", "2").wait().unwrap();
    kv.delete("a").wait().unwrap();
    kv.purge("b.c").wait().unwrap();
    let changes: Vec<_> = watch.iter().take(4).map(Result::unwrap).collect();
    assert_eq!(
        changes.iter().map(shown).collect::<Vec<_>>(),
        [
            ("a", "1", 2, Operation::Put),
            ("b.c", "2", 3, Operation::Put),
            ("a", "", 4, Operation::Delete),
            ("b.c", "", 5, Operation::Purge)
        ]
    );
    assert!(changes.iter().all(|change| change.seen_current && change.delta == 0 && &*change.bucket == "b"));
    kv.put("z", "9").wait().unwrap();
    assert_eq!(shown(&run(watch.next()).unwrap().unwrap()), ("z", "9", 6, Operation::Put));
}

/// JK12, JK13.
#[test]
fn a_watch_says_where_that_ends_which_was_there() {
    let setup = setup();
    let kv = setup.bucket(Config::new("b").history(3));
    let mut empty = kv.watch_with_history(">").wait().unwrap();
    assert!(empty.is_current());
    assert!(empty.initial().recv().is_none());
    for (key, value) in [("a", "1"), ("b", "2"), ("a", "3"), ("c", "4")] {
        kv.put(key, value).wait().unwrap();
    }
    let mut watch = kv.watch_with_history(">").wait().unwrap();
    assert!(!watch.is_current());
    let initial: Vec<_> = run(watch.initial().map(Result::unwrap).collect());
    let at: Vec<_> = initial.iter().map(|entry| (entry.revision, entry.delta, entry.seen_current)).collect();
    assert_eq!(at, [(2, 2, false), (3, 1, false), (4, 0, true)]);
    assert!(watch.is_current());
    assert!(run(watch.initial().next()).is_none());
    kv.put("a", "5").wait().unwrap();
    assert_eq!(watch.recv().unwrap().unwrap().revision, 5);
}

/// JK12.
#[test]
fn a_watch_begins_where_its_options_say() {
    let setup = setup();
    let kv = setup.bucket(Config::new("b").history(3));
    for (key, value) in [("a", "1"), ("b", "2"), ("a", "3"), ("c", "4")] {
        kv.put(key, value).wait().unwrap();
    }
    kv.delete("b").wait().unwrap();
    let initial = |patterns: &[&str], options: WatchOptions| {
        let mut watch = kv.watch_with(patterns, options).wait().unwrap();
        watch.initial().iter().map(|entry| entry.unwrap().revision).collect::<Vec<_>>()
    };
    let new = WatchOptions::new;
    assert_eq!(initial(&[">"], new()), [3, 4, 5]);
    assert_eq!(initial(&[], new()), [3, 4, 5]);
    assert_eq!(initial(&["a", "c"], new()), [3, 4]);
    assert_eq!(initial(&[">"], new().include_history()), [1, 2, 3, 4, 5]);
    assert!(initial(&[">"], new().updates_only()).is_empty());
    assert_eq!(initial(&[">"], new().from_revision(4)), [4, 5]);
    assert!(initial(&[">"], new().from_revision(99)).is_empty());
    assert_eq!(initial(&[">"], new().ignore_deletes()), [3, 4]);
    assert!(initial(&["none.*"], new()).is_empty());
    let mut watch = kv.watch_with(["a"], new().meta_only()).wait().unwrap();
    let entry = watch.recv().unwrap().unwrap();
    assert_eq!(shown(&entry), ("a", "", 3, Operation::Put));
    // Patterns that overlap are the server's to refuse.
    let error = kv.watch_with(["a.*", "a.b"], new()).wait().unwrap_err();
    assert_eq!(error.to_string(), "consumer subject filters cannot overlap");
}

/// JK15, JK16.
#[test]
fn histories_and_keys_end() {
    let setup = setup();
    let kv = setup.bucket(Config::new("b").history(3));
    assert!(kv.keys(">").wait().unwrap().recv().is_none());
    assert!(kv.history("a").wait().unwrap().recv().is_none());
    for (key, value) in [("a", "1"), ("x.b", "2"), ("a", "3"), ("x.c", "4"), ("gone", "5"), ("lost", "6")] {
        kv.put(key, value).wait().unwrap();
    }
    kv.delete("gone").wait().unwrap();
    kv.purge("lost").wait().unwrap();
    kv.delete("a").wait().unwrap();
    let history: Vec<_> = kv.history("a").wait().unwrap().into_iter().map(Result::unwrap).collect();
    assert_eq!(
        history.iter().map(shown).collect::<Vec<_>>(),
        [("a", "1", 1, Operation::Put), ("a", "3", 3, Operation::Put), ("a", "", 9, Operation::Delete)]
    );
    let keys: Vec<String> = run(async { kv.keys(">").await.unwrap().try_collect().await.unwrap() });
    assert_eq!(keys, ["x.b", "x.c"]);
    assert_eq!(kv.keys("*.b").wait().unwrap().into_iter().map(Result::unwrap).collect::<Vec<_>>(), ["x.b"]);
}

/// JK13: the last key is removed before it is delivered, so that no message says that it is the last.
#[test]
fn what_was_there_ends_though_its_last_key_was_removed() {
    let setup = setup();
    let kv = setup.bucket(Config::new("b"));
    let large = vec![b'x'; 200_000];
    for n in 0..100 {
        kv.put(format!("k.{n}"), &large[..]).wait().unwrap();
    }
    // The consumer waits for an answer to its flow control.
    let mut watch = kv.watch_with_history(">").wait().unwrap();
    let purge = postroom::jetstream::Purge { filter: "$KV.b.k.99".to_owned(), ..Default::default() };
    kv.stream().purge_with(purge).wait().unwrap();
    let mut seen = 0;
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| watch.initial().iter().map(|entry| entry.unwrap().revision).collect::<Vec<_>>());
        while !reader.is_finished() {
            setup.clock.advance(SEC);
            std::thread::yield_now();
        }
        seen = reader.join().unwrap().len();
    });
    assert_eq!(seen, 99);
}

/// A bucket that goes ends its watches.
#[test]
fn a_watch_ends_with_its_bucket() {
    let setup = setup();
    let kv = setup.bucket(Config::new("b"));
    let mut watch = kv.watch(">").wait().unwrap();
    setup.js.delete_key_value("b").wait().unwrap();
    setup.clock.advance(SEC * 10);
    assert!(watch.recv().unwrap().is_err());
    assert!(watch.recv().is_none());
}
