//! Any bytes as what a server sends: the decoder never panics and does not see in which pieces they come; and a message that
//! was read is, when written again, read the same.
//!
//! Input: a byte for the size of the pieces, then the stream.
#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use postroom::protocol::encode::Delivery;
use postroom::protocol::text::to_text;
use postroom::protocol::{DecodeError, Info, ServerDecoder, ServerOperation};

fuzz_target!(|input: &[u8]| {
    let Some((size, stream)) = input.split_first() else {
        return;
    };
    let whole = read(stream, stream.len().max(1));
    assert_eq!(read(stream, 1), whole);
    assert_eq!(read(stream, usize::from(*size).max(1)), whole);
});

/// Everything that was read, as text.
fn read(stream: &[u8], size: usize) -> (Vec<String>, Option<DecodeError>) {
    let (mut decoder, mut buffer, mut seen) = (ServerDecoder::new(100, 50), BytesMut::new(), Vec::new());
    for piece in stream.chunks(size) {
        buffer.extend_from_slice(piece);
        loop {
            match decoder.next(&mut buffer) {
                Ok(Some(operation)) => {
                    check(&operation);
                    seen.push(format!("{operation:?}"));
                }
                Ok(None) => break,
                Err(error) => return (seen, Some(error)),
            }
        }
        assert!(buffer.len() <= 100 + 50 + 4);
    }
    (seen, None)
}

fn check(operation: &ServerOperation<'_>) {
    match operation {
        ServerOperation::Info(json) => {
            if let Ok(info) = Info::parse(json) {
                let line = info.to_line();
                assert_eq!(Info::parse(&line["INFO ".len()..]).expect("it was written here"), info);
            }
        }
        ServerOperation::Message { subject, sid, reply, headers, payload } => {
            let (to, answers) = (to_text(subject), reply.map(to_text));
            let block = headers.as_ref().map_or(&[][..], |headers| headers.as_slice());
            let delivery =
                Delivery { subject: &to, sid, reply: answers.as_deref(), headers: block, payload: payload.as_slice() };
            let mut written = Vec::new();
            delivery.write(&mut written, true);
            let (mut decoder, mut input) = (ServerDecoder::default(), BytesMut::from(&written[..]));
            let again = decoder.next(&mut input).expect("it was written here").expect("it is whole");
            assert_eq!(format!("{again:?}"), format!("{operation:?}"));
        }
        _ => {}
    }
}
