//! The log of one stream: files of frames, numbered upwards. Only the last one is written.
//!
//! Each file begins with all that is to be kept but the messages: the configuration, the sequences, the consumers. Of a file that is no
//! longer the last one, only its messages count. So files are let go from the oldest on: the messages in it that are still there are written
//! again at the end of the log, and then it is removed. That begins when less than half of the log's bytes are still needed; the cost is one more
//! byte for each byte that is written, at most. A file whose messages have all gone is removed without being read.

use super::codec::{self, Entries, Entry};
use super::event::{StoreError, StoreEvent};
use super::folder::{remove, sync_folder};
use super::frame::{self, Frames, HEADER, MAGIC, Next};
use super::policy::SyncPolicy;
use crate::jetstream::engine::{Record, Recovery, Stream};
use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The least and the most bytes at which a file is followed by another one. In between it is as much as the stream holds.
const FILE_MIN: u64 = if cfg!(test) { 4 << 10 } else { 64 << 10 };
const FILE_MAX: u64 = 8 << 20;

/// About how many bytes of messages are moved in one frame.
const MOVED_AT_ONCE: usize = 1 << 20;

/// Files that are open at once because they are not forced onto the disk yet.
const UNSYNCED_MAX: usize = 8;

/// Room for frames that is kept from one change to the next.
const BUFFER_KEPT: usize = 1 << 20;

/// The files of a stream.
#[derive(Debug)]
pub(crate) struct StreamLog {
    folder: PathBuf,
    policy: SyncPolicy,
    files: VecDeque<LogFile>,
    /// The last of them.
    open: Arc<File>,
    /// Files with bytes that may not be on the disk yet.
    unsynced: Vec<Arc<File>>,
    buffer: Vec<u8>,
    /// Bytes of the state that a new file begins with.
    state_len: u64,
}

#[derive(Clone, Copy, Debug)]
struct LogFile {
    number: u64,
    len: u64,
    /// The highest sequence of its messages.
    last_seq: u64,
}

/// The records of a log, as far as it was read.
#[derive(Debug, Default)]
struct Reading {
    recovery: Recovery,
    /// Files up to this number are no longer needed.
    dropped: u64,
    last_seq: u64,
}

/// A log that was read; `None` if a process ended while it made the stream.
type Opened = Option<(Recovery, StreamLog)>;

/// The end of what was read of a file.
enum End {
    Whole,
    Torn,
    Damaged(String),
}

impl StreamLog {
    /// Begins the log of a stream in a folder that is there and empty.
    ///
    /// # Errors
    ///
    /// Those of the operating system.
    pub(super) fn create(folder: PathBuf, policy: SyncPolicy, stream: &Stream) -> Result<Self, StoreError> {
        let first = LogFile { number: 1, len: 0, last_seq: 0 };
        let path = path_of(&folder, first.number);
        let open = Arc::new(create_file(&path).map_err(|error| StoreError::io(&path, &error))?);
        let mut log = StreamLog {
            folder,
            policy,
            files: [first].into(),
            open: open.clone(),
            unsynced: vec![open],
            buffer: Vec::new(),
            state_len: 0,
        };
        log.write_state(0, stream)?;
        log.sync_if_always()?;
        Ok(log)
    }

    /// Reads the log in a folder. `None` if a process ended while it made the stream. Torn ends are cut off, and told of.
    ///
    /// # Errors
    ///
    /// Damage, and those of the operating system, with the stream's name if it was read. The files are left as they are.
    pub(super) fn open(
        folder: PathBuf,
        policy: SyncPolicy,
        events: &mut Vec<StoreEvent>,
    ) -> Result<Opened, (Option<String>, StoreError)> {
        let mut reading = Reading::default();
        match open(folder, policy, events, &mut reading) {
            Ok(log) => Ok(log.map(|log| (reading.recovery, log))),
            Err(error) => Err((reading.recovery.config().map(|config| config.name.clone()), error)),
        }
    }

