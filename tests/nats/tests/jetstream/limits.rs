//! Limits of the server: the same refusals and defaults on both servers.

use super::compare::{Step, api, ask, compare_on};
use super::places::Setup;

fn consumer(name: &str, more: &str) -> Step {
    let config = format!(r#"{{"stream_name":"S","config":{{"name":"{name}","durable_name":"{name}",{more}}}}}"#);
    api(&format!("CONSUMER.CREATE.S.{name}"), &config)
}

fn pedantic(name: &str, more: &str) -> Step {
    let config =
        format!(r#"{{"stream_name":"S","config":{{"name":"{name}","durable_name":"{name}",{more}}},"pedantic":true}}"#);
    api(&format!("CONSUMER.CREATE.S.{name}"), &config)
}

/// JL4.
#[test]
fn consumers_are_held_to_the_limits_of_the_server() {
    let setup = Setup {
        more: "limits { max_ack_pending: 9, max_request_batch: 4, default_max_consumers: 3, duplicate_window: \"1m\" }",
        ..Setup::default()
    };
    let explicit = r#""ack_policy":"explicit""#;
    let steps = [
        api("STREAM.CREATE.S", r#"{"name":"S","subjects":["s.>"]}"#),
        api("STREAM.CREATE.W", r#"{"name":"W","subjects":["w"],"duplicate_window":60000000001}"#),
        consumer("a", explicit),
        consumer("b", r#""ack_policy":"explicit","max_ack_pending":10"#),
        consumer("b", r#""ack_policy":"explicit","max_ack_pending":-1,"max_batch":5"#),
        consumer("b", r#""ack_policy":"explicit","max_ack_pending":-1,"max_batch":4"#),
        pedantic("c", explicit),
        pedantic("c", r#""ack_policy":"explicit","max_batch":1"#),
        consumer("d", r#""ack_policy":"none","deliver_subject":"q","max_batch":50"#),
        consumer("d", r#""ack_policy":"none""#),
        api("CONSUMER.DELETE.S.c", ""),
        consumer("d", r#""ack_policy":"none""#),
        ask("$JS.API.CONSUMER.MSG.NEXT.S.a", r#"{"batch":5,"no_wait":true}"#),
        // A stream's own limit goes before the default.
        api("STREAM.UPDATE.S", r#"{"name":"S","subjects":["s.>"],"max_consumers":4}"#),
        api("INFO", ""),
    ];
    compare_on(setup, &steps);
}

/// JS59.
#[test]
fn atomic_batches_are_held_to_the_limits_of_the_server() {
    let setup = Setup {
        more: "limits { batch { max_msgs: 2, max_inflight_per_stream: 2, max_inflight_total: 3 } }",
        ..Setup::default()
    };
    let part = |stream: &str, id: &str, sequence: u64| {
        ask(&format!("{stream}.x"), "x")
            .header(&format!("Nats-Batch-Id: {id}"))
            .header(&format!("Nats-Batch-Sequence: {sequence}"))
    };
    let stream = |name: &str| {
        let config = format!(r#"{{"name":"{name}","subjects":["{name}.>"],"allow_atomic":true}}"#);
        api(&format!("STREAM.CREATE.{name}"), &config)
    };
    let steps = [
        stream("A"),
        stream("B"),
        part("A", "a1", 1),
        part("A", "a2", 1),
        part("A", "a3", 1),
        part("B", "b1", 1),
        part("B", "b2", 1),
        part("A", "a1", 2).header("Nats-Batch-Commit: 1"),
        part("B", "b2", 1),
        part("A", "a2", 2),
        part("A", "a2", 3).header("Nats-Batch-Commit: 1"),
    ];
    compare_on(setup, &steps);
}
