//! P2 to P7, S9 and S10, and their effects on R2, Q4 and the ledger.
//!
//! Goal: the answers that nats-server 2.15.1 gives to a client with the same permissions. Method: a client without permissions and
//! one with some on one bus with a manual clock; their messages, and their events.

use postroom::error::{CloseReason, SubjectError};
use postroom::event::Denied;
use postroom::publish::RawMessage;
use postroom::request::RequestManyOptions;
use postroom::{
    AllowResponses, Bus, Client, Clock, ConnectOptions, Event, ManualClock, Permissions, PublishError, RequestError,
    StatusCode, SubscribeError,
};
use std::time::Duration;

fn bus() -> (Bus, ManualClock) {
    let clock = Clock::manual();
    (Bus::builder().clock(&clock).seed(1).build(), clock)
}

fn with(bus: &Bus, permissions: Permissions) -> Client {
    bus.connect_with(ConnectOptions::new().permissions(permissions))
}

fn denied(subject: &str) -> PublishError {
    PublishError::PermissionDenied { subject: subject.into() }
}

/// Whether the subscription is allowed; it ends at once.
fn may(client: &Client, pattern: &str, queue: Option<&str>) -> bool {
    let made = match queue {
        None => client.subscribe(pattern),
        Some(queue) => client.queue_subscribe(pattern, queue),
    };
    match made {
        Ok(_) => true,
        Err(SubscribeError::PermissionDenied { pattern: told, queue: group }) => {
            assert_eq!((told.as_str(), group.as_deref()), (pattern, queue));
            false
        }
        Err(error) => panic!("{pattern}: {error}"),
    }
}

#[test]
fn p2_deny_wins_and_an_empty_allow_list_restricts_nothing() {
    let (bus, _) = bus();
    let all = bus.connect().subscribe(">").unwrap();
    let client = with(&bus, Permissions::new().allow_publish("a.>").unwrap().deny_publish("a.secret").unwrap());
    assert_eq!(client.publish("a.b", ""), Ok(1));
    assert_eq!(client.publish("a.secret", ""), Err(denied("a.secret")));
    assert_eq!(client.publish("b", ""), Err(denied("b")));
    assert!(may(&client, ">", None), "there are no lists for subscriptions");
    let client = with(&bus, Permissions::new().deny_publish("a").unwrap());
    assert_eq!((client.publish("b", ""), client.publish("a", "")), (Ok(1), Err(denied("a"))));
    let client = with(&bus, Permissions::new());
    assert_eq!(client.publish("a", ""), Ok(1));
    assert_eq!(all.try_iter().map(|message| message.subject().to_string()).collect::<Vec<_>>(), ["a.b", "b", "a"]);
}

#[test]
fn p3_the_subject_is_matched_as_it_is_and_the_reply_not_at_all() {
    let (bus, _) = bus();
    let all = bus.connect().subscribe(">").unwrap();
    let rules = Permissions::new().allow_publish("ok.*").unwrap().allow_publish("*.literal").unwrap();
    let wire = bus.connect_with(ConnectOptions::new().lenient(true).permissions(rules.clone()));
    let raw = |subject, reply| RawMessage::new(subject, "").reply(reply);
    for subject in ["ok.x", "ok.*", "ok.>", ">.literal"] {
        assert_eq!(wire.publish_raw(raw(subject, Some("any.where.*"))), Ok(1), "{subject}");
    }
    for subject in ["ok..x", "ok.a.b", "no", "*", ">"] {
        assert_eq!(wire.publish_raw(raw(subject, None)), Err(denied(subject)));
    }
    assert_eq!(all.len(), 4);
    // A strict connection hears first that the subject is invalid.
    let wildcard = PublishError::InvalidSubject(SubjectError::Wildcard { position: 3 });
    assert_eq!(with(&bus, rules).publish("ok.*", ""), Err(wildcard));
}

