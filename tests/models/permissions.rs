//! Permissions that change while others subscribe and publish.

use crate::{assert_settled, bus, model};
use postroom::error::CloseReason;
use postroom::{AllowResponses, Permissions, PublishError, SubscribeError};
use shuttle::thread;

fn deny(pattern: &str) -> Permissions {
    Permissions::new().deny_subscribe(pattern).unwrap().deny_publish(pattern).unwrap()
}

// Goal: a subscription that is made while permissions change is refused or ended, and never left behind. Method: both on threads of
// their own; whichever came first, no subscription is reached afterwards.
#[test]
fn subscribing_while_it_is_forbidden() {
    model(3_000, || {
        let bus = bus();
        let (client, other) = (bus.connect(), bus.connect());
        let subscribing = {
            let client = client.clone();
            thread::spawn(move || client.subscribe("a"))
        };
        let ended = client.set_permissions(Some(deny("a")));
        assert_eq!(other.publish("a", "").unwrap(), 0, "in force on return");
        match subscribing.join().unwrap() {
            Ok(subscriber) => {
                assert_eq!(subscriber.close_reason(), Some(CloseReason::PermissionDenied));
                assert_eq!((ended.len(), ended[0].id), (1, subscriber.id()));
            }
            Err(SubscribeError::PermissionDenied { .. }) => assert!(ended.is_empty()),
            Err(error) => panic!("{error}"),
        }
        assert_settled(&bus);
    });
}

// Goal: what is published while permissions change is withheld or delivered, and counted (G5); what is published afterwards is withheld
// (G2). Method: a wildcard subscription that loses one subject, with its route remembered by the publisher's thread, and a close.
#[test]
fn publishing_while_it_is_withheld() {
    model(3_000, || {
        let bus = bus();
        let (client, other) = (bus.connect(), bus.connect());
        let subscriber = client.subscribe("*").unwrap();
        let publishing = {
            let (own, other) = (client.clone(), other.clone());
            thread::spawn(move || {
                let reached = other.publish("a", "").unwrap() + other.publish("a", "").unwrap();
                match own.publish("a", "") {
                    Ok(own) => reached + own,
                    Err(error) => {
                        assert!(matches!(error, PublishError::PermissionDenied { .. }));
                        reached
                    }
                }
            })
        };
        assert!(client.set_permissions(Some(deny("a"))).is_empty());
        assert_eq!(other.publish("a", "").unwrap(), 0);
        assert!(client.publish("a", "").is_err());
        assert_eq!(other.publish("b", "").unwrap(), 1);
        let reached = publishing.join().unwrap();
        assert_eq!(subscriber.try_iter().count(), reached + 1);
        client.close();
        assert_settled(&bus);
    });
}

// Goal: leave to answer is there before the question can be seen (P7). Method: the responder answers on a thread of its own.
#[test]
fn answering_a_question_that_has_just_come() {
    model(3_000, || {
        let bus = bus();
        let (client, other) = (bus.connect(), bus.connect());
        client.set_permissions(Some(Permissions::new().allow_responses(AllowResponses::default())));
        let (questions, answers) = (client.subscribe("svc").unwrap(), other.subscribe("inb").unwrap());
        let answering = thread::spawn(move || questions.recv().unwrap().respond("").unwrap());
        other.publish_with_reply("svc", "inb", "").unwrap();
        assert_eq!(answering.join().unwrap(), 1);
        assert!(answers.try_recv().is_ok());
        assert_settled(&bus);
    });
}
