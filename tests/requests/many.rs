//! Requests with many answers (ADR-47, R9): what ends them, for threads and tasks.

use crate::executor::{SECOND, Task, block_on, next, tokio_on};
use futures_core::Stream;
use futures_core::stream::FusedStream;
use postroom::request::{RequestManyOptions, Responses, ResponsesEnd};
use postroom::{Bus, Client, Clock, ManualClock, Message, RequestError, Subscriber};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

struct Room {
    bus: Bus,
    clock: ManualClock,
    client: Client,
    questions: Subscriber,
}

impl Room {
    fn new() -> Self {
        let clock = Clock::manual();
        let bus = Bus::builder().clock(&clock).build();
        let questions = bus.connect().subscribe("svc").unwrap();
        Room { client: bus.connect(), clock, bus, questions }
    }

    fn ask(&self, until: RequestManyOptions) -> (Responses, Message) {
        let answers = self.client.request_many("svc", "", until).unwrap();
        (answers, self.questions.recv().unwrap())
    }
}

fn answer(question: &Message, payloads: &[&str]) {
    payloads.iter().for_each(|payload| assert!(question.respond(*payload).is_ok()));
}

fn texts(answers: &mut Responses) -> Vec<String> {
    answers.iter().map(|answer| answer.payload_str().unwrap().to_owned()).collect()
}

/// The next item, without waiting.
fn now(task: &std::sync::Arc<Task>, answers: &mut Responses) -> Poll<Option<String>> {
    let mut next = Box::pin(next(answers));
    task.poll(&mut next).map(|item| item.map(|answer| answer.payload_str().unwrap().to_owned()))
}

/// The receiving calls of a stream, for a request that has time. A call that ends by its own limit does not end the request.
#[test]
fn the_family_of_receiving_calls() {
    let room = Room::new();
    let (mut answers, question) = room.ask(RequestManyOptions::new().deadline(4 * SECOND).stall(2 * SECOND));
    assert_eq!((answers.try_recv(), answers.recv_timeout(Duration::ZERO), answers.end()), (None, None, None));
    let task = Task::new();
    {
        let mut limited = Box::pin(answers.recv_timeout_async(SECOND));
        assert!(task.poll(&mut limited).is_pending());
        room.clock.advance(SECOND);
        assert_eq!((task.woken(), task.poll(&mut limited)), (1, Poll::Ready(None)));
    }
    assert_eq!(answers.end(), None, "the limit was that of one call");
    answer(&question, &["1", "2", "3"]);
    let text = |answer: Option<Message>| answer.map(|answer| answer.payload_str().unwrap().to_owned());
    assert_eq!(text(answers.try_recv()).unwrap(), "1");
    assert_eq!(text(answers.recv_timeout(SECOND)).unwrap(), "2");
    assert_eq!(text(block_on(answers.recv_async())).unwrap(), "3");
    // The stall comes sooner than the limit, and ends it.
    let mut limited = Box::pin(answers.recv_timeout_async(3 * SECOND));
    assert!(task.poll(&mut limited).is_pending());
    room.clock.advance(2 * SECOND);
    assert_eq!(task.poll(&mut limited), Poll::Ready(None));
    drop(limited);
    assert_eq!((answers.end(), answers.is_terminated()), (Some(ResponsesEnd::Stall), true));
    assert_eq!((answers.recv(), answers.try_recv(), answers.into_iter().next()), (None, None, None));
}

/// Both traits of iteration in scope, the call is not ambiguous.
#[test]
fn answers_are_a_stream_for_those_who_have_its_methods_in_scope() {
    /// As that of futures-util.
    trait StreamExt: Stream + Unpin {
        fn next(&mut self) -> impl Future<Output = Option<Self::Item>> {
            std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx))
        }
    }
    impl<S: Stream + Unpin> StreamExt for S {}
    let room = Room::new();
    let (mut answers, question) = room.ask(RequestManyOptions::new().max(2));
    answer(&question, &["1", "2"]);
    assert_eq!(block_on(answers.next()).unwrap().payload(), b"1");
    assert_eq!(block_on(answers.next()).unwrap().payload(), b"2");
    assert!(block_on(answers.next()).is_none());
}

#[test]
fn a_request_for_several_answers_carries_headers() {
    let room = Room::new();
    let (_answers, question) = room.ask(RequestManyOptions::new().headers([("Id", "7")].try_into().unwrap()));
    assert_eq!(question.headers().get("Id"), Some("7"));
}

#[test]
fn a_number_of_answers() {
    let room = Room::new();
    let (mut answers, question) = room.ask(RequestManyOptions::new().max(2));
    answer(&question, &["1", "2", "3"]);
    assert_eq!(texts(&mut answers), ["1", "2"]);
    assert_eq!((answers.end(), answers.recv().is_none()), (Some(ResponsesEnd::Max), true));
    drop(answers);
    assert_eq!(room.bus.stats().traffic.late_replies, 1, "the third was queued, and nobody's");
    let (mut none, question) = room.ask(RequestManyOptions::new().max(0));
    assert_eq!((texts(&mut none).len(), none.end()), (0, Some(ResponsesEnd::Max)));
    drop(none);
    assert_eq!(question.respond("late").unwrap(), 0);
}

