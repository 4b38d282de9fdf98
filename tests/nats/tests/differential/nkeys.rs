//! Nkeys (P1): the nonce is new each time, so the script is made while it runs.

use crate::harness::run::Target;
use crate::harness::servers::{ours_with_text, real_with_text};
use crate::support::wire::{Frame, Wire};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use nkeys::KeyPair;
use std::cell::RefCell;
use std::time::Duration;

/// The credentials shown; whether they are accepted, `None` if that depends on the letters of the signature; and how they are made
/// from the nonce.
type Case<'a> = (&'static str, Option<bool>, &'a dyn Fn(&str) -> String);

/// The answer to a CONNECT that is made from the nonce of the greeting.
fn answer(target: &Target, connect: &dyn Fn(&str) -> String) -> Vec<String> {
    let mut wire = Wire::new(target.open(), Duration::from_secs(10));
    let greeting = wire.until(|frame| frame.info().is_some()).expect("a greeting");
    let info = greeting.last().and_then(Frame::info).expect("INFO");
    let info: serde_json::Value = serde_json::from_slice(info).expect("JSON");
    assert_eq!(info["auth_required"], true);
    let nonce = info["nonce"].as_str().expect("a nonce");
    assert_eq!(nonce.len(), 15, "C3: 11 bytes");
    wire.send(format!("CONNECT {{\"verbose\":true,{}}}\r\nPING\r\n", connect(nonce)).as_bytes());
    let frames = wire.until_pong(1).expect("an answer");
    frames.iter().map(|frame| frame.to_string()).collect()
}

#[test]
fn who_signs_the_nonce_comes_in() {
    let (ann, eve) = (KeyPair::new_user(), KeyPair::new_user());
    let config =
        format!("authorization {{ users: [ {{ nkey: {} }}, {{ user: bob, password: b }} ] }}\n", ann.public_key());
    let (ours, real) = (ours_with_text(&config), real_with_text(&config));
    let signed = |by: &KeyPair, what: &str| by.sign(what.as_bytes()).expect("it has a seed");
    let shows = |key: &KeyPair, sig: &str| format!("\"nkey\":\"{}\",\"sig\":\"{sig}\"", key.public_key());
    let no_pad = |sig: Vec<u8>| URL_SAFE_NO_PAD.encode(sig);
    let cases: [Case<'_>; 9] = [
        ("a signature", Some(true), &|nonce| shows(&ann, &no_pad(signed(&ann, nonce)))),
        // Only if it happens to have no letter that is not in the other alphabet.
        ("one with padding", None, &|nonce| shows(&ann, &URL_SAFE.encode(signed(&ann, nonce)))),
        ("in the other alphabet", Some(true), &|nonce| shows(&ann, &STANDARD.encode(signed(&ann, nonce)))),
        ("of something else", Some(false), &|nonce| shows(&ann, &no_pad(signed(&ann, &format!("{nonce}x"))))),
        ("of somebody else", Some(false), &|nonce| shows(&ann, &no_pad(signed(&eve, nonce)))),
        ("of a stranger", Some(false), &|nonce| shows(&eve, &no_pad(signed(&eve, nonce)))),
        ("that is none", Some(false), &|_| shows(&ann, "x")),
        ("no signature", Some(false), &|_| format!("\"nkey\":\"{}\"", ann.public_key())),
        ("a password instead", Some(true), &|_| "\"user\":\"bob\",\"pass\":\"b\"".to_owned()),
    ];
    for (what, comes_in, connect) in cases {
        for (target, whose) in [(&ours, "ours"), (&real, "the real one")] {
            // The nonce is each server's own, and so is the luck.
            let sent = RefCell::new(String::new());
            let answered = answer(target, &|nonce| {
                *sent.borrow_mut() = connect(nonce);
                sent.borrow().clone()
            });
            let is_lucky = !sent.borrow().contains(['-', '_']);
            let came_in = answered == ["+OK", "PONG"];
            assert_eq!(came_in, comes_in.unwrap_or(is_lucky), "{what}, {whose}: {answered:?}");
            assert!(
                came_in || answered == ["-ERR 'Authorization Violation'", "(closed)"],
                "{what}, {whose}: {answered:?}"
            );
        }
    }
}
