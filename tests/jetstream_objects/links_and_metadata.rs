//! Metadata, links, watches and lists.

use crate::support::{content, messages, run, setup};
use futures_util::{StreamExt, TryStreamExt};
use postroom::HeaderMap;
use postroom::jetstream::object_store::{AddLinkError, Config, GetError, ObjectMetadata, UnusableLink};

/// JO4, JO7.
#[test]
fn metadata_is_kept_and_updated() {
    let setup = setup();
    let store = setup.store(Config::new("b"));
    let headers = HeaderMap::try_from_iter([("Kind", "text"), ("Kind", "plain")]).unwrap();
    let meta = ObjectMetadata::new("a").description("of a test").headers(headers.clone()).metadata("k", "v");
    let put = store.put(meta.clone().chunk_size(3), "content").wait().unwrap();
    assert_eq!((put.chunks, put.max_chunk_size), (3, 3));
    let info = store.info("a").wait().unwrap();
    assert_eq!(info, put);
    assert_eq!(
        (info.description.as_str(), &info.headers, &info.metadata["k"]),
        ("of a test", &headers, &"v".to_owned())
    );

    let updated = store.update_metadata("a", ObjectMetadata::new("a").description("another")).wait().unwrap();
    assert_eq!((updated.description.as_str(), updated.metadata.len(), &updated.nuid), ("another", 0, &put.nuid));
    let renamed = run(store.update_metadata("a", meta.clone())).unwrap();
    assert_eq!(renamed.description, "of a test");
    let renamed = store.update_metadata("a", ObjectMetadata::new("z")).wait().unwrap();
    assert_eq!((renamed.name.as_str(), renamed.size, &renamed.digest), ("z", 7, &put.digest));
    assert_eq!(messages(&store), 4, "three chunks and one metadata");
    assert!(store.info("a").wait().unwrap_err().is_not_found());
    assert_eq!(store.get("z").wait().unwrap().into_iter().map(Result::unwrap).collect::<Vec<_>>().concat(), b"content");

    store.put("other", "x").wait().unwrap();
    assert!(store.update_metadata("z", "other").wait().unwrap_err().is_already_exists());
    assert!(store.update_metadata("none", "n").wait().unwrap_err().is_not_found());
    // The name of a deleted object is free.
    store.delete("other").wait().unwrap();
    store.update_metadata("z", "other").wait().unwrap();
}

