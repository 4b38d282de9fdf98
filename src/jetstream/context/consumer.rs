//! A consumer: its state, and the ways to its messages.

use super::api::{Api, body};
use super::call::Call;
use super::error::{CreateConsumerError, GetConsumerError, MessagesError, checked};
use super::messages::{Messages, MessagesOptions};
use super::pages::Item;
use super::pull::{Fetch, Next, Pull};
use super::push::Push;
use crate::Subject;
use crate::jetstream::engine::consumer::{ConsumerAction, ConsumerConfig, ConsumerInfo};
use crate::jetstream::json::consumer::encode_request;
use crate::jetstream::json::read::{Fatal, Reader};
use crate::jetstream::json::response::Fields;

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
