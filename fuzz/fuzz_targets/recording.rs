//! Any text as a recording: reading never panics; what was read is written so that it reads the same again, in as many lines as it has
//! messages; and it can be replayed.
#![no_main]

use libfuzzer_sys::fuzz_target;
use postroom::Bus;
use postroom::testkit::{Recording, Speed};

fuzz_target!(|text: &str| {
    let recording: Recording = match text.parse() {
        Ok(recording) => recording,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    let written = recording.to_string();
    assert_eq!(written.lines().count(), recording.messages.len() + 1);
    assert_eq!(written.parse::<Recording>().expect("what was written can be read"), recording);
    let replayed = recording.replay(&Bus::new(), Speed::Full);
    assert_eq!(replayed.published + replayed.refused.len(), recording.messages.len());
});
