//! Reads, writes, compare and set, markers.

use crate::support::{run, setup, shown};
use postroom::jetstream::kv::{Config, CreateError, EntryError, Operation};

/// JK5, JK8, JK9.
#[test]
fn values_are_put_read_deleted_and_purged() {
    let setup = setup();
    let kv = setup.bucket(Config::new("b").history(3));
    assert_eq!(kv.put("a.b", "1").wait(), Ok(1));
    assert_eq!(run(kv.put("x", "")), Ok(2));
    assert_eq!(kv.get("a.b").wait().unwrap().as_deref(), Some(&b"1"[..]));
    // An empty value is a value.
    assert_eq!(run(kv.get("x")).unwrap().as_deref(), Some(&b""[..]));
    assert_eq!(kv.get("none").wait(), Ok(None));
    assert_eq!(kv.entry("none").wait(), Ok(None));

    assert_eq!(kv.delete("a.b").wait(), Ok(3));
    assert_eq!(kv.get("a.b").wait(), Ok(None));
    let marker = kv.entry("a.b").wait().unwrap().unwrap();
    assert_eq!(shown(&marker), ("a.b", "", 3, Operation::Delete));
    assert_eq!((&*marker.bucket, marker.delta, marker.seen_current), ("b", 0, true));
    let old = kv.entry_for_revision("a.b", 1).wait().unwrap().unwrap();
    assert_eq!(shown(&old), ("a.b", "1", 1, Operation::Put));
    // Another key's revision, and one that is not there.
    assert_eq!(kv.entry_for_revision("a.b", 2).wait(), Ok(None));
    assert_eq!(kv.entry_for_revision("a.b", 99).wait(), Ok(None));

    assert_eq!(kv.purge("a.b").wait(), Ok(4));
    assert_eq!(kv.entry_for_revision("a.b", 1).wait(), Ok(None));
    assert_eq!(shown(&kv.entry("a.b").wait().unwrap().unwrap()), ("a.b", "", 4, Operation::Purge));
    assert_eq!(kv.get("a.b").wait(), Ok(None));
    assert_eq!(kv.put("a.b", "2").wait(), Ok(5));
    assert_eq!(kv.get("a.b").wait().unwrap().as_deref(), Some(&b"2"[..]));
}

/// JK6.
#[test]
fn writes_compare_and_set() {
    let setup = setup();
    let kv = setup.bucket(Config::new("b").history(5));
    assert_eq!(kv.update("k", "1", 0).wait(), Ok(1));
    assert_eq!(kv.update("k", "2", 1).wait(), Ok(2));
    let error = kv.update("k", "3", 1).wait().unwrap_err();
    assert!(error.is_wrong_last_revision() && !error.is_invalid_key(), "{error}");
    assert_eq!(error.to_string(), "wrong last sequence: 2");
    assert!(kv.delete_expect_revision("k", 1).wait().unwrap_err().is_wrong_last_revision());
    assert!(run(kv.purge_expect_revision("k", 1)).unwrap_err().is_wrong_last_revision());
    assert_eq!(kv.get("k").wait().unwrap().as_deref(), Some(&b"2"[..]), "a refused write stores nothing");
    assert_eq!(kv.delete_expect_revision("k", 2).wait(), Ok(3));
    // A marker counts as the key's last message.
    assert_eq!(kv.update("k", "4", 0).wait().unwrap_err().to_string(), "wrong last sequence: 3");
    assert_eq!(kv.update("k", "4", 3).wait(), Ok(4));
    assert_eq!(kv.purge_expect_revision("k", 4).wait(), Ok(5));
    // A missing key has no revision.
    assert_eq!(kv.update("other", "1", 5).wait().unwrap_err().to_string(), "wrong last sequence: 0");
}

/// JK7.
#[test]
fn keys_are_created_where_there_is_no_value() {
    let setup = setup();
    let kv = setup.bucket(Config::new("b").history(5));
    assert_eq!(kv.create("k", "1").wait(), Ok(1));
    let exists = kv.create("k", "2").wait().unwrap_err();
    assert!(exists.is_already_exists());
    assert!(matches!(&exists, CreateError::Exists(exists) if exists.revision == 1), "{exists}");
    kv.delete("k").wait().unwrap();
    assert_eq!(kv.create("k", "3").wait(), Ok(3));
    kv.purge("k").wait().unwrap();
    assert_eq!(run(kv.create("k", "5")), Ok(5));
    assert_eq!(kv.get("k").wait().unwrap().as_deref(), Some(&b"5"[..]));
}