    /// Writes what has changed in a stream as one frame, before anything is sent of it.
    ///
    /// # Errors
    ///
    /// Those of the operating system. If the write failed, nothing of the change is in the log, and what is in memory goes beyond it. If
    /// what follows the write failed, a sync or the change of files, the change is in the log.
    pub(crate) fn append(&mut self, stream: &mut Stream) -> Result<(), StoreError> {
        self.buffer.clear();
        let start = frame::begin(&mut self.buffer);
        stream.drain_records(|record| codec::encode(&mut self.buffer, &record));
        if self.buffer.len() == start + HEADER {
            return Ok(());
        }
        self.write_frame(start)?;
        self.last_mut().last_seq = stream.messages().last_seq();
        self.sync_if_always()?;
        self.tidy_up(stream)
    }

    /// The files that are to be forced onto the disk; it is done without the log.
    pub(crate) fn take_unsynced(&mut self) -> Unsynced {
        Unsynced { folder: self.folder.clone(), files: std::mem::take(&mut self.unsynced) }
    }

    /// Removes all files: the stream is deleted.
    ///
    /// # Errors
    ///
    /// Those of the operating system.
    pub(crate) fn delete(self) -> Result<(), StoreError> {
        drop(self.open);
        remove(&self.folder)
    }

    /// From now on the operating system refuses whatever is written.
    #[cfg(test)]
    pub(crate) fn refuse_writes(&mut self) {
        self.open = Arc::new(File::open(self.path()).expect("it is there"));
    }

    fn last_mut(&mut self) -> &mut LogFile {
        self.files.back_mut().expect("a log has a file")
    }

    fn path(&self) -> PathBuf {
        path_of(&self.folder, self.files.back().map_or(0, |file| file.number))
    }

    /// Writes what is in the buffer, as a frame from `start` on.
    fn write_frame(&mut self, start: usize) -> Result<(), StoreError> {
        let failed = |log: &Self, error: &io::Error| StoreError::io(&log.path(), error);
        if frame::finish(&mut self.buffer, start).is_none() {
            let error = io::Error::new(io::ErrorKind::FileTooLarge, "a change of a stream takes 4 GiB or more");
            return Err(failed(self, &error));
        }
        if let Err(error) = (&*self.open).write_all(&self.buffer) {
            // A part may be there: the next frame, if there ever is one, must not follow it.
            let len = self.last_mut().len;
            let cut = self.open.set_len(len);
            return Err(failed(self, &cut.err().unwrap_or(error)));
        }
        self.last_mut().len += self.buffer.len() as u64;
        if self.unsynced.is_empty() {
            self.unsynced.push(self.open.clone());
        }
        self.buffer.clear();
        self.buffer.shrink_to(BUFFER_KEPT);
        Ok(())
    }

    /// Writes the beginning of a file.
    fn write_state(&mut self, dropped: u64, stream: &Stream) -> Result<(), StoreError> {
        self.buffer.clear();
        self.buffer.extend_from_slice(MAGIC);
        let start = frame::begin(&mut self.buffer);
        codec::encode_dropped(&mut self.buffer, dropped);
        stream.state_records(|record| codec::encode(&mut self.buffer, &record));
        self.state_len = self.buffer.len() as u64;
        self.write_frame(start)
    }

    fn sync_if_always(&mut self) -> Result<(), StoreError> {
        if self.policy == SyncPolicy::Always { self.take_unsynced().sync() } else { Ok(()) }
    }

    /// Begins a new file when the last one is large, and lets an old one go when little of the log is needed.
    fn tidy_up(&mut self, stream: &Stream) -> Result<(), StoreError> {
        let held = stream.messages().bytes();
        let most = held.clamp(FILE_MIN, FILE_MAX).max(4 * self.state_len);
        if self.last_mut().len >= most {
            if self.unsynced.len() >= UNSYNCED_MAX {
                self.take_unsynced().sync()?;
            }
            let number = self.last_mut().number + 1;
            let path = path_of(&self.folder, number);
            self.open = Arc::new(create_file(&path).map_err(|error| StoreError::io(&path, &error))?);
            self.unsynced.push(self.open.clone());
            self.files.push_back(LogFile { number, len: 0, last_seq: stream.messages().last_seq() });
            self.write_state(self.files[0].number - 1, stream)?;
            self.sync_if_always()?;
        }
        let all: u64 = self.files.iter().map(|file| file.len).sum();
        if self.files.len() > 1 && all > 2 * (held + self.state_len) + 2 * most {
            self.let_go_of_the_oldest(stream)?;
        }
        Ok(())
    }