#[test]
fn p3_every_way_to_publish_is_asked() {
    let (bus, _) = bus();
    let _all = bus.connect().subscribe(">").unwrap();
    let events = bus.events();
    let rules = Permissions::new().allow_publish("ok").unwrap();
    let client = bus.connect_with(ConnectOptions::new().name("held").permissions(rules));
    let told = || match events.try_recv() {
        Some(Event::PermissionDenied { client: id, name, denied: Denied::Publish { subject } }) => {
            assert_eq!((id, name.as_deref()), (client.id(), Some("held")));
            subject
        }
        other => panic!("{other:?}"),
    };
    let prepared = client.publisher("no").unwrap();
    let message = postroom::Message::new("no", "").unwrap();
    // Several times each: a route that is remembered lets nothing through.
    for _ in 0..4 {
        assert_eq!(client.publish("no", ""), Err(denied("no")));
        assert_eq!(client.publish_with_reply("no", "r", ""), Err(denied("no")));
        assert_eq!(prepared.publish(""), Err(denied("no")));
        assert_eq!(client.publish_message(&message), Err(denied("no")));
        assert_eq!(client.request("no", "").unwrap_err(), RequestError::Publish(denied("no")));
        (0..5).for_each(|_| assert_eq!(told(), "no"));
    }
    assert_eq!(events.try_recv(), None, "one event for each refusal");
    assert_eq!(client.stats().traffic.published, 0);
    assert_eq!(client.publisher("ok").unwrap().publish(""), Ok(1));
}

#[test]
fn p5_the_text_of_a_pattern_is_matched_as_if_it_were_a_subject() {
    let (bus, _) = bus();
    let client = with(&bus, Permissions::new().allow_subscribe("in.>").unwrap().allow_subscribe("foo.*").unwrap());
    for (pattern, allowed) in [
        ("in.x", true),
        ("in.>", true),
        ("in.*", true),
        ("in.*.b", true),
        ("foo.*", true),
        ("foo.*x", true),
        (">", false),
        ("out", false),
        ("in", false),
    ] {
        assert_eq!(may(&client, pattern, None), allowed, "{pattern}");
        assert_eq!(may(&client, pattern, Some("q")), allowed, "{pattern}");
    }
    // The quirk, and its consequence.
    let wide = client.subscribe("foo.>").unwrap();
    assert_eq!(bus.connect().publish("foo.a.b", ""), Ok(1));
    assert_eq!(wide.len(), 1);
    let strict = with(&bus, Permissions::new().allow_subscribe("foo.*").unwrap().strict_subscribe(true));
    assert!(!may(&strict, "foo.>", None) && !may(&strict, "*.x", None) && may(&strict, "foo.*", None));
}

#[test]
fn p5_a_denied_part_of_a_wildcard_is_withheld() {
    let (bus, _) = bus();
    let other = bus.connect();
    let client = with(
        &bus,
        Permissions::new().deny_subscribe("in.secret").unwrap().deny_queue_subscribe("in.qsec", "q").unwrap(),
    );
    let (plain, member) = (client.subscribe("in.>").unwrap(), client.queue_subscribe("in.*", "q").unwrap());
    let inbox = other.subscribe("inb").unwrap();
    let reached = |subject| other.publish_with_reply(subject, "inb", "").unwrap();
    assert_eq!([reached("in.ok"), reached("in.secret"), reached("in.qsec"), reached("in.a.b")], [2, 0, 1, 1]);
    assert_eq!(plain.try_iter().map(|m| m.subject().to_string()).collect::<Vec<_>>(), ["in.ok", "in.qsec", "in.a.b"]);
    assert_eq!(member.try_iter().map(|m| m.subject().to_string()).collect::<Vec<_>>(), ["in.ok"]);
    // R2: no subscriber but the one that it was withheld from.
    let news = inbox.try_recv().unwrap();
    assert_eq!(
        (news.status(), news.headers().get("Nats-Subject")),
        (Some(StatusCode::NO_RESPONDERS), Some("in.secret"))
    );
    assert!(inbox.is_empty());
    // G5: the ledger does not know of it.
    assert_eq!((plain.ledger().matched, member.ledger().matched), (3, 1));
    let stats = bus.stats();
    assert_eq!(stats.ledger.matched, stats.traffic.routed);
    assert!(stats.ledger.balances());
    // A subscription that is denied as a whole is refused.
    assert!(!may(&client, "in.secret", None) && !may(&client, "in.qsec", Some("q")) && may(&client, "in.qsec", None));
    let client = with(&bus, Permissions::new().deny_subscribe("foo.*").unwrap());
    assert!(!may(&client, "foo.a", None) && !may(&client, "foo.*", None) && !may(&client, "foo.>", None));
    assert!(may(&client, ">", None));
}

