//! The calls on one stream.

use super::api::{Api, Done, body};
use super::call::{Call, Step};
use super::consumer::{self, Consumer};
use super::direct::{DirectBatch, StoredMessages};
use super::error::{
    CreateConsumerError, DeleteConsumerError, DeleteMessageError, GetConsumerError, GetMessageError, GetStreamError,
    ListConsumersError, MessagesError, Operation, PurgeError, checked,
};
use super::info::StreamInfo;
use super::ordered::Ordered;
use super::pages::Pages;
use super::stored::{self, Envelope, StreamMessage};
use crate::ToSubject;
use crate::jetstream::engine::Purge;
use crate::jetstream::engine::consumer::{ConsumerAction, ConsumerConfig, ConsumerInfo};
use crate::jetstream::json::read::{Fatal, Reader};
use crate::jetstream::json::response::Fields;

/// A stream. Cheap to clone but for what is remembered of it.
///
/// # Example
///
/// ```
/// use postroom::Bus;
/// use postroom::jetstream::{self, JetStreamOptions, JetStreamServer, Purge, StreamConfig};
///
/// let bus = Bus::new();
/// let _streams = JetStreamServer::start(&bus, JetStreamOptions::new())?;
/// let js = jetstream::new(bus.connect());
/// let stream = js.create_stream(StreamConfig::new("EVENTS").subjects(["event.*"]).allow_direct(true)).wait()?;
/// for payload in ["a", "b", "c"] {
///     js.publish("event.x", payload).wait()?;
/// }
///
/// assert_eq!(&stream.get_last_message("event.x").wait()?.payload[..], b"c");
/// assert_eq!(stream.direct_get(2).wait()?, stream.get_message(2).wait()?);
/// stream.delete_message(2).wait()?;
/// assert!(stream.get_message(2).wait().unwrap_err().is_not_found());
/// assert_eq!(stream.purge_with(Purge { keep: 1, ..Purge::default() }).wait()?, 1);
/// assert_eq!(stream.info().wait()?.state.first_seq, 3);
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Stream {
    api: Api,
    info: StreamInfo,
}

#[derive(Debug, Default)]
struct Purged(u64);

impl Fields for Purged {
    const KEYS: &'static [&'static str] = &["purged"];

    fn field(&mut self, _: &'static str, from: &mut Reader<'_>) -> Result<(), Fatal> {
        from.integer("uint64", &mut self.0)
    }
}

impl Stream {
    pub(super) fn new(api: Api, info: StreamInfo) -> Self {
        Stream { api, info }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.info.config.name
    }

    /// Its state when this handle was made.
    pub fn cached_info(&self) -> &StreamInfo {
        &self.info
    }

    fn call(&self, call: &str) -> String {
        format!("{call}.{}", self.name())
    }

    /// Its state now.
    ///
    /// # Errors
    ///
    /// [`GetStreamError::is_not_found`] if it is gone.
    pub fn info(&self) -> Call<StreamInfo, GetStreamError> {
        Call::of(self.api.request(&self.call("STREAM.INFO"), ""), Ok)
    }

    /// Its state now, with the subjects that a pattern matches and their messages (JS23); the first 100,000.
    ///
    /// # Errors
    ///
    /// As [`Stream::info`].
    pub fn info_with_subjects(&self, pattern: impl AsRef<str>) -> Call<StreamInfo, GetStreamError> {
        let body = body(|object| object.text("subjects_filter", pattern.as_ref()));
        Call::of(self.api.request(&self.call("STREAM.INFO"), body), Ok)
    }

    /// Removes all messages, and says how many.
    ///
    /// # Errors
    ///
    /// The server's, such as 10110 if the stream denies it.
    pub fn purge(&self) -> Call<u64, PurgeError> {
        self.purge_with(Purge::default())
    }

    /// Removes some messages, and says how many (JS27).
    ///
    /// # Errors
    ///
    /// As [`Stream::purge`]; 10003 if both `seq` and `keep` are given.
    pub fn purge_with(&self, purge: Purge) -> Call<u64, PurgeError> {
        let body = body(|object| {
            object.some_text("filter", &purge.filter);
            object.some_number("seq", purge.seq);
            object.some_number("keep", purge.keep);
        });
        Call::of(self.api.request(&self.call("STREAM.PURGE"), body), |Purged(purged)| Ok(purged))
    }

