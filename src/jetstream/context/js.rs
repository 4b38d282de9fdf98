//! The context: calls on streams as a whole, and publishing.

use super::api::{Api, Done, body};
use super::batch::AtomicBatch;
use super::call::{Call, Step, fields};
use super::error::{
    AccountInfoError, CreateStreamError, DeleteStreamError, GetStreamError, ListStreamsError, UpdateStreamError,
    checked,
};
use super::info::{AccountInfo, StreamInfo};
use super::options::ContextOptions;
use super::pages::{Page, Pages};
use super::publish::{self, PublishAckFuture, PublishOptions};
use super::stream::Stream;
use crate::jetstream::engine::config::StreamConfig;
use crate::jetstream::engine::error::codes;
use crate::jetstream::json::config;
use crate::jetstream::json::write::Object;
use crate::{Client, Payload, ToSubject};
use std::time::Duration;

/// A context: what a program holds to use JetStream. Cheap to clone, and for any number of threads and tasks at once.
///
/// It sends requests through its client, so that it ends with the client and its bus. Each operation is sent when it is called; see
/// [`Call`].
///
/// # Example
///
/// ```
/// use postroom::Bus;
/// use postroom::jetstream::{self, JetStreamOptions, JetStreamServer, StreamConfig};
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let bus = Bus::new();
/// let _streams = JetStreamServer::start(&bus, JetStreamOptions::new())?;
/// let js = jetstream::new(bus.connect());
///
/// js.create_stream(StreamConfig::new("ORDERS").subjects(["orders.>"])).await?;
/// let acks: Vec<_> = (0..10).map(|order| js.publish(format!("orders.{order}"), "new")).collect(); // all sent
/// for ack in acks {
///     ack.await?;
/// }
/// assert_eq!(js.get_stream("ORDERS").await?.cached_info().state.messages, 10);
/// assert!(js.get_stream("OTHER").await.unwrap_err().is_not_found());
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct JetStream {
    api: Api,
}

impl JetStream {
    pub(super) fn with_options(client: Client, options: ContextOptions) -> Self {
        JetStream { api: Api::new(client, options) }
    }

    /// The client that its requests go through.
    pub fn client(&self) -> &Client {
        self.api.client()
    }

    /// The prefix of the API's subjects, with its last dot.
    pub(in crate::jetstream) fn prefix(&self) -> &str {
        self.api.prefix()
    }

    /// How long an operation waits for its response.
    pub fn timeout(&self) -> Duration {
        self.api.timeout()
    }

    /// Creates a stream. One of the same name with the same configuration is no error (JS18).
    ///
    /// # Errors
    ///
    /// [`CreateStreamError::is_already_exists`] if there is one with another configuration; the server's errors of JS36 and JS37.
    pub fn create_stream(&self, config: StreamConfig) -> Call<Stream, CreateStreamError> {
        if let Err(error) = checked(&config.name) {
            return Call::failed(error);
        }
        let api = self.api.clone();
        let request = self.api.request(&format!("STREAM.CREATE.{}", config.name), encoded(&config));
        Call::of(request, move |info| Ok(Stream::new(api, info)))
    }

    /// The stream of this name, or a new one with this configuration if there is none. The configuration of one that is there is not looked
    /// at. Two requests at most: the second is sent when the response to the first has been received by `wait` or a poll.
    ///
    /// # Errors
    ///
    /// As [`JetStream::create_stream`].
    pub fn get_or_create_stream(&self, config: StreamConfig) -> Call<Stream, CreateStreamError> {
        if let Err(error) = checked(&config.name) {
            return Call::failed(error);
        }
        let js = self.clone();
        let request = self.api.request(&format!("STREAM.INFO.{}", config.name), "");
        Call::new(request, move |response| match fields::<StreamInfo, GetStreamError>(response) {
            Ok(info) => Step::Done(Ok(Stream::new(js.api, info))),
            Err(error) if error.is_not_found() => Step::Next(js.create_stream(config)),
            Err(error) => Step::Done(Err(match error {
                GetStreamError::Api(error) => CreateStreamError::Api(error),
                GetStreamError::Request(error) => CreateStreamError::Request(error),
                GetStreamError::Response(words) => CreateStreamError::Response(words),
                GetStreamError::InvalidName(name) => CreateStreamError::InvalidName(name),
            })),
        })
    }

    /// The stream of this name.
    ///
    /// # Errors
    ///
    /// [`GetStreamError::is_not_found`] if there is none.
    pub fn get_stream(&self, name: impl AsRef<str>) -> Call<Stream, GetStreamError> {
        let name = match checked(name.as_ref()) {
            Ok(name) => name,
            Err(error) => return Call::failed(error),
        };
        let api = self.api.clone();
        Call::of(self.api.request(&format!("STREAM.INFO.{name}"), ""), move |info| Ok(Stream::new(api, info)))
    }

    /// The stream that a response told of.
    pub(in crate::jetstream) fn stream_of(&self, info: StreamInfo) -> Stream {
        Stream::new(self.api.clone(), info)
    }

    /// Gives the stream of this configuration's name this configuration, and tells of it.
    ///
    /// # Errors
    ///
    /// [`UpdateStreamError::is_not_found`] if there is none; the server's errors of JS36 to JS38.
    pub fn update_stream(&self, config: StreamConfig) -> Call<StreamInfo, UpdateStreamError> {
        if let Err(error) = checked(&config.name) {
            return Call::failed(error);
        }
        Call::of(self.api.request(&format!("STREAM.UPDATE.{}", config.name), encoded(&config)), Ok)
    }

