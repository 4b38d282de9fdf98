//! Buckets as a whole: making, finding, changing, deleting them.

use crate::support::{SEC, run, setup};
use postroom::jetstream::kv::{Config, ConfigError, CreateKeyValueError, GetKeyValueError};
use postroom::jetstream::{Storage, StreamConfig};

/// JK1 to JK3.
#[test]
fn buckets_are_made_found_changed_and_deleted() {
    let setup = setup();
    let js = &setup.js;
    let config = Config::new("b").history(5).max_age(SEC * 60).description("of a test").metadata("a", "b");
    let kv = js.create_key_value(config.clone()).wait().unwrap();
    assert_eq!(kv.name(), "b");
    // The same once more is the same bucket.
    run(js.create_key_value(config.clone())).unwrap();
    assert!(js.create_key_value(config.clone().history(6)).wait().unwrap_err().is_already_exists());
    let stream = &kv.stream().cached_info().config;
    assert_eq!((stream.name.as_str(), &stream.subjects[..]), ("KV_b", &["$KV.b.>".to_owned()][..]));
    assert!(stream.allow_direct && stream.deny_delete && stream.allow_rollup_hdrs && !stream.allow_msg_ttl);

    for n in 0..9 {
        kv.put("k", n.to_string()).wait().unwrap();
    }
    let status = kv.status().wait().unwrap();
    assert_eq!((status.bucket(), status.values(), status.history(), status.max_age()), ("b", 5, 5, SEC * 60));
    assert_eq!((status.bytes(), status.storage(), status.is_compressed()), (5 * (7 + 1 + 30), Storage::File, false));
    // A shorter history trims at once.
    let kv = js.update_key_value(config.clone().history(2)).wait().unwrap();
    assert_eq!((kv.status().wait().unwrap().values(), kv.stream().cached_info().config.max_msgs_per_subject), (2, 2));
    assert!(js.update_key_value(Config::new("none")).wait().unwrap_err().is_not_found());
    assert_eq!(js.create_or_update_key_value(Config::new("new")).wait().unwrap().name(), "new");
    run(js.create_or_update_key_value(Config::new("new").history(9))).unwrap();

    js.create_stream(StreamConfig::new("OTHER")).wait().unwrap();
    let names: Vec<_> = js.key_value_names().iter().map(Result::unwrap).collect();
    assert_eq!(names, ["b", "new"]);
    let again = js.get_key_value("b").wait().unwrap();
    assert_eq!(again.get("k").wait().unwrap().as_deref(), Some(&b"8"[..]));
    js.delete_key_value("b").wait().unwrap();
    assert!(js.get_key_value("b").wait().unwrap_err().is_not_found());
    assert!(js.delete_key_value("b").wait().unwrap_err().is_not_found());
}

/// JK3, JK4.
#[test]
fn names_and_configurations_are_checked() {
    let setup = setup();
    let js = &setup.js;
    for name in ["", "a.b", "a b", "a*", "ü"] {
        let config = Config::new(name);
        assert!(matches!(
            js.create_key_value(config).wait().unwrap_err(),
            CreateKeyValueError::Config(ConfigError::BucketName(error)) if error.name() == name
        ));
        assert!(matches!(js.get_key_value(name).wait().unwrap_err(), GetKeyValueError::BucketName(_)));
        assert_eq!(js.delete_key_value(name).wait().unwrap_err().to_string(), format!("invalid bucket name {name:?}"));
    }
    let error = js.create_key_value(Config::new("b").history(65)).wait().unwrap_err();
    assert_eq!(error, CreateKeyValueError::Config(ConfigError::History(65)));
    js.create_stream(StreamConfig::new("KV_log").subjects(["log"])).wait().unwrap();
    assert!(matches!(js.get_key_value("log").wait().unwrap_err(), GetKeyValueError::NotABucket(_)));
}

/// JK3, JK5: a bucket without direct reads, as the Python client makes it, is read through the API.
#[test]
fn a_bucket_without_direct_reads_is_read() {
    let setup = setup();
    let stream = StreamConfig::new("KV_py").subjects(["$KV.py.>"]).max_msgs_per_subject(2).allow_rollup_hdrs(true);
    setup.js.create_stream(stream).wait().unwrap();
    let kv = setup.js.get_key_value("py").wait().unwrap();
    kv.put("k", "1").wait().unwrap();
    kv.put("k", "2").wait().unwrap();
    assert_eq!(kv.get("k").wait().unwrap().as_deref(), Some(&b"2"[..]));
    assert_eq!(&kv.entry_for_revision("k", 1).wait().unwrap().unwrap().value[..], b"1");
    assert_eq!(kv.get("none").wait(), Ok(None));
    assert_eq!(kv.entry_for_revision("k", 9).wait(), Ok(None));
}