/// Q4: a member from which it is withheld is passed over.
#[test]
fn q4_a_withheld_message_goes_to_another_member() {
    let (bus, _) = bus();
    let (other, client) = (bus.connect(), with(&bus, Permissions::new().deny_subscribe("a.secret").unwrap()));
    let held: Vec<_> = (0..3).map(|_| client.queue_subscribe("a.*", "g").unwrap()).collect();
    let free = other.queue_subscribe("a.*", "g").unwrap();
    for _ in 0..20 {
        assert_eq!(other.publish("a.secret", ""), Ok(1));
    }
    assert_eq!((free.len(), held.iter().map(|member| member.len()).sum::<usize>()), (20, 0));
    drop(free);
    assert!(other.request("a.secret", "").unwrap_err().is_no_responders());
}

/// All kinds of receivers, alone and among others.
#[test]
fn p5_callbacks_and_channels_are_kept_from_it_too() {
    let (bus, _) = bus();
    let (other, client) = (bus.connect(), with(&bus, Permissions::new().deny_subscribe("a.secret").unwrap()));
    let (tx, rx) = crossbeam_channel::unbounded();
    let call = tx.clone();
    let callback = client.subscribe_fn("a.>", move |message| call.send(message).unwrap()).unwrap();
    assert_eq!((other.publish("a.secret", ""), other.publish("a.b", "")), (Ok(0), Ok(1)));
    let channel = client.subscribe_channel("a.*", tx).unwrap();
    assert_eq!((other.publish("a.secret", ""), other.publish("a.b", "")), (Ok(0), Ok(2)));
    let free = other.subscribe("a.secret").unwrap();
    assert_eq!(other.publish("a.secret", ""), Ok(1));
    assert_eq!((rx.try_iter().count(), free.len()), (3, 1));
    drop((callback, channel));
}

#[test]
fn p6_queue_permissions() {
    let (bus, _) = bus();
    let ask = |permissions: Permissions| {
        let client = with(&bus, permissions);
        [may(&client, "foo", None), may(&client, "foo", Some("v1")), may(&client, "foo", Some("v2"))]
    };
    let none = Permissions::new;
    assert_eq!(ask(none().allow_subscribe("foo").unwrap()), [true, true, true]);
    assert_eq!(ask(none().allow_queue_subscribe("foo", "v1").unwrap()), [false, true, false]);
    assert_eq!(
        ask(none().allow_subscribe("foo").unwrap().allow_queue_subscribe("foo", "v1").unwrap()),
        [true, true, false]
    );
    assert_eq!(ask(none().deny_queue_subscribe("foo", "v1").unwrap()), [true, false, true]);
    assert_eq!(ask(none().deny_subscribe("foo").unwrap()), [false, false, false]);
    assert_eq!(
        ask(none().allow_queue_subscribe(">", "*").unwrap().deny_queue_subscribe("foo", "v2").unwrap()),
        [false, true, false]
    );
}

fn responder(bus: &Bus, max: Option<u64>, expires: Duration) -> Client {
    let mut bounds = AllowResponses::default();
    (bounds.max, bounds.expires) = (max, expires);
    with(bus, Permissions::new().allow_subscribe("svc").unwrap().allow_responses(bounds))
}

#[test]
fn p7_a_responder_may_answer_as_often_and_as_long_as_it_is_allowed() {
    let (bus, clock) = bus();
    let (asker, second) = (bus.connect(), Duration::from_secs(1));
    let answers = asker.subscribe("inb.*").unwrap();
    let client = responder(&bus, Some(2), second);
    let service = client.subscribe("svc").unwrap();
    asker.publish_with_reply("svc", "inb.1", "").unwrap();
    let question = service.recv().unwrap();
    assert_eq!(client.publish("inb.2", ""), Err(denied("inb.2")), "that is another one");
    assert_eq!(client.publish("other", ""), Err(denied("other")), "nothing else is allowed");
    assert_eq!((question.respond("1"), client.publish("inb.1", "2")), (Ok(1), Ok(1)));
    assert_eq!(client.publish("inb.1", "3"), Err(denied("inb.1")));
    asker.publish_with_reply("svc", "inb.3", "").unwrap();
    clock.advance(second);
    assert_eq!(client.publish("inb.3", ""), Ok(1), "to the very end");
    clock.advance(Duration::from_nanos(1));
    assert_eq!(client.publish("inb.3", ""), Err(denied("inb.3")));
    assert_eq!(answers.len(), 3);
    // The default: one answer, two minutes. A request works.
    let client = with(&bus, Permissions::new().allow_responses(AllowResponses::default()));
    let _doubler = client.subscribe_fn("double", |question| _ = question.respond(question.payload())).unwrap();
    assert_eq!(asker.request("double", "x").unwrap().payload(), b"x");
}

