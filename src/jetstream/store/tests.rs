//! A log gives back what a stream was, wherever a process ended while it wrote; and damage is found.

use super::*;
use crate::Subject;
use crate::jetstream::engine::config::{Created, Directory as Configs, Retention, StreamConfig};
use crate::jetstream::engine::consumer::{Ack, AckPolicy, AckSubject, ConsumerConfig, ConsumerRequest, PullRequest};
use crate::jetstream::engine::{Effect, Publish, Purge, Room, Stream, Timestamp};
use proptest::prelude::*;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A directory that is removed in the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        let number = LAST.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("postroom-store-{}-{number}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        Folder(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

const SUBJECTS: [&str; 4] = ["s.a", "s.b", "s.c.d", "s.*"];

/// A stream with its log.
struct Desk {
    stream: Stream,
    log: StreamLog,
    now: Timestamp,
    /// Reply subjects of deliveries.
    replies: Vec<Subject>,
}

/// A number for each part of a command.
type Command = (u8, u8, u8);

fn config(kind: u8) -> StreamConfig {
    let none = Configs { streams: &[], server: &Default::default(), account: &Default::default() };
    let config = StreamConfig {
        subjects: vec!["s.>".to_owned()],
        retention: [Retention::Limits, Retention::Interest, Retention::WorkQueue][usize::from(kind) % 3],
        max_msgs: if kind & 4 == 0 { -1 } else { 10 },
        max_msgs_per_subject: if kind & 8 == 0 { -1 } else { 2 },
        max_age: if kind & 16 == 0 { 0 } else { 3_000_000_000 },
        duplicate_window: 1_000_000_000,
        allow_msg_ttl: true,
        allow_rollup_hdrs: true,
        ..StreamConfig::new("S")
    };
    let Ok(Created::New(config)) = none.create(config, false) else { panic!("it can be created") };
    *config
}

impl Desk {
    fn new(directory: &Directory, kind: u8) -> Self {
        let now = Timestamp::from_nanos(1_800_000_000_000_000_000);
        let stream = Stream::new(config(kind), &Default::default(), now, 7).with_journal();
        let log = directory.create(&stream).unwrap();
        Desk { stream, log, now, replies: Vec::new() }
    }

    fn publish(&mut self, subject: &str, head: &[u8], payload: &[u8]) {
        let subject = Subject::new(subject).unwrap();
        let publish = Publish { subject: &subject, reply: None, head, payload };
        self.stream.handle_publish(self.now, &publish, Room::UNLIMITED);
    }

    fn apply(&mut self, (what, which, how): Command) {
        let now = self.now;
        let subject = SUBJECTS[usize::from(which) % 3];
        let name = format!("c{}", which % 3);
        let id = self.stream.consumer_id(&name);
        match what % 16 {
            0..=5 => {
                let head = match how % 8 {
                    0 => format!("NATS/1.0\r\nNats-Msg-Id: {which}\r\n\r\n"),
                    1 => format!("NATS/1.0\r\nNats-TTL: {}\r\n\r\n", which % 4 + 1),
                    2 if which.is_multiple_of(16) => "NATS/1.0\r\nNats-Rollup: sub\r\n\r\n".to_owned(),
                    _ => String::new(),
                };
                self.publish(subject, head.as_bytes(), &vec![how; usize::from(which)]);
            }
            6 | 7 => {
                // On other streams it keeps messages from going, and not any more when it is gone.
                let is_limits = self.stream.config().retention == Retention::Limits;
                let ack_policy = match is_limits {
                    true => [AckPolicy::Explicit, AckPolicy::All, AckPolicy::None][usize::from(how) % 3],
                    false => AckPolicy::Explicit,
                };
                let config = ConsumerConfig {
                    durable_name: if how & 8 == 0 { name.clone() } else { String::new() },
                    name,
                    ack_policy,
                    ack_wait: 700_000_000,
                    // The same for a name, so that updates leave them: a consumer whose filters have changed goes on behind what it has
                    // looked at, and after a restart behind its last delivery, as on the server; what waits was judged by other rules.
                    max_deliver: [-1, 2, 3][usize::from(which) % 3],
                    filter_subject: ["s.a", "s.*", ""][usize::from(which) % 3].to_owned(),
                    mem_storage: is_limits && how.is_multiple_of(32),
                    ..ConsumerConfig::default()
                };
                drop(self.stream.create_consumer(
                    now,
                    ConsumerRequest { config, ..ConsumerRequest::default() },
                    &Default::default(),
                ));
            }
            8 | 9 => {
                if let Some(id) = id {
                    let request = PullRequest { batch: i64::from(how % 5), no_wait: true, ..PullRequest::default() };
                    self.stream.handle_pull(now, id, &Subject::new("inbox").unwrap(), Ok(&request));
                }
            }
            10 | 11 => {
                if self.replies.is_empty() {
                    return;
                }
                let reply = self.replies.swap_remove(usize::from(how) % self.replies.len());
                let subject = AckSubject::parse(reply.as_str()).unwrap();
                let acks: [&[u8]; 5] = [b"+ACK", b"-NAK", b"+TERM", b"+WPI", b"-NAK {\"delay\":9}"];
                let ack = Ack::parse(acks[usize::from(which) % 5], |_| Some(400_000_000));
                if let Some(id) = self.stream.consumer_id(subject.consumer) {
                    self.stream.handle_ack(now, id, &subject, ack, None);
                }
            }
            12 => {
                self.now = now.after(Duration::from_millis(u64::from(how) * 8));
                self.stream.handle_timeout(self.now);
            }
            13 if which < 40 => {
                let filter = SUBJECTS[usize::from(how) % 4].to_owned();
                let (seq, keep) = if how < 128 { (u64::from(how), 0) } else { (0, u64::from(how % 4)) };
                let filter = if which < 20 { filter } else { String::new() };
                drop(self.stream.handle_purge(now, &Purge { filter, seq, keep }));
            }
            13 => drop(self.stream.handle_delete(now, self.stream.state().first_seq + u64::from(how % 4))),
            14 => match id {
                Some(id) if how < 20 => drop(self.stream.delete_consumer(now, id)),
                Some(id) if how < 60 => drop(self.stream.handle_reset(now, id, Some(u64::from(how)))),
                Some(id) if how < 100 => {
                    let until = now.after(Duration::from_millis(u64::from(how)));
                    drop(self.stream.handle_pause(now, id, Some(until)));
                }
                _ => {}
            },
            _ => {
                let mut config = self.stream.config().clone();
                config.description = format!("{how}");
                self.stream.handle_update(now, config);
            }
        }
    }

    /// Carries out a command, and writes what it has changed.
    fn run(&mut self, command: Command) {
        self.apply(command);
        while let Some(effect) = self.stream.poll_effect() {
            if let Effect::Deliver(delivery) = effect {
                self.replies.push(delivery.reply);
            }
        }
        self.log.append(&mut self.stream).unwrap();
    }
}

/// All of a stream that outlives a process, as a text.
fn seen(stream: &mut Stream, now: Timestamp) -> String {
    stream.handle_timeout(now);
    while stream.poll_effect().is_some() {}
    let mut text = format!("{:?} {:?} {:?}\n", stream.config().description, stream.created(), {
        let state = stream.state();
        // Consumers that live in memory are counted.
        (
            state.messages,
            state.bytes,
            state.first_seq,
            state.first_time,
            state.last_seq,
            state.last_time,
            state.num_subjects,
        )
    });
    let mut next = 0;
    while let Some(message) = stream.messages().next_match(&[] as &[&str], next) {
        let (head, payload) = (String::from_utf8_lossy(message.head()), message.payload());
        text += &format!("{message:?} {head:?} {} {:?}\n", payload.len(), payload.first());
        next = message.seq() + 1;
    }
    for id in stream.consumer_ids().map(|(_, id)| id).collect::<Vec<_>>() {
        let info = stream.consumer_info(now, id).unwrap();
        if info.config.mem_storage {
            continue;
        }
        let pair = |pair: crate::jetstream::engine::consumer::SequencePair| (pair.consumer, pair.stream);
        let delivered = if info.delivered.consumer == 0 { (0, 0) } else { pair(info.delivered) };
        text += &format!(
            "{} {:?} {:?} {delivered:?} {:?} {} {} {} {:?}\n",
            info.name,
            info.created,
            info.config,
            pair(info.ack_floor),
            info.num_ack_pending,
            info.num_redelivered,
            info.num_pending,
            info.pause_remaining,
        );
    }
    text
}

/// The only folder of a stream.
fn only(folder: &Path) -> PathBuf {
    let streams = fs::read_dir(folder.join("jetstream/streams")).unwrap();
    let all: Vec<_> = streams.map(|entry| entry.unwrap().path()).collect();
    assert_eq!(all.len(), 1);
    all[0].clone()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(only(folder)).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn last_file(folder: &Path) -> PathBuf {
    files(folder).pop().unwrap()
}

fn copy(from: &Path) -> Folder {
    let to = Folder::new();
    let streams = to.0.join("jetstream/streams/S");
    fs::create_dir_all(&streams).unwrap();
    for entry in fs::read_dir(only(from)).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, streams.join(path.file_name().unwrap())).unwrap();
    }
    to
}

