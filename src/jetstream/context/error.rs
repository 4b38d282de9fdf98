//! Why an operation fails: a type for each operation, with the server's error inside.

use crate::error::CloseReason;
use crate::jetstream::engine::error::{ApiError, Code, codes};
use crate::jetstream::json::response::ResponseFault;
use crate::{PublishError, RequestError, StatusCode, SubscribeError};
use std::fmt;
use std::time::Duration;

/// The errors that every operation has.
pub(super) trait Operation: Sized {
    fn of_request(error: RequestError) -> Self;

    fn of_api(error: ApiError) -> Self;

    fn unreadable(words: String) -> Self;

    fn invalid_name(name: &str) -> Self;

    fn of_response(fault: ResponseFault) -> Self {
        match fault {
            ResponseFault::Refused(error) => Self::of_api(error),
            ResponseFault::Unreadable(words) => Self::unreadable(words),
        }
    }
}

macro_rules! operations {
    ($(
        $(#[$doc:meta])*
        $name:ident as $variant:ident {
            $( $(#[$is_doc:meta])* $is:ident: $($code:ident)|+; )*
        }
    )*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
            #[non_exhaustive]
            pub enum $name {
                /// The server refused it.
                #[error("{0}")]
                Api(ApiError),
                /// The request has no response.
                #[error("{0}")]
                Request(RequestError),
                /// The response can't be read.
                #[error("unreadable response: {0}")]
                Response(String),
                /// A name of a stream or a consumer is empty, or holds white space, `.`, `*`, `>`, `/` or `\`. Nothing was sent.
                #[error("invalid name {0:?}")]
                InvalidName(String),
            }

            impl $name {
                /// The server's error, if it refused.
                #[must_use]
                pub fn api(&self) -> Option<&ApiError> {
                    match self {
                        $name::Api(error) => Some(error),
                        _ => None,
                    }
                }

                /// The number of the server's error, if it refused: one of those in [`codes`](crate::jetstream::engine::error::codes).
                #[must_use]
                pub fn err_code(&self) -> Option<u16> {
                    self.api().map(ApiError::err_code)
                }

                /// Whether nothing listens: there is no JetStream behind the prefix, or no stream that takes the subject.
                #[must_use]
                pub fn is_no_responders(&self) -> bool {
                    matches!(self, $name::Request(error) if error.is_no_responders())
                }

                /// Whether no response came in time. The server may have done it nevertheless.
                #[must_use]
                pub fn is_timeout(&self) -> bool {
                    matches!(self, $name::Request(error) if error.is_timeout())
                }

                $(
                    $(#[$is_doc])*
                    #[must_use]
                    pub fn $is(&self) -> bool {
                        const CODES: &[Code] = &[$(codes::$code),+];
                        self.api().is_some_and(|error| CODES.iter().any(|code| error.is(*code)))
                    }
                )*
            }

            impl Operation for $name {
                fn of_request(error: RequestError) -> Self {
                    $name::Request(error)
                }

                fn of_api(error: ApiError) -> Self {
                    $name::Api(error)
                }

                fn unreadable(words: String) -> Self {
                    $name::Response(words)
                }

                fn invalid_name(name: &str) -> Self {
                    $name::InvalidName(name.to_owned())
                }
            }

            impl From<$name> for JetStreamError {
                fn from(error: $name) -> Self {
                    JetStreamError::$variant(error)
                }
            }

            impl From<$name> for crate::Error {
                fn from(error: $name) -> Self {
                    crate::Error::JetStream(error.into())
                }
            }
        )*

        /// Any error of a context's operations: each of the others converts into it, and its text is that of the other.
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum JetStreamError {
            $( $(#[$doc])* $variant($name), )*
            /// Why a consumer's messages do not come.
            Messages(MessagesError),
        }

        impl fmt::Display for JetStreamError {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $( JetStreamError::$variant(error) => error.fmt(f), )*
                    JetStreamError::Messages(error) => error.fmt(f),
                }
            }
        }

        impl std::error::Error for JetStreamError {}
    };
}

operations! {
    /// Why nothing is told of the account.
    AccountInfoError as AccountInfo {}

    /// Why a stream was not created.
    CreateStreamError as CreateStream {
        /// Whether there is a stream of that name with another configuration (10058).
        is_already_exists: STREAM_NAME_EXIST;
        /// Whether another stream takes some of its subjects (10065).
        is_subject_overlap: STREAM_SUBJECT_OVERLAP;
    }

    /// Why a stream was not updated.
    UpdateStreamError as UpdateStream {
        /// Whether there is no such stream (10059).
        is_not_found: STREAM_NOT_FOUND;
    }

    /// Why nothing is told of a stream.
    GetStreamError as GetStream {
        /// Whether there is no such stream (10059).
        is_not_found: STREAM_NOT_FOUND;
    }

    /// Why a stream was not deleted.
    DeleteStreamError as DeleteStream {
        /// Whether there is no such stream (10059).
        is_not_found: STREAM_NOT_FOUND;
    }

    /// Why streams were not listed.
    ListStreamsError as ListStreams {}

    /// Why a publish was not acknowledged.
    PublishAckError as PublishAck {
        /// Whether the last sequence, of the stream or of the subject, is another than expected (10071, 10164).
        is_wrong_last_sequence: STREAM_WRONG_LAST_SEQUENCE | STREAM_WRONG_LAST_SEQUENCE_CONSTANT;
        /// Whether the last message's id is another than expected (10070).
        is_wrong_last_message_id: STREAM_WRONG_LAST_MSG_ID;
        /// Whether another stream took it than expected (10060).
        is_wrong_stream: STREAM_NOT_MATCH;
    }

    /// Why an atomic batch, or a message of it, was refused.
    BatchError as Batch {
        /// Whether the stream takes no atomic batches (10174).
        is_disabled: ATOMIC_PUBLISH_DISABLED;
        /// Whether a message is missing, or the batch was forgotten or refused before (10176).
        is_incomplete: ATOMIC_PUBLISH_INCOMPLETE_BATCH;
        /// Whether it has more messages than the server allows (10199).
        is_too_large: ATOMIC_PUBLISH_TOO_LARGE_BATCH;
        /// Whether too many batches are open at once (10210).
        is_too_many: ATOMIC_PUBLISH_TOO_MANY_INFLIGHT;
        /// Whether a message's id is in it twice, or was stored before (10201).
        is_duplicate: ATOMIC_PUBLISH_CONTAINS_DUPLICATE_MESSAGE;
        /// Whether the last sequence, of the stream or of a subject, is another than expected (10071, 10164).
        is_wrong_last_sequence: STREAM_WRONG_LAST_SEQUENCE | STREAM_WRONG_LAST_SEQUENCE_CONSTANT;
    }

    /// Why a stream was not purged.
    PurgeError as Purge {
        /// Whether there is no such stream (10059).
        is_stream_not_found: STREAM_NOT_FOUND;
    }

    /// Why a stored message was not read.
    GetMessageError as GetMessage {
        /// Whether there is no such message (10037).
        is_not_found: NO_MESSAGE_FOUND;
        /// Whether there is no such stream (10059).
        is_stream_not_found: STREAM_NOT_FOUND;
    }

    /// Why a stored message was not deleted.
    DeleteMessageError as DeleteMessage {
        /// Whether there is no such message (10043).
        is_not_found: SEQUENCE_NOT_FOUND;
        /// Whether there is no such stream (10059).
        is_stream_not_found: STREAM_NOT_FOUND;
    }

    /// Why a consumer was not created or updated.
    CreateConsumerError as CreateConsumer {
        /// Whether there is a consumer of that name with another configuration (10148).
        is_already_exists: CONSUMER_ALREADY_EXISTS;
        /// Whether there is none to update (10149).
        is_not_found: CONSUMER_DOES_NOT_EXIST;
        /// Whether there is no such stream (10059).
        is_stream_not_found: STREAM_NOT_FOUND;
    }

    /// Why nothing is told of a consumer.
    GetConsumerError as GetConsumer {
        /// Whether there is no such consumer (10014).
        is_not_found: CONSUMER_NOT_FOUND;
        /// Whether there is no such stream (10059).
        is_stream_not_found: STREAM_NOT_FOUND;
    }

    /// Why a consumer was not deleted.
    DeleteConsumerError as DeleteConsumer {
        /// Whether there is no such consumer (10014).
        is_not_found: CONSUMER_NOT_FOUND;
        /// Whether there is no such stream (10059).
        is_stream_not_found: STREAM_NOT_FOUND;
    }

    /// Why a consumer was not paused, resumed, reset or unpinned.
    ControlConsumerError as ControlConsumer {
        /// Whether there is no such consumer (10014). A reset of one that is not there has no response.
        is_not_found: CONSUMER_NOT_FOUND;
        /// Whether there is no such stream (10059).
        is_stream_not_found: STREAM_NOT_FOUND;
        /// Whether the consumer can't begin at that sequence (10204).
        is_invalid_reset: CONSUMER_INVALID_RESET;
        /// Whether the consumer has no such priority group (10160, 10162).
        is_invalid_group: CONSUMER_INVALID_PRIORITY_GROUP | CONSUMER_INVALID_GROUP_NAME;
    }

    /// Why consumers were not listed.
    ListConsumersError as ListConsumers {
        /// Whether there is no such stream (10059).
        is_stream_not_found: STREAM_NOT_FOUND;
    }

    /// Why an acknowledgement was not confirmed.
    AckError as Ack {}
}

/// Why a consumer's messages do not come.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MessagesError {
    /// There is no such consumer, or no JetStream.
    #[error("no responders: there is no such consumer")]
    NoResponders,
    /// The server refused the request, or ended it before its time (JC62 to JC76).
    #[error("{status} {description}")]
    Status {
        /// The number.
        status: StatusCode,
        /// The text behind it.
        description: String,
    },
    /// Twice the time of a heartbeat has passed without a word of the server.
    #[error("no heartbeat from the server")]
    HeartbeatMissed,
    /// A delivery is missing. [`Ordered`](super::Ordered) begins anew then, and does not tell it.
    #[error("a delivery is missing")]
    Gap,
    /// A delivery does not say its sequence, which the messages of [`Ordered`](super::Ordered) need: it came across a bridge that replaces
    /// the reply subject which says it.
    #[error("a delivery does not say its sequence")]
    NoSequence,
    /// The server did not say in time that the request has ended. With messages that wait for acknowledgements up to the consumer's
    /// `max_ack_pending` it does not (JC72).
    #[error("the request was not ended within {after:?}")]
    Timeout {
        /// How long that was waited for.
        after: Duration,
    },
    /// The subscription has ended.
    #[error("the subscription has ended: {0}")]
    Closed(CloseReason),
    /// There is no subscription for the messages.
    #[error("{0}")]
    Subscribe(SubscribeError),
    /// A request for messages, or an answer to the server's flow control, was not sent.
    #[error("{0}")]
    Publish(PublishError),
    /// The consumer was not made.
    #[error("{0}")]
    Create(CreateConsumerError),
}

impl MessagesError {
    /// Whether there is no such consumer, or it was deleted meanwhile (JC2, JC76).
    #[must_use]
    pub fn is_consumer_gone(&self) -> bool {
        match self {
            MessagesError::NoResponders => true,
            MessagesError::Status { description, .. } => description == "Consumer Deleted",
            _ => false,
        }
    }

    /// Whether the server was silent for too long.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        matches!(self, MessagesError::Timeout { .. } | MessagesError::HeartbeatMissed)
    }
}

impl From<SubscribeError> for MessagesError {
    fn from(error: SubscribeError) -> Self {
        MessagesError::Subscribe(error)
    }
}

impl From<PublishError> for MessagesError {
    fn from(error: PublishError) -> Self {
        MessagesError::Publish(error)
    }
}

impl From<CreateConsumerError> for MessagesError {
    fn from(error: CreateConsumerError) -> Self {
        MessagesError::Create(error)
    }
}

impl From<MessagesError> for JetStreamError {
    fn from(error: MessagesError) -> Self {
        JetStreamError::Messages(error)
    }
}

impl From<MessagesError> for crate::Error {
    fn from(error: MessagesError) -> Self {
        crate::Error::JetStream(error.into())
    }
}

/// A name that is a token of the API's subjects: a server takes no other.
pub(super) fn checked<E: Operation>(name: &str) -> Result<&str, E> {
    let is_wrong = |c: char| c.is_whitespace() || matches!(c, '.' | '*' | '>' | '/' | '\\');
    if name.is_empty() || name.contains(is_wrong) { Err(E::invalid_name(name)) } else { Ok(name) }
}
