//! Any bytes and any passing of time for a session on a host that only writes down: it never panics, keeps no more than a line
//! and a payload, says nothing after its end, and does not see in which pieces its input came.
//!
//! Input: a byte for the options, then steps: a byte for their kind, and a piece of input or of time.
#![no_main]

use libfuzzer_sys::fuzz_target;
use postroom::protocol::{ServerVersion, SessionLimits, SessionOptions};
use std::time::Duration;

#[path = "../../tests/protocol/peer.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod peer;

use peer::Peer;

fuzz_target!(|input: &[u8]| {
    let Some((kind, mut rest)) = input.split_first() else {
        return;
    };
    let options = options(*kind);
    let mut peer = Peer::new(options);
    let mut now = Duration::ZERO;
    let mut stream = Vec::new();
    let mut only_input = true;
    while let Some((step, more)) = rest.split_first() {
        rest = more;
        let len = usize::from(step & 0x3f).min(rest.len());
        let had_ended = peer.end.is_err();
        let events = peer.host.events.len();
        if step & 0xc0 != 0xc0 {
            let (piece, more) = rest.split_at(len);
            rest = more;
            stream.extend_from_slice(piece);
            let end = peer.read(piece, now);
            assert!(end.is_err() || peer.input.len() <= bound(&options.limits), "{} bytes are kept", peer.input.len());
        } else if *step == 0xff {
            only_input = false;
            let mut limits = options.limits;
            limits.max_payload += 10;
            peer.session.reconfigure(limits);
        } else {
            only_input = false;
            now += Duration::from_millis(100 * len as u64);
            while peer.end.is_ok() && peer.session.poll_timeout().is_some_and(|due| due <= now) {
                peer.end = peer.session.handle_timeout(now, &mut peer.host);
            }
        }
        if had_ended {
            assert!(peer.end.is_err() && peer.session.poll_timeout().is_none());
            assert_eq!(peer.host.events.len(), events);
        }
    }
    if only_input {
        let whole = Peer::that_read(options, [&stream[..]]);
        assert_eq!(whole.host.events, peer.host.events);
        assert_eq!(whole.end, peer.end);
    }
});

fn options(kind: u8) -> SessionOptions {
    let mut options = SessionOptions::default();
    options.auth_required = kind & 1 != 0;
    options.no_auth_user = kind & 2 != 0;
    options.headers = kind & 4 == 0;
    options.version = if kind & 8 == 0 { ServerVersion::V2_15 } else { ServerVersion::V2_10 };
    options.limits.ping_interval = Duration::from_secs(1);
    options.limits.max_payload = 40;
    options.limits.max_control_line = if kind & 16 == 0 { 200 } else { 20 };
    options
}

fn bound(limits: &SessionLimits) -> usize {
    limits.max_control_line + limits.max_payload + 10 + 4
}