type Outcome = Result<(Stream, StreamLog), StoreError>;

/// The streams that are found in a directory.
fn found(folder: &Path, now: Timestamp) -> (Vec<Outcome>, Vec<StoreEvent>) {
    let directory = Directory::open(folder, SyncPolicy::default()).unwrap();
    let mut events = Vec::new();
    let found = directory.streams(&mut events, |recovery| recovery.finish(&Default::default(), now, 3)).unwrap();
    (found.into_iter().map(|found| found.outcome).collect(), events)
}

/// The stream of a directory as a text; it must be there.
fn read(folder: &Path, now: Timestamp) -> String {
    let (mut all, _) = found(folder, now);
    assert_eq!(all.len(), 1);
    let (mut stream, _log) = all.remove(0).unwrap();
    assert!(stream.ledger().balances());
    seen(&mut stream, now)
}

fn cut(file: &Path, len: u64) {
    fs::OpenOptions::new().write(true).open(file).unwrap().set_len(len).unwrap();
}

fn commands(most: usize) -> impl Strategy<Value = Vec<Command>> {
    prop::collection::vec(any::<Command>(), 1..most)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Any commands, and a process that ends anywhere while it writes the last change: the stream is as it was before that change, or
    /// behind it.
    #[test]
    fn a_stream_is_as_it_was_behind_its_last_whole_change(
        kind in 0u8..32,
        commands in commands(160),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 3),
    ) {
        let folder = Folder::new();
        let directory = Directory::open(&folder.0, SyncPolicy::default()).unwrap();
        let mut desk = Desk::new(&directory, kind);
        let (last, before) = commands.split_last().unwrap();
        before.iter().for_each(|command| desk.run(*command));
        let now = desk.now;
        let state_before = read(&copy(&folder.0).0, now);
        prop_assert_eq!(&state_before, &seen(&mut desk.stream, now));
        // What fell due while it was looked at belongs to the change before.
        desk.log.append(&mut desk.stream).unwrap();
        let (before, settled) = (files(&folder.0), fs::metadata(last_file(&folder.0)).unwrap().len());
        desk.run(*last);
        let (after, twin) = (files(&folder.0), copy(&folder.0));
        let written = fs::metadata(after.last().unwrap()).unwrap().len();
        let now = desk.now;
        let state_after = read(&twin.0, now);
        prop_assert_eq!(&state_after, &seen(&mut desk.stream, now));
        // Else the change was written, and what follows is about files.
        if after == before && written > settled {
            let state_before = {
                let twin = copy(&folder.0);
                cut(&last_file(&twin.0), settled);
                read(&twin.0, now)
            };
            for at in cuts {
                let twin = copy(&folder.0);
                let len = settled + at.index((written - settled) as usize) as u64;
                cut(&last_file(&twin.0), len);
                prop_assert_eq!(&read(&twin.0, now), &state_before, "cut at {} of {}..{}", len, settled, written);
            }
        }
    }
}

