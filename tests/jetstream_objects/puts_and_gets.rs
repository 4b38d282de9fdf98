//! Contents in and out, of all sizes, by readers and by streams.

use crate::support::{CHUNK, content, messages, run, setup};
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use postroom::jetstream::object_store::{Config, ObjectMetadata, ObjectStore};
use std::io::{self, Read};

fn read(store: &ObjectStore, name: &str) -> Vec<u8> {
    let mut read = Vec::new();
    store.get(name).wait().unwrap().read_to_end(&mut read).unwrap();
    read
}

/// JO3, JO5: no byte, one, a chunk and one byte less or more, several chunks.
#[test]
fn contents_of_all_sizes_come_back() {
    let setup = setup();
    let store = setup.store(Config::new("b"));
    for length in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 5 * CHUNK, 5 * CHUNK + 1] {
        let content = content(length);
        let name = format!("size {length}");
        let info = store.put(name.as_str(), content.clone()).wait().unwrap();
        let chunks = length.div_ceil(CHUNK) as u64;
        assert_eq!((info.size, info.chunks, info.max_chunk_size), (length as u64, chunks, CHUNK as u32));
        assert_eq!(read(&store, &name), content);
        // What is stored is what the put said.
        assert_eq!(store.info(&name).wait().unwrap(), info);

        let reader = store.put_from("from a reader", &content[..]).wait().unwrap();
        assert_eq!((reader.size, reader.chunks, &reader.digest), (info.size, info.chunks, &info.digest));
        assert_ne!(reader.nuid, info.nuid);
        let pieces = content.chunks(10_007).map(|piece| io::Result::Ok(Bytes::copy_from_slice(piece)));
        let streamed = run(store.put_from("from a stream", stream::iter(pieces))).unwrap();
        assert_eq!((streamed.size, streamed.chunks, &streamed.digest), (info.size, info.chunks, &info.digest));
        assert_eq!(read(&store, "from a reader"), content);
        let chunks: Vec<Bytes> = run(async { store.get("from a stream").await.unwrap().try_collect().await.unwrap() });
        assert_eq!(chunks.concat(), content);
    }
}

/// JO3, JO5.
#[test]
fn a_content_of_64_mib_comes_back() {
    let setup = setup();
    let store = setup.store(Config::new("b"));
    let content = content(64 << 20);
    let info = store.put_from("large", &content[..]).wait().unwrap();
    assert_eq!((info.size, info.chunks), (64 << 20, 512));
    let mut object = store.get("large").wait().unwrap();
    assert_eq!(object.info(), &info);
    let (mut at, mut buffer) = (0, vec![0; 100_000]);
    loop {
        let read = object.read(&mut buffer).unwrap();
        if read == 0 {
            break;
        }
        assert!(buffer[..read] == content[at..at + read]);
        at += read;
    }
    assert_eq!(at, content.len());
    store.delete("large").wait().unwrap();
    assert_eq!(messages(&store), 1);
}

/// JO3: a stream that is read by a task and put by another.
#[test]
fn an_object_is_put_from_another() {
    let setup = setup();
    let store = setup.store(Config::new("b"));
    let content = content(3 * CHUNK + 5);
    store.put("one", &content[..]).wait().unwrap();
    let copied = run(async {
        let one = store.get("one").await.unwrap().map(|chunk| chunk.map_err(io::Error::other));
        store.put_from(ObjectMetadata::new("other").chunk_size(1_000), one).await.unwrap()
    });
    assert_eq!((copied.size, copied.chunks), (content.len() as u64, content.len().div_ceil(1_000) as u64));
    assert_eq!(read(&store, "other"), content);
    let mut by_reader = store.put_from("third", store.get("one").wait().unwrap()).wait().unwrap();
    by_reader.nuid.clear();
    assert_eq!(by_reader.digest, copied.digest);
}

/// JO2: any text is a name.
#[test]
fn names_are_any_text() {
    let setup = setup();
    let store = setup.store(Config::new("b"));
    let names = ["hello world", "a.b.>", "*", "über/ßß", "\u{1F4EE}", " ", "a\nb"];
    for name in names {
        store.put(name, name).wait().unwrap();
    }
    for name in names {
        assert_eq!(read(&store, name), name.as_bytes());
    }
    let listed: Vec<String> = store.list().wait().unwrap().into_iter().map(|info| info.unwrap().name).collect();
    assert_eq!(listed, names);
    assert_eq!(store.put("", "x").wait().unwrap_err().to_string(), "an object's name is empty");
    assert_eq!(store.info("").wait().unwrap_err().to_string(), "an object's name is empty");
}

/// JO3: a new content takes the place of the old one, whose chunks go.
#[test]
fn a_put_replaces_what_was_there() {
    let setup = setup();
    let store = setup.store(Config::new("b"));
    store.put("a", content(5 * CHUNK)).wait().unwrap();
    assert_eq!(messages(&store), 6);
    let mut reader = store.get("a").wait().unwrap();
    store.put("a", "short").wait().unwrap();
    assert_eq!((messages(&store), read(&store, "a")), (2, b"short".to_vec()));
    // The reader of the old content finds it gone or has it; it never gets another.
    let mut old = Vec::new();
    match reader.read_to_end(&mut old) {
        Ok(_) => assert!(old == content(5 * CHUNK)),
        Err(error) => assert_eq!(error.kind(), io::ErrorKind::InvalidData),
    }
}

/// JO6.
#[test]
fn a_deleted_object_is_gone_with_its_chunks() {
    let setup = setup();
    let store = setup.store(Config::new("b"));
    store.put("a", content(3 * CHUNK)).wait().unwrap();
    store.delete("a").wait().unwrap();
    assert_eq!(messages(&store), 1);
    assert!(store.get("a").wait().unwrap_err().is_not_found());
    assert!(store.info("a").wait().unwrap_err().is_not_found());
    assert!(run(store.delete("a")).unwrap_err().is_not_found());
    assert!(store.delete("none").wait().unwrap_err().is_not_found());
    assert!(store.list().wait().unwrap().recv().is_none());
    store.put("a", "again").wait().unwrap();
    assert_eq!(read(&store, "a"), b"again");
}
