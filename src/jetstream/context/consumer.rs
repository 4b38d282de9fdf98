//! A consumer: its state, and the ways to its messages.

use super::api::{Api, Done, body};
use super::call::Call;
use super::error::{ControlConsumerError, CreateConsumerError, GetConsumerError, MessagesError, checked};
use super::info::instant;
use super::messages::{Messages, MessagesOptions};
use super::pages::Item;
use super::pull::{Fetch, Next, Pull};
use super::push::Push;
use crate::Subject;
use crate::jetstream::engine::Timestamp;
use crate::jetstream::engine::consumer::{ConsumerAction, ConsumerConfig, ConsumerInfo};
use crate::jetstream::json::consumer::encode_request;
use crate::jetstream::json::read::{Fatal, Reader};
use crate::jetstream::json::response::Fields;
use std::time::Duration;

/// A consumer of a stream. Cheap to clone but for what is remembered of it.
///
/// # Example
///
/// ```
/// use postroom::Bus;
/// use postroom::jetstream::{self, ConsumerConfig, JetStreamOptions, JetStreamServer, StreamConfig};
/// use std::time::Duration;
///
/// let bus = Bus::new();
/// let _streams = JetStreamServer::start(&bus, JetStreamOptions::new())?;
/// let js = jetstream::new(bus.connect());
/// let orders = js.create_stream(StreamConfig::new("ORDERS").subjects(["orders.>"])).wait()?;
/// for order in ["orders.eu", "orders.us"] {
///     js.publish(order, "new").wait()?;
/// }
///
/// let config = ConsumerConfig::pull("worker").ack_wait(Duration::from_secs(30)).max_deliver(5);
/// let worker = orders.create_consumer(config).wait()?;
/// for message in worker.fetch(10).messages() {
///     let message = message?;
///     assert!(message.subject().as_str().starts_with("orders."));
///     message.ack()?;
/// }
/// assert_eq!(worker.info().wait()?.num_ack_pending, 0);
///
/// js.publish("orders.asia", "new").wait()?;
/// let mut flow = worker.messages()?; // endless, for threads and tasks
/// assert_eq!(flow.recv().expect("endless")?.subject(), "orders.asia");
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Consumer {
    api: Api,
    stream: String,
    info: ConsumerInfo,
}

/// The pause of a consumer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Paused {
    /// Whether it is paused now.
    pub is_paused: bool,
    /// When the pause ends.
    pub until: Option<Timestamp>,
    /// How long that is from now.
    pub remaining: Option<Duration>,
}

impl Fields for Paused {
    const KEYS: &'static [&'static str] = &["paused", "pause_until", "pause_remaining"];

    fn field(&mut self, key: &'static str, from: &mut Reader<'_>) -> Result<(), Fatal> {
        match key {
            "paused" => from.flag(&mut self.is_paused),
            "pause_until" => instant(&mut self.until, from),
            _ => {
                let mut left = 0;
                from.span(&mut left)?;
                self.remaining = u64::try_from(left).ok().filter(|left| *left > 0).map(Duration::from_nanos);
                Ok(())
            }
        }
    }
}

impl Item for ConsumerInfo {
    fn read(&mut self, from: &mut Reader<'_>) -> Result<(), Fatal> {
        from.object("consumer", Self::KEYS, |reader, key| self.field(key, reader))?;
        Ok(())
    }
}

/// Asks for a consumer of a stream.
pub(super) fn create(
    api: &Api,
    stream: &str,
    config: &ConsumerConfig,
    action: ConsumerAction,
) -> Call<ConsumerInfo, CreateConsumerError> {
    let name = match config.name.as_str() {
        "" => &config.durable_name,
        name => name,
    };
    let call = match checked::<CreateConsumerError>(name) {
        _ if name.is_empty() => format!("CONSUMER.CREATE.{stream}"),
        Err(error) => return Call::failed(error),
        // The filter may stand in the subject, where permissions see it; but a wildcard is not published to.
        Ok(name) if Subject::new(&config.filter_subject).is_ok() => {
            format!("CONSUMER.CREATE.{stream}.{name}.{}", config.filter_subject)
        }
        Ok(name) => format!("CONSUMER.CREATE.{stream}.{name}"),
    };
    let body = body(|object| encode_request(object, stream, config, action));
    Call::of(api.request(&call, body), Ok)
}

impl Consumer {
    pub(super) fn new(api: Api, stream: String, info: ConsumerInfo) -> Self {
        Consumer { api, stream, info }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.info.name
    }

