//! Any bytes as the log of a stream: they are refused, or make a stream that works.
//!
//! Input: a byte, then the bytes of a log; or, if that byte is odd, the records of a frame whose checksums are right.
#![no_main]

use libfuzzer_sys::fuzz_target;
use postroom::Subject;
use postroom::jetstream::engine::{Publish, Room, Timestamp};
use postroom::jetstream::store::{log_of, read_bytes};

fuzz_target!(|input: &[u8]| {
    let Some((kind, bytes)) = input.split_first() else { return };
    let framed;
    let bytes = if kind & 1 == 1 {
        framed = log_of(bytes);
        &framed
    } else {
        bytes
    };
    let Ok((recovery, whole)) = read_bytes(bytes) else { return };
    assert!(whole <= bytes.len() as u64);
    let now = Timestamp::from_nanos(1_800_000_000_000_000_000);
    let Ok(mut stream) = recovery.finish(&Default::default(), now, 1) else { return };
    stream.handle_timeout(now);
    let subject = Subject::new("s.a").expect("a subject");
    let publish = Publish { subject: &subject, reply: None, head: &[], payload: b"x" };
    stream.handle_publish(now, &publish, Room::UNLIMITED);
    for id in stream.consumer_ids().map(|(_, id)| id).collect::<Vec<_>>() {
        drop(stream.consumer_info(now, id));
    }
    assert!(stream.ledger().balances());
    let mut records = 0;
    stream.drain_records(|_| records += 1);
    assert!(records < 1_000_000);
    while stream.poll_effect().is_some() {}
});
