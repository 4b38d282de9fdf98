//! What a message is made of.

pub mod headers;
pub mod status;

pub use headers::{HeaderError, HeaderMap};
pub use status::StatusCode;
