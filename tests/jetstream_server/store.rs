//! Streams with file storage: what they keep over a restart, in memory and on disk, and what is said of files that can't be read.

use super::{House, number};
use postroom::jetstream::server::{JetStreamOptions, JetStreamServer, StartError};
use postroom::jetstream::store::{StoreEvent, StoreFault};
use postroom::{Bus, HeaderMap, RequestOptions};
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A directory that is removed in the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        let number = LAST.fetch_add(1, Ordering::Relaxed);
        Folder(std::env::temp_dir().join(format!("postroom-server-store-{}-{number}", std::process::id())))
    }

    fn options(&self) -> JetStreamOptions {
        JetStreamOptions::new().store_dir(&self.0)
    }

    /// The files of a stream, sorted.
    fn files(&self, stream: &str) -> Vec<PathBuf> {
        let folder = self.0.join("jetstream/streams").join(stream);
        let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
        files.sort();
        files
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Some tests make none.
        drop(fs::remove_dir_all(&self.0));
    }
}

const SECOND: Duration = Duration::from_secs(1);

/// Without the instant at which it was asked.
fn lasting(info: &str) -> String {
    let (before, _) = info.split_once(",\"ts\":").unwrap_or((info, ""));
    let without = |text: &str, key: &str| match text.split_once(&format!(",\"{key}\":\"")) {
        None => text.to_owned(),
        Some((before, behind)) => format!("{before}{}", behind.split_once('"').map_or("", |(_, behind)| behind)),
    };
    // The times of the last delivery and the last acknowledgement are not kept.
    without(&without(before, "last_active"), "last_active")
}

fn publish(house: &House, subject: &str, payload: &str, headers: &[(&str, &str)]) -> String {
    let mut map = HeaderMap::new();
    headers.iter().for_each(|(name, value)| map.insert(*name, *value).unwrap());
    let answer = house.client.request_with(subject, payload, RequestOptions::new().headers(map)).unwrap();
    answer.payload_str().unwrap().to_owned()
}

