//! The list of what is left to do: bounded, and never lost.

use super::*;
use crate::jetstream::server::{JetStreamOptions, JetStreamServer};

/// How much may wait.
const JOBS_MAX: usize = 100;

fn stream(server: &JetStreamServer) -> Arc<ServedStream> {
    server.api.streams().get("S").expect("it is there")
}

fn waiting(server: &JetStreamServer) -> usize {
    stream(server).state.lock().jobs.len()
}

/// Whatever clients do while a receiver of the stream's own messages does not return: only so much waits for it.
#[test]
fn the_list_of_a_stream_that_is_held_up_is_bounded() {
    let bus = Bus::new();
    let server = JetStreamServer::start(&bus, JetStreamOptions::new().max_buffered_messages(JOBS_MAX)).unwrap();
    let client = bus.connect();
    let ask = |call: &str, body: &str| client.request(format!("$JS.API.{call}"), body).unwrap();
    ask("STREAM.CREATE.S", r#"{"name":"S","subjects":["s.>"],"storage":"memory"}"#);
    let consumer = r#"{"stream_name":"S","config":{"durable_name":"C","ack_policy":"explicit","max_waiting":10000}}"#;
    ask("CONSUMER.DURABLE.CREATE.S.C", consumer);
    client.publish("s.1", "x").unwrap();
    // As if another thread were held up by a receiver.
    stream(&server).state.lock().is_working = true;
    let calls = [
        ("$JS.ACK.S.C.1.1.1.0.0", "-TERM"),
        ("$JS.ACK.S.C.1.1.1.0.0", "+NXT {\"no_wait\":true}"),
        ("$JS.API.CONSUMER.MSG.NEXT.S.C", "{\"batch\":-1,\"expires\":-1}"),
        ("$JS.API.CONSUMER.PAUSE.S.C", "{}"),
        ("$JS.API.CONSUMER.INFO.S.C", ""),
        ("s.2", "x"),
    ];
    for (subject, body) in calls {
        for _ in 0..JOBS_MAX * 3 {
            client.publish_with_reply(subject, "answers", body).unwrap();
        }
        assert!(waiting(&server) <= JOBS_MAX + 5, "{} wait after {subject} {body}", waiting(&server));
    }
    assert!(waiting(&server) >= JOBS_MAX);
    stream(&server).state.lock().is_working = false;
    client.publish("s.1", "x").unwrap();
    assert_eq!(waiting(&server), 0, "what waited goes out");
}

/// A thread that unwinds leaves its jobs to others; one that came to its end takes nothing from them.
#[test]
fn the_jobs_of_a_thread_that_unwinds_are_left_to_others() {
    let bus = Bus::new();
    let server = JetStreamServer::start(&bus, JetStreamOptions::new()).unwrap();
    let client = bus.connect();
    client.request("$JS.API.STREAM.CREATE.S", r#"{"name":"S"}"#).unwrap();
    let stream = stream(&server);
    let inbox = client.subscribe("to.>").unwrap();
    let job = |to: &str| Job::Send(Outgoing::new(to, ""));
    stream.state.lock().is_working = true;
    stream.state.lock().jobs.push_back(job("to.2"));
    drop(AtWork { stream: &stream, jobs: [job("to.1")].into(), is_over: false });
    assert!(!stream.state.lock().is_working);
    stream.state.lock().is_working = true;
    drop(AtWork { stream: &stream, jobs: VecDeque::new(), is_over: true });
    assert!(stream.state.lock().is_working, "another thread works by now");
    stream.state.lock().is_working = false;
    stream.send([Outgoing::new("to.3", "")]);
    let subjects: Vec<_> = inbox.try_iter().map(|message| message.subject().as_str().to_owned()).collect();
    assert_eq!(subjects, ["to.1", "to.2", "to.3"]);
}

/// A change that can't be written is not acknowledged: the stream is offline, and says so.
#[test]
fn a_stream_that_can_not_be_written_is_offline() {
    let folder = std::env::temp_dir().join(format!("postroom-offline-{}", std::process::id()));
    let bus = Bus::new();
    let server = JetStreamServer::start(&bus, JetStreamOptions::new().store_dir(&folder)).unwrap();
    let client = bus.connect();
    let ask = |subject: &str, body: &str| client.request(subject, body).unwrap().payload_str().unwrap().to_owned();
    ask("$JS.API.STREAM.CREATE.S", r#"{"name":"S","subjects":["s.>"],"storage":"file"}"#);
    assert_eq!(ask("s.1", "x"), r#"{"stream":"S","seq":1}"#);
    stream(&server).state.lock().log.as_mut().unwrap().refuse_writes();
    for _ in 0..2 {
        assert!(ask("s.1", "y").contains("\"err_code\":10077"));
    }
    for call in ["STREAM.INFO.S", "STREAM.PURGE.S", "CONSUMER.NAMES.S"] {
        assert!(ask(&format!("$JS.API.{call}"), "").contains("\"err_code\":10194"), "{call}");
    }
    let events = server.store_events();
    assert!(matches!(&events[..], [StoreEvent::Offline { stream, .. }] if stream == "S"), "{events:?}");
    // What was written is there again.
    server.restart().unwrap();
    assert_eq!(ask("s.1", "z"), r#"{"stream":"S","seq":2}"#);
    drop(server);
    std::fs::remove_dir_all(folder).unwrap();
}
