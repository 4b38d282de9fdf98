//! Any bytes as what a client sends: the decoder gives what the plain one gives, in one piece, byte by byte and in other
//! pieces, and keeps no more than a line and a payload.
//!
//! Input: a byte for the limits, one for the size of the pieces, then the stream.
#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use postroom::protocol::{DecodeError, Decoder, DecoderLimits};

// The same judge as in the property tests.
#[path = "../../tests/protocol/oracle.rs"]
mod oracle;

use oracle::Op;

fuzz_target!(|input: &[u8]| {
    let [kind, size, stream @ ..] = input else {
        return;
    };
    let mut limits = DecoderLimits::default();
    limits.headers = kind & 1 == 0;
    if kind & 2 != 0 {
        (limits.max_control_line, limits.max_payload) = (12, 9);
    }
    let expected = oracle::decode(stream, limits);
    for size in [stream.len().max(1), 1, usize::from(*size).max(1)] {
        assert_eq!(decode(stream, size, limits), expected, "in pieces of {size}");
    }
});

fn decode(stream: &[u8], size: usize, limits: DecoderLimits) -> (Vec<Op>, Option<DecodeError>) {
    let (mut decoder, mut buffer, mut ops) = (Decoder::new(limits), BytesMut::new(), Vec::new());
    for piece in stream.chunks(size) {
        buffer.extend_from_slice(piece);
        loop {
            match decoder.next(&mut buffer) {
                Ok(Some(operation)) => ops.push(oracle::owned(operation)),
                Ok(None) => break,
                Err(error) => return (ops, Some(error)),
            }
        }
        // One CR more than arguments and payload, and one LF; or part of a name.
        assert!(buffer.len() <= limits.max_control_line + limits.max_payload + 4);
    }
    (ops, None)
}
