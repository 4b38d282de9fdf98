//! JSON as the server reads and writes it, which is Go's: to the byte in what is written, to the word in what is refused (JS11, JS13).
//!
//! It is written by hand, since a general library neither words its errors as Go does nor reads a key in any case.
//!
//! | file | reason to change |
//! |---|---|
//! | `scan` | which texts are JSON, and how a fault in one is worded |
//! | `requests` | the keys of requests that several calls share |
//! | `read` | how values become fields of a request |
//! | `write` | how values are written |
//! | `config` | the keys of a stream's configuration |
//! | `consumer` | the keys of a consumer's configuration, what is told of a consumer |
//! | `pull` | bodies of pull requests and of negative acknowledgements |
//! | `response` | how responses are read, with the error that may stand in them |
//! | `info` | what is told of a stream |
//! | `object` | the metadata of an object of a store |

pub(super) mod config;
pub(super) mod consumer;
pub(super) mod info;
pub(super) mod object;
pub(super) mod pull;
pub(super) mod read;
pub(super) mod requests;
pub(super) mod response;
mod scan;
pub(super) mod write;