/// A small log of one file, and what the stream was after each change: the length of the file, and the text.
fn small() -> (Folder, Vec<(u64, String)>, Timestamp) {
    let folder = Folder::new();
    let directory = Directory::open(&folder.0, SyncPolicy::default()).unwrap();
    let mut desk = Desk::new(&directory, 0);
    let mut states = Vec::new();
    let commands =
        [(6, 0, 0), (0, 10, 0), (0, 11, 5), (8, 0, 2), (10, 0, 0), (0, 3, 5), (13, 90, 1), (14, 0, 70), (8, 0, 2)];
    let file = last_file(&folder.0);
    let mut note = |desk: &mut Desk| {
        let now = desk.now;
        states.push((fs::metadata(&file).unwrap().len(), seen(&mut desk.stream, now)));
    };
    note(&mut desk);
    for command in commands {
        desk.run(command);
        note(&mut desk);
    }
    (folder, states, desk.now)
}

#[test]
fn a_log_may_end_anywhere() {
    let (folder, states, now) = small();
    let len = states.last().unwrap().0;
    for at in 0..=len {
        let twin = copy(&folder.0);
        cut(&last_file(&twin.0), at);
        let (mut all, events) = found(&twin.0, now);
        let whole = states.iter().rev().find(|(len, _)| *len <= at);
        let Some((kept, state)) = whole else {
            assert!(all.is_empty(), "a stream that was never acknowledged");
            assert!(!twin.0.join("jetstream/streams/S").exists());
            continue;
        };
        let (mut stream, mut log) = all.remove(0).unwrap();
        assert_eq!(&seen(&mut stream, now), state, "at {at}");
        let is_cut = matches!(&events[..], [StoreEvent::Cut { kept: at, .. }] if at == kept);
        assert_eq!(is_cut, at > *kept, "at {at}: {events:?}");
        // It goes on from there.
        let subject = Subject::new("s.new").unwrap();
        let publish = Publish { subject: &subject, reply: None, head: &[], payload: b"new" };
        stream.handle_publish(now, &publish, Room::UNLIMITED);
        log.append(&mut stream).unwrap();
        let state = seen(&mut stream, now);
        drop(log);
        assert_eq!(read(&twin.0, now), state, "at {at}");
    }
}

