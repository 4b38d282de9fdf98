//! The same JetStream operations on two servers, and whether a client could see a difference.
//!
//! A *sequence* is operations of one client on up to two streams and their consumers. Both servers execute an operation before the
//! next one is sent. Our server answers before the PONG of a PING behind the operation; of the real server as many messages
//! are awaited. A message too much shows in a later step. The answers of a step must be equal, up to named tolerances.
//!
//! | file | content |
//! |---|---|
//! | `operation` | the operations, and their text |
//! | `generate` | random sequences: streams, messages, reads |
//! | `consumers` | random operations on consumers |
//! | `session` | a connection, on which operations are sent and answers are read |
//! | `normal` | the tolerances |
//! | `campaign` | many sequences on two servers |
//! | `shrink` | a sequence on both servers; a failure, made small |
//! | `servers` | the two servers |

mod campaign;
mod consumers;
mod generate;
mod normal;
mod operation;
mod servers;
mod session;
mod shrink;

use campaign::campaign;
use servers::{Host, Ours, Real};

/// Promise JS-1.
#[test]
fn jetstream_of_ours_and_of_the_real_server_are_equal() {
    let report = campaign(2_000, &[Host::Ours(Ours), Host::Real(Real::start())]);
    assert!(report.is_clean(), "{report}");
    println!("{report}");
}

/// The base of the other test: what remains of luck is within the tolerances.
#[test]
fn jetstream_of_two_real_servers_is_equal() {
    let report = campaign(200, &[Host::Real(Real::start()), Host::Real(Real::start())]);
    assert!(report.is_clean(), "{report}");
}