/// JK4.
#[test]
fn texts_that_are_no_keys_are_refused_before_anything_is_sent() {
    let setup = setup();
    let kv = setup.bucket(Config::new("b"));
    let all = setup.bus.connect().subscribe(">").unwrap();
    for key in ["", ".", "a.", ".a", "a..b", "a b", "*", "a.>", "ü", "a\r\nb"] {
        assert!(kv.put(key, "").wait().unwrap_err().is_invalid_key(), "{key}");
        assert!(kv.create(key, "").wait().unwrap_err().is_invalid_key());
        assert!(kv.update(key, "", 1).wait().unwrap_err().is_invalid_key());
        assert!(kv.delete(key).wait().unwrap_err().is_invalid_key());
        assert!(run(kv.purge(key)).unwrap_err().is_invalid_key());
        assert!(matches!(kv.get(key).wait().unwrap_err(), EntryError::Key(error) if error.key() == key));
        assert!(run(kv.entry_for_revision(key, 1)).unwrap_err().is_invalid_key());
    }
    assert!(kv.watch("a..b").wait().unwrap_err().is_invalid_key());
    assert!(kv.watch_with(["a", "b c"], Default::default()).wait().unwrap_err().is_invalid_key());
    assert!(all.is_empty());
}

/// JK4, JK18.
#[test]
fn a_bucket_that_is_gone_or_full_says_so() {
    let setup = setup();
    let kv = setup.bucket(Config::new("b").max_value_size(60).max_bytes(600));
    assert_eq!(kv.put("k", "x".repeat(61)).wait().unwrap_err().to_string(), "message size exceeds maximum allowed");
    for n in 0.. {
        if let Err(error) = kv.put(format!("key.{n}"), "x".repeat(60)).wait() {
            assert_eq!(error.to_string(), "maximum bytes exceeded");
            break;
        }
    }
    // Writes in place find room, and so do markers.
    kv.put("key.0", "y".repeat(60)).wait().unwrap();
    kv.delete("key.1").wait().unwrap();
    kv.purge("key.2").wait().unwrap();

    setup.js.delete_key_value("b").wait().unwrap();
    assert!(kv.put("k", "").wait().unwrap_err().is_bucket_not_found());
    assert!(kv.create("k", "").wait().unwrap_err().is_bucket_not_found());
    assert!(kv.update("k", "", 1).wait().unwrap_err().is_bucket_not_found());
    assert!(kv.get("k").wait().unwrap_err().is_bucket_not_found());
    assert!(kv.watch(">").wait().unwrap_err().is_bucket_not_found());
    assert!(kv.status().wait().unwrap_err().is_bucket_not_found());
    let error: postroom::Error = kv.get("k").wait().unwrap_err().into();
    assert_eq!(error.to_string(), kv.get("k").wait().unwrap_err().to_string());
}

/// JK6: whichever way threads interleave, each counts exactly once.
#[test]
fn compare_and_set_under_threads_loses_no_update() {
    const THREADS: u64 = 8;
    const ROUNDS: u64 = 200;
    let bus = postroom::Bus::new();
    let _server = postroom::jetstream::JetStreamServer::start(&bus, Default::default()).unwrap();
    let js = postroom::jetstream::new(bus.connect());
    let kv = js.create_key_value(Config::new("b")).wait().unwrap();
    kv.put("n", "0").wait().unwrap();
    let conflicts: u64 = std::thread::scope(|scope| {
        let count = || {
            let mut conflicts = 0;
            for _ in 0..ROUNDS {
                loop {
                    let entry = kv.entry("n").wait().unwrap().unwrap();
                    let n: u64 = std::str::from_utf8(&entry.value).unwrap().parse().unwrap();
                    match kv.update("n", (n + 1).to_string(), entry.revision).wait() {
                        Ok(_) => break,
                        Err(error) if error.is_wrong_last_revision() => conflicts += 1,
                        Err(error) => panic!("{error}"),
                    }
                }
            }
            conflicts
        };
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(count)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    let last = kv.entry("n").wait().unwrap().unwrap();
    assert_eq!((&last.value[..], last.revision), (b"1600".as_slice(), 1 + THREADS * ROUNDS), "{conflicts} conflicts");

    // Of those who create a key, one does.
    let created: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|n| {
                scope.spawn({
                    let kv = &kv;
                    move || (0..50).filter(|k| kv.create(format!("new.{k}"), n.to_string()).wait().is_ok()).count()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(created, 50);
}