    /// The message of a sequence.
    ///
    /// # Errors
    ///
    /// [`GetMessageError::is_not_found`] if there is none.
    pub fn get_message(&self, seq: u64) -> Call<StreamMessage, GetMessageError> {
        self.get(body(|object| object.plain("seq", seq)))
    }

    /// The last message of a subject, or of the subjects of a pattern.
    ///
    /// # Errors
    ///
    /// As [`Stream::get_message`].
    pub fn get_last_message(&self, subject: impl AsRef<str>) -> Call<StreamMessage, GetMessageError> {
        self.get(body(|object| object.text("last_by_subj", subject.as_ref())))
    }

    /// The first message from a sequence on whose subject a pattern matches.
    ///
    /// # Errors
    ///
    /// As [`Stream::get_message`].
    pub fn get_next_message(&self, pattern: impl AsRef<str>, seq: u64) -> Call<StreamMessage, GetMessageError> {
        self.get(body(|object| {
            object.some_number("seq", seq);
            object.text("next_by_subj", pattern.as_ref());
        }))
    }

    fn get(&self, body: String) -> Call<StreamMessage, GetMessageError> {
        let request = self.api.request(&self.call("STREAM.MSG.GET"), body);
        Call::of(request, |Envelope { message }| Ok(message))
    }

    /// The message of a sequence, without JSON around it. The stream must have `allow_direct`.
    ///
    /// # Errors
    ///
    /// As [`Stream::get_message`]; [`GetMessageError::is_no_responders`] if the stream is gone or has no `allow_direct` (JS80).
    pub fn direct_get(&self, seq: u64) -> Call<StreamMessage, GetMessageError> {
        self.get_directly(&self.call("DIRECT.GET"), body(|object| object.plain("seq", seq)))
    }

    /// The last message of a subject, without JSON around it. The stream must have `allow_direct`.
    ///
    /// # Errors
    ///
    /// As [`Stream::direct_get`].
    pub fn direct_get_last(&self, subject: impl ToSubject) -> Call<StreamMessage, GetMessageError> {
        self.get_directly(&format!("{}.{}", self.call("DIRECT.GET"), subject.as_str()), String::new())
    }

    /// The first message from a sequence on whose subject a pattern matches, without JSON around it. The stream must have `allow_direct`.
    ///
    /// # Errors
    ///
    /// As [`Stream::direct_get`].
    pub fn direct_get_next(&self, pattern: impl AsRef<str>, seq: u64) -> Call<StreamMessage, GetMessageError> {
        let body = body(|object| {
            object.some_number("seq", seq);
            object.text("next_by_subj", pattern.as_ref());
        });
        self.get_directly(&self.call("DIRECT.GET"), body)
    }

    /// Several messages, in one answer: the next ones, or the last of each of some subjects. The stream must have `allow_direct`.
    ///
    /// # Errors
    ///
    /// As items: [`GetMessageError::is_no_responders`] if the stream is gone or has no `allow_direct` (JS80),
    /// [`GetMessageError::is_timeout`] if the answer does not end in the context's time, [`GetMessageError::Response`] for a status such as
    /// `413 Too Many Results` (JS85). Without a message there is no item.
    ///
    /// # Example
    ///
    /// ```
    /// use postroom::Bus;
    /// use postroom::jetstream::context::DirectBatch;
    /// use postroom::jetstream::{self, JetStreamOptions, JetStreamServer, StreamConfig};
    ///
    /// let bus = Bus::new();
    /// let _streams = JetStreamServer::start(&bus, JetStreamOptions::new())?;
    /// let js = jetstream::new(bus.connect());
    /// let stream = js.create_stream(StreamConfig::new("T").subjects(["t.*"]).allow_direct(true)).wait()?;
    /// for subject in ["t.a", "t.b", "t.a"] {
    ///     js.publish(subject, "").wait()?;
    /// }
    /// let seqs = |asked| -> Result<Vec<u64>, _> {
    ///     stream.direct_get_batch(&asked).into_iter().map(|message| Ok(message?.sequence)).collect()
    /// };
    /// assert_eq!(seqs(DirectBatch::new().on("t.a").messages(10)), Ok::<_, jetstream::context::GetMessageError>(vec![1, 3]));
    /// assert_eq!(seqs(DirectBatch::last_of(["t.*"])), Ok(vec![2, 3]));
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn direct_get_batch(&self, asked: &DirectBatch) -> StoredMessages {
        StoredMessages::start(&self.api, &self.call("DIRECT.GET"), asked)
    }

