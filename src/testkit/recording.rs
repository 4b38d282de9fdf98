//! A run as it can be kept: its messages, with times and publishers.

use super::entry::JournalEntry;
use bytes::Bytes;
use serde_json::{Map, Value};
use std::path::Path;
use std::time::Duration;

/// The version that is written.
pub(super) const VERSION: u64 = 1;

/// In the first line: how many messages the journal had no room for.
pub(super) const MISSED: &str = "missed";

/// The messages of a run, in order; made by [`TestKit::record`](super::TestKit::record), or read from a file.
///
/// # The file
///
/// Lines of JSON. The first says what it is and in which version: `{"postroom_recording":1}`. Each further one is a message:
///
/// | field | |
/// |---|---|
/// | `at_ns` | when it was published: nanoseconds on the bus's clock |
/// | `client` | its publisher: a name, or `client` and a number |
/// | `subject`, `reply` | `reply` may be missing |
/// | `headers` | pairs of name and value; missing if there are none |
/// | `status` | the status, and its text: `"503 No Responders"` |
/// | `header_block` | in place of both: a header block that can't be written so, in base64 (H2) |
/// | `payload` | as text; missing if it is empty |
/// | `payload_base64` | in place of it, if it is not UTF-8 |
///
/// Fields that a version does not know are kept and written again, behind the others; numbers in them as far as 64 bits, whole or
/// floating, hold them. Empty lines are left out, and a header block without bytes counts as none (H3).
///
/// # Example
///
/// ```
/// use postroom::TestKit;
/// use postroom::testkit::{Recording, Speed};
///
/// let kit = TestKit::new();
/// kit.bus().connect().publish("orders.eu", "hello")?;
/// let recording = kit.record();
/// assert_eq!(
///     recording.to_string(),
///     concat!(
///         "{\"postroom_recording\":1}\n",
///         "{\"at_ns\":0,\"client\":\"client 1\",\"subject\":\"orders.eu\",\"payload\":\"hello\"}\n",
///     )
/// );
/// let again: Recording = recording.to_string().parse()?;
/// let bus = postroom::Bus::new();
/// let orders = bus.connect().subscribe("orders.*")?;
/// again.replay(&bus, Speed::Full);
/// assert_eq!(orders.try_recv()?.payload(), b"hello");
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recording {
    /// The published messages, in order.
    pub messages: Vec<Recorded>,
    /// The fields of the first line that are not known here.
    pub(super) unknown: Map<String, Value>,
}

/// A message of a [`Recording`]: texts and bytes as they would go over a wire.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Recorded {
    /// When it was published, on the bus's clock. Above 584 years it is cut off when it is saved.
    pub at: Duration,
    /// Its publisher.
    pub client: String,
    /// Where.
    pub subject: String,
    /// Where an answer was wanted.
    pub reply: Option<String>,
    /// The header block (H1), if there was one.
    pub headers: Option<Bytes>,
    /// The payload.
    pub payload: Bytes,
    pub(super) unknown: Map<String, Value>,
}

/// Why a text is not a recording, or could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordingError {
    /// The file could not be read or written.
    #[error("the recording could not be read or written: {0}")]
    Io(std::io::Error),
    /// The first line does not say that this is a recording.
    #[error("line 1 is not the head of a recording, which is {{\"postroom_recording\":{}}}", VERSION)]
    NoHead,
    /// A version that is not known here.
    #[error("version {found} of recordings is not known, only up to {max}")]
    Version {
        /// The version in the file.
        found: u64,
        /// The newest that is known.
        max: u64,
    },
    /// A line is not an object of JSON.
    #[error("line {line}, column {column}: {problem}")]
    Json {
        /// From 1.
        line: usize,
        /// From 1; 0 if the line is JSON, and not an object.
        column: usize,
        /// The parser's message.
        problem: String,
    },
    /// A field is missing.
    #[error("line {line}: there is no `{field}`")]
    Missing {
        /// From 1.
        line: usize,
        /// Its name.
        field: &'static str,
    },
    /// A field is not what it has to be.
    #[error("line {line}: `{field}` has to be {expected}")]
    Wrong {
        /// From 1.
        line: usize,
        /// Its name.
        field: &'static str,
        /// The expected content.
        expected: &'static str,
    },
    /// The kit wrote down more than it had room for.
    #[error("{missed} older messages are not in the recording: the journal had no room for them")]
    Incomplete {
        /// How many are missing.
        missed: u64,
    },
}

impl From<std::io::Error> for RecordingError {
    fn from(error: std::io::Error) -> Self {
        RecordingError::Io(error)
    }
}

impl Recording {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// [`RecordingError::Io`] if it can't be read or is not UTF-8; else those of its `FromStr`.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, RecordingError> {
        std::fs::read_to_string(path)?.parse()
    }

    /// Writes a file, in place of one that is there.
    ///
    /// # Errors
    ///
    /// [`RecordingError::Io`] if it can't be written; [`RecordingError::Incomplete`] if the journal that the recording was made from had no room
    /// for the whole run.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), RecordingError> {
        if let Some(missed) = self.missed() {
            return Err(RecordingError::Incomplete { missed });
        }
        Ok(std::fs::write(path, self.to_string())?)
    }

    /// How many older messages are not in it, since the journal that it was made from had no room for them; `None` if it is complete.
    pub fn missed(&self) -> Option<u64> {
        self.unknown.get(MISSED)?.as_u64()
    }

    /// Keeps only some of the messages: those of the clients that are to be replaced by the replay, say.
    pub fn retain(&mut self, keep: impl FnMut(&Recorded) -> bool) {
        self.messages.retain(keep);
    }

    pub(super) fn of(entries: &[JournalEntry], missed: u64) -> Self {
        let mut unknown = Map::new();
        if missed > 0 {
            unknown.insert(MISSED.to_owned(), missed.into());
        }
        let published = entries.iter().filter(|entry| entry.is_published());
        Recording { messages: published.map(Recorded::of).collect(), unknown }
    }
}

impl Recorded {
    fn of(entry: &JournalEntry) -> Self {
        Recorded {
            at: entry.at,
            client: entry.publisher(),
            subject: entry.subject().to_string(),
            reply: entry.reply().map(ToString::to_string),
            headers: entry.message.header_block(),
            payload: entry.message.payload_bytes(),
            unknown: Map::new(),
        }
    }
}