#[test]
fn every_changed_byte_is_found() {
    let (folder, states, now) = small();
    let bytes = fs::read(last_file(&folder.0)).unwrap();
    assert_eq!(bytes.len() as u64, states.last().unwrap().0);
    let twin = copy(&folder.0);
    let file = last_file(&twin.0);
    for at in 0..bytes.len() {
        for change in [0x01, 0x80, 0xFF] {
            let mut changed = bytes.clone();
            changed[at] ^= change;
            fs::write(&file, &changed).unwrap();
            let (all, events) = found(&twin.0, now);
            let Err(StoreError { file: named, fault: StoreFault::Damaged { .. } }) = &all[0] else {
                panic!("byte {at} is not found: {events:?}");
            };
            assert_eq!((named, fs::read(&file).unwrap() == changed), (&file, true), "it is named, and left as it is");
        }
    }
    // A file system may leave zeros behind what was written.
    fs::write(&file, [&bytes[..], &[0; 5_000]].concat()).unwrap();
    assert_eq!(read(&twin.0, now), states.last().unwrap().1);
}

#[test]
fn a_missing_file_is_damage() {
    let folder = Folder::new();
    let directory = Directory::open(&folder.0, SyncPolicy::default()).unwrap();
    let mut desk = Desk::new(&directory, 0);
    while fs::read_dir(only(&folder.0)).unwrap().count() < 3 {
        desk.run((0, 200, 5));
    }
    let files = files(&folder.0);
    for missing in &files[..files.len() - 1] {
        let twin = copy(&folder.0);
        let file = only(&twin.0).join(missing.file_name().unwrap());
        fs::remove_file(&file).unwrap();
        let (all, _) = found(&twin.0, desk.now);
        let error = all[0].as_ref().map(|_| ()).unwrap_err();
        assert_eq!(error.file, file, "{error}");
    }
    // One that ends too early, with others behind it.
    let twin = copy(&folder.0);
    let file = only(&twin.0).join(files[0].file_name().unwrap());
    cut(&file, fs::metadata(&file).unwrap().len() - 1);
    let (all, _) = found(&twin.0, desk.now);
    assert_eq!(all[0].as_ref().map(|_| ()).unwrap_err().file, file);
}

