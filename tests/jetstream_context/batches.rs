//! Atomic batches, and several messages in one answer.

use crate::support::{Setup, run, setup};
use futures_util::TryStreamExt;
use postroom::jetstream::context::DirectBatch;
use postroom::jetstream::{PublishOptions, Stream, StreamConfig};
use std::time::Duration;

fn books(setup: &Setup) -> Stream {
    let config = StreamConfig::new("BOOKS").subjects(["book.>"]).allow_atomic(true).allow_direct(true);
    setup.js.create_stream(config).wait().unwrap()
}

/// JS59, JS61: all or nothing, and the refusal says why.
#[test]
fn a_batch_is_stored_together_or_not_at_all() {
    let setup = setup();
    let stream = books(&setup);
    let mut batch = setup.js.batch();
    batch.add("book.a", "1").wait().unwrap();
    run(batch.add_with("book.b", "2", PublishOptions::new().message_id("b"))).unwrap();
    assert_eq!((batch.len(), stream.info().wait().unwrap().state.messages), (2, 0));
    let id = batch.id().to_owned();
    let ack = batch.commit("book.c", "3").wait().unwrap();
    assert_eq!((ack.stream.as_str(), ack.sequence, ack.count, ack.batch), ("BOOKS", 3, 3, id));

    let mut batch = setup.js.batch();
    batch.add_with("book.d", "", PublishOptions::new().message_id("b")).wait().unwrap();
    assert!(batch.commit("book.e", "").wait().unwrap_err().is_duplicate());
    let mut batch = setup.js.batch();
    batch.add("book.d", "").wait().unwrap();
    let expected = PublishOptions::new().expected_last_subject_sequence(7);
    assert!(run(batch.commit_with("book.e", "", expected)).unwrap_err().is_wrong_last_sequence());
    assert_eq!(stream.info().wait().unwrap().state.messages, 3);
}

/// JS60, JS63: a batch that was forgotten is incomplete; a stream without batches takes none.
#[test]
fn a_batch_that_waits_too_long_is_incomplete() {
    let setup = setup();
    books(&setup);
    setup.stream("S", "s");
    let mut batch = setup.js.batch();
    batch.add("book.a", "").wait().unwrap();
    setup.clock.advance(Duration::from_secs(10));
    assert!(batch.commit("book.b", "").wait().unwrap_err().is_incomplete());
    let mut batch = setup.js.batch();
    assert!(batch.add("s", "").wait().unwrap_err().is_disabled());
    assert!(setup.js.batch().add("nowhere", "").wait().unwrap_err().is_no_responders());
}

/// JS84, JS85: the next ones, and the last of each subject; for threads and for tasks.
#[test]
fn several_messages_are_read_at_once() {
    let setup = setup();
    let stream = books(&setup);
    for subject in ["book.a", "book.b", "book.a", "book.c"] {
        setup.js.publish(subject, subject).wait().unwrap();
    }
    let seqs = |asked: DirectBatch| -> Vec<u64> {
        stream.direct_get_batch(&asked).into_iter().map(|message| message.unwrap().sequence).collect()
    };
    assert_eq!(seqs(DirectBatch::new()), [1, 2, 3, 4]);
    assert_eq!(seqs(DirectBatch::new().from_sequence(2).messages(2)), [2, 3]);
    assert_eq!(seqs(DirectBatch::new().on("book.a")), [1, 3]);
    assert_eq!(seqs(DirectBatch::new().from_time(stream.direct_get(1).wait().unwrap().time).messages(1)), [1]);
    assert_eq!(seqs(DirectBatch::last_of(["book.*"])), [2, 3, 4]);
    assert_eq!(seqs(DirectBatch::last_of(["book.a", "book.c"]).up_to_sequence(2)), [1]);
    assert!(seqs(DirectBatch::new().on("book.z")).is_empty());
    let messages: Vec<_> = run(stream.direct_get_batch(&DirectBatch::new()).try_collect()).unwrap();
    assert_eq!(messages[1], stream.get_message(2).wait().unwrap());
    assert_eq!(stream.direct_get_next("book.*", 2).wait().unwrap().sequence, 2);

    let other = setup.stream("OTHER", "other");
    let mut refused = other.direct_get_batch(&DirectBatch::new());
    assert!(refused.recv().unwrap().unwrap_err().is_no_responders());
    assert!(refused.recv().is_none());
}

/// JS29: both ways to delete are one to a stream in memory.
#[test]
fn a_message_is_deleted_securely_or_not() {
    let setup = setup();
    let stream = books(&setup);
    for _ in 0..2 {
        setup.js.publish("book.a", "").wait().unwrap();
    }
    stream.delete_message(1).wait().unwrap();
    run(stream.secure_delete_message(2)).unwrap();
    assert_eq!(stream.info().wait().unwrap().state.messages, 0);
}

/// JS60: a message that is refused before it is sent takes no place in the batch.
#[test]
fn a_refused_message_takes_no_place_in_a_batch() {
    let setup = setup();
    books(&setup);
    let mut batch = setup.js.batch();
    assert!(batch.add_with("book.a", "", PublishOptions::new().message_id("a\r\nb")).wait().is_err());
    batch.add("book.a", "").wait().unwrap();
    assert_eq!(batch.commit("book.b", "").wait().unwrap().count, 2);
}
