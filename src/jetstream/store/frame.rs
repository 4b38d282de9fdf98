//! The bytes around records. A file begins with [`MAGIC`]; then come frames: the length of the contents, their checksum, the checksum of these
//! two numbers, and the contents.
//!
//! The two numbers have a checksum of their own, so that a length that was changed is not taken for an unfinished write: only what a
//! process leaves that ends while it writes is a torn end, and zeros that a file system has put there.

use super::checksum::checksum;
use std::io::{self, Read};

/// The first bytes of a file: the format, and its version.
pub(super) const MAGIC: &[u8; 8] = b"PRJSLOG1";

/// The bytes before the contents of a frame.
pub(super) const HEADER: usize = 12;

/// The next thing in a file.
#[derive(Debug)]
pub(super) enum Next<'a> {
    /// The contents of a frame.
    Frame(&'a [u8]),
    /// The end of the file, behind a whole frame.
    End,
    /// A write that did not come to its end, or a file system that put zeros there.
    Torn,
    /// Bytes that can't have been written so.
    Damaged(&'static str),
}

/// Reads the frames of a file, one at a time.
#[derive(Debug)]
pub(super) struct Frames<R> {
    reader: R,
    /// Bytes of the file behind `at`.
    left: u64,
    /// The end of the last whole frame.
    at: u64,
    contents: Vec<u8>,
}

impl<R: Read> Frames<R> {
    /// Frames of a file of so many bytes.
    pub(super) fn new(reader: R, len: u64) -> Self {
        Frames { reader, left: len, at: 0, contents: Vec::new() }
    }

    /// The end of the last whole frame.
    pub(super) fn at(&self) -> u64 {
        self.at
    }

    /// The next frame; the first call reads the beginning of the file as well.
    pub(super) fn next(&mut self) -> io::Result<Next<'_>> {
        if self.at == 0 {
            let mut magic = [0; MAGIC.len()];
            let given = self.left.min(MAGIC.len() as u64) as usize;
            self.reader.read_exact(&mut magic[..given])?;
            if given < MAGIC.len() {
                return Ok(Next::Torn);
            }
            if magic != *MAGIC {
                return self.torn_if_zero(&magic, "this is no log of a stream, or one of another version");
            }
            self.pass(MAGIC.len() as u64);
        }
        if self.left == 0 {
            // A file has a frame when its beginning is whole.
            return Ok(if self.at == MAGIC.len() as u64 { Next::Torn } else { Next::End });
        }
        let mut header = [0; HEADER];
        if self.left < HEADER as u64 {
            return Ok(Next::Torn);
        }
        self.reader.read_exact(&mut header)?;
        let [len, sum, own] = [0, 4, 8].map(|at| u32::from_le_bytes([0, 1, 2, 3].map(|byte| header[at + byte])));
        if checksum(&header[..8]) != own {
            self.left -= HEADER as u64;
            return self.torn_if_zero(&header, "a length does not agree with its checksum");
        }
        if u64::from(len) > self.left - HEADER as u64 {
            return Ok(Next::Torn);
        }
        self.contents.clear();
        // No more is taken than the file has.
        self.contents.shrink_to(1 << 20);
        self.contents.resize(len as usize, 0);
        self.reader.read_exact(&mut self.contents)?;
        if checksum(&self.contents) != sum {
            self.left -= HEADER as u64 + u64::from(len);
            let contents = std::mem::take(&mut self.contents);
            return self.torn_if_zero(&contents, "a record does not agree with its checksum");
        }
        self.pass(HEADER as u64 + u64::from(len));
        Ok(Next::Frame(&self.contents))
    }

    fn pass(&mut self, bytes: u64) {
        self.at += bytes;
        self.left -= bytes;
    }

    /// A file system may have lengthened a file with zeros before its machine went down.
    fn torn_if_zero(&mut self, read: &[u8], what: &'static str) -> io::Result<Next<'_>> {
        let mut is_zero = read.iter().all(|byte| *byte == 0);
        let mut piece = [0; 4_096];
        while is_zero {
            let read = self.reader.read(&mut piece)?;
            if read == 0 {
                return Ok(Next::Torn);
            }
            is_zero = piece[..read].iter().all(|byte| *byte == 0);
        }
        Ok(Next::Damaged(what))
    }
}

/// Makes room for a frame's header in front of its contents.
pub(super) fn begin(buffer: &mut Vec<u8>) -> usize {
    let start = buffer.len();
    buffer.extend_from_slice(&[0; HEADER]);
    start
}

/// Writes the header of the frame that begins at `start`. `None` if it is too long, or has no contents: then it is taken out.
pub(super) fn finish(buffer: &mut Vec<u8>, start: usize) -> Option<()> {
    let contents = start + HEADER;
    let len = u32::try_from(buffer.len() - contents).ok().filter(|len| *len > 0);
    let Some(len) = len else {
        buffer.truncate(start);
        return None;
    };
    let sum = checksum(&buffer[contents..]);
    buffer[start..start + 4].copy_from_slice(&len.to_le_bytes());
    buffer[start + 4..start + 8].copy_from_slice(&sum.to_le_bytes());
    let own = checksum(&buffer[start..start + 8]);
    buffer[start + 8..contents].copy_from_slice(&own.to_le_bytes());
    Some(())
}
