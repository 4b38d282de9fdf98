//! All that a request can be made of: time limit, headers, a whole message; from threads and tasks.

use crate::executor::{SECOND, Task, block_on};
use postroom::publish::RawMessage;
use postroom::{
    Bus, Clock, ConnectOptions, HeaderMap, Message, PublishError, RequestError, RequestOptions, StatusCode,
};
use std::task::Poll;

fn headers(id: &str) -> HeaderMap {
    [("Id", id)].try_into().unwrap()
}

#[test]
fn options_set_time_limit_and_headers_together() {
    let clock = Clock::manual();
    let client = Bus::builder().clock(&clock).build().connect();
    let service = client.subscribe("svc").unwrap();
    let options = RequestOptions::new().timeout(SECOND).headers(headers("7"));
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| client.request_with("svc", "x", options.clone()));
        let request = service.recv().unwrap();
        assert_eq!((request.headers().get("Id"), request.payload()), (Some("7"), &b"x"[..]));
        clock.wait_for_timers(1);
        clock.advance(SECOND);
        assert_eq!(asking.join().unwrap().unwrap_err(), RequestError::Timeout { after: SECOND });
    });
    let (task, mut asking) = (Task::new(), client.request_with_async("svc", "y", options));
    assert!(task.poll(&mut asking).is_pending());
    assert_eq!(service.recv().unwrap().headers().get("Id"), Some("7"));
    clock.advance(SECOND);
    assert!(matches!(task.poll(&mut asking), Poll::Ready(Err(RequestError::Timeout { after: SECOND }))));
}

#[test]
fn a_whole_message_is_a_request() {
    let client = Bus::new().connect();
    let service = client.subscribe_fn("svc", |request| {
        let (id, status) = (request.headers().get("Id").unwrap_or("none"), request.status());
        request.respond(format!("{id} {status:?} {}", request.payload_str().unwrap())).unwrap();
    });
    let by_hand = Message::new("svc", "x").unwrap().with_headers(headers("7")).with_status(StatusCode::TIMEOUT, "");
    let by_hand = by_hand.with_reply("not.asked").unwrap();
    let plain = RequestOptions::new;
    let response = client.request_message(&by_hand, plain()).unwrap();
    assert_eq!(response.payload_str().unwrap(), "7 Some(408) x");
    let response = block_on(client.request_message_async(&by_hand, plain().headers(headers("8")))).unwrap();
    assert_eq!(response.payload_str().unwrap(), "8 None x", "headers of the options replace those of the message");
    drop(service);
    assert!(client.request_message(&by_hand, plain()).unwrap_err().is_no_responders());
}

/// A message that a lenient connection may send, another may not pass on; the bus is told of it as of any publish that
/// it refuses.
#[test]
fn a_message_whose_headers_cannot_be_read_is_no_request() {
    let bus = Bus::new();
    let (client, lenient) = (bus.connect(), bus.connect_with(ConnectOptions::new().lenient(true)));
    let all = client.subscribe(">").unwrap();
    let raw = RawMessage::new("svc", "").headers(postroom::bytes::Bytes::from("no headers"));
    lenient.publish_raw(raw).unwrap();
    let odd = all.recv().unwrap();
    let refused = client.request_message(&odd, RequestOptions::new()).unwrap_err();
    assert!(matches!(refused, RequestError::Publish(PublishError::InvalidHeaders(_))), "{refused}");
    let refused = block_on(client.request_message_async(&odd, RequestOptions::new())).unwrap_err();
    assert!(matches!(refused, RequestError::Publish(PublishError::InvalidHeaders(_))), "{refused}");
    assert!(all.is_empty());
}

#[test]
fn a_publish_has_reply_and_headers_together() {
    let client = Bus::new().connect();
    let all = client.subscribe("a").unwrap();
    assert_eq!(client.publish_with_reply_and_headers("a", "b", headers("1"), "x"), Ok(1));
    let publisher = client.publisher("a").unwrap();
    let copy = publisher.clone();
    assert_eq!(copy.publish_with_reply("b", "x"), Ok(1));
    drop(publisher);
    assert_eq!(copy.publish_with_reply_and_headers("b", headers("1"), "x"), Ok(1));
    for id in [Some("1"), None, Some("1")] {
        let message = all.recv().unwrap();
        assert_eq!((message.reply().unwrap().as_str(), message.headers().get("Id")), ("b", id));
    }
    for refused in [
        client.publish_with_reply_and_headers("a", "b.*", headers("1"), "x"),
        copy.publish_with_reply("b.*", "x"),
        copy.publish_with_reply_and_headers("b.*", headers("1"), "x"),
    ] {
        assert!(matches!(refused, Err(PublishError::InvalidSubject(_))));
    }
    assert!(all.is_empty());
}