/// JO4: keys that another client wrote survive an update.
#[test]
fn unknown_keys_survive() {
    let setup = setup();
    let store = setup.store(Config::new("b"));
    let body = r#"{"name":"a","options":{"max_chunk_size":9},"bucket":"b","nuid":"n","size":0,"mtime":"0001-01-01T00:00:00Z","chunks":0,"digest":"","revision":7,"more":{"x":[1,null]}}"#;
    // `a` in base64url.
    setup.js.publish("$O.b.M.YQ==", body).wait().unwrap();
    let info = store.info("a").wait().unwrap();
    assert_eq!((info.modified, info.max_chunk_size), (store.stream().get_message(1).wait().unwrap().time, 9));
    store.update_metadata("a", ObjectMetadata::new("a").description("d")).wait().unwrap();
    let stored = store.stream().get_last_message("$O.b.M.YQ==").wait().unwrap();
    let stored = String::from_utf8(stored.payload.to_vec()).unwrap();
    assert!(
        stored.contains(r#""description":"d""#) && stored.ends_with(r#""revision":7,"more":{"x":[1,null]}}"#),
        "{stored}"
    );
    // Metadata that nobody can read is an error, and can be replaced.
    setup.js.publish("$O.b.M.YQ==", "no JSON").wait().unwrap();
    assert!(store.info("a").wait().unwrap_err().to_string().starts_with("unreadable metadata"));
    store.put("a", "x").wait().unwrap();
}

/// JO5, JO8.
#[test]
fn links_lead_to_objects_of_this_store_and_others() {
    let setup = setup();
    let (store, other) = (setup.store(Config::new("b")), setup.store(Config::new("other")));
    let here = store.put("here", "here it is").wait().unwrap();
    let there = other.put("there", content(300_000)).wait().unwrap();
    let link = store.add_link("to here", &here).wait().unwrap();
    assert_eq!(link.link.as_ref().unwrap().name.as_deref(), Some("here"));
    run(store.add_link("to there", &there)).unwrap();
    store.add_bucket_link("to all", "other").wait().unwrap();

    let object = store.get("to here").wait().unwrap();
    assert_eq!(object.info().name, "here");
    let chunks: Vec<_> = run(store.get("to there")).unwrap().into_iter().map(Result::unwrap).collect();
    assert!(chunks.concat() == content(300_000));
    let error = store.get("to all").wait().unwrap_err();
    assert!(matches!(&error, GetError::Link(UnusableLink::ToStore { name }) if name == "to all"), "{error}");
    assert_eq!(store.info("to all").wait().unwrap().link.unwrap().bucket, "other");

    // To a link, to a deleted object, in the place of an object.
    let error = store.add_link("x", &link).wait().unwrap_err();
    assert!(matches!(error, AddLinkError::Link(UnusableLink::ToLink { .. })));
    assert!(store.add_link("here", &there).wait().unwrap_err().is_already_exists());
    assert!(matches!(store.add_link("", &there).wait().unwrap_err(), AddLinkError::Name(_)));
    assert!(matches!(store.add_bucket_link("x", "a.b").wait().unwrap_err(), AddLinkError::BucketName(_)));
    // A link takes the place of a link, and an object of a link.
    store.add_link("to here", &there).wait().unwrap();
    assert_eq!(store.get("to here").wait().unwrap().info().name, "there");
    store.put("to here", "no link").wait().unwrap();
    assert_eq!(store.info("to here").wait().unwrap().link, None);
    // The end of a link goes.
    other.delete("there").wait().unwrap();
    assert!(store.get("to there").wait().unwrap_err().is_not_found());
    setup.js.delete_object_store("other").wait().unwrap();
    assert!(matches!(store.get("to there").wait().unwrap_err(), GetError::Store(error) if error.is_not_found()));
    store.delete("to there").wait().unwrap();
    // A circle of links, as no client makes it.
    let body = |from: &str, to: &str| {
        format!(r#"{{"name":"{from}","bucket":"b","options":{{"link":{{"bucket":"b","name":"{to}"}}}}}}"#)
    };
    setup.js.publish("$O.b.M.YQ==", body("a", "b")).wait().unwrap();
    setup.js.publish("$O.b.M.Yg==", body("b", "a")).wait().unwrap();
    assert!(matches!(store.get("a").wait().unwrap_err(), GetError::Link(UnusableLink::ToLink { name }) if name == "b"));
}

/// JO9.
#[test]
fn objects_are_watched_and_listed() {
    let setup = setup();
    let store = setup.store(Config::new("b"));
    assert!(store.list().wait().unwrap().recv().is_none());
    store.put("a", "1").wait().unwrap();
    store.put("b", "2").wait().unwrap();
    store.delete("b").wait().unwrap();
    store.put("c", "3").wait().unwrap();
    let mut changes = store.watch().wait().unwrap();
    assert!(changes.is_current());
    let mut all = store.watch_with_history().wait().unwrap();
    assert!(!all.is_current());
    store.put("a", "4").wait().unwrap();
    store.delete("c").wait().unwrap();
    let shown = |info: &postroom::jetstream::object_store::ObjectInfo| (info.name.clone(), info.size, info.deleted);
    let changed: Vec<_> = changes.iter().take(2).map(|info| shown(&info.unwrap())).collect();
    assert_eq!(changed, [("a".to_owned(), 1, false), ("c".to_owned(), 0, true)]);
    let seen: Vec<_> = run(all.by_ref().take(5).map(|info| shown(&info.unwrap())).collect());
    assert_eq!(seen.iter().map(|(name, ..)| name.as_str()).collect::<Vec<_>>(), ["a", "b", "c", "a", "c"]);
    let listed: Vec<_> = run(async { store.list().await.unwrap().try_collect::<Vec<_>>().await.unwrap() });
    assert_eq!(listed.iter().map(shown).collect::<Vec<_>>(), [("a".to_owned(), 1, false)]);

    setup.js.publish("$O.b.M.YQ==", "no JSON").wait().unwrap();
    assert!(changes.recv().unwrap().unwrap_err().to_string().starts_with("unreadable metadata"));
    store.put("a", "5").wait().unwrap();
    assert_eq!(changes.recv().unwrap().unwrap().name, "a");
}
