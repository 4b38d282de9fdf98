//! The errors, one type for each operation, and [`Error`](crate::Error) over all of them.
//!
//! The message of an error contains the messages of its parts. Hence no error here has a `source`: a report that prints the chain would
//! print them twice.
//!
//! | file | reason to change |
//! |---|---|
//! | `publish` | publishing and responding |
//! | `subscribe` | subscribing |
//! | `receive` | the ends of subscriptions, and receiving |
//! | `request` | requests |
//! | `drain` | drains |
//! | `build` | building a bus, and the ranges of limits |
//! | `status` | status codes |
//! | `header` | headers and header blocks |
//! | `any` | the error over all others, which knows the guests' as well |

pub(crate) mod any;
mod build;
mod drain;
mod header;
pub(crate) mod publish;
pub(crate) mod receive;
pub(crate) mod request;
mod status;
pub(crate) mod subscribe;

pub use build::{BuildError, LimitsError};
pub use drain::DrainTimeoutError;
pub use header::HeaderError;
pub(crate) use publish::PublishError;
pub use publish::RespondError;
pub(crate) use receive::RecvError;
pub use receive::{CloseReason, RecvTimeoutError, TryRecvError};
pub(crate) use request::RequestError;
pub use status::StatusCodeError;
pub(crate) use subscribe::SubscribeError;

pub use crate::subject::error::SubjectError;