    fn get_directly(&self, call: &str, body: String) -> Call<StreamMessage, GetMessageError> {
        Call::new(self.api.request(call, body), |response| {
            Step::Done(response.map_err(GetMessageError::of_request).and_then(stored::direct))
        })
    }

    /// Deletes the message of a sequence, and lets what it was on a disk lie until its room is used again.
    ///
    /// # Errors
    ///
    /// [`DeleteMessageError::is_not_found`] if there is none; 10057 if the stream denies it.
    pub fn delete_message(&self, seq: u64) -> Call<(), DeleteMessageError> {
        self.delete(seq, true)
    }

    /// Deletes the message of a sequence, and has a server overwrite what it was on a disk.
    ///
    /// # Errors
    ///
    /// As [`Stream::delete_message`].
    pub fn secure_delete_message(&self, seq: u64) -> Call<(), DeleteMessageError> {
        self.delete(seq, false)
    }

    fn delete(&self, seq: u64, no_erase: bool) -> Call<(), DeleteMessageError> {
        let body = body(|object| {
            object.plain("seq", seq);
            object.some_flag("no_erase", no_erase);
        });
        Call::of(self.api.request(&self.call("STREAM.MSG.DELETE"), body), |Done| Ok(()))
    }

    /// Creates a consumer, or gives the one of that name this configuration (JC10, JC45).
    ///
    /// # Errors
    ///
    /// The server's errors of JC7 and JC30; [`CreateConsumerError::is_stream_not_found`] if the stream is gone.
    pub fn create_consumer(&self, config: ConsumerConfig) -> Call<Consumer, CreateConsumerError> {
        self.consumer(&config, ConsumerAction::CreateOrUpdate)
    }

    /// Creates a consumer. One of the same name with the same configuration is no error.
    ///
    /// # Errors
    ///
    /// As [`Stream::create_consumer`]; [`CreateConsumerError::is_already_exists`] if there is one with another configuration.
    pub fn create_consumer_strict(&self, config: ConsumerConfig) -> Call<Consumer, CreateConsumerError> {
        self.consumer(&config, ConsumerAction::Create)
    }

    /// Gives the consumer of this configuration's name this configuration (JC45).
    ///
    /// # Errors
    ///
    /// As [`Stream::create_consumer`]; [`CreateConsumerError::is_not_found`] if there is none.
    pub fn update_consumer(&self, config: ConsumerConfig) -> Call<Consumer, CreateConsumerError> {
        self.consumer(&config, ConsumerAction::Update)
    }

    fn consumer(&self, config: &ConsumerConfig, action: ConsumerAction) -> Call<Consumer, CreateConsumerError> {
        let (api, stream) = (self.api.clone(), self.name().to_owned());
        let created = consumer::create(&self.api, self.name(), config, action);
        created.map(move |info| Consumer::new(api, stream, info))
    }

    /// The consumer of this configuration's name, or a new one with this configuration if there is none. The configuration of one that is
    /// there is not looked at. Two requests at most: the second is sent when the response to the first has been received by `wait` or a poll.
    ///
    /// # Errors
    ///
    /// As [`Stream::create_consumer`]; [`CreateConsumerError::InvalidName`] if the configuration has no name.
    pub fn get_or_create_consumer(&self, config: ConsumerConfig) -> Call<Consumer, CreateConsumerError> {
        let name = if config.name.is_empty() { &config.durable_name } else { &config.name };
        let stream = self.clone();
        self.get_consumer(name).then(move |found| match found {
            Ok(consumer) => Step::Done(Ok(consumer)),
            Err(error) if error.is_not_found() => Step::Next(stream.create_consumer_strict(config)),
            Err(GetConsumerError::Api(error)) => Step::Done(Err(CreateConsumerError::Api(error))),
            Err(GetConsumerError::Request(error)) => Step::Done(Err(CreateConsumerError::Request(error))),
            Err(GetConsumerError::Response(words)) => Step::Done(Err(CreateConsumerError::Response(words))),
            Err(GetConsumerError::InvalidName(name)) => Step::Done(Err(CreateConsumerError::InvalidName(name))),
        })
    }

