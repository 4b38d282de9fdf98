//! The errors, one type for each operation, and [`Error`] over all of them.
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
//! | `header` | headers and header blocks |
//! | `any` | the error over all others, which knows the guests' as well |

mod any;
mod drain;
mod header;
mod publish;
mod receive;
mod request;
mod subscribe;

pub use any::Error;
pub use drain::DrainTimeoutError;
pub use header::HeaderError;
pub use publish::{PublishError, RespondError};
pub use receive::{CloseReason, RecvError, RecvTimeoutError, TryRecvError};
pub use request::RequestError;
pub use subscribe::SubscribeError;
