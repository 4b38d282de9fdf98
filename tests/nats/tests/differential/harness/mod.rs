//! The same bytes on two servers, and whether a client could see a difference.
//!
//! A *sequence* is operations on up to four connections. After each step every connection of the sequence sends PING and reads up to
//! its PONG, which by C15 is the barrier behind which all effects of the step have arrived: so transcripts are complete without
//! any waiting. The transcripts of two servers must be equal, up to named tolerances.
//!
//! | file | content |
//! |---|---|
//! | `profile` | the configuration of a server, in both languages, and the operations worth sending to it |
//! | `operation` | the operations of a client, legal or not, and their bytes |
//! | `generate` | random sequences, which shrink |
//! | `run` | a sequence on a server: its transcript |
//! | `compare` | whether two transcripts are equal, and the tolerances |
//! | `campaign` | many sequences on two servers; a failure, shrunk |
//! | `script` | a sequence and its answers, written down as text |
//! | `cases` | the directed cases: scripts for each row of the rules |
//! | `servers` | the two servers |
#![allow(dead_code, reason = "the test and the example each use a part")]

pub(crate) mod campaign;
pub(crate) mod cases;
pub(crate) mod compare;
pub(crate) mod generate;
pub(crate) mod operation;
pub(crate) mod profile;
pub(crate) mod run;
pub(crate) mod script;
pub(crate) mod servers;
