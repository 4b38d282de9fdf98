//! Reading a file line by line, whatever is in it.

use std::io::{self, BufRead, Read};

/// Bytes a line may have. Longer ones are reported and skipped, so that a file without line breaks takes no memory.
pub(crate) const LINE_MAX: usize = 64 * 1024;

/// One line of a file, without its line break.
pub(crate) struct Line {
    /// Counted from 1.
    pub(crate) number: u64,
    /// The text, or why it has none.
    pub(crate) text: Result<String, &'static str>,
}

/// The lines of a file with something on them.
pub(crate) struct Lines<R> {
    input: R,
    read: u64,
    number: u64,
}

impl<R: BufRead> Lines<R> {
    pub(crate) fn new(input: R) -> Self {
        Lines { input, read: 0, number: 0 }
    }

    /// Bytes read so far.
    pub(crate) fn read(&self) -> u64 {
        self.read
    }

    fn next_line(&mut self) -> io::Result<Option<Line>> {
        loop {
            let mut bytes = Vec::new();
            let n = (&mut self.input).take(LINE_MAX as u64 + 1).read_until(b'\n', &mut bytes)?;
            if n == 0 {
                return Ok(None);
            }
            self.read += n as u64;
            self.number += 1;
            let ended = bytes.last() == Some(&b'\n');
            let text = if !ended && n > LINE_MAX {
                self.read += self.input.skip_until(b'\n')? as u64;
                Err("longer than 65,536 bytes")
            } else {
                String::from_utf8(bytes).map_err(|_| "not UTF-8")
            };
            let text = text.map(|text| text.trim_end_matches(['\n', '\r']).to_owned());
            if !text.as_ref().is_ok_and(|text| text.trim().is_empty()) {
                return Ok(Some(Line { number: self.number, text }));
            }
        }
    }
}

impl<R: BufRead> Iterator for Lines<R> {
    type Item = io::Result<Line>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_line().transpose()
    }
}
