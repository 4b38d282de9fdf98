//! Atomic batches: several messages that a stream stores all or none of (JS59 to JS63).

use super::api::{Api, Done};
use super::call::{Call, Step, fields};
use super::error::{BatchError, Operation};
use super::publish::PublishOptions;
use crate::jetstream::json::read::{Fatal, Reader};
use crate::jetstream::json::response::Fields;
use crate::{Message, Payload, RequestError, ToSubject};

/// A batch of messages that a stream stores together or not at all, in their order and without another between them. Made by
/// [`JetStream::batch`](super::JetStream::batch). The stream must have `allow_atomic`.
///
/// Each message is sent when it is added; the stream holds it aside until the batch is committed. Without a commit the batch comes to
/// nothing: the server forgets it 10 s after its last message.
///
/// # Cancel safety
///
/// Dropping it sends nothing: the batch comes to nothing. Dropping the call of a message gives up the news of its refusal, which the
/// commit fails with too.
///
/// # Example
///
/// ```
/// use postroom::Bus;
/// use postroom::jetstream::{self, JetStreamOptions, JetStreamServer, StreamConfig};
///
/// let bus = Bus::new();
/// let _streams = JetStreamServer::start(&bus, JetStreamOptions::new())?;
/// let js = jetstream::new(bus.connect());
/// let books = js.create_stream(StreamConfig::new("BOOKS").subjects(["book.>"]).allow_atomic(true)).wait()?;
///
/// let mut batch = js.batch();
/// batch.add("book.debit", "5").wait()?;
/// assert_eq!(books.info().wait()?.state.messages, 0);
/// let ack = batch.commit("book.credit", "5").wait()?;
/// assert_eq!((ack.sequence, ack.count), (2, 2));
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[must_use = "a batch that is not committed comes to nothing"]
pub struct AtomicBatch {
    api: Api,
    id: String,
    /// Messages that were added.
    added: u64,
}

/// The acknowledgement of a batch that is stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BatchAck {
    /// The stream.
    pub stream: String,
    /// The sequence of the last message in it.
    pub sequence: u64,
    /// The domain of the server.
    pub domain: Option<String>,
    /// The id of the batch.
    pub batch: String,
    /// The messages that are stored.
    pub count: u64,
    /// The new value that the last message made, of a stream that counts.
    pub value: Option<String>,
}

impl Fields for BatchAck {
    const KEYS: &'static [&'static str] = &["stream", "seq", "domain", "batch", "count", "val"];

    fn field(&mut self, key: &'static str, from: &mut Reader<'_>) -> Result<(), Fatal> {
        let text = |from: &mut Reader<'_>, target: &mut Option<String>| from.text(target.get_or_insert_default());
        match key {
            "stream" => from.text(&mut self.stream),
            "seq" => from.integer("uint64", &mut self.sequence),
            "domain" => text(from, &mut self.domain),
            "batch" => from.text(&mut self.batch),
            "count" => from.integer("int", &mut self.count),
            _ => text(from, &mut self.value),
        }
    }
}

/// The answer to a message of a batch is empty; a refusal is not.
fn added(response: Result<Message, RequestError>) -> Step<(), BatchError> {
    Step::Done(match response {
        Ok(response) if response.payload().is_empty() => Ok(()),
        response => fields::<Done, BatchError>(response)
            .and_then(|Done| Err(BatchError::unreadable("it is no answer to a message of a batch".to_owned()))),
    })
}

impl AtomicBatch {
    pub(super) fn new(api: Api) -> Self {
        let inbox = api.client().new_inbox();
        let id = inbox.as_str().rsplit('.').next().unwrap_or_default();
        AtomicBatch { id: id.chars().take(64).collect(), api, added: 0 }
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The messages that were added.
    pub fn len(&self) -> u64 {
        self.added
    }

    /// Whether no message was added.
    pub fn is_empty(&self) -> bool {
        self.added == 0
    }

    /// Adds a message: it is sent before this returns, and the call waits until the stream holds it.
    ///
    /// # Errors
    ///
    /// [`BatchError::is_disabled`] if the stream takes no batches, [`BatchError::is_incomplete`] if a message before it is missing,
    /// [`BatchError::is_too_large`] if there are more messages than the server allows.
    pub fn add<'a>(&mut self, subject: impl ToSubject, payload: impl Into<Payload<'a>>) -> Call<(), BatchError> {
        self.add_with(subject, payload, PublishOptions::new())
    }

    /// As [`AtomicBatch::add`], with headers and expectations, which are judged when the batch is committed.
    ///
    /// # Errors
    ///
    /// As [`AtomicBatch::add`].
    pub fn add_with<'a>(
        &mut self,
        subject: impl ToSubject,
        payload: impl Into<Payload<'a>>,
        options: PublishOptions,
    ) -> Call<(), BatchError> {
        let options = options.in_batch(&self.id, self.added + 1, false).request(self.api.request_options());
        match options {
            Ok(options) => {
                self.added += 1;
                Call::new(self.api.client().request_with_async(subject, payload, options), added)
            }
            Err(error) => Call::failed(BatchError::of_request(error.into())),
        }
    }

    /// Adds the last message, and has the batch stored.
    ///
    /// # Errors
    ///
    /// As [`AtomicBatch::add`]; the first refusal of a message, such as [`BatchError::is_wrong_last_sequence`] and
    /// [`BatchError::is_duplicate`]: nothing of the batch is stored then.
    pub fn commit<'a>(self, subject: impl ToSubject, payload: impl Into<Payload<'a>>) -> Call<BatchAck, BatchError> {
        self.commit_with(subject, payload, PublishOptions::new())
    }

    /// As [`AtomicBatch::commit`], with headers and expectations.
    ///
    /// # Errors
    ///
    /// As [`AtomicBatch::commit`].
    pub fn commit_with<'a>(
        self,
        subject: impl ToSubject,
        payload: impl Into<Payload<'a>>,
        options: PublishOptions,
    ) -> Call<BatchAck, BatchError> {
        let options = options.in_batch(&self.id, self.added + 1, true).request(self.api.request_options());
        match options {
            Ok(options) => Call::of(self.api.client().request_with_async(subject, payload, options), Ok),
            Err(error) => Call::failed(BatchError::of_request(error.into())),
        }
    }
}
