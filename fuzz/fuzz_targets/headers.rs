//! Any bytes as a header block: reading never panics, and what was read is valid, is written in as many bytes as
//! announced and reads the same again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use postroom::HeaderMap;
use postroom::headers::{decode, encode, encoded_len};

fuzz_target!(|block: &[u8]| {
    let (status, headers) = match decode(block) {
        Ok(read) => read,
        Err(error) => {
            assert!(error.position() <= block.len(), "{error}");
            return;
        }
    };
    for (name, value) in headers.iter() {
        assert!(!name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':'));
        assert!(!value.contains(['\r', '\n']) && value.trim() == value);
        assert_eq!(headers.get(name), headers.get_all(name).next());
    }

    let status_ref = status.as_ref().map(|(code, description)| (*code, description.as_str()));
    let mut written = Vec::new();
    encode(status_ref, &headers, &mut written).expect("what was read can be written");
    assert_eq!(written.len(), encoded_len(status_ref, &headers));
    assert_eq!(decode(&written), Ok((status, headers.clone())));

    written.clear();
    encode(None, &headers, &mut written).expect("no status, no error");
    assert_eq!(written.len(), headers.wire_len());

    check_map(headers);
});

/// Taking the map to pieces by name keeps its size in step.
fn check_map(mut headers: HeaderMap) {
    let names: Vec<String> = headers.iter().map(|(name, _)| name.to_owned()).collect();
    for (index, name) in names.iter().enumerate() {
        if index % 2 == 0 {
            headers.remove(name);
            assert!(!headers.contains(name));
        } else {
            headers.insert(name, "replaced").expect("a name that was read is valid");
            assert_eq!(headers.get_all(name).collect::<Vec<_>>(), ["replaced"]);
        }
        let mut written = Vec::new();
        encode(None, &headers, &mut written).expect("no status, no error");
        assert_eq!(written.len(), headers.wire_len());
    }
}
