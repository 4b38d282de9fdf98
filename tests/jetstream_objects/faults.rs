//! Wrong digests, missing chunks, puts that come to no end.

use crate::support::{CHUNK, SEC, content, messages, run, setup};
use bytes::Bytes;
use futures_util::stream;
use postroom::jetstream::Purge;
use postroom::jetstream::object_store::{Config, PutError};
use std::future::Future;
use std::io::{self, Read};
use std::pin::pin;
use std::task::{Context, Waker};

/// JO4, JO5: a content with another byte than was put.
#[test]
fn a_wrong_digest_is_told_at_the_end() {
    let setup = setup();
    let store = setup.store(Config::new("b"));
    let info = store.put("a", "content").wait().unwrap();
    let chunks = format!("$O.b.C.{}", info.nuid);
    store.stream().purge_with(Purge { filter: chunks.clone(), ..Purge::default() }).wait().unwrap();
    setup.js.publish(chunks.as_str(), "CONTENT").wait().unwrap();
    let mut object = store.get("a").wait().unwrap();
    assert_eq!(object.recv().unwrap().unwrap(), "CONTENT");
    let error = object.recv().unwrap().unwrap_err();
    assert!(error.is_wrong_digest() && !error.is_wrong_chunks(), "{error}");
    assert!(error.to_string().contains(&info.digest), "{error}");
    assert!(object.recv().is_none());
    let mut read = Vec::new();
    let error = store.get("a").wait().unwrap().read_to_end(&mut read).unwrap_err();
    assert_eq!((error.kind(), &read[..]), (io::ErrorKind::InvalidData, &b"CONTENT"[..]));
}

/// JO5: each chunk of a content in turn is missing, and one is too many.
#[test]
fn missing_chunks_are_told() {
    let setup = setup();
    let store = setup.store(Config::new("b"));
    for missing in 1..=3 {
        let info = store.put("a", content(3 * CHUNK)).wait().unwrap();
        let last = store.stream().info().wait().unwrap().state.last_seq;
        // The last message is the metadata.
        store.stream().delete_message(last - missing).wait().unwrap();
        let chunks: Vec<_> = store.get("a").wait().unwrap().into_iter().collect();
        assert_eq!(chunks.len(), 3);
        let error = chunks[2].as_ref().unwrap_err();
        assert!(error.is_wrong_chunks(), "{error}");
        assert_eq!(error.to_string(), "2 chunks with 262144 bytes where 3 with 393216 are said to be");
        // All are missing.
        let chunks = format!("$O.b.C.{}", info.nuid);
        store.stream().purge_with(Purge { filter: chunks.clone(), ..Purge::default() }).wait().unwrap();
        assert!(store.get("a").wait().unwrap().recv().unwrap().unwrap_err().is_wrong_chunks());
        for chunk in content(4 * CHUNK).chunks(CHUNK) {
            setup.js.publish(chunks.as_str(), chunk).wait().unwrap();
        }
        assert!(store.get("a").wait().unwrap().into_iter().last().unwrap().unwrap_err().is_wrong_chunks());
    }
}

/// JO5: the last chunk goes while the content is being read, so that no message says that it is the last.
#[test]
fn a_chunk_that_goes_under_a_reader_is_told() {
    let setup = setup();
    let store = setup.store(Config::new("b"));
    store.put("a", content(400 * CHUNK)).wait().unwrap();
    let mut object = store.get("a").wait().unwrap();
    let last = store.stream().info().wait().unwrap().state.last_seq;
    store.stream().delete_message(last - 1).wait().unwrap();
    std::thread::scope(|scope| {
        let reader = scope.spawn(move || object.iter().last().unwrap());
        while !reader.is_finished() {
            setup.clock.advance(SEC);
            std::thread::yield_now();
        }
        assert!(reader.join().unwrap().unwrap_err().is_wrong_chunks());
    });
}

/// A reader that fails after some bytes.
struct Broken(usize);

impl Read for Broken {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.0 == 0 {
            return Err(io::Error::new(io::ErrorKind::BrokenPipe, "the pipe broke"));
        }
        let read = buffer.len().min(self.0);
        self.0 -= read;
        Ok(read)
    }
}