    /// The name of its stream.
    pub fn stream_name(&self) -> &str {
        &self.stream
    }

    /// Its state when this handle was made.
    pub fn cached_info(&self) -> &ConsumerInfo {
        &self.info
    }

    /// Its state now.
    ///
    /// # Errors
    ///
    /// [`GetConsumerError::is_not_found`] if it is gone.
    pub fn info(&self) -> Call<ConsumerInfo, GetConsumerError> {
        Call::of(self.api.request(&format!("CONSUMER.INFO.{}.{}", self.stream, self.name()), ""), Ok)
    }

    fn control(&self, call: &str) -> String {
        format!("CONSUMER.{call}.{}.{}", self.stream, self.name())
    }

    /// Holds its deliveries back until an instant of the server's time of day (JC160). An instant that is not ahead lets them go on.
    ///
    /// # Errors
    ///
    /// [`ControlConsumerError::is_not_found`] if it is gone.
    pub fn pause(&self, until: Timestamp) -> Call<Paused, ControlConsumerError> {
        let body = body(|object| object.instant("pause_until", Some(until)));
        Call::of(self.api.request(&self.control("PAUSE"), body), Ok)
    }

    /// Ends a pause.
    ///
    /// # Errors
    ///
    /// As [`Consumer::pause`].
    pub fn resume(&self) -> Call<Paused, ControlConsumerError> {
        Call::of(self.api.request(&self.control("PAUSE"), ""), Ok)
    }

    /// Lets it forget its deliveries and go on at a sequence, or behind its last acknowledgement without a gap before; gives back its
    /// state then (JC165).
    ///
    /// # Errors
    ///
    /// [`ControlConsumerError::is_invalid_reset`] if its deliver policy does not allow that sequence;
    /// [`ControlConsumerError::is_timeout`] if it is gone, as there is no response then (JC2).
    pub fn reset(&self, seq: Option<u64>) -> Call<ConsumerInfo, ControlConsumerError> {
        let body = match seq {
            Some(seq) => body(|object| object.plain("seq", seq)),
            None => String::new(),
        };
        Call::of(self.api.request(&self.control("RESET"), body), Ok)
    }

    /// Ends the pin of a priority group: another client may become the one that gets everything (JC180).
    ///
    /// # Errors
    ///
    /// [`ControlConsumerError::is_not_found`] if it is gone, [`ControlConsumerError::is_invalid_group`] if it has no such group.
    pub fn unpin(&self, group: impl AsRef<str>) -> Call<(), ControlConsumerError> {
        let body = body(|object| object.text("group", group.as_ref()));
        Call::of(self.api.request(&self.control("UNPIN"), body), |Done| Ok(()))
    }

    fn next_call(&self) -> String {
        format!("CONSUMER.MSG.NEXT.{}.{}", self.stream, self.name())
    }

    /// Asks for the messages that are there now, at most so many, and at least 1. [`Fetch::expires`] makes it wait for them.
    pub fn fetch(&self, messages: usize) -> Fetch {
        Fetch::new(self.api.clone(), self.next_call(), messages)
    }

    /// As [`Consumer::fetch`], but waits for as many messages, as long as the context waits for a response.
    pub fn batch(&self, messages: usize) -> Fetch {
        self.fetch(messages).expires(self.api.timeout())
    }

    /// Asks for one message, and waits for it as long as the context waits for a response.
    pub fn next(&self) -> Next {
        Next(self.batch(1).messages())
    }

    /// Its messages without end. The first ones were asked for when it returns.
    ///
    /// # Errors
    ///
    /// [`MessagesError::Subscribe`] if the client can't subscribe, [`MessagesError::Publish`] if it can't ask for messages.
    pub fn messages(&self) -> Result<Messages, MessagesError> {
        self.messages_with(MessagesOptions::new())
    }

    /// As [`Consumer::messages`], with other sizes and times of its pull requests. A push consumer has none.
    ///
    /// # Errors
    ///
    /// As [`Consumer::messages`].
    pub fn messages_with(&self, options: MessagesOptions) -> Result<Messages, MessagesError> {
        let inflow = match self.info.config.is_push() {
            true => Push::subscribe(self.api.clone(), &self.info.config)?,
            false => Pull::endless(self.api.clone(), self.next_call(), options.request())?,
        };
        Ok(Messages::new(inflow))
    }
}
