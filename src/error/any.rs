//! One error over all others: for functions that need no more than `?`.

use super::{
    BuildError, DrainTimeoutError, HeaderError, LimitsError, PublishError, RecvError, RecvTimeoutError, RequestError,
    RespondError, StatusCodeError, SubjectError, SubscribeError, TryRecvError,
};
#[cfg(feature = "bridge")]
use crate::bridge::{FlushError, RuleError, StartError};
#[cfg(feature = "jetstream")]
use crate::jetstream::JetStreamError;
#[cfg(feature = "jetstream")]
use crate::jetstream::kv::KeyValueError;
#[cfg(feature = "jetstream")]
use crate::jetstream::object_store::ObjectStoreError;
#[cfg(feature = "jetstream")]
use crate::jetstream::server::StartError as JetStreamStartError;
#[cfg(feature = "server")]
use crate::server::ServerError;
use std::fmt;

macro_rules! over_all {
    ($($(#[$attribute:meta])* $name:ident($error:ty): $what:literal,)*) => {
        /// Any error of this crate: each of the others converts into it, and its text is that of the other.
        ///
        /// Operations have errors of their own, which say what can go wrong there; this one is for functions that do several of them and
        /// only pass errors on.
        ///
        /// # Example
        ///
        /// ```
        /// use postroom::{Bus, Error, Message};
        ///
        /// fn ask_after_subscribing(bus: &Bus) -> Result<Message, Error> {
        ///     let client = bus.connect();
        ///     let orders = client.subscribe("orders")?; // SubscribeError
        ///     client.publish("orders", "1")?; // PublishError
        ///     drop(orders.recv()?); // RecvError
        ///     Ok(client.request("nobody", "")?) // RequestError
        /// }
        ///
        /// let error = ask_after_subscribing(&Bus::new()).unwrap_err();
        /// assert!(matches!(&error, Error::Request(error) if error.is_no_responders()));
        /// assert_eq!(error.to_string(), "no responders on nobody");
        /// ```
        #[derive(Debug)]
        #[non_exhaustive]
        pub enum Error {$(
            $(#[$attribute])*
            #[doc = $what]
            $name($error),
        )*}

        impl fmt::Display for Error {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {$(
                    $(#[$attribute])*
                    Error::$name(error) => error.fmt(f),
                )*}
            }
        }

        $(
            $(#[$attribute])*
            impl From<$error> for Error {
                fn from(error: $error) -> Self {
                    Error::$name(error)
                }
            }
        )*
    };
}

over_all! {
    Publish(PublishError): "A message was not published.",
    Subscribe(SubscribeError): "A subscription was not made.",
    Recv(RecvError): "A subscription has ended.",
    TryRecv(TryRecvError): "There was no message at once.",
    RecvTimeout(RecvTimeoutError): "No message came in time.",
    Request(RequestError): "A request has no response.",
    Respond(RespondError): "A message could not be responded to.",
    DrainTimeout(DrainTimeoutError): "A drain did not come to its end in time.",
    Subject(SubjectError): "A text is not a subject or not a pattern.",
    Header(HeaderError): "A header or a header block was refused.",
    StatusCode(StatusCodeError): "A number or text is not a status code.",
    Limits(LimitsError): "A limit is out of its range.",
    Build(BuildError): "A bus was not built.",
    #[cfg(feature = "jetstream")]
    JetStream(JetStreamError): "An operation on a stream failed.",
    #[cfg(feature = "jetstream")]
    KeyValue(KeyValueError): "An operation on a key-value bucket failed.",
    #[cfg(feature = "jetstream")]
    ObjectStore(ObjectStoreError): "An operation on an object store failed.",
    #[cfg(feature = "jetstream")]
    JetStreamStart(JetStreamStartError): "JetStream was not started.",
    #[cfg(feature = "server")]
    Server(ServerError): "A server was not started, or not changed.",
    #[cfg(feature = "bridge")]
    BridgeStart(StartError): "A bridge was not started.",
    #[cfg(feature = "bridge")]
    BridgeRule(RuleError): "A rule of a bridge was refused.",
    #[cfg(feature = "bridge")]
    BridgeFlush(FlushError): "A flush or a drain of a bridge did not get through.",
}

impl std::error::Error for Error {}