    /// Gives the stream of this configuration's name this configuration, or creates it if there is none. Two requests at most: the second
    /// is sent when the response to the first has been received by `wait` or a poll.
    ///
    /// # Errors
    ///
    /// As [`JetStream::create_stream`] and [`JetStream::update_stream`].
    pub fn create_or_update_stream(&self, config: StreamConfig) -> Call<Stream, CreateStreamError> {
        let js = self.clone();
        self.update_stream(config.clone()).then(move |updated| match updated {
            Ok(info) => Step::Done(Ok(js.stream_of(info))),
            Err(error) if error.is_not_found() => Step::Next(js.create_stream(config)),
            Err(UpdateStreamError::Api(error)) => Step::Done(Err(CreateStreamError::Api(error))),
            Err(UpdateStreamError::Request(error)) => Step::Done(Err(CreateStreamError::Request(error))),
            Err(UpdateStreamError::Response(words)) => Step::Done(Err(CreateStreamError::Response(words))),
            Err(UpdateStreamError::InvalidName(name)) => Step::Done(Err(CreateStreamError::InvalidName(name))),
        })
    }

    /// Deletes the stream of this name, with its messages and consumers.
    ///
    /// # Errors
    ///
    /// [`DeleteStreamError::is_not_found`] if there is none.
    pub fn delete_stream(&self, name: impl AsRef<str>) -> Call<(), DeleteStreamError> {
        match checked(name.as_ref()) {
            Ok(name) => Call::of(self.api.request(&format!("STREAM.DELETE.{name}"), ""), |Done| Ok(())),
            Err(error) => Call::failed(error),
        }
    }

    /// The names of all streams, in order.
    pub fn stream_names(&self) -> Pages<String, ListStreamsError> {
        Pages::new(self.api.clone(), "STREAM.NAMES".to_owned(), String::new())
    }

    /// The names of the streams that take a subject, or some subject of a pattern (JS25).
    pub fn stream_names_by_subject(&self, subject: impl Into<String>) -> Pages<String, ListStreamsError> {
        Pages::new(self.api.clone(), "STREAM.NAMES".to_owned(), subject.into())
    }

    /// The name of the stream that takes a subject, or some subject of a pattern: the first one by name.
    ///
    /// # Errors
    ///
    /// [`GetStreamError::is_not_found`] if there is none.
    pub fn stream_by_subject(&self, subject: impl AsRef<str>) -> Call<String, GetStreamError> {
        let body = body(|object| object.text("subject", subject.as_ref()));
        Call::of(self.api.request("STREAM.NAMES", body), |page: Page<String>| {
            page.into_first().ok_or_else(|| GetStreamError::Api(codes::STREAM_NOT_FOUND.error()))
        })
    }

    /// All streams, in the order of their names.
    pub fn streams(&self) -> Pages<StreamInfo, ListStreamsError> {
        Pages::new(self.api.clone(), "STREAM.LIST".to_owned(), String::new())
    }

    /// The account: its contents, its limits, the level of the API.
    ///
    /// # Errors
    ///
    /// [`AccountInfoError::is_no_responders`] if there is no JetStream.
    pub fn account_info(&self) -> Call<AccountInfo, AccountInfoError> {
        Call::of(self.api.request("INFO", ""), Ok)
    }

    /// An atomic batch: messages that a stream stores together or not at all.
    pub fn batch(&self) -> AtomicBatch {
        AtomicBatch::new(self.api.clone())
    }

    /// Publishes a message into the stream that takes the subject. It is sent before this returns; the handle waits for the stream's
    /// acknowledgement. Several may be on their way at once.
    ///
    /// # Errors
    ///
    /// From the handle: [`PublishAckError::is_no_responders`](super::PublishAckError::is_no_responders) if no stream takes the subject
    /// and nothing else listens; [`PublishAckError::is_timeout`](super::PublishAckError::is_timeout) if nothing acknowledges, as with
    /// a stream that has `no_ack`.
    pub fn publish<'a>(&self, subject: impl ToSubject, payload: impl Into<Payload<'a>>) -> PublishAckFuture {
        publish::send(self.api.client(), subject, payload.into(), self.api.request_options())
    }

    /// As [`JetStream::publish`], with headers and expectations.
    ///
    /// # Errors
    ///
    /// As [`JetStream::publish`]; also the server's refusal of an expectation that is not met, such as
    /// [`PublishAckError::is_wrong_last_sequence`](super::PublishAckError::is_wrong_last_sequence).
    pub fn publish_with<'a>(
        &self,
        subject: impl ToSubject,
        payload: impl Into<Payload<'a>>,
        options: PublishOptions,
    ) -> PublishAckFuture {
        match options.request(self.api.request_options()) {
            Ok(request) => publish::send(self.api.client(), subject, payload.into(), request),
            Err(error) => PublishAckFuture::failed(error),
        }
    }
}

fn encoded(stream: &StreamConfig) -> String {
    let mut body = String::with_capacity(512);
    config::encode(&mut Object::new(&mut body), stream, &stream.metadata);
    body
}
