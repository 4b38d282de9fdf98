//! Stores as a whole: making, finding, sealing, deleting them.

use crate::support::{SEC, run, setup};
use postroom::jetstream::object_store::{Config, CreateObjectStoreError};
use postroom::jetstream::{Discard, Storage};

/// JO1, JO11.
#[test]
fn stores_are_made_found_and_deleted() {
    let setup = setup();
    let js = &setup.js;
    let config = Config::new("b").description("of a test").max_age(SEC * 60).storage(Storage::Memory);
    let store = js.create_object_store(config.clone()).wait().unwrap();
    assert_eq!(store.name(), "b");
    let stream = &store.stream().cached_info().config;
    assert_eq!(
        (stream.name.as_str(), &stream.subjects[..]),
        ("OBJ_b", &["$O.b.C.>".to_owned(), "$O.b.M.>".to_owned()][..])
    );
    assert!(stream.allow_direct && stream.allow_rollup_hdrs && !stream.deny_delete && stream.discard == Discard::New);
    assert_eq!((stream.max_msgs_per_subject, stream.max_bytes), (-1, -1));
    run(js.create_object_store(config.clone())).unwrap();
    assert!(js.create_object_store(config.max_bytes(5)).wait().unwrap_err().is_already_exists());
    let status = store.status().wait().unwrap();
    assert_eq!((status.bucket(), status.description(), status.max_age()), ("b", "of a test", SEC * 60));
    assert_eq!((status.bytes(), status.is_sealed(), status.storage()), (0, false, Storage::Memory));
    js.create_object_store(Config::new("other")).wait().unwrap();
    assert_eq!(js.object_store_names().iter().map(Result::unwrap).collect::<Vec<_>>(), ["b", "other"]);
    assert_eq!(js.get_object_store("b").wait().unwrap().name(), "b");
    js.delete_object_store("b").wait().unwrap();
    assert!(js.get_object_store("b").wait().unwrap_err().is_not_found());
    assert!(js.delete_object_store("b").wait().unwrap_err().is_not_found());
    let error = js.create_object_store(Config::new("a b")).wait().unwrap_err();
    assert!(matches!(error, CreateObjectStoreError::BucketName(_)));
}

/// JO10.
#[test]
fn a_sealed_store_takes_nothing() {
    let setup = setup();
    let store = setup.store(Config::new("b"));
    store.put("a", "kept").wait().unwrap();
    store.seal().wait().unwrap();
    assert!(store.status().wait().unwrap().is_sealed());
    let sealed = "invalid operation on sealed stream";
    assert_eq!(store.put("b", "x").wait().unwrap_err().to_string(), sealed);
    assert_eq!(store.delete("a").wait().unwrap_err().to_string(), sealed);
    assert_eq!(store.update_metadata("a", "z").wait().unwrap_err().to_string(), sealed);
    assert_eq!(store.get("a").wait().unwrap().recv().unwrap().unwrap(), "kept");
    setup.js.delete_object_store("b").wait().unwrap();
}
