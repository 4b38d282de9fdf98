//! Shared by the test targets of this package, by examples and by benches.
//!
//! | file | content |
//! |---|---|
//! | `nats_server` | finds the real nats-server, starts it on a free port, ends it |
//! | `program` | builds programs of the workspace and says where they are |
//! | `wire` | a connection of raw bytes, and the frames that come back |

#![allow(
    missing_docs,
    clippy::exhaustive_enums,
    clippy::exhaustive_structs,
    clippy::should_implement_trait,
    reason = "only this workspace uses it"
)]

pub mod nats_server;
pub mod program;
pub mod wire;
