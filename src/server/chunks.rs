//! Bytes that wait to be written, in chunks: small things are copied together, large payloads shared.

use crate::Message;
use crate::sync::Mutex;
use bytes::Buf;
use std::collections::VecDeque;
use std::io::IoSlice;
use std::sync::Arc;

/// The first chunk of a connection that has little to say, and what it may keep while it says nothing.
const SMALL: usize = 512;

/// A chunk is not filled beyond this: one that grew without end would be copied again and again.
const FULL: usize = 64 << 10;

/// Payloads from here on are not copied. Below, a copy costs less than a chunk of its own.
const SHARED_MIN: usize = 16 << 10;

/// Empty chunks that a server keeps for the next connection that needs one: 2 MiB.
const POOLED_MAX: usize = 32;

/// Where full chunks go when they are written, and come from when one is needed.
#[derive(Debug, Default)]
pub(super) struct Pool(Mutex<Vec<Vec<u8>>>);

impl Pool {
    fn get(&self) -> Vec<u8> {
        self.0.lock().pop().unwrap_or_else(|| Vec::with_capacity(FULL))
    }

    /// Keeps it, unless it is of another size or there are enough.
    fn put(&self, mut chunk: Vec<u8>) {
        if chunk.capacity() == FULL {
            chunk.clear();
            let mut pool = self.0.lock();
            if pool.len() < POOLED_MAX {
                pool.push(chunk);
            }
        }
    }
}

#[derive(Debug)]
enum Chunk {
    Copied(Vec<u8>),
    /// The message that the payload belongs to. Not the bytes alone: a message sees to what their owner does
    /// when it is dropped.
    Shared(Message),
}

impl Chunk {
    fn as_slice(&self) -> &[u8] {
        match self {
            Chunk::Copied(bytes) => bytes,
            Chunk::Shared(message) => message.payload(),
        }
    }
}

/// A queue of bytes.
#[derive(Debug)]
pub(super) struct ChunkQueue {
    closed: VecDeque<Chunk>,
    /// The last chunk, which is still filled.
    tail: Vec<u8>,
    /// Bytes of the first chunk that are written.
    written: usize,
    /// Bytes that are not.
    len: usize,
    pool: Arc<Pool>,
}

impl ChunkQueue {
    pub(super) fn new(pool: Arc<Pool>) -> Self {
        ChunkQueue { closed: VecDeque::new(), tail: Vec::new(), written: 0, len: 0, pool }
    }

    /// Another queue with nothing in it.
    pub(super) fn empty_one(&self) -> Self {
        ChunkQueue::new(self.pool.clone())
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Appends what `write` writes: `size` bytes, or a few more or less.
    #[inline]
    pub(super) fn copy(&mut self, size: usize, write: impl FnOnce(&mut Vec<u8>)) {
        if self.tail.capacity() - self.tail.len() < size {
            self.grow(size);
        }
        let before = self.tail.len();
        write(&mut self.tail);
        self.len += self.tail.len() - before;
    }

    #[cold]
    fn grow(&mut self, size: usize) {
        if self.tail.capacity() == 0 && size <= SMALL {
            self.tail = Vec::with_capacity(SMALL);
            return;
        }
        if self.tail.len() + size <= FULL {
            let small = std::mem::replace(&mut self.tail, self.pool.get());
            self.tail.extend_from_slice(&small);
            return;
        }
        self.close_tail();
        if self.tail.capacity() < size {
            self.tail = if size > FULL { Vec::with_capacity(size) } else { self.pool.get() };
        }
    }

    /// Makes a chunk of its own of the tail. One that is far from full is copied, so that no more memory waits than is counted.
    fn close_tail(&mut self) {
        if self.tail.is_empty() {
            return;
        }
        let is_full = self.tail.len() * 4 >= self.tail.capacity() * 3;
        let chunk = if is_full { std::mem::take(&mut self.tail) } else { self.tail.as_slice().to_vec() };
        self.tail.clear();
        self.closed.push_back(Chunk::Copied(chunk));
    }

    /// Whether a payload of this size is to be shared.
    pub(super) fn shares(size: usize) -> bool {
        size >= SHARED_MIN
    }

    /// Appends the payload of a message without copying it.
    pub(super) fn share(&mut self, message: &Message) {
        self.close_tail();
        self.len += message.payload().len();
        self.closed.push_back(Chunk::Shared(message.clone()));
    }
}

impl Buf for ChunkQueue {
    fn remaining(&self) -> usize {
        self.len
    }