/// JO3: nothing of a put is left that comes to no end.
#[test]
fn interrupted_puts_leave_nothing_behind() {
    let setup = setup();
    let store = setup.store(Config::new("b"));
    let kept = store.put("kept", "before").wait().unwrap();
    let before = messages(&store);

    // The source fails.
    let error = store.put_from("kept", Broken(10 * CHUNK + 1)).wait().unwrap_err();
    assert!(matches!(&error, PutError::Source(source) if source.kind == io::ErrorKind::BrokenPipe), "{error}");
    assert_eq!(error.to_string(), "the pipe broke");
    assert_eq!(messages(&store), before);
    let pieces = [Ok(Bytes::from(content(3 * CHUNK))), Err(io::Error::other("no more"))];
    assert_eq!(run(store.put_from("kept", stream::iter(pieces))).unwrap_err().to_string(), "no more");
    assert_eq!(messages(&store), before);

    // The handle is dropped between two polls.
    let endless = stream::repeat_with(|| io::Result::Ok(Bytes::from(content(CHUNK))));
    {
        let mut put = pin!(store.put_from("kept", endless));
        let mut cx = Context::from_waker(Waker::noop());
        // Each poll gives other tasks their turn after some bytes.
        while messages(&store) < before + 20 {
            assert!(put.as_mut().poll(&mut cx).is_pending());
        }
    }
    assert_eq!(messages(&store), before);
    assert_eq!(store.info("kept").wait().unwrap(), kept);
    assert_eq!(store.get("kept").wait().unwrap().recv().unwrap().unwrap(), "before");
}

/// JO1, JO3: a store that is full, and one that is gone.
#[test]
fn refused_puts_leave_nothing_behind() {
    let setup = setup();
    let store = setup.store(Config::new("b").max_bytes(10 * CHUNK as u64));
    store.put("small", "x").wait().unwrap();
    let error = store.put("large", content(20 * CHUNK)).wait().unwrap_err();
    assert_eq!(error.to_string(), "maximum bytes exceeded");
    assert_eq!(messages(&store), 2);
    let error = store.put_from("large", &content(20 * CHUNK)[..]).wait().unwrap_err();
    assert_eq!((error.to_string().as_str(), messages(&store)), ("maximum bytes exceeded", 2));
    let pieces = [io::Result::Ok(Bytes::from(content(20 * CHUNK)))];
    let error = run(store.put_from("large", stream::iter(pieces))).unwrap_err();
    assert_eq!((error.to_string().as_str(), messages(&store)), ("maximum bytes exceeded", 2));

    setup.js.delete_object_store("b").wait().unwrap();
    assert!(store.put("a", "x").wait().unwrap_err().is_store_not_found());
    assert!(store.info("a").wait().unwrap_err().is_store_not_found());
    assert!(store.watch().wait().is_err());
    let error: postroom::Error = store.put("a", "x").wait().unwrap_err().into();
    assert!(matches!(error, postroom::Error::ObjectStore(_)));
}

/// JO3: the metadata of another client names all chunks of the store as its own.
#[test]
fn an_id_with_wildcards_is_refused() {
    let setup = setup();
    let store = setup.store(Config::new("b"));
    let info = store.put("a", "content").wait().unwrap();
    let meta = store.stream().get_message(2).wait().unwrap();
    let forged = String::from_utf8_lossy(&meta.payload).replace(&info.nuid, ">");
    setup.js.publish(meta.subject.as_str(), forged.as_bytes()).wait().unwrap();
    assert!(store.info("a").wait().unwrap_err().to_string().contains("not a token"));
    assert!(store.delete("a").wait().is_err());
    assert!(store.stream().get_message(1).wait().is_ok(), "the chunk");
}

/// JC126: the reader pauses while the server holds chunks back; a heartbeat then is not the end.
#[test]
fn a_pause_of_the_reader_does_not_end_the_content() {
    let setup = setup();
    let store = setup.store(Config::new("b"));
    store.put("a", content(64 * CHUNK)).wait().unwrap();
    let mut object = store.get("a").wait().unwrap();
    assert_eq!(object.recv().unwrap().unwrap().len(), CHUNK);
    setup.clock.advance(SEC * 6);
    assert_eq!(object.iter().map(|chunk| chunk.unwrap().len()).sum::<usize>(), 63 * CHUNK);
}
