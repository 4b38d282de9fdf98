//! The manual: what the bus does, and how to use it well. Pages only, no code of their own.
//!
//! | page | read it to know |
//! |---|---|
//! | [`semantics`] | every rule of NATS that the bus keeps, by number, and where the code for it is |
//! | [`ordering`] | which orders are promised, which are not |
//! | [`requests`] | one response, several, none, late |
//! | [`asynchronous`] | the same handles in tasks; what dropping a future loses |
//! | [`slow_consumers`] | bounds, losses, events and the ledger |
//! | [`choosing_a_policy`] | which overflow policy fits which subscriber |
//! | [`lifecycle`] | how subscriptions, clients and buses end |
//! | [`permissions`] | what a connection may do, and connections that are checked less |
//! | [`testing`] | manual clock, seed, and tests that wait for nothing |
//! | `test_kit` | settle, expectations, time, chaos, recordings; with the feature `testkit` |
//! | `test_double` | real NATS clients on a bus; with the feature `server` |
//! | `bridge` | growing out of one process, onto a NATS server; with the feature `bridge` |
//! | `jetstream` | streams, consumers, redelivery, on a bus; with the feature `jetstream` |
//! | `buckets` | key-value and object store, and their rules by number; with the feature `jetstream` |
//! | `jetstream_rules` | the rules of JetStream, by number; with the feature `jetstream` |
//! | `wire` | the rules of the wire, by number; with the feature `server` |
//! | [`differences`] | where the bus and NATS differ, or where NATS has more |
//! | [`not_there`] | what the API leaves out, why, and what to use instead |

#[doc = include_str!("semantics.md")]
pub mod semantics {}

#[doc = include_str!("ordering.md")]
pub mod ordering {}

#[doc = include_str!("requests.md")]
pub mod requests {}

#[doc = include_str!("asynchronous.md")]
pub mod asynchronous {}

#[doc = include_str!("slow_consumers.md")]
pub mod slow_consumers {}

#[doc = include_str!("choosing_a_policy.md")]
pub mod choosing_a_policy {}

#[doc = include_str!("lifecycle.md")]
pub mod lifecycle {}

#[doc = include_str!("permissions.md")]
pub mod permissions {}

#[doc = include_str!("testing.md")]
pub mod testing {}

#[cfg(feature = "server")]
#[doc = include_str!("test_double.md")]
pub mod test_double {}

#[cfg(feature = "bridge")]
#[doc = include_str!("bridge.md")]
pub mod bridge {}

#[cfg(feature = "jetstream")]
#[doc = include_str!("jetstream.md")]
pub mod jetstream {}

#[cfg(feature = "jetstream")]
#[doc = include_str!("buckets.md")]
pub mod buckets {}

#[cfg(feature = "jetstream")]
#[doc = include_str!("jetstream_rules.md")]
pub mod jetstream_rules {}

#[cfg(feature = "server")]
#[doc = include_str!("wire.md")]
pub mod wire {}

#[cfg(feature = "testkit")]
#[doc = include_str!("test_kit.md")]
#[cfg_attr(feature = "jetstream", doc = include_str!("test_kit_streams.md"))]
pub mod test_kit {}

#[doc = include_str!("differences.md")]
pub mod differences {}

#[doc = include_str!("not_there.md")]
pub mod not_there {}
