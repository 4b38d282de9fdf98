//! Subjects and patterns: the words in which messages are addressed.
//!
//! **Purpose.** A message is published on a [`Subject`], a subscription is made on a [`Pattern`]. Both are texts cut into *tokens*
//! by dots. They are checked once, when they are made. A [`Pattern`], or a [`Subject`] that a program made, is proof that its text
//! obeys the grammar below; a [`Subject`] of a received message may come from a lenient connection.
//!
//! **The grammar.**
//!
//! | text | `Subject` | `Pattern` | rule |
//! |---|---|---|---|
//! | `orders.eu.new` | yes | yes | S1 |
//! | `orders.*`, `*.eu.*` | no | yes: `*` stands for exactly one token | S3 |
//! | `orders.>`, `>` | no | yes: `>` stands for one or more tokens, at the end only | S3 |
//! | `foo*`, `f>o`, `**` | yes | yes: a wildcard is a whole token, so these are plain text | S2 |
//! | `>.foo`, `foo.>.bar` | no | no: something follows `>` | S4 |
//! | an empty text, `.foo`, `foo.`, `a..b` | no | no: empty token | S4 |
//! | any text with space, tab, CR or LF | no | no | S1, S13 |
//!
//! Everything else is allowed: any UTF-8, control characters and NUL included, upper and lower case being
//! different, up to [`Subject::MAX_LEN`] bytes.
//!
//! **Promises.** Making, cloning, comparing and matching never panic, and matching never allocates. Texts of up
//! to 23 bytes are stored inline; longer ones share one allocation among all clones. Equality, order and hash
//! are those of the text, so a map keyed by `Subject` can be asked with a `&str`.
//!
//! **Limits.** The number of tokens is not bounded here, only the bytes are. Nothing is reserved: `$SYS.x` and
//! `_INBOX.x` are subjects like any other (S9).
//!
//! **How it fails.** With a [`SubjectError`], which names the leftmost fault and its byte position.
//!
//! **Where the rules come from.** nats-server 2.15.1, rules S1 to S4, S7, S12 and S13. DIFFERENCE: the server lets a
//! subject be any bytes (S1) and checks a published one only for pedantic connections (S6); here a subject is UTF-8
//! and checked, as NATS client libraries do (S13), unless the connection is
//! [lenient](crate::ConnectOptions::lenient).
//!
//! ```
//! use postroom::{Pattern, Subject};
//! use postroom::error::SubjectError;
//!
//! let subject = Subject::new("orders.eu.new")?;
//! assert!(Pattern::new("orders.*.new")?.matches(&subject));
//! assert!(Pattern::new("orders.>")?.matches(&subject));
//! assert!(!Pattern::new("orders.*")?.matches(&subject));
//! assert_eq!(Subject::new("orders..new"), Err(SubjectError::EmptyToken { position: 7 }));
//! # Ok::<(), SubjectError>(())
//! ```

pub(crate) mod convert;
pub(crate) mod error;
pub(crate) mod literal;
pub mod mapping;
pub(crate) mod pattern;
pub mod relation;
mod text;
mod token;

#[cfg(test)]
mod tests;

pub(crate) use convert::{ToPattern, ToSubject};
pub(crate) use error::SubjectError;
pub(crate) use literal::Subject;
pub(crate) use pattern::Pattern;
pub use token::Tokens;

pub(crate) use token::{check_pattern, check_subject, check_word};