/// As nats-server 2.15.1 does it: a second delivery with the same reply uses up an answer while one is left, and begins anew else.
#[test]
fn p7_a_second_delivery_of_the_same_reply() {
    let (bus, _) = bus();
    let asker = bus.connect();
    let _answers = asker.subscribe("inb.*").unwrap();
    for (max, after_two_deliveries) in
        [(1, [Err(denied("inb.1")), Err(denied("inb.1"))]), (2, [Ok(1), Err(denied("inb.1"))])]
    {
        let client = responder(&bus, Some(max), Duration::ZERO);
        let service = client.subscribe("svc").unwrap();
        let ask = || asker.publish_with_reply("svc", "inb.1", "").unwrap();
        (0..2).for_each(|_| assert_eq!(ask(), 1));
        assert_eq!([client.publish("inb.1", ""), client.publish("inb.1", "")], after_two_deliveries, "max {max}");
        // Used up; the next delivery begins anew.
        ask();
        for _ in 0..max {
            assert_eq!(client.publish("inb.1", ""), Ok(1));
        }
        assert_eq!(client.publish("inb.1", ""), Err(denied("inb.1")));
        assert_eq!(service.len(), 3);
    }
    let client = responder(&bus, None, Duration::ZERO);
    let _service = client.subscribe("svc").unwrap();
    asker.publish_with_reply("svc", "inb.1", "").unwrap();
    (0..10).for_each(|_| assert_eq!(client.publish("inb.1", ""), Ok(1)));
}

/// The answer that a publish would get, without a publish.
#[test]
fn p7_asking_before_uses_nothing_up() {
    let (bus, clock) = bus();
    let (asker, events) = (bus.connect(), bus.events());
    let client = responder(&bus, Some(1), Duration::from_secs(1));
    let _service = client.subscribe("svc").unwrap();
    let ask = || _ = asker.publish_with_reply("svc", "inb.1", "").unwrap();
    ask();
    (0..3).for_each(|_| assert_eq!(client.check_publish("inb.1", None), Ok(())));
    assert_eq!((client.publish("inb.1", ""), events.try_recv()), (Ok(0), None));
    assert_eq!(client.check_publish("inb.1", None), Err(denied("inb.1")));
    assert!(matches!(events.try_recv(), Some(Event::PermissionDenied { .. })));
    ask();
    clock.advance(Duration::from_secs(2));
    assert_eq!(client.check_publish("inb.1", None), Err(denied("inb.1")));
    let (wire, strict) = (bus.connect_with(ConnectOptions::new().lenient(true)), bus.connect());
    assert_eq!(wire.check_publish("a.*", Some("_R_.x")), Err(PublishError::ReplyDenied { reply: "_R_.x".into() }));
    assert_eq!(wire.check_publish("$NRG.x", None), Err(denied("$NRG.x")));
    assert_eq!((wire.check_publish("a.*", Some("b..c")), strict.check_publish("a", Some("b"))), (Ok(()), Ok(())));
    assert_eq!(std::iter::from_fn(|| events.try_recv()).count(), 3);
    strict.close();
    assert_eq!(strict.check_publish("a", None), Err(PublishError::Closed));
}

