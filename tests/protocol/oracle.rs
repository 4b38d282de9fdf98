//! A decoder as plain as can be: it has the whole input, reads it from the start and copies everything.

use postroom::protocol::{DecodeError, DecoderLimits, Operation};

/// An operation that owns what it holds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Op {
    Connect(Vec<u8>),
    Publish { subject: Vec<u8>, reply: Option<Vec<u8>>, headers: Option<Vec<u8>>, payload: Vec<u8> },
    Subscribe { subject: Vec<u8>, queue: Option<Vec<u8>>, sid: Vec<u8> },
    Unsubscribe { sid: Vec<u8>, max: Option<u64> },
    Ping,
    Pong,
    Ok,
    Info(Vec<u8>),
    Error(Vec<u8>),
}

pub(crate) fn owned(operation: Operation<'_>) -> Op {
    match operation {
        Operation::Connect(json) => Op::Connect(json.to_vec()),
        Operation::Publish { subject, reply, headers, payload } => Op::Publish {
            subject: subject.to_vec(),
            reply: reply.map(<[u8]>::to_vec),
            headers: headers.map(|headers| headers.as_slice().to_vec()),
            payload: payload.as_slice().to_vec(),
        },
        Operation::Subscribe { subject, queue, sid } => {
            Op::Subscribe { subject: subject.to_vec(), queue: queue.map(<[u8]>::to_vec), sid: sid.to_vec() }
        }
        Operation::Unsubscribe { sid, max } => Op::Unsubscribe { sid: sid.to_vec(), max },
        Operation::Ping => Op::Ping,
        Operation::Pong => Op::Pong,
        Operation::Ok => Op::Ok,
        Operation::Info(json) => Op::Info(json.to_vec()),
        Operation::Error(text) => Op::Error(text.to_vec()),
        other => panic!("{other:?}"),
    }
}

/// All operations in the input, and the error that they end with, if they do.
pub(crate) fn decode(input: &[u8], limits: DecoderLimits) -> (Vec<Op>, Option<DecodeError>) {
    let mut ops = Vec::new();
    let mut rest = input;
    loop {
        match operation(rest, limits) {
            Ok(Some((op, len))) => {
                ops.push(op);
                rest = &rest[len..];
            }
            Ok(None) => return (ops, None),
            Err(error) => return (ops, Some(error)),
        }
    }
}

const NAMES: [&str; 11] = ["PUB", "HPUB", "SUB", "UNSUB", "CONNECT", "INFO", "-ERR", "HMSG", "PING", "PONG", "+OK"];

type Read = Result<Option<(Op, usize)>, DecodeError>;

fn operation(input: &[u8], limits: DecoderLimits) -> Read {
    let upper = input.to_ascii_uppercase();
    let Some(name) = NAMES.into_iter().find(|name| upper.starts_with(name.as_bytes())) else {
        let begun = NAMES.iter().any(|name| name.as_bytes().starts_with(&upper));
        return if begun { Ok(None) } else { Err(DecodeError::UnknownOperation) };
    };
    let simple = match name {
        "PING" => Some(Op::Ping),
        "PONG" => Some(Op::Pong),
        "+OK" => Some(Op::Ok),
        _ => None,
    };
    if let Some(op) = simple {
        return Ok(input.iter().position(|byte| *byte == b'\n').map(|end| (op, end + 1)));
    }
    let blanks = input[name.len()..].iter().take_while(|byte| b" \t".contains(byte)).count();
    let start = name.len() + blanks;
    if start == input.len() {
        return Ok(None);
    }
    if blanks == 0 && !["CONNECT", "INFO"].contains(&name) {
        return Err(DecodeError::UnknownOperation);
    }
    let end = input[start + 1..].iter().position(|byte| *byte == b'\n').map(|end| start + 1 + end);
    let mut line = &input[start..end.unwrap_or(input.len())];
    if line[1..].contains(&b'\r') {
        line = &line[..line.len() - 1];
    }
    if line.len() > limits.max_control_line {
        return Err(DecodeError::MaxControlLine { max: limits.max_control_line });
    }
    let Some(end) = end else { return Ok(None) };
    let in_lines: &[u8] = if name.ends_with("PUB") { b" \t" } else { b" \t\r\n" };
    let args: Vec<_> = line.split(|byte| in_lines.contains(byte)).filter(|arg| !arg.is_empty()).collect();
    match name {
        "HMSG" => Err(DecodeError::UnknownOperation),
        "CONNECT" => Ok(Some((Op::Connect(line.to_vec()), end + 1))),
        "INFO" => Ok(Some((Op::Info(line.to_vec()), end + 1))),
        "-ERR" => Ok(Some((Op::Error(line.to_vec()), end + 1))),
        "SUB" if args.len() == 2 || args.len() == 3 => {
            let queue = (args.len() == 3).then(|| args[1].to_vec());
            Ok(Some((Op::Subscribe { subject: args[0].to_vec(), queue, sid: args[args.len() - 1].to_vec() }, end + 1)))
        }
        "UNSUB" if args.len() == 1 || args.len() == 2 => {
            let max = args.get(1).and_then(|arg| number(arg)).filter(|max| *max > 0);
            Ok(Some((Op::Unsubscribe { sid: args[0].to_vec(), max: max.map(|max| max as u64) }, end + 1)))
        }
        "PUB" | "HPUB" => {
            message(name, &args, &input[end + 1..], limits).map(|read| read.map(|(op, len)| (op, end + 1 + len)))
        }
        _ => Err(DecodeError::ArgumentCount {
            operation: if name == "SUB" { "SUB" } else { "UNSUB" },
            count: args.len(),
        }),
    }
}

fn message(operation: &'static str, args: &[&[u8]], rest: &[u8], limits: DecoderLimits) -> Read {
    let with_headers = operation == "HPUB";
    if with_headers && !limits.headers {
        return Err(DecodeError::HeadersNotSupported);
    }
    let least = if with_headers { 3 } else { 2 };
    if args.len() != least && args.len() != least + 1 {
        return Err(DecodeError::ArgumentCount { operation, count: args.len() });
    }
    let reply = (args.len() > least).then(|| args[1].to_vec());
    let mut sizes = args.iter().rev().map(|arg| number(arg).ok_or(DecodeError::Size { operation }));
    let size = sizes.next().unwrap()?;
    let headers = if with_headers { sizes.next().unwrap()? } else { 0 };
    if headers > size {
        return Err(DecodeError::HeaderSize { headers, size });
    }
    if size > limits.max_payload {
        return Err(DecodeError::MaxPayload { size, max: limits.max_payload });
    }
    let mut end = rest.iter().skip(size).take(2);
    match (end.next(), end.next()) {
        (Some(b'\r'), Some(b'\n')) => {
            let block = (headers > 0).then(|| rest[..headers].to_vec());
            let payload = rest[headers..size].to_vec();
            Ok(Some((Op::Publish { subject: args[0].to_vec(), reply, headers: block, payload }, size + 2)))
        }
        (None | Some(b'\r'), None) => Ok(None),
        _ => Err(DecodeError::PayloadEnd { size }),
    }
}

fn number(digits: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(digits).ok()?;
    if digits.len() <= 9 && digits.iter().all(u8::is_ascii_digit) { text.parse().ok() } else { None }
}
