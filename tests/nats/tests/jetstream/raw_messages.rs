//! Raw requests about messages: publishes, reads, and domains.

use super::compare::{Step, api, ask, compare, compare_on};
use super::places::Setup;

pub(super) fn filled() -> Vec<Step> {
    let mut steps = vec![
        api("STREAM.CREATE.K", r#"{"name":"K","subjects":["k.*"],"allow_direct":true,"storage":"memory"}"#),
        api("STREAM.CREATE.N", r#"{"name":"N","subjects":["n.*"],"storage":"file"}"#),
    ];
    for number in 0..6 {
        let publish = ask(&format!("k.{}", number % 3), &format!("p{number}"));
        steps.push(if number == 2 { publish } else { publish.header(&format!("A: {number}")) });
    }
    steps.push(ask("n.1", "x"));
    steps.push(ask("none.1", "x"));
    steps
}

/// JS22 to JS24, JS27 to JS29, JS77, JS79.
#[test]
fn messages() {
    let mut steps = filled();
    let gets = [
        "",
        "{}",
        r#"{"seq":1}"#,
        r#"{"seq":3}"#,
        r#"{"seq":9}"#,
        r#"{"seq":0}"#,
        r#"{"last_by_subj":"k.1"}"#,
        r#"{"last_by_subj":"k.*"}"#,
        r#"{"next_by_subj":"k.1","seq":3}"#,
        r#"{"next_by_subj":"k.1"}"#,
        r#"{"seq":1,"no_hdr":true}"#,
        r#"{"start_time":"2020-01-01T00:00:00Z"}"#,
        r#"{"batch":1,"seq":1}"#,
        r#"{"start_time":"2020-01-01T00:00:00Z","next_by_subj":"k.1"}"#,
        r#"{"max_bytes":1,"seq":1}"#,
        r#"{"seq":1,"start_time":"2020-01-01T00:00:00Z"}"#,
        r#"{"seq":1,"last_by_subj":"x"}"#,
        r#"{"up_to_seq":1}"#,
        r#"{"last_by_subj":"k.1","next_by_subj":"k.1"}"#,
        r#"{"no_hdr":true}"#,
        r#"{"multi_last":["k.1"],"seq":1}"#,
        r#"{"last_by_subj":"k.1","start_time":"2020-01-01T00:00:00Z"}"#,
        r#"{"last_by_subj":">"}"#,
        r#"{"seq":1,"up_to_time":"2020-01-01T00:00:00Z","up_to_seq":9}"#,
    ];
    // The instant is part of what is encoded.
    steps.extend(gets.iter().map(|body| api("STREAM.MSG.GET.K", body)));
    steps.push(api("STREAM.MSG.GET.Z", r#"{"seq":1}"#));
    let deletes = ["", "{}", r#"{"seq":0}"#, r#"{"seq":99}"#, r#"{"seq":2}"#, r#"{"seq":2}"#, r#"{"no_erase":true}"#];
    steps.extend(deletes.iter().map(|body| api("STREAM.MSG.DELETE.K", body)));
    steps.extend([r#"{"seq":0}"#, r#"{"seq":9}"#].iter().map(|body| api("STREAM.MSG.DELETE.N", body)));
    let infos = [
        "",
        r#"{"deleted_details":true}"#,
        r#"{"subjects_filter":">"}"#,
        r#"{"subjects_filter":"k.1"}"#,
        r#"{"subjects_filter":">","offset":1}"#,
        r#"{"subjects_filter":">","offset":9}"#,
        r#"{"subjects_filter":"zz","offset":1}"#,
        r#"{"offset":3}"#,
        r#"{"subjects_filter":">","deleted_details":true,"offset":-1}"#,
    ];
    steps.extend(infos.iter().map(|body| api("STREAM.INFO.K", body)));
    let purges = [
        r#"{"seq":1,"keep":2}"#,
        r#"{"filter":"zz"}"#,
        r#"{"filter":"k.1"}"#,
        r#"{"filter":"a b"}"#,
        r#"{"keep":1}"#,
        r#"{"seq":2}"#,
        "x",
        "{}",
        r#"{"seq":50}"#,
    ];
    steps.extend(purges.iter().map(|body| api("STREAM.PURGE.K", body)));
    steps.extend([api("STREAM.INFO.K", ""), api("INFO", ""), ask("k.1", "again"), api("STREAM.INFO.K", "")]);
    compare(&steps);
}

/// JS80 to JS85.
#[test]
fn direct_reads() {
    let mut steps = filled();
    let bodies = [
        "",
        r#"{"seq":1}"#,
        r#"{"seq":9}"#,
        r#"{"last_by_subj":"k.1"}"#,
        r#"{"last_by_subj":"k.*"}"#,
        r#"{"seq":null}"#,
        r#"{"next_by_subj":"k.2","seq":4}"#,
        r#"{"next_by_subj":"k.2"}"#,
        r#"{"seq":3,"no_hdr":true}"#,
        r#"{"batch":3}"#,
        r#"{"multi_last":[]}"#,
        r#"{"up_to_seq":3}"#,
        r#"{"seq":1,"last_by_subj":"k.1"}"#,
        r#"{"seq":"x"}"#,
        "x",
        "[]",
        r#"{"seq":1,"foo":2}"#,
        r#"{"seq":1}{"seq":2}"#,
        r#"{"start_time":"2020-01-01T00:00:00Z"}"#,
        r#"{"SEQ":2}"#,
        r#"{"start_time":"2099-01-01T00:00:00Z"}"#,
        r#"{"seq":1,"batch":2}"#,
        r#"{"seq":1,"batch":10}"#,
        r#"{"seq":1,"batch":10,"max_bytes":40}"#,
        r#"{"next_by_subj":"k.1","batch":10}"#,
        r#"{"seq":7,"batch":10}"#,
        r#"{"seq":1,"batch":2,"no_hdr":true}"#,
        r#"{"seq":1,"batch":-1}"#,
        r#"{"multi_last":["k.1","k.2"]}"#,
        r#"{"multi_last":["k.*"],"batch":2}"#,
        r#"{"multi_last":["k.*"],"up_to_seq":3}"#,
        r#"{"multi_last":["z"]}"#,
        r#"{"multi_last":["k.*"],"seq":5}"#,
        r#"{"multi_last":["k.*"],"max_bytes":1}"#,
        r#"{"multi_last":["a..b"]}"#,
        r#"{"multi_last":["k.*"],"up_to_time":"2099-01-01T00:00:00Z"}"#,
        r#"{"multi_last":["k.*"],"no_hdr":true}"#,
        r#"{"multi_last":["k.*"],"up_to_time":"2000-01-01T00:00:00Z"}"#,
        r#"{"multi_last":["k.1"],"seq":1,"batch":-1}"#,
        r#"{"multi_last":["k.*"],"up_to_time":"2099-01-01T00:00:00Z","up_to_seq":3}"#,
        r#"{"last_by_subj":"zz"}"#,
        r#"{"next_by_subj":"k.1","multi_last":["a"]}"#,
        r#"{"last_by_subj":"k.1","batch":2}"#,
        r#"{"last_by_subj":"a..b"}"#,
        r#"{"last_by_subj":"k.1","multi_last":["k.1"]}"#,
        r#"{"last_by_subj":"k.1","next_by_subj":"k.1"}"#,
        r#"{"start_time":"2020-01-01T00:00:00Z","batch":2}"#,
        r#"{"start_time":"2020-01-01T00:00:00Z","seq":1}"#,
        r#"{"start_time":"2020-01-01T00:00:00Z","last_by_subj":"k.1"}"#,
        r#"{"next_by_subj":"zz","batch":2}"#,
        r#"{"start_time":"2020-01-01T00:00:00Z","next_by_subj":"k.1"}"#,
        r#"{"seq":1,"batch":2,"up_to_seq":1}"#,
        r#"{"start_time":"2099-01-01T00:00:00Z","batch":2}"#,
        r#"{"batch":2,"next_by_subj":"k.*","seq":2}"#,
        r#"{"multi_last":["k.*"],"max_bytes":60}"#,
        r#"{"seq":1,"max_bytes":5}"#,
        r#"{"seq":2,"multi_last":["k.1","k.1","k.*"]}"#,
    ];
    steps.extend(bodies.iter().map(|body| api("DIRECT.GET.K", body)));
    let by_subject = [
        ("k.1", ""),
        ("k.*", ""),
        ("k.1", "{}"),
        ("k.1", r#"{"no_hdr":true}"#),
        ("k.1", r#"{"seq":1}"#),
        ("k.1", "x"),
        ("k.1", r#"{"foo":1}"#),
        ("zz", ""),
        ("k.1", r#"{"batch":1}"#),
        ("k.1", r#"{"batch":0}"#),
        (">", ""),
        ("k.1", r#"{"last_by_subj":""}"#),
        ("k.1", r#"{"last_by_subj":"k.1"}"#),
        ("k.1", "[]"),
        (".a", ""),
        ("", ""),
    ];
    steps.extend(by_subject.iter().map(|(subject, body)| api(&format!("DIRECT.GET.K.{subject}"), body)));
    steps.push(api("DIRECT.GET.K", r#"{"seq":1}"#).header("Nats-Required-Api-Level: 6"));
    steps.push(api("DIRECT.GET.K.k.1", "").header("Nats-Required-Api-Level: 6"));
    steps.push(api("DIRECT.GET.N.n.1", ""));
    compare(&steps);
}

/// JS43 to JS48, JS56, JS58, JS59: answers to publishes.
#[test]
fn publishes() {
    let id = |id: &str| ask("d.1", "x").header(&format!("Nats-Msg-Id: {id}"));
    let expected = |line: &str| ask("d.1", "x").header(line);
    let part = |batch: &str, seq: u32| {
        ask("b.1", "x").header(&format!("Nats-Batch-Id: {batch}")).header(&format!("Nats-Batch-Sequence: {seq}"))
    };
    let steps = [
        api("STREAM.CREATE.D", r#"{"name":"D","subjects":["d.*"],"storage":"memory","allow_direct":true}"#),
        id("a"),
        id("a"),
        id("b"),
        expected("Nats-Expected-Stream: E"),
        expected("Nats-Expected-Last-Sequence: 9"),
        expected("Nats-Expected-Last-Sequence: 2"),
        expected("Nats-Expected-Last-Subject-Sequence: 1"),
        expected("Nats-Expected-Last-Msg-Id: z"),
        expected("Nats-Rollup: sub"),
        expected("Nats-TTL: 5s"),
        expected("Nats-Incr: 1"),
        expected("Nats-Batch-Id: x"),
        ask("d.*", "a wildcard as text"),
        ask("d..1", "an empty token"),
        api("DIRECT.GET.D", r#"{"seq":1,"batch":9}"#),
        api("STREAM.CREATE.C", r#"{"name":"C","subjects":["c.*"],"storage":"memory","allow_msg_counter":true}"#),
        ask("c.1", "").header("Nats-Incr: 5"),
        ask("c.1", "").header("Nats-Incr: +1"),
        ask("c.1", ""),
        api("STREAM.CREATE.B", r#"{"name":"B","subjects":["b.*"],"storage":"memory","allow_atomic":true}"#),
        part("g", 1),
        part("g", 2),
        part("g", 3).header("Nats-Batch-Commit: 1"),
        part("h", 2),
        api("STREAM.INFO.B", ""),
        api("STREAM.CREATE.L", r#"{"name":"L","subjects":["l.*"],"max_msgs":1,"discard":"new","max_msg_size":4}"#),
        ask("l.1", "1"),
        ask("l.1", "2"),
        ask("l.1", "too large"),
        api("STREAM.CREATE.I", r#"{"name":"I","subjects":["i.*"],"retention":"interest","storage":"memory"}"#),
        ask("i.1", "not kept"),
        api("STREAM.INFO.I", ""),
        api(
            "STREAM.CREATE.R",
            r#"{"name":"R","subjects":["r.*"],"storage":"memory","republish":{"src":"r.*","dest":"_R.copy.{{wildcard(1)}}"}}"#,
        ),
        ask("r.1", "twice"),
        ask("r.2", "twice").header("A: b"),
        api("STREAM.DELETE.D", ""),
        id("a"),
    ];
    compare(&steps);
}

/// JS6, JL6.
#[test]
fn a_domain() {
    let hub = |call: &str, body: &str| ask(&format!("$JS.hub.API.{call}"), body);
    let steps = [
        hub("INFO", ""),
        hub("STREAM.CREATE.KV_b", r#"{"name":"KV_b","subjects":["$KV.b.>"],"allow_direct":true,"storage":"memory"}"#),
        hub("$KV.b.k", "value"),
        ask("$KV.b.k", "another").header("Nats-Expected-Stream: x"),
        hub("DIRECT.GET.KV_b.$KV.b.k", ""),
        hub("STREAM.INFO.KV_b", ""),
        api("STREAM.UPDATE.KV_b", r#"{"name":"KV_b","subjects":["$KV.b.>"],"storage":"memory"}"#),
        api("STREAM.LIST", ""),
        hub("BOGUS", ""),
        hub("STREAM.BOGUS", ""),
        hub("$KV.none.k", ""),
        ask("$JS.other.API.INFO", ""),
        api("$KV.b.k", ""),
        hub("STREAM.NAMES", "").header("Nats-Required-Api-Level: 6"),
    ];
    compare_on(Setup { domain: "hub", ..Setup::default() }, &steps);
}
