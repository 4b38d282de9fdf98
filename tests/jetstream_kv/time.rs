//! Time to live, limit markers, old markers: exactly when they are due.

use crate::support::{SEC, run, setup, shown};
use postroom::jetstream::kv::{Config, Operation};
use std::time::Duration;

/// JK10, JK11.
#[test]
fn a_key_expires_and_leaves_a_marker_that_goes_without_a_trace() {
    let setup = setup();
    let kv = setup.bucket(Config::new("b").history(3).limit_markers(SEC * 2));
    let mut watch = kv.watch(">").wait().unwrap();
    assert_eq!(kv.create_with_ttl("k", "1", SEC * 5).wait(), Ok(1));
    setup.clock.advance(SEC * 5 - SEC / 1000);
    assert_eq!(kv.get("k").wait().unwrap().as_deref(), Some(&b"1"[..]));
    setup.clock.advance(SEC / 1000);
    assert_eq!(kv.get("k").wait(), Ok(None));
    let marker = kv.entry("k").wait().unwrap().unwrap();
    assert_eq!(shown(&marker), ("k", "", 2, Operation::Purge));
    let seen: Vec<_> = watch.iter().take(2).map(Result::unwrap).collect();
    assert_eq!(seen.iter().map(shown).collect::<Vec<_>>(), [("k", "1", 1, Operation::Put), shown(&marker)]);
    assert!(kv.keys(">").wait().unwrap().recv().is_none());
    setup.clock.advance(SEC * 2);
    assert_eq!(kv.entry("k").wait(), Ok(None));

    // JK7: over a marker, with the time to live kept.
    kv.put("k", "3").wait().unwrap();
    kv.delete("k").wait().unwrap();
    assert_eq!(run(kv.create_with_ttl("k", "5", SEC * 5)), Ok(5));
    setup.clock.advance(SEC * 5);
    assert_eq!(kv.get("k").wait().unwrap(), None);
}

/// JK10.
#[test]
fn a_purge_marker_expires() {
    let setup = setup();
    let kv = setup.bucket(Config::new("b").limit_markers(SEC * 2));
    let revision = kv.put("k", "1").wait().unwrap();
    kv.purge_expect_revision_with_ttl("k", revision, SEC * 4).wait().unwrap();
    assert!(kv.entry("k").wait().unwrap().is_some());
    setup.clock.advance(SEC * 4);
    assert_eq!(kv.entry("k").wait(), Ok(None));
    run(kv.purge_with_ttl("k", SEC * 4)).unwrap();
    setup.clock.advance(SEC * 4);
    assert_eq!(kv.status().wait().unwrap().values(), 0);
    // Without a time that the server takes, and on a bucket that has none.
    let short = kv.create_with_ttl("k", "1", SEC / 2).wait().unwrap_err();
    assert_eq!(short.to_string(), "invalid per-message TTL");
    let plain = setup.bucket(Config::new("plain"));
    let refused = plain.create_with_ttl("k", "1", SEC * 5).wait().unwrap_err();
    assert_eq!(refused.to_string(), "per-message TTL is disabled");
}

/// JK5.
#[test]
fn old_markers_are_removed() {
    let setup = setup();
    let kv = setup.bucket(Config::new("b").history(5));
    for key in ["old.deleted", "old.purged", "young", "kept"] {
        kv.put(key, "1").wait().unwrap();
        kv.put(key, "2").wait().unwrap();
    }
    kv.delete("old.deleted").wait().unwrap();
    kv.purge("old.purged").wait().unwrap();
    setup.clock.advance(SEC * 1_800);
    kv.delete("young").wait().unwrap();
    // Three of the one, one of the other, and the history of the young one.
    assert_eq!(kv.purge_deletes(SEC * 1_800 - SEC).wait(), Ok(3 + 1 + 2));
    assert_eq!(kv.entry("old.deleted").wait(), Ok(None));
    assert_eq!(kv.entry("old.purged").wait(), Ok(None));
    assert_eq!(shown(&kv.entry("young").wait().unwrap().unwrap()).3, Operation::Delete);
    assert_eq!(kv.history("young").wait().unwrap().into_iter().count(), 1);
    assert_eq!(kv.history("kept").wait().unwrap().into_iter().count(), 2);
    assert_eq!(run(kv.purge_deletes(Duration::ZERO)), Ok(1));
    assert_eq!(kv.entry("young").wait(), Ok(None));
    assert_eq!(run(kv.purge_deletes(Duration::ZERO)), Ok(0));
    setup.js.delete_key_value("b").wait().unwrap();
    assert!(kv.purge_deletes(SEC).wait().is_err());
}

/// JK18: a value that is put after its marker was read stays, and so does a marker that is too young.
#[test]
fn purged_markers_leave_later_values_alone() {
    let setup = setup();
    let kv = setup.bucket(Config::new("b").history(5));
    for key in ["a", "b"] {
        kv.put(key, "1").wait().unwrap();
        kv.delete(key).wait().unwrap();
    }
    let purge = kv.purge_deletes(Duration::ZERO);
    kv.put("a", "2").wait().unwrap();
    assert_eq!(purge.wait(), Ok(4));
    assert_eq!(kv.get("a").wait().unwrap().unwrap(), "2");
}
