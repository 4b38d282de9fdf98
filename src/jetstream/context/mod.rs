//! Streams from within the process: what a program holds to use JetStream.
//!
//! [`JetStream`] is a client of the API under `$JS.API`, as any client library is: it sends requests on the bus and nothing else. It does
//! not know whether a [`JetStreamServer`](crate::jetstream::JetStreamServer) on this bus answers or a real server behind a bridge.
//!
//! Each operation is one function. It sends its request when it is called, and gives a handle that is on its way: [`Call::wait`] blocks a
//! thread, and a task on any executor awaits it. There is no runtime and no thread behind it.
//!
//! | file | reason to change |
//! |---|---|
//! | `api` | the way to the API |
//! | `call` | an operation that is on its way |
//! | `error` | why each operation fails |
//! | `js` | the calls on streams as a whole |
//! | `options` | where requests go, how long they wait |
//! | `pages` | lists that come page by page |
//! | `publish` | publishing, and its acknowledgement |
//! | `batch` | several messages that are stored together or not at all |
//! | `stream` | the calls on one stream |
//! | `consumer` | a consumer, and the ways to its messages |
//! | `message` | a delivered message, and its acknowledgement |
//! | `receive` | how messages reach threads and tasks |
//! | `pull`, `push` | what becomes of the messages of a request, of a subscription |
//! | `items` | the methods of all sequences |
//! | `messages`, `ordered` | messages without end; in order and without a gap |
//! | `info` | what is told of streams and accounts |
//! | `stored`, `direct` | a stored message as it is read; several of them |

mod api;
mod batch;
mod call;
mod consumer;
mod direct;
mod error;
mod info;
pub(super) mod items;
mod js;
mod message;
mod messages;
mod options;
mod ordered;
mod pages;
mod publish;
mod pull;
mod push;
mod receive;
mod stored;
mod stream;

pub use batch::{AtomicBatch, BatchAck};
pub use call::Call;
pub(super) use call::Step;
pub use consumer::{Consumer, Paused};
pub use direct::{DirectBatch, StoredMessages};
pub use error::{
    AccountInfoError, AckError, BatchError, ControlConsumerError, CreateConsumerError, CreateStreamError,
    DeleteConsumerError, DeleteMessageError, DeleteStreamError, GetConsumerError, GetMessageError, GetStreamError,
    JetStreamError, ListConsumersError, ListStreamsError, MessagesError, PublishAckError, PurgeError,
    UpdateStreamError,
};
pub use info::{AccountInfo, ApiStats, StreamInfo};
pub use items::IntoIter;
pub use js::JetStream;
pub use message::{AckKind, JsMessage, MessageInfo};
pub use messages::{Messages, MessagesOptions};
pub use options::ContextOptions;
pub use ordered::Ordered;
pub use pages::Pages;
pub use publish::{PublishAck, PublishAckFuture, PublishOptions};
pub use pull::{Batch, Fetch, Next};
pub use stored::StreamMessage;
pub use stream::Stream;

use crate::Client;

/// A context whose requests go out through this client, to `$JS.API`.
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
///
/// let orders = js.create_stream(StreamConfig::new("ORDERS").subjects(["orders.>"])).wait()?;
/// let ack = js.publish("orders.eu", "hello").wait()?;
/// assert_eq!((ack.stream.as_str(), ack.sequence), ("ORDERS", 1));
/// assert_eq!(&orders.get_message(1).wait()?.payload[..], b"hello");
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
pub fn new(client: Client) -> JetStream {
    with_options(client, ContextOptions::new())
}

/// A context whose requests go to the servers of a domain, under `$JS.<domain>.API` (JS6).
///
/// # Example
///
/// ```
/// use postroom::Bus;
/// use postroom::jetstream::{self, JetStreamOptions, JetStreamServer};
///
/// let bus = Bus::new();
/// let _streams = JetStreamServer::start(&bus, JetStreamOptions::new().domain("hub"))?;
/// let js = jetstream::with_domain(bus.connect(), "hub");
/// assert_eq!(js.account_info().wait()?.domain.as_deref(), Some("hub"));
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
pub fn with_domain(client: Client, domain: impl AsRef<str>) -> JetStream {
    with_options(client, ContextOptions::new().domain(domain))
}

/// A context with options.
pub fn with_options(client: Client, options: ContextOptions) -> JetStream {
    JetStream::with_options(client, options)
}