#[test]
fn a_sentinel() {
    let room = Room::new();
    let (mut answers, question) = room.ask(RequestManyOptions::new().until_empty());
    answer(&question, &["1", "2", "", "3"]);
    assert_eq!((texts(&mut answers), answers.end()), (vec!["1".into(), "2".into()], Some(ResponsesEnd::Sentinel)));
    let (mut answers, question) = room.ask(RequestManyOptions::new().until(|answer| answer.payload() == b"end"));
    answer(&question, &["", "end", "3"]);
    assert_eq!((texts(&mut answers), answers.end()), (vec![String::new()], Some(ResponsesEnd::Sentinel)));
}

#[test]
fn a_status() {
    let room = Room::new();
    let (mut answers, question) = room.ask(RequestManyOptions::new());
    answer(&question, &["1"]);
    let status =
        Message::new(question.reply().unwrap(), "").unwrap().with_status(postroom::StatusCode::NOT_FOUND, "none");
    room.client.publish_message(&status).unwrap();
    assert_eq!((texts(&mut answers), answers.end()), (vec!["1".into()], Some(ResponsesEnd::Status)));
}

#[test]
fn the_deadline_for_threads() {
    let room = Room::new();
    for (until, wait) in [
        (RequestManyOptions::new().deadline(SECOND), SECOND),
        (RequestManyOptions::new(), room.bus.limits().request_timeout),
    ] {
        let (mut answers, question) = room.ask(until);
        answer(&question, &["1"]);
        std::thread::scope(|scope| {
            let all = scope.spawn(move || (texts(&mut answers), answers.end()));
            room.clock.wait_for_timers(1);
            answer(&question, &["2"]);
            room.clock.wait_for_timers(1);
            room.clock.advance(wait);
            let (texts, end) = all.join().unwrap();
            assert_eq!((texts, end), (vec!["1".into(), "2".into()], Some(ResponsesEnd::Deadline)));
        });
    }
    assert_eq!(room.clock.timers(), 0);
}

/// An answer that came in time is handed out, also when it is asked for only after.
#[test]
fn answers_in_time_are_not_lost_to_the_deadline() {
    let room = Room::new();
    let (mut answers, question) = room.ask(RequestManyOptions::new().deadline(SECOND));
    answer(&question, &["1", "2"]);
    room.clock.advance(SECOND * 2);
    assert_eq!((texts(&mut answers), answers.end()), (vec!["1".into(), "2".into()], Some(ResponsesEnd::Deadline)));
}

/// The first answer may take until the deadline, each later one as long as the stall.
#[test]
fn a_stall_for_tasks() {
    let room = Room::new();
    let task = Task::new();
    let (mut answers, question) = room.ask(RequestManyOptions::new().stall(SECOND).deadline(SECOND * 10));
    assert!(now(&task, &mut answers).is_pending());
    room.clock.advance(SECOND * 5);
    assert_eq!(task.woken(), 0, "the stall has not begun");
    answer(&question, &["1"]);
    assert_eq!((task.woken(), now(&task, &mut answers)), (1, Poll::Ready(Some("1".into()))));
    assert!(now(&task, &mut answers).is_pending());
    room.clock.advance(SECOND / 2);
    answer(&question, &["2"]);
    assert_eq!(now(&task, &mut answers), Poll::Ready(Some("2".into())));
    assert!(now(&task, &mut answers).is_pending());
    assert_eq!(room.clock.next_timer(), Some(SECOND * 13 / 2));
    room.clock.advance(SECOND);
    assert_eq!((now(&task, &mut answers), answers.end()), (Poll::Ready(None), Some(ResponsesEnd::Stall)));
    assert_eq!(now(&task, &mut answers), Poll::Ready(None));
    // With the deadline nearer than the stall it is the deadline.
    let (mut answers, question) = room.ask(RequestManyOptions::new().stall(SECOND * 3).deadline(SECOND * 2));
    answer(&question, &["1"]);
    assert_eq!(now(&task, &mut answers), Poll::Ready(Some("1".into())));
    assert!(now(&task, &mut answers).is_pending());
    room.clock.advance(SECOND * 2);
    assert_eq!((now(&task, &mut answers), answers.end()), (Poll::Ready(None), Some(ResponsesEnd::Deadline)));
    assert_eq!(room.clock.timers(), 0);
}

#[test]
fn nobody_and_closed() {
    let room = Room::new();
    let error = room.client.request_many("nobody", "", RequestManyOptions::new()).map(drop).unwrap_err();
    assert_eq!(error, RequestError::NoResponders { subject: "nobody".into() });
    let (mut answers, question) = room.ask(RequestManyOptions::new());
    answer(&question, &["1"]);
    std::thread::scope(|scope| {
        let all = scope.spawn(move || (texts(&mut answers), answers.end()));
        room.clock.wait_for_timers(1);
        room.client.close();
        assert_eq!(all.join().unwrap(), (vec!["1".into()], Some(ResponsesEnd::Closed)));
    });
}

#[test]
fn executors_agree() {
    let bus = Bus::new();
    let client = bus.connect();
    let _services: Vec<_> = ["a", "b", "c"]
        .map(|name| client.subscribe_fn("svc", move |question| assert_eq!(question.respond(name).unwrap(), 1)))
        .into_iter()
        .collect();
    let gather = || async {
        let mut answers = client.request_many("svc", "", RequestManyOptions::new().max(3)).unwrap();
        let mut texts = Vec::new();
        while let Some(answer) = next(&mut answers).await {
            texts.push(answer.payload_str().unwrap().to_owned());
        }
        texts
    };
    assert_eq!(block_on(gather()), ["a", "b", "c"]);
    assert_eq!(tokio_on(gather()), ["a", "b", "c"]);
    assert_eq!(bus.stats().traffic.late_replies, 0);
}