    fn chunk(&self) -> &[u8] {
        let first = self.closed.front().map_or(&self.tail[..], Chunk::as_slice);
        &first[self.written..]
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let chunks = self.closed.iter().map(Chunk::as_slice).chain([&self.tail[..]]).enumerate();
        let unwritten = chunks.map(|(at, chunk)| if at == 0 { &chunk[self.written..] } else { chunk });
        let filled = unwritten.filter(|chunk| !chunk.is_empty()).zip(slices);
        filled.map(|(chunk, slice)| *slice = IoSlice::new(chunk)).count()
    }

    fn advance(&mut self, count: usize) {
        assert!(count <= self.len, "{count} of {} bytes", self.len);
        self.len -= count;
        self.written += count;
        while let Some(first) = self.closed.front() {
            let size = first.as_slice().len();
            if self.written < size {
                return;
            }
            self.written -= size;
            if let Some(Chunk::Copied(chunk)) = self.closed.pop_front() {
                self.pool.put(chunk);
            }
        }
        if self.written == self.tail.len() {
            self.written = 0;
            // A small one stays for the next time.
            if self.tail.capacity() > SMALL { self.pool.put(std::mem::take(&mut self.tail)) } else { self.tail.clear() }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::BufMut;

    #[test]
    fn what_goes_in_comes_out_whatever_the_chunks() {
        let pool = Arc::new(Pool::default());
        for step in [1, 7, 511, 4_096, FULL - 1, FULL, FULL + 1, usize::MAX] {
            let (mut chunks, mut expected) = (ChunkQueue::new(pool.clone()), Vec::new());
            for round in 0..3_usize {
                for (number, size) in
                    [0, 2, 500, 100, 20_000, 50_000, 3, 70_000, 1].into_iter().cycle().take(40).enumerate()
                {
                    let bytes = vec![(round * 40 + number) as u8; size];
                    expected.extend_from_slice(&bytes);
                    if ChunkQueue::shares(size) && number % 2 == 0 {
                        chunks.share(&Message::new("a", bytes).unwrap());
                    } else {
                        chunks.copy(size, |out| out.put_slice(&bytes));
                    }
                }
                assert_eq!(chunks.len(), expected.len());
                let mut got = Vec::new();
                while !chunks.is_empty() {
                    let (mut all, at) = (Vec::new(), got.len());
                    let mut slices = [IoSlice::new(&[]); 256];
                    let filled = chunks.chunks_vectored(&mut slices);
                    slices[..filled].iter().for_each(|slice| all.extend_from_slice(slice));
                    assert!(slices[..filled].iter().all(|slice| !slice.is_empty()));
                    assert!(all.starts_with(chunks.chunk()) && !chunks.chunk().is_empty());
                    assert_eq!(all, expected[at..]);
                    let count = step.min(all.len());
                    got.extend_from_slice(&all[..count]);
                    // A step of one is long enough for some.
                    let rest = if step < 511 && got.len() > 5_000 { all.len() - count } else { 0 };
                    got.extend_from_slice(&all[count..count + rest]);
                    chunks.advance(count);
                    chunks.advance(rest);
                }
                assert_eq!(got, expected);
                assert!(chunks.tail.capacity() <= SMALL && chunks.closed.is_empty());
                expected.clear();
            }
        }
        let pooled = pool.0.lock();
        assert!((1..=POOLED_MAX).contains(&pooled.len()) && pooled.iter().all(|chunk| chunk.is_empty()));
    }
}
