//! A client that does not read (L1, X16), on both servers.

use crate::harness::run::Target;
use crate::harness::servers::{ours_with_text, real_with_text};
use crate::support::wire::{Frame, Wire};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(30);
/// Far more than systems hold back for a socket that is not read.
const MESSAGES: usize = 48;

/// Publishes to a client that does not read; gives back all that it got in the end.
fn what_the_slow_one_gets(target: &Target) -> Vec<Frame> {
    let mut slow = Wire::new(target.open(), PATIENCE);
    slow.send(b"CONNECT {\"verbose\":false}\r\nSUB foo 1\r\nPING\r\n");
    slow.until_pong(1).expect("it is subscribed");
    let mut fast = Wire::new(target.open(), PATIENCE);
    let payload = vec![b'x'; 1 << 20];
    for _ in 0..MESSAGES {
        fast.send(b"PUB foo 1048576\r\n");
        fast.send(&payload);
        fast.send(b"\r\n");
    }
    fast.send(b"PING\r\n");
    let answers = fast.until_pong(1).expect("nobody else is hurt");
    // The greeting, and as without CONNECT it is verbose, one +OK each.
    assert_eq!(answers.len(), 1 + MESSAGES + 1, "{answers:?}");
    slow.until(|_| false).expect("an end")
}

/// L1, X16.
#[test]
fn who_does_not_read_is_cut_off_without_a_word() {
    let config = "max_pending: 2097152\n";
    for target in [ours_with_text(config), real_with_text(config)] {
        let frames = what_the_slow_one_gets(&target);
        let (last, messages) = frames.split_last().expect("an end");
        assert!(last.is_last(), "{last:?}");
        assert!(messages.len() < MESSAGES, "{} of {MESSAGES}", messages.len());
        assert!(messages.iter().all(|frame| matches!(frame, Frame::Message(_))), "{messages:?}");
    }
}
