//! Differences that random sequences of both servers have shown, each made small.

use super::compare::{Step, api, ask, compare, compare_watched};

/// A stream of one letter, with more fields.
fn stream(name: &str, fields: &str) -> Step {
    let letter = name.to_lowercase();
    let config = format!(r#"{{"name":"{name}","subjects":["{letter}.>"],"storage":"memory"{fields}}}"#);
    api(&format!("STREAM.CREATE.{name}"), &config)
}

fn consumer(stream: &str, name: &str, fields: &str) -> Step {
    let config = format!(r#"{{"stream_name":"{stream}","config":{{"name":"{name}"{fields}}}}}"#);
    api(&format!("CONSUMER.CREATE.{stream}.{name}"), &config)
}

fn pull(stream: &str, name: &str) -> Step {
    api(&format!("CONSUMER.MSG.NEXT.{stream}.{name}"), r#"{"batch":1,"no_wait":true}"#)
}

/// JC180, JS15, JS81, JS83 to JS85: what is judged first, and counted.
#[test]
fn requests() {
    compare(&[
        api("CONSUMER.UNPIN.A.c", r#"{"group":"bad group"}"#),
        stream("A", r#","allow_direct":true,"deny_delete":true"#),
        api("STREAM.MSG.DELETE.A", r#"{"seq":5}"#),
        api("INFO", ""),
        api("STREAM.CREATE.F", r#"{"name":"F","allow_direct":true}"#),
        api("STREAM.MSG.DELETE.F", r#"{"no_erase":true}"#),
        ask("F", "x"),
        api("DIRECT.GET.F", r#"{"multi_last":["F"],"up_to_seq":90}"#),
        api("DIRECT.GET.F", r#"{"multi_last":["F"],"up_to_seq":1}"#),
        ask("a.x", "x"),
        api("DIRECT.GET.A", r#"{"multi_last":["a.>"],"up_to_seq":90}"#),
        api("DIRECT.GET.A", r#"{"last_by_subj":"a.x","batch":-1}"#),
        api("DIRECT.GET.A", r#"{"start_time":"2099-01-01T00:00:00Z","batch":-1}"#),
        api("DIRECT.GET.A.a.x", r#"{"max_bytes":1}"#),
    ]);
}

/// JS21: a second judgement of an update comes behind the look for the stream.
#[test]
fn an_update_is_judged_twice() {
    let both = r#"{"name":"X","subject_delete_marker_ttl":60000000000,"allow_msg_counter":true}"#;
    compare(&[api("STREAM.UPDATE.X", both), api("STREAM.CREATE.X", both), api("STREAM.UPDATE.X", both)]);
}

/// JC10, JC11: the threshold of ephemeral consumers is filled in late.
#[test]
fn thresholds_of_ephemeral_consumers() {
    let create = |config: &str| {
        let body = format!(r#"{{"stream_name":"A","action":"create","config":{config}}}"#);
        api("CONSUMER.CREATE.A.e", &body)
    };
    compare(&[
        stream("A", ""),
        create(r#"{"name":"e"}"#),
        create(r#"{"name":"e"}"#),
        create(r#"{"name":"e","inactive_threshold":5000000000}"#),
        consumer("A", "e", r#","durable_name":"e""#),
        consumer("A", "d", r#","durable_name":"d""#),
        consumer("A", "d", ""),
        api("CONSUMER.INFO.A.d", ""),
    ]);
}

/// JC40: a start by time moves on to the first message that a filter matches.
#[test]
fn a_start_by_time() {
    let by_time = r#","deliver_policy":"by_start_time","opt_start_time":"2020-01-01T00:00:00Z""#;
    compare(&[
        stream("A", ""),
        ask("a.z.x", "1"),
        ask("a.y", "2"),
        ask("a.y", "3"),
        consumer("A", "c", &format!(r#"{by_time},"filter_subject":"a.*""#)),
        consumer("A", "d", &format!(r#"{by_time},"filter_subject":"a.w""#)),
        consumer("A", "e", by_time),
    ]);
}

/// JS39: a stream that becomes one of interest keeps what no filter matches, and what a consumer far ahead is not asked about.
#[test]
fn limits_become_interest() {
    let mut steps = Vec::new();
    let consumers = [
        r#","deliver_policy":"new""#,
        r#","deliver_policy":"new","filter_subject":"?.x""#,
        r#","deliver_policy":"new","filter_subject":"?.z""#,
        r#","deliver_policy":"by_start_sequence","opt_start_seq":9"#,
        r#","deliver_policy":"by_start_sequence","opt_start_seq":2"#,
        "",
    ];
    for (at, fields) in ('A'..).zip(consumers) {
        let (name, letter) = (at.to_string(), at.to_ascii_lowercase());
        steps.extend([stream(&name, ""), ask(&format!("{letter}.x"), "1"), ask(&format!("{letter}.y"), "2")]);
        steps.push(consumer(&name, "c", &fields.replace('?', &letter.to_string())));
        let config =
            format!(r#"{{"name":"{name}","subjects":["{letter}.>"],"storage":"memory","retention":"interest"}}"#);
        steps.push(api(&format!("STREAM.UPDATE.{name}"), &config));
    }
    compare(&steps);
}

/// JC147: the last consumer of an interest stream leaves a first sequence, even if there never was a message.
#[test]
fn the_last_consumer_of_an_empty_stream() {
    compare(&[
        stream("A", r#","retention":"interest""#),
        consumer("A", "c", ""),
        api("CONSUMER.DELETE.A.c", ""),
        api("STREAM.INFO.A", ""),
        ask("a.x", "1"),
        api("STREAM.INFO.A", ""),
    ]);
}

/// JC141: where a purge moves consumers, and that a rollup is one.
#[test]
fn purges_and_rollups_move_consumers() {
    let mut steps = Vec::new();
    let cases = [
        (r#""?.y","?.w""#, r#"{"filter":"?.*","keep":1}"#),
        (r#""?.y","?.x.>""#, r#"{"filter":"?.y"}"#),
        (r#""?.y""#, r#"{"filter":"?.y"}"#),
        (r#""?.x.*""#, r#"{"filter":"?.*.x"}"#),
        (r#""?.>""#, r#"{"filter":"?.y"}"#),
    ];
    for (at, (filters, purge)) in ('A'..).zip(cases) {
        let (name, letter) = (at.to_string(), at.to_ascii_lowercase().to_string());
        steps.push(stream(&name, r#","allow_rollup_hdrs":true"#));
        steps.extend(["y", "z"].map(|token| ask(&format!("{letter}.{token}"), "m")));
        let filters = format!(r#","filter_subjects":[{}]"#, filters.replace('?', &letter));
        steps.push(consumer(&name, "c", &filters));
        steps.push(api(&format!("STREAM.PURGE.{name}"), &purge.replace('?', &letter)));
        let info = api(&format!("CONSUMER.INFO.{name}.c"), "");
        steps.push(info.clone());
        steps.push(ask(&format!("{letter}.z"), "m").header("Nats-Rollup: sub"));
        steps.push(info.clone());
        steps.push(ask(&format!("{letter}.y"), "m").header("Nats-Rollup: all"));
        steps.push(info);
    }
    compare(&steps);
}

/// JC51, JC140, JC141: a message that goes while it is pending counts as activity of the acknowledgements.
#[test]
fn activity_of_the_floor() {
    let explicit = r#","ack_policy":"explicit""#;
    compare(&[
        stream("A", r#","max_msgs_per_subject":1"#),
        consumer("A", "c", explicit),
        ask("a.x", "1"),
        pull("A", "c"),
        api("STREAM.PURGE.A", ""),
        api("CONSUMER.INFO.A.c", ""),
    ]);
}

/// JS61: what a batch is held against first.
#[test]
fn checks_of_batches() {
    let part = |number: u32, header: &str| {
        let step = ask("a.x", "").header("Nats-Batch-Id: b").header(&format!("Nats-Batch-Sequence: {number}"));
        if header.is_empty() { step } else { step.header(header) }
    };
    let commit = |number: u32| part(number, "Nats-Batch-Commit: 1");
    compare(&[
        stream("A", r#","allow_atomic":true"#),
        part(1, "Nats-TTL: 500ms"),
        commit(2),
        part(1, "Nats-Stream-Source: x").header("Nats-Expected-Last-Sequence: 7"),
        commit(2),
        stream("B", r#","allow_atomic":true,"allow_msg_counter":true"#),
        ask("b.x", "")
            .header("Nats-Batch-Id: c")
            .header("Nats-Batch-Sequence: 1")
            .header("Nats-Expected-Last-Sequence: 7"),
        ask("b.x", "")
            .header("Nats-Batch-Id: c")
            .header("Nats-Batch-Sequence: 2")
            .header("Nats-Batch-Commit: 1")
            .header("Nats-Incr: 1"),
    ]);
}

/// JC195: a pause that changes nothing is not announced.
#[test]
fn pauses_that_change_nothing() {
    let pause = |until: &str| api("CONSUMER.PAUSE.A.c", &format!(r#"{{"pause_until":"{until}"}}"#));
    compare_watched(
        &["$JS.EVENT.ADVISORY.CONSUMER.>"],
        &[
            stream("A", ""),
            consumer("A", "c", ""),
            api("CONSUMER.PAUSE.A.c", ""),
            pause("2020-01-01T00:00:00Z"),
            pause("2020-01-01T00:00:00Z"),
            pause("2099-01-01T00:00:00Z"),
            pause("2099-01-01T01:00:00+01:00"),
            api("CONSUMER.PAUSE.A.c", ""),
            api("CONSUMER.INFO.A.c", ""),
        ],
    );
}