/// The disk holds a small multiple of what the stream holds, whatever was there before.
#[test]
fn a_log_is_as_large_as_what_it_holds() {
    let folder = Folder::new();
    let directory = Directory::open(&folder.0, SyncPolicy::default()).unwrap();
    // Two messages a subject: one that stays among many that go.
    let mut desk = Desk::new(&directory, 8);
    for number in 0..100 {
        desk.publish(&format!("s.keep.{number}"), &[], &[1; 300]);
    }
    for round in 0..200 {
        for subject in 0..10 {
            desk.publish(&format!("s.change.{subject}"), &[], &[2; 300]);
            desk.log.append(&mut desk.stream).unwrap();
        }
        let size: u64 =
            fs::read_dir(only(&folder.0)).unwrap().map(|file| file.unwrap().metadata().unwrap().len()).sum();
        let held = desk.stream.messages().bytes();
        assert!(size < 5 * held, "{size} bytes for {held} in round {round}");
    }
    let (now, state) = (desk.now, seen(&mut desk.stream, desk.now));
    drop((desk, directory));
    assert_eq!(read(&folder.0, now), state);
    // All of it goes: what is left is little.
    let (mut all, _) = found(&folder.0, now);
    let (mut stream, mut log) = all.remove(0).unwrap();
    stream.handle_purge(now, &Purge::default()).unwrap();
    for _ in 0..40 {
        let publish = Publish { subject: &Subject::new("s.x").unwrap(), reply: None, head: &[], payload: &[3; 600] };
        stream.handle_publish(now, &publish, Room::UNLIMITED);
        log.append(&mut stream).unwrap();
    }
    let size: u64 = fs::read_dir(only(&folder.0)).unwrap().map(|file| file.unwrap().metadata().unwrap().len()).sum();
    assert!(size < 24 << 10, "{size}");
}

#[test]
fn a_directory_has_one_owner() {
    let folder = Folder::new();
    let directory = Directory::open(&folder.0, SyncPolicy::default()).unwrap();
    let refused = Directory::open(&folder.0, SyncPolicy::default()).map(drop).unwrap_err();
    assert_eq!(refused.fault, StoreFault::InUse);
    drop(directory);
    drop(Directory::open(&folder.0, SyncPolicy::default()).unwrap());
}

#[test]
fn what_can_not_be_written_is_an_error_and_leaves_no_half() {
    let folder = Folder::new();
    let directory = Directory::open(&folder.0, SyncPolicy::Always).unwrap();
    let mut desk = Desk::new(&directory, 0);
    desk.run((0, 10, 5));
    let (now, state) = (desk.now, seen(&mut desk.stream, desk.now));
    desk.log.refuse_writes();
    desk.publish("s.a", &[], b"x");
    let refused = desk.log.append(&mut desk.stream).unwrap_err();
    assert!(matches!(refused.fault, StoreFault::Io { .. }), "{refused}");
    drop((desk, directory));
    assert_eq!(read(&folder.0, now), state);
}

#[test]
fn a_deleted_stream_leaves_nothing() {
    let folder = Folder::new();
    let directory = Directory::open(&folder.0, SyncPolicy::default()).unwrap();
    let desk = Desk::new(&directory, 0);
    // A process ended while it removed another one.
    fs::create_dir(folder.0.join("jetstream/streams/.deleted-T")).unwrap();
    desk.log.delete().unwrap();
    drop(directory);
    assert!(found(&folder.0, desk.now).0.is_empty());
    assert_eq!(fs::read_dir(folder.0.join("jetstream/streams")).unwrap().count(), 0);
}

/// The records of a small stream, without the bytes around them.
fn contents() -> Vec<u8> {
    let (folder, _, _) = small();
    let bytes = fs::read(last_file(&folder.0)).unwrap();
    let mut frames = frame::Frames::new(&bytes[..], bytes.len() as u64);
    let mut all = Vec::new();
    while let frame::Next::Frame(contents) = frames.next().unwrap() {
        all.extend_from_slice(contents);
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Bytes with the right checksums that no stream has written: they are refused, or make a stream that works.
    #[test]
    fn any_records_are_refused_or_make_a_stream(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        behind in prop::collection::vec(any::<u8>(), 0..20),
        commands in commands(12),
    ) {
        static CONTENTS: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
        let mut contents = CONTENTS.get_or_init(contents).clone();
        for (at, change) in changes {
            let at = at.index(contents.len());
            contents[at] = change;
        }
        contents.extend_from_slice(&behind);
        let Ok((recovery, _)) = read_bytes(&log_of(&contents)) else { return Ok(()) };
        let now = Timestamp::from_nanos(1_800_000_010_000_000_000);
        let Ok(stream) = recovery.finish(&Default::default(), now, 1) else { return Ok(()) };
        let folder = Folder::new();
        let directory = Directory::open(&folder.0, SyncPolicy::default()).unwrap();
        let log = directory.create(&stream).unwrap();
        let mut desk = Desk { stream, log, now, replies: Vec::new() };
        commands.iter().for_each(|command| desk.run(*command));
        prop_assert!(desk.stream.ledger().balances());
    }
}
