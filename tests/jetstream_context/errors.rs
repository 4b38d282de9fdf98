//! Faults that are known before anything is sent, responses that are none, operations that are given up.

use crate::support::{run, setup};
use postroom::Bus;
use postroom::jetstream::context::{GetStreamError, PublishAckError};
use postroom::jetstream::{self, StreamConfig};
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Waker};

#[test]
fn a_name_that_is_no_token_is_refused_at_once() {
    let setup = setup();
    let all = setup.bus.connect().subscribe("$JS.API.>").unwrap();
    for name in ["", "a.b", "*", ">", "a b", "a/b", r"a\b", "a\u{a0}b"] {
        let error = setup.js.get_stream(name).wait().unwrap_err();
        assert_eq!(error, GetStreamError::InvalidName(name.to_owned()));
        assert!(matches!(run(setup.js.get_stream(name)), Err(GetStreamError::InvalidName(_))));
        assert!(setup.js.create_stream(StreamConfig::new(name)).wait().unwrap_err().api().is_none());
        assert!(setup.js.delete_stream(name).wait().is_err());
    }
    assert!(all.is_empty(), "nothing was sent");
}

#[test]
fn without_jetstream_there_are_no_responders() {
    let js = jetstream::new(Bus::new().connect());
    assert!(js.get_stream("S").wait().unwrap_err().is_no_responders());
    assert!(js.stream_names().recv().unwrap().unwrap_err().is_no_responders());
    assert!(js.account_info().wait().unwrap_err().is_no_responders());
    let other = jetstream::with_domain(js.client().clone(), "hub");
    assert_eq!(other.account_info().wait().unwrap_err().to_string(), "no responders on $JS.hub.API.INFO");
    js.client().close();
    assert!(!js.publish("s", "x").wait().unwrap_err().is_no_responders());
}

/// A responder that is no JetStream.
#[test]
fn responses_that_can_not_be_read_are_errors() {
    let client = Bus::new().connect();
    let _odd = client.subscribe_fn("odd", |request| drop(request.respond("thanks"))).unwrap();
    let _empty = client.subscribe_fn("empty", |request| drop(request.respond(""))).unwrap();
    let _half = client.subscribe_fn("half", |request| drop(request.respond(r#"{"seq":1}"#))).unwrap();
    let js = jetstream::new(client.clone());
    for subject in ["odd", "empty", "half"] {
        let error = js.publish(subject, "x").wait().unwrap_err();
        assert!(matches!(error, PublishAckError::Response(_)), "{error}");
    }
}

/// Giving up the wait gives up nothing else, and leaves nothing behind.
#[test]
fn a_call_that_is_dropped_was_sent_and_is_forgotten() {
    let setup = setup();
    drop(setup.js.create_stream(StreamConfig::new("S")));
    assert!(setup.js.get_stream("S").wait().is_ok());
    {
        let silent = setup.bus.connect().subscribe("silent").unwrap();
        let mut ack = pin!(setup.js.publish("silent", "x"));
        assert!(ack.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        assert_eq!((silent.len(), setup.clock.timers()), (1, 1));
    }
    assert_eq!(setup.clock.timers(), 0);
}