    fn let_go_of_the_oldest(&mut self, stream: &Stream) -> Result<(), StoreError> {
        let oldest = self.files[0];
        let path = path_of(&self.folder, oldest.number);
        let failed = |error: &io::Error| StoreError::io(&path, error);
        let has_messages = oldest.last_seq >= stream.messages().first_seq() && stream.state().messages > 0;
        self.buffer.clear();
        let mut start = frame::begin(&mut self.buffer);
        if has_messages {
            let file = File::open(&path).map_err(|error| failed(&error))?;
            let mut frames = Frames::new(BufReader::new(file), oldest.len);
            loop {
                let contents = match frames.next().map_err(|error| failed(&error))? {
                    Next::Frame(contents) => contents,
                    Next::End => break,
                    Next::Torn => return Err(StoreError::damaged(&path, frames.at(), "it has become shorter")),
                    Next::Damaged(what) => return Err(StoreError::damaged(&path, frames.at(), what)),
                };
                for entry in Entries::new(contents) {
                    let Ok(Entry::Record(Record::Message { seq, .. })) = entry else { continue };
                    if let Some(record) = stream.message_record(seq) {
                        codec::encode(&mut self.buffer, &record);
                    }
                }
                if self.buffer.len() > MOVED_AT_ONCE {
                    self.write_frame(start)?;
                    start = frame::begin(&mut self.buffer);
                }
            }
        }
        codec::encode_dropped(&mut self.buffer, oldest.number);
        self.write_frame(start)?;
        // Else a machine that loses its power would lose what had been on the disk; and no handle of a removed file stays open.
        self.take_unsynced().sync()?;
        self.last_mut().last_seq = stream.messages().last_seq();
        self.files.pop_front();
        fs::remove_file(&path).map_err(|error| failed(&error))
    }
}

/// Files whose bytes may not be on the disk yet.
#[derive(Debug)]
#[must_use = "files are forced onto the disk by `sync`"]
pub(crate) struct Unsynced {
    folder: PathBuf,
    files: Vec<Arc<File>>,
}

impl Unsynced {
    /// Forces them onto the disk.
    ///
    /// # Errors
    ///
    /// Those of the operating system.
    pub(crate) fn sync(self) -> Result<(), StoreError> {
        let is_empty = self.files.is_empty();
        let synced = self.files.iter().try_for_each(|file| file.sync_data());
        // The names of new files.
        let synced = synced.and_then(|()| if is_empty { Ok(()) } else { sync_folder(&self.folder) });
        synced.map_err(|error| StoreError::io(&self.folder, &error))
    }
}

fn path_of(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:016}.log"))
}

fn create_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create_new(true).open(path)
}