/// A reply that is allowed anyway uses nothing up; one that was withheld, or never delivered, gives no leave.
#[test]
fn p7_leave_is_given_where_it_is_needed() {
    let (bus, _) = bus();
    let asker = bus.connect();
    let _answers = asker.subscribe("inb.*").unwrap();
    let one = AllowResponses::default();
    let client = with(
        &bus,
        Permissions::new().allow_publish("inb.free").unwrap().deny_subscribe("svc.x").unwrap().allow_responses(one),
    );
    let service = client.subscribe("svc.*").unwrap();
    for (subject, reply) in [("svc.a", "inb.free"), ("svc.x", "inb.x"), ("elsewhere", "inb.e")] {
        asker.publish_with_reply(subject, reply, "").unwrap();
    }
    (0..3).for_each(|_| assert_eq!(client.publish("inb.free", ""), Ok(1)));
    assert_eq!(client.publish("inb.x", ""), Err(denied("inb.x")));
    assert_eq!(client.publish("inb.e", ""), Err(denied("inb.e")));
    assert_eq!(service.len(), 1);
}

#[test]
fn s9_and_s10_what_is_reserved_is_refused_to_lenient_connections() {
    let (bus, _) = bus();
    let (wire, all) = (bus.connect_with(ConnectOptions::new().lenient(true)), bus.connect().subscribe(">").unwrap());
    let events = bus.events();
    for (subject, allowed) in [
        ("$NRG.x", false),
        ("$NRG.", false),
        ("_GR_.x", false),
        ("$NRG", true),
        ("_GR_", true),
        ("_R_.x", true),
        ("$GNR.x", true),
        ("$SYS.x", true),
        ("$JS.ACK.x", true),
    ] {
        assert_eq!(wire.publish(subject, "").map(drop), if allowed { Ok(()) } else { Err(denied(subject)) });
    }
    for (reply, allowed) in [
        ("_R_.", false),
        ("_R_.x", false),
        ("$JS.ACK.x", false),
        ("_GR_.x", false),
        ("_R_", true),
        ("$JS.ACK.", true),
        ("$JS.ACK", true),
        ("_GR_.", true),
    ] {
        let refused = Err(PublishError::ReplyDenied { reply: reply.into() });
        assert_eq!(wire.publish_with_reply("a", reply, ""), if allowed { Ok(1) } else { refused });
    }
    assert_eq!(all.len(), 6 + 4);
    assert!(!may(&wire, "a", Some("_sys_")) && may(&wire, "a", Some("_sys")));
    let told = std::iter::from_fn(|| events.try_recv()).filter(|told| matches!(told, Event::PermissionDenied { .. }));
    assert_eq!(told.count(), 3 + 4 + 1);
    // Others are in the process themselves.
    assert_eq!(bus.connect().publish_with_reply("$NRG.x", "_R_.x", ""), Ok(1));
}

#[test]
fn r2_a_503_is_not_withheld_and_none_follows_a_refusal() {
    let (bus, _) = bus();
    let client = with(&bus, Permissions::new().deny_subscribe("d.x").unwrap().deny_publish("no").unwrap());
    let own = client.subscribe("d.*").unwrap();
    assert_eq!(client.publish_with_reply("nobody", "d.x", ""), Ok(0));
    assert_eq!(own.try_recv().unwrap().status(), Some(StatusCode::NO_RESPONDERS));
    assert_eq!(client.publish_with_reply("no", "d.x", ""), Err(denied("no")));
    assert!(own.is_empty());
}

#[test]
fn a_request_without_an_inbox_fails_with_its_reason() {
    let (bus, _) = bus();
    let _echo = bus.connect().subscribe_fn("svc", |question| _ = question.respond("")).unwrap();
    let client = with(&bus, Permissions::new().allow_subscribe("mine.>").unwrap());
    let Err(RequestError::InboxDenied { pattern }) = client.request("svc", "") else { panic!("there is no inbox") };
    assert!(pattern.starts_with("_INBOX."));
    assert_eq!(client.stats().traffic.published, 0);
    let own = ConnectOptions::new().inbox_prefix("mine".parse().unwrap());
    let client = bus.connect_with(own.permissions(Permissions::new().allow_subscribe("mine.>").unwrap()));
    assert!(client.request("svc", "").is_ok());
    // It may lose it, with a request under way, and have it again.
    let questions = bus.connect().subscribe("later").unwrap();
    let mut under_way = client.request_many("later", "", RequestManyOptions::new().max(1)).unwrap();
    let question = questions.recv().unwrap();
    assert!(client.set_permissions(Some(Permissions::new().deny_subscribe("mine.>").unwrap())).is_empty());
    assert!(matches!(client.request("svc", ""), Err(RequestError::InboxDenied { .. })));
    assert_eq!(question.respond("withheld"), Ok(0));
    client.set_permissions(None);
    assert!(client.request("svc", "").is_ok());
    assert_eq!(question.respond("answer"), Ok(1));
    assert_eq!(under_way.recv().unwrap().payload(), b"answer");
    let stats = bus.stats();
    assert!(stats.ledger.balances() && stats.ledger.matched == stats.traffic.routed);
}