fn create_consumer(house: &House, name: &str, more: &str) {
    let config = format!(r#"{{"name":"{name}","ack_policy":"explicit","ack_wait":30000000000{more}}}"#);
    house.api(&format!("CONSUMER.CREATE.F.{name}"), &format!(r#"{{"stream_name":"F","config":{config}}}"#));
}

/// As measured: configurations, messages, deliveries and their times come back; memory, requests and open batches do not.
#[test]
fn file_storage_outlives_a_restart_and_memory_does_not() {
    let folder = Folder::new();
    for options in [JetStreamOptions::new(), folder.options(), folder.options().sync_always(true)] {
        let house = House::with(options);
        let file = r#"{"name":"F","subjects":["f.>"],"storage":"file","allow_msg_ttl":true,"allow_atomic":true}"#;
        house.api("STREAM.CREATE.F", file);
        house.api("STREAM.CREATE.M", r#"{"name":"M","subjects":["m.>"],"storage":"memory"}"#);
        for at in 0..6 {
            publish(&house, &format!("f.{at}"), &at.to_string(), &[("Nats-Msg-Id", &format!("id{at}"))]);
        }
        publish(&house, "f.short", "x", &[("Nats-TTL", "20s")]);
        house.ask("m.1", "x");
        create_consumer(&house, "d", r#","durable_name":"d""#);
        create_consumer(&house, "e", "");
        create_consumer(&house, "memory", r#","durable_name":"memory","mem_storage":true"#);
        create_consumer(&house, "push", r#","durable_name":"push","deliver_subject":"to""#);
        let receiver = house.client.subscribe("to").unwrap();
        assert_eq!(receiver.try_iter().count(), 7);
        let inbox = house.client.subscribe("inbox").unwrap();
        let pull = |batch: &str| {
            house.client.publish_with_reply("$JS.API.CONSUMER.MSG.NEXT.F.d", "inbox", batch).unwrap();
        };
        pull("3");
        let taken: Vec<_> = inbox.try_iter().collect();
        house.client.request(taken[1].reply().unwrap(), "+ACK").unwrap();
        house.client.publish(taken[2].reply().unwrap(), "-NAK {\"delay\": 40000000000}").unwrap();
        let part = [("Nats-Batch-Id", "b"), ("Nats-Batch-Sequence", "1")];
        assert_eq!(publish(&house, "f.part", "x", &part), "");
        house
            .client
            .publish_with_reply("$JS.API.CONSUMER.MSG.NEXT.F.d", "other", r#"{"batch":9,"min_pending":0}"#)
            .unwrap();
        house.clock.advance(SECOND);
        let infos = || {
            let consumers = ["d", "e", "push"].map(|name| lasting(&house.api(&format!("CONSUMER.INFO.F.{name}"), "")));
            (house.messages("F"), consumers)
        };
        let before = infos();
        house.server.restart().unwrap();
        assert_eq!(infos().0, before.0);
        for (after, before) in infos().1.iter().zip(&before.1) {
            let before = before.replace("\"num_waiting\":1", "\"num_waiting\":0");
            assert_eq!(after, &before);
        }
        assert!(house.ask("$JS.API.STREAM.INFO.M", "").contains("\"err_code\":10059"));
        assert!(house.client.request("m.1", "x").unwrap_err().is_no_responders());
        assert!(house.ask("$JS.API.CONSUMER.INFO.F.memory", "").contains("\"err_code\":10014"));
        // Ids count for the rest of their window; a batch begins anew.
        assert!(publish(&house, "f.3", "3", &[("Nats-Msg-Id", "id3")]).contains("\"duplicate\": true"));
        let commit = [("Nats-Batch-Id", "b"), ("Nats-Batch-Sequence", "2"), ("Nats-Batch-Commit", "1")];
        assert!(publish(&house, "f.part", "x", &commit).contains("\"err_code\":10176"));
        // It is captured again, and goes to those who receive.
        assert_eq!(house.ask("f.new", "new"), r#"{"stream":"F","seq":8}"#);
        assert_eq!(receiver.try_recv().unwrap().payload(), b"new");
        // An ephemeral goes when nobody comes back for it, a message at its time.
        house.clock.advance(SECOND * 6);
        assert!(house.ask("$JS.API.CONSUMER.INFO.F.e", "").contains("\"err_code\":10014"));
        assert_eq!(house.messages("F"), 8);
        house.clock.advance(SECOND * 13);
        assert_eq!(house.messages("F"), 7);
        // Deliveries come again when their time is over, which goes on.
        inbox.try_iter().for_each(drop);
        pull("9");
        let new: Vec<_> = inbox.try_iter().map(|message| message.payload().to_vec()).collect();
        assert_eq!(
            new,
            [b"3", b"4", b"5", b"n"].map(|text| if text == b"n" { b"new".to_vec() } else { text.to_vec() })
        );
        house.clock.advance(SECOND * 10);
        let again = inbox.try_recv().unwrap();
        assert_eq!(again.payload(), b"0");
        assert!(again.reply().unwrap().as_str().starts_with("$JS.ACK.F.d.2.1."));
        assert!(inbox.try_recv().is_err());
        house.clock.advance(SECOND * 11);
        assert!(inbox.try_iter().any(|message| message.payload() == b"2"), "the delay has gone on");
        house.api("STREAM.DELETE.F", "");
    }
}

/// The streams of a process that has ended are there in the next one; deleted ones are not.
#[test]
fn a_server_finds_what_the_one_before_has_left() {
    let folder = Folder::new();
    let house = House::with(folder.options());
    for name in ["A", "B", "C"] {
        house.api(&format!("STREAM.CREATE.{name}"), &format!(r#"{{"name":"{name}","storage":"file"}}"#));
        house.ask(name, "x");
    }
    house.api("STREAM.DELETE.B", "");
    house.api("STREAM.UPDATE.C", r#"{"name":"C","subjects":["c.*"],"storage":"file","description":"new"}"#);
    let infos = ["A", "C"].map(|name| lasting(&house.api(&format!("STREAM.INFO.{name}"), "")));
    drop(house);
    let house = House::with(folder.options());
    assert_eq!(infos, ["A", "C"].map(|name| lasting(&house.api(&format!("STREAM.INFO.{name}"), ""))));
    assert_eq!(number(&house.api("INFO", ""), "streams"), 2);
    assert_eq!(house.ask("c.1", "y"), r#"{"stream":"C","seq":2}"#);
    assert!(house.client.request("C", "y").unwrap_err().is_no_responders());
    assert!(number(&house.api("INFO", ""), "storage") > 0);
    // It is forced onto the disk from time to time, and leaves no timer behind.
    house.clock.advance(SECOND * 121);
    house.server.shutdown();
    assert_eq!(house.clock.timers(), 0);
}

#[test]
fn a_directory_serves_one_server() {
    let folder = Folder::new();
    let first = JetStreamServer::start(&Bus::new(), folder.options()).unwrap();
    let second = JetStreamServer::start(&Bus::new(), folder.options()).map(drop).unwrap_err();
    assert!(matches!(&second, StartError::Store(error) if error.fault == StoreFault::InUse), "{second}");
    drop(first);
    drop(JetStreamServer::start(&Bus::new(), folder.options()).unwrap());
    fs::write(folder.0.join("jetstream/file"), "").unwrap();
    let options = JetStreamOptions::new().store_dir(folder.0.join("jetstream/file"));
    assert!(matches!(JetStreamServer::start(&Bus::new(), options).map(drop), Err(StartError::Store(_))));
}

/// A stream whose file is damaged is offline, and the file is named; the others serve.
#[test]
fn damage_is_said_and_concerns_one_stream() {
    let folder = Folder::new();
    let house = House::with(folder.options());
    for name in ["A", "B"] {
        house.api(&format!("STREAM.CREATE.{name}"), &format!(r#"{{"name":"{name}","storage":"file"}}"#));
        house.ask(name, "first");
        house.ask(name, "second");
    }
    drop(house);
    let file = folder.files("A")[0].clone();
    let mut bytes = fs::read(&file).unwrap();
    let at = bytes.windows(5).position(|bytes| bytes == b"first").unwrap();
    bytes[at] = b'F';
    fs::write(&file, &bytes).unwrap();
    // The other one was being written when its process ended.
    let torn = folder.files("B")[0].clone();
    let len = fs::metadata(&torn).unwrap().len();
    fs::OpenOptions::new().write(true).open(&torn).unwrap().set_len(len - 1).unwrap();
    let told = Arc::new(Mutex::new(Vec::new()));
    let into = told.clone();
    let house = House::with(folder.options().on_store_event(move |event| into.lock().unwrap().push(event.clone())));
    assert_eq!(house.ask("B", "third"), r#"{"stream":"B","seq":2}"#);
    for call in ["STREAM.INFO.A", "STREAM.DELETE.A", "STREAM.PURGE.A", "CONSUMER.NAMES.A"] {
        let refused = house.ask(&format!("$JS.API.{call}"), "");
        assert!(refused.contains("\"err_code\":10194") && refused.contains("stream is offline"), "{call}: {refused}");
    }
    assert!(house.ask("$JS.API.STREAM.CREATE.A", r#"{"name":"A"}"#).contains("\"err_code\":10194"));
    let events = house.server.store_events();
    assert_eq!(*told.lock().unwrap(), events);
    let [StoreEvent::Cut { file: cut, .. }, StoreEvent::Offline { stream, error }] = &events[..] else {
        panic!("{events:?}");
    };
    assert_eq!((cut, stream.as_str(), &error.file), (&torn, "A", &file));
    assert!(events[1].to_string().contains("damaged at byte"), "{}", events[1]);
    assert_eq!(fs::read(&file).unwrap(), bytes, "it is left as it is");
}