/// The numbers of the files in a folder, ascending.
fn numbers(folder: &Path) -> Result<Vec<u64>, StoreError> {
    let failed = |error: io::Error| StoreError::io(folder, &error);
    let mut numbers = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        // Files of others are left alone.
        let number = name.to_str().and_then(|name| name.strip_suffix(".log")).and_then(|name| name.parse().ok());
        numbers.extend(number.filter(|number| path_of(folder, *number).file_name() == Some(&*name)));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

fn open(
    folder: PathBuf,
    policy: SyncPolicy,
    events: &mut Vec<StoreEvent>,
    reading: &mut Reading,
) -> Result<Option<StreamLog>, StoreError> {
    let numbers = numbers(&folder)?;
    let mut files = VecDeque::new();
    for (at, &number) in numbers.iter().enumerate() {
        let path = path_of(&folder, number);
        let failed = |error: &io::Error| StoreError::io(&path, error);
        if at > 0 && numbers[at - 1] + 1 != number {
            return Err(StoreError::damaged(&path_of(&folder, number - 1), 0, "the file is missing"));
        }
        let file = File::open(&path).map_err(|error| failed(&error))?;
        let len = file.metadata().map_err(|error| failed(&error))?.len();
        reading.last_seq = 0;
        let mut frames = Frames::new(BufReader::with_capacity(1 << 17, file), len);
        let end = reading.read(&mut frames).map_err(|error| failed(&error))?;
        let kept = frames.at();
        let is_last = at + 1 == numbers.len();
        match end {
            End::Whole => {}
            End::Torn if is_last => {
                // A file without its beginning is of no use: the one before it has all.
                let kept = if kept <= MAGIC.len() as u64 { 0 } else { kept };
                cut(&path, kept).map_err(|error| failed(&error))?;
                events.push(StoreEvent::Cut { file: path.clone(), kept, cut: len - kept });
                if kept == 0 {
                    break;
                }
            }
            End::Torn => return Err(StoreError::damaged(&path, kept, "it ends within a record, and others follow it")),
            End::Damaged(what) => return Err(StoreError::damaged(&path, kept, what)),
        }
        files.push_back(LogFile { number, len: kept, last_seq: reading.last_seq });
    }
    let (Some(&first), Some(&last)) = (files.front(), files.back()) else { return Ok(None) };
    let LogFile { number: first, .. } = first;
    if first > reading.dropped + 1 {
        return Err(StoreError::damaged(&path_of(&folder, first - 1), 0, "the file is missing"));
    }
    // A process ended between the last word on a file and its removal.
    while let Some(file) = files.front().filter(|file| file.number <= reading.dropped && files.len() > 1) {
        let path = path_of(&folder, file.number);
        fs::remove_file(&path).map_err(|error| StoreError::io(&path, &error))?;
        files.pop_front();
    }
    let path = path_of(&folder, last.number);
    let open = OpenOptions::new().append(true).open(&path).map_err(|error| StoreError::io(&path, &error))?;
    Ok(Some(StreamLog {
        folder,
        policy,
        files,
        open: Arc::new(open),
        unsynced: Vec::new(),
        buffer: Vec::new(),
        state_len: 0,
    }))
}

/// Cuts the end of a file off; all of it, and the file goes.
fn cut(path: &Path, kept: u64) -> io::Result<()> {
    if kept == 0 {
        return fs::remove_file(path);
    }
    let file = OpenOptions::new().write(true).open(path)?;
    file.set_len(kept)?;
    file.sync_all()
}

impl Reading {
    /// Reads the frames of a file, as far as they are whole.
    fn read(&mut self, frames: &mut Frames<impl Read>) -> io::Result<End> {
        loop {
            let contents = match frames.next()? {
                Next::Frame(contents) => contents,
                Next::End => return Ok(End::Whole),
                Next::Torn => return Ok(End::Torn),
                Next::Damaged(what) => return Ok(End::Damaged(what.to_owned())),
            };
            for entry in Entries::new(contents) {
                let taken = match entry {
                    Ok(Entry::Record(record)) => {
                        if let Record::Message { seq, .. } = record {
                            self.last_seq = self.last_seq.max(seq);
                        }
                        self.recovery.apply(record).map_err(|error| error.to_string())
                    }
                    Ok(Entry::Dropped(number)) => {
                        self.dropped = self.dropped.max(number);
                        Ok(())
                    }
                    Err(what) => Err(what.to_owned()),
                };
                if let Err(what) = taken {
                    return Ok(End::Damaged(what));
                }
            }
        }
    }
}

/// See [`super::read_bytes`].
pub(super) fn read_bytes(bytes: &[u8]) -> Result<(Recovery, u64), String> {
    let mut reading = Reading::default();
    let mut frames = Frames::new(bytes, bytes.len() as u64);
    match reading.read(&mut frames) {
        Ok(End::Whole | End::Torn) => Ok((reading.recovery, frames.at())),
        Ok(End::Damaged(what)) => Err(what),
        Err(error) => Err(error.to_string()),
    }
}