#[test]
fn new_permissions_hold_at_once_and_end_what_they_do_not_allow() {
    let (bus, _) = bus();
    let (other, client, events) = (bus.connect(), bus.connect(), bus.events());
    let (eu, us) = (client.subscribe("eu.*").unwrap(), client.queue_subscribe("us.*", "q").unwrap());
    let prepared = client.publisher("eu.1").unwrap();
    // Routes are remembered.
    for _ in 0..4 {
        assert_eq!((other.publish("eu.1", ""), other.publish("us.1", ""), prepared.publish("")), (Ok(1), Ok(1), Ok(1)));
    }
    let rules = Permissions::new()
        .allow_subscribe("eu.*")
        .unwrap()
        .deny_subscribe("eu.2")
        .unwrap()
        .deny_publish("eu.1")
        .unwrap();
    let ended = client.set_permissions(Some(rules));
    assert_eq!(ended.iter().map(|info| (info.id, info.queue.as_deref())).collect::<Vec<_>>(), [(us.id(), Some("q"))]);
    assert_eq!((us.close_reason(), eu.close_reason()), (Some(CloseReason::PermissionDenied), None));
    assert!(matches!(
        events.try_recv(),
        Some(Event::SubscriptionClosed { reason: CloseReason::PermissionDenied, subscription }) if subscription.id == us.id()
    ));
    assert_eq!(
        (other.publish("us.1", ""), other.publish("eu.1", ""), other.publish("eu.2", "")),
        (Ok(0), Ok(1), Ok(0))
    );
    assert_eq!((prepared.publish(""), client.publish("eu.1", "")), (Err(denied("eu.1")), Err(denied("eu.1"))));
    assert_eq!(us.try_iter().count(), 4, "what was queued can be taken");
    assert!(!may(&client, "us.*", None));
    // And back.
    assert!(client.set_permissions(None).is_empty());
    assert_eq!((other.publish("eu.2", ""), prepared.publish("")), (Ok(1), Ok(1)));
    assert!(may(&client, "us.*", None));
    drop((eu, us));
    let stats = bus.stats();
    assert!(stats.ledger.balances() && stats.ledger.matched == stats.traffic.routed);
}

/// P7: leave that the old permissions gave is void, and so is the memory of it.
#[test]
fn new_permissions_begin_without_leaves() {
    let (bus, _) = bus();
    let asker = bus.connect();
    let client = responder(&bus, None, Duration::ZERO);
    let _service = client.subscribe("svc").unwrap();
    asker.publish_with_reply("svc", "inb.1", "").unwrap();
    client.set_permissions(Some(Permissions::new().allow_responses(AllowResponses::default())));
    assert_eq!(client.publish("inb.1", ""), Err(denied("inb.1")));
    asker.publish_with_reply("svc", "inb.1", "").unwrap();
    assert_eq!(client.publish("inb.1", ""), Ok(0));
}

/// nats-server looks at the permissions before it looks at the subject.
#[test]
fn on_a_lenient_connection_permissions_come_first() {
    let (bus, _) = bus();
    let rules = Permissions::new().allow_subscribe("a.*").unwrap();
    let wire = bus.connect_with(ConnectOptions::new().lenient(true).permissions(rules.clone()));
    assert!(!may(&wire, "b..c", None));
    assert!(matches!(wire.subscribe("a.>.b"), Err(SubscribeError::PermissionDenied { .. })));
    wire.set_permissions(Some(Permissions::new().deny_subscribe("b").unwrap()));
    assert!(matches!(wire.subscribe("a..c"), Err(SubscribeError::InvalidPattern(_))));
    assert!(matches!(with(&bus, rules).subscribe("b..c"), Err(SubscribeError::InvalidPattern(_))));
}