    /// The consumer of this name.
    ///
    /// # Errors
    ///
    /// [`GetConsumerError::is_not_found`] if there is none.
    pub fn get_consumer(&self, name: impl AsRef<str>) -> Call<Consumer, GetConsumerError> {
        let name = match checked(name.as_ref()) {
            Ok(name) => name,
            Err(error) => return Call::failed(error),
        };
        let (api, stream) = (self.api.clone(), self.name().to_owned());
        let request = self.api.request(&format!("{}.{name}", self.call("CONSUMER.INFO")), "");
        Call::of(request, move |info| Ok(Consumer::new(api, stream, info)))
    }

    /// Deletes the consumer of this name.
    ///
    /// # Errors
    ///
    /// [`DeleteConsumerError::is_not_found`] if there is none.
    pub fn delete_consumer(&self, name: impl AsRef<str>) -> Call<(), DeleteConsumerError> {
        match checked(name.as_ref()) {
            Ok(name) => {
                let call = format!("{}.{name}", self.call("CONSUMER.DELETE"));
                Call::of(self.api.request(&call, ""), |Done| Ok(()))
            }
            Err(error) => Call::failed(error),
        }
    }

    /// The names of its consumers, in order.
    pub fn consumer_names(&self) -> Pages<String, ListConsumersError> {
        Pages::new(self.api.clone(), self.call("CONSUMER.NAMES"), String::new())
    }

    /// Its consumers, in the order of their names.
    pub fn consumers(&self) -> Pages<ConsumerInfo, ListConsumersError> {
        Pages::new(self.api.clone(), self.call("CONSUMER.LIST"), String::new())
    }

    /// Its messages in order and each once, by a consumer of their own; `config` says where they begin
    /// ([`ConsumerConfig::deliver_policy`]) and which ones they are ([`ConsumerConfig::filter_subject`]). Everything else is set for the
    /// purpose, but for the description and the heartbeat (5 s by default).
    ///
    /// # Errors
    ///
    /// [`MessagesError::Subscribe`] if the client can't subscribe. Errors of the consumer are the first item.
    ///
    /// # Example
    ///
    /// ```
    /// use postroom::Bus;
    /// use postroom::jetstream::{self, ConsumerConfig, JetStreamOptions, JetStreamServer, StreamConfig};
    ///
    /// let bus = Bus::new();
    /// let _streams = JetStreamServer::start(&bus, JetStreamOptions::new())?;
    /// let js = jetstream::new(bus.connect());
    /// let log = js.create_stream(StreamConfig::new("LOG").subjects(["log.>"])).wait()?;
    /// for line in ["log.a", "log.b", "log.a"] {
    ///     js.publish(line, "").wait()?;
    /// }
    /// let mut lines = log.ordered(ConsumerConfig::ephemeral().filter_subject("log.a"))?;
    /// let seqs: Vec<u64> = lines.iter().take(2).map(|line| line.unwrap().info().unwrap().stream_sequence).collect();
    /// assert_eq!(seqs, [1, 3]);
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn ordered(&self, config: ConsumerConfig) -> Result<Ordered, MessagesError> {
        Ordered::start(self.api.clone(), self.name().to_owned(), config)
    }

    /// As [`Stream::ordered`], by a pull consumer: the server sends no more than was asked for.
    ///
    /// # Errors
    ///
    /// As [`Stream::ordered`], but for [`MessagesError::Subscribe`], which is the first item.
    pub fn ordered_pull(&self, config: ConsumerConfig) -> Result<Ordered, MessagesError> {
        Ordered::start_pull(self.api.clone(), self.name().to_owned(), config)
    }

    /// As [`Stream::ordered`], done when the consumer is there.
    pub(in crate::jetstream) fn open_ordered(&self, config: ConsumerConfig) -> Call<Ordered, MessagesError> {
        Ordered::open(self.api.clone(), self.name().to_owned(), config)
    }
}
