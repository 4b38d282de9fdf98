//! Raw requests about consumers, advisories and limits.

use super::compare::{Step, api, ask, compare, compare_on, compare_watched};
use super::places::Setup;
use super::raw_messages::filled;

/// A consumer of the stream `K`, made by its name.
fn consumer(name: &str, config: &str) -> Step {
    api(
        &format!("CONSUMER.CREATE.K.{name}"),
        &format!(r#"{{"stream_name":"K","config":{{"name":"{name}",{config}}}}}"#),
    )
}

/// JC1 to JC14, JC20, JC30, JC50, JC160, JC165, JC180.
#[test]
fn consumer_calls() {
    let mut steps = filled();
    let full = r#"{"stream_name":"K","config":{"durable_name":"d","name":"d","description":"x","deliver_policy":"by_start_time",
        "opt_start_time":"2024-01-02T03:04:05.500+01:00","ack_policy":"explicit","ack_wait":1000000000,"max_deliver":5,
        "backoff":[1000000000,2000000000],"filter_subjects":["k.0","k.2"],"replay_policy":"instant","sample_freq":"50",
        "max_waiting":7,"max_ack_pending":9,"headers_only":true,"max_batch":4,"max_expires":1000000000,"max_bytes":1000,
        "inactive_threshold":10000000000,"num_replicas":1,"mem_storage":true,"metadata":{"a":"b"},
        "pause_until":"2099-01-01T00:00:00+01:00","priority_groups":["g"],"priority_policy":"pinned_client",
        "priority_timeout":3000000000}}"#;
    let push = r#"{"stream_name":"K","config":{"name":"p","deliver_subject":"del","deliver_group":"q","idle_heartbeat":1000000000,
        "flow_control":true,"rate_limit_bps":100,"deliver_policy":"by_start_sequence","opt_start_seq":2,
        "replay_policy":"original","filter_subject":"k.1"}}"#;
    steps.push(api("CONSUMER.CREATE.K.d", full));
    steps.push(api("CONSUMER.CREATE.K.p.k.1", push));
    steps.push(consumer("e", r#""ack_policy":"explicit""#));
    let faults = [
        "x",
        "[]",
        "\"S\"",
        "",
        r#"{"stream_name":1}"#,
        r#"{"foo":1}"#,
        r#"{"config":{"foo":1}}"#,
        r#"{"config":{"ack_policy":"x"}}"#,
        r#"{"config":{"ack_policy":null}}"#,
        r#"{"config":{"deliver_policy":"x"}}"#,
        r#"{"config":{"deliver_policy":"undefined"}}"#,
        r#"{"config":{"deliver_policy":1}}"#,
        r#"{"config":{"replay_policy":null}}"#,
        r#"{"config":{"priority_policy":"bogus"}}"#,
        r#"{"config":{"priority_policy":1}}"#,
        r#"{"config":{"priority_policy":""}}"#,
        r#"{"config":{"priority_policy":null}}"#,
        r#"{"action":"bogus"}"#,
        r#"{"action":1}"#,
        r#"{"action":null}"#,
        r#"{"action":""}"#,
        r#"{"config":{"ack_wait":"x"}}"#,
        r#"{"config":{"backoff":["x"]}}"#,
        r#"{"config":{"backoff":1}}"#,
        r#"{"config":1}"#,
        r#"{"config":{"sample_freq":1}}"#,
        r#"{"config":{"max_deliver":"x"}}"#,
        r#"{"config":{"rate_limit_bps":-1}}"#,
        r#"{"config":{"opt_start_seq":-1}}"#,
        r#"{"config":{"max_waiting":1.5}}"#,
        r#"{"config":{"max_batch":"x"}}"#,
        r#"{"config":{"max_bytes":"x"}}"#,
        r#"{"config":{"num_replicas":"x"}}"#,
        r#"{"config":{"pause_until":1}}"#,
        r#"{"config":{"pause_until":"x"}}"#,
        r#"{"config":{"priority_groups":1}}"#,
        r#"{"config":{"priority_timeout":"x"}}"#,
        r#"{"config":{"filter_subjects":"x"}}"#,
        r#"{"config":{"metadata":[]}}"#,
        r#"{"config":null}"#,
        r#"{"pedantic":1}"#,
        r#"{"config":{"inactive_threshold":"x"}}"#,
        r#"{"config":{"ack_policy":"Explicit"}}"#,
        r#"{"config":{"direct":1}}"#,
    ];
    steps.extend(faults.iter().map(|body| api("CONSUMER.CREATE.K", body)));
    steps.extend([
        consumer("r", r#""deliver_subject":"a.*""#),
        consumer("r", r#""deliver_subject":"a..b""#),
        consumer("r", r#""deliver_subject":"k.1""#),
        consumer("r", r#""ack_policy":"explicit","max_deliver":1,"backoff":[1,2]"#),
        consumer("r", r#""filter_subject":"a..b""#),
        consumer("r", r#""filter_subject":"a","filter_subjects":["b"]"#),
        consumer("r", r#""durable_name":"other""#),
        consumer("e", r#""ack_policy":"all""#),
        api(
            "CONSUMER.CREATE.K.e",
            r#"{"stream_name":"K","action":"create","config":{"ack_policy":"explicit","max_batch":3}}"#,
        ),
        api("CONSUMER.CREATE.K.n", r#"{"stream_name":"K","action":"update","config":{}}"#),
        api("CONSUMER.CREATE.K.e.k.1", r#"{"stream_name":"K","config":{"filter_subject":"k.2"}}"#),
        api("CONSUMER.DURABLE.CREATE.K.w", r#"{"stream_name":"K","config":{}}"#),
        api("CONSUMER.DURABLE.CREATE.K.w", r#"{"stream_name":"K","config":{"durable_name":"w"}}"#),
        api("CONSUMER.CREATE.Z.w", r#"{"stream_name":"Z","config":{}}"#),
        api("CONSUMER.CREATE.Z.w", r#"{"stream_name":"K","config":{}}"#),
        api("CONSUMER.CREATE.K", r#"{"stream_name":"K","config":{"durable_name":"x"}}"#),
        api("CONSUMER.CREATE.K.a/b", r#"{"stream_name":"K","config":{}}"#),
    ]);
    let calls = [
        ("INFO.K.d", ""),
        ("INFO.K.d", "x"),
        ("INFO.K.z", ""),
        ("INFO.Z.z", ""),
        ("INFO.K.p", ""),
        ("LIST.K", ""),
        ("NAMES.K", ""),
        ("NAMES.K", r#"{"offset":"x"}"#),
        ("NAMES.K", r#"{"x":1}"#),
        ("NAMES.K", "x"),
        ("NAMES.K", "[1]"),
        ("NAMES.K", r#"{"offset":1}"#),
        ("NAMES.K", r#"{"offset":99}"#),
        ("NAMES.K", r#"{"offset":-1}"#),
        ("LIST.K", r#"{"x":1}"#),
        ("NAMES.Z", ""),
        ("LIST.Z", ""),
        ("DELETE.K.z", ""),
        ("DELETE.K.z", "x"),
        ("DELETE.K.z", "{}"),
        ("DELETE.Z.z", ""),
        ("PAUSE.K.d", ""),
        ("PAUSE.K.d", r#"{"pause_until":"2098-01-01T00:00:00+01:00"}"#),
        ("PAUSE.K.d", r#"{"pause_until":1}"#),
        ("PAUSE.K.d", r#"{"x":1}"#),
        ("PAUSE.K.d", "x"),
        ("PAUSE.K.d", "[]"),
        ("PAUSE.K.d", r#"{"pause_until":"2000-01-01T00:00:00Z"}"#),
        ("INFO.K.d", ""),
        ("PAUSE.K.z", ""),
        ("PAUSE.K.z", r#"{"x":1}"#),
        ("PAUSE.Z.z", ""),
        ("UNPIN.K.d", ""),
        ("UNPIN.K.d", r#"{"group":"g"}"#),
        ("UNPIN.K.d", r#"{"group":"h"}"#),
        ("UNPIN.K.d", r#"{"group":""}"#),
        ("UNPIN.K.d", r#"{"group":"a b"}"#),
        ("UNPIN.K.d", "x"),
        ("UNPIN.K.d", r#"{"x":1}"#),
        ("UNPIN.K.d", r#"{"group":1}"#),
        ("UNPIN.K.z", r#"{"group":"g"}"#),
        ("UNPIN.Z.z", ""),
        ("UNPIN.Z.z", r#"{"group":"g"}"#),
        ("RESET.K.d", ""),
        ("RESET.K.d", r#"{"seq":2}"#),
        ("RESET.K.d", "x"),
        ("RESET.K.d", r#"{"seq":"x"}"#),
        ("RESET.K.d", r#"{"x":1}"#),
        ("RESET.K.d", r#"{"seq":0}"#),
        ("RESET.K.d", "[]"),
        ("RESET.K.d", "{}"),
        ("RESET.K.z", ""),
        ("INFO.K", ""),
        ("INFO.S.c.d", ""),
        ("DURABLE.CREATE.S.c.x", ""),
        ("DELETE.K.d", ""),
        ("DELETE.K.d", ""),
        ("NAMES.K", ""),
    ];
    steps.extend(calls.iter().map(|(call, body)| api(&format!("CONSUMER.{call}"), body)));
    let levels = [
        "CREATE.X",
        "NAMES.X",
        "LIST.X",
        "INFO.X.c",
        "DELETE.X.c",
        "PAUSE.X.c",
        "UNPIN.X.c",
        "RESET.K.w",
        "MSG.NEXT.K.w",
    ];
    let too_high = |call: &&str| api(&format!("CONSUMER.{call}"), "").header("Nats-Required-Api-Level: 6");
    steps.extend(levels.iter().map(too_high));
    steps.push(api("INFO", ""));
    steps.push(api("STREAM.INFO.K", ""));
    compare(&steps);
}

/// JC60 to JC76, JC80 to JC96, JC110: pull requests, deliveries, acknowledgements.
#[test]
fn pulls_and_acknowledgements() {
    let mut steps = filled();
    let next = |name: &str, body: &str| api(&format!("CONSUMER.MSG.NEXT.K.{name}"), body);
    let ack = |name: &str, seq: u32, body: &str| ask(&format!("$JS.ACK.K.{name}.1.{seq}.{seq}.1.0"), body);
    let info = |name: &str| api(&format!("CONSUMER.INFO.K.{name}"), "");
    steps.extend([
        consumer("c", r#""ack_policy":"explicit","deliver_policy":"all""#),
        next("c", ""),
        next("c", "2"),
        next("c", r#"{"batch":2,"no_wait":true}"#),
        info("c"),
        ack("c", 1, "+ACK"),
        ack("c", 1, ""),
        ack("c", 2, "-NAK"),
        next("c", r#"{"batch":2,"no_wait":true}"#),
        ack("c", 3, "+TERM because"),
        ack("c", 4, "+WPI"),
        ack("c", 5, "+NXT"),
        ack("c", 99, "+ACK"),
        ack("c", 5, "+ACK "),
        next("c", r#"{"no_wait":true}"#),
        next("c", r#"{"foo"#),
        next("c", r#"{"batch":"x"}"#),
        next("c", r#"{"batch":1,"idle_heartbeat":1000000000}"#),
        next("c", r#"{"priority":11}"#),
        info("c"),
        ask("$JS.ACK.K.none.1.1.1.1.0", ""),
        ask("$JS.ACK.Z.none.1.1.1.1.0", ""),
        ask("$JS.ACK.K.c.1", ""),
        ask("$JS.FC.K.none.abcd", ""),
        consumer("n", r#""ack_policy":"none","headers_only":true"#),
        next("n", "10"),
        ack("n", 1, ""),
        info("n"),
        api("CONSUMER.DELETE.K.n", ""),
        next("n", ""),
        consumer("a", r#""ack_policy":"all","filter_subject":"k.1""#),
        next("a", r#"{"batch":9,"no_wait":true}"#),
        ask("$JS.ACK.K.a.1.5.2.1.0", "+ACK"),
        info("a"),
        consumer("m", r#""ack_policy":"explicit","max_batch":2,"max_ack_pending":1"#),
        next("m", "3"),
        next("m", "1"),
        info("m"),
        api("STREAM.PURGE.K", ""),
        info("c"),
        api("CONSUMER.DELETE.K.c", ""),
    ]);
    compare(&steps);
}

/// JS63, JS88, JS89, JC190 to JC199.
#[test]
fn advisories() {
    let part = |seq: u32| ask("b.1", "x").header("Nats-Batch-Id: g").header(&format!("Nats-Batch-Sequence: {seq}"));
    let next = |body: &str| api("CONSUMER.MSG.NEXT.K.c", body);
    let ack = |seq: u32, body: &str| ask(&format!("$JS.ACK.K.c.1.{seq}.{seq}.1.0"), body);
    let mut steps = filled();
    steps.extend([
        api("STREAM.CREATE.K", r#"{"name":"K","subjects":["k.*"],"allow_direct":true,"storage":"memory"}"#),
        api("STREAM.UPDATE.K", r#"{"name":"K","subjects":["k.*"],"storage":"memory"}"#),
        api("STREAM.CREATE.B", r#"{"name":"B","subjects":["b.*"],"storage":"memory","allow_atomic":true}"#),
        part(1),
        part(3),
        consumer("c", r#""ack_policy":"explicit","sample_freq":"100","max_deliver":2"#),
        consumer("c", r#""ack_policy":"explicit","sample_freq":"100","max_deliver":2,"description":"d""#),
        next("3"),
        ack(1, "-NAK"),
        ack(2, "+TERM no use"),
        next("1"),
        ack(1, "-NAK"),
        next("1"),
        api("CONSUMER.PAUSE.K.c", r#"{"pause_until":"2098-01-01T00:00:00Z"}"#),
        api("CONSUMER.PAUSE.K.c", ""),
        api("CONSUMER.CREATE.K.p", r#"{"stream_name":"K","config":{"name":"p","ack_policy":"explicit","priority_groups":["g"],"priority_policy":"pinned_client"}}"#),
        api("CONSUMER.UNPIN.K.p", r#"{"group":"g"}"#),
        api("CONSUMER.DELETE.K.c", ""),
        api("STREAM.DELETE.K", ""),
    ]);
    compare_watched(&["$JS.EVENT.ADVISORY.STREAM.>", "$JS.EVENT.ADVISORY.CONSUMER.>"], &steps);
    let audited = [api("STREAM.NAMES", ""), api("STREAM.INFO.X", "{}"), api("STREAM.CREATE.S", r#"{"name":"S"}"#)];
    compare_watched(&["$JS.EVENT.ADVISORY.API"], &audited);
}

/// JS39, JS40, JS46, JS47, JS55 to JS58, JS65, JS68, JS73 to JS75: checks of publishes and effects of limits, as the wire shows them.
#[test]
fn checks_and_limits() {
    let create = |name: &str, rest: &str| {
        let subject = name.to_lowercase();
        let config =
            format!(r#"{{"name":"{name}","subjects":["{subject}.>"],"storage":"memory","allow_direct":true,{rest}}}"#);
        api(&format!("STREAM.CREATE.{name}"), &config)
    };
    let update = |name: &str, rest: &str| {
        let subject = name.to_lowercase();
        let config = format!(r#"{{"name":"{name}","subjects":["{subject}.>"],"storage":"memory",{rest}}}"#);
        api(&format!("STREAM.UPDATE.{name}"), &config)
    };
    let put = |subject: &str, headers: &[&str]| headers.iter().fold(ask(subject, "x"), |step, line| step.header(line));
    let info = |name: &str| api(&format!("STREAM.INFO.{name}"), r#"{"deleted_details":true,"subjects_filter":">"}"#);
    let steps = [
        create("T", r#""allow_msg_ttl":true,"allow_rollup_hdrs":true,"subject_delete_marker_ttl":60000000000"#),
        put("t.1", &["Nats-TTL: 5s"]),
        put("t.1", &["Nats-TTL: never"]),
        put("t.1", &["Nats-TTL: 0.5"]),
        put("t.1", &["Nats-TTL: 1d"]),
        put("t.1", &["Nats-TTL: 500ms"]),
        put("t.1", &["Nats-TTL: 120"]),
        put("t.2", &["Nats-Rollup: SUB"]),
        put("t.2", &["Nats-Rollup: sub"]),
        put("t.2", &["Nats-Rollup: other"]),
        put("t.2", &["Nats-Marker-Reason: MaxAge"]),
        put("t.3", &["Nats-Stream-Source: x"]),
        put("t.3", &["Nats-Scheduler: t.1"]),
        put("t.3", &["Nats-Schedule: @at 2099-01-01T00:00:00Z"]),
        put("t.3", &["Nats-Expected-Last-Subject-Sequence-Subject: t.*"]),
        put("t.3", &["Nats-Expected-Last-Subject-Sequence: 0", "Nats-Expected-Last-Subject-Sequence-Subject: t.*"]),
        put("t.3", &["Nats-Expected-Last-Subject-Sequence: 0"]),
        put("t.3", &["Nats-Expected-Last-Sequence: x"]),
        put("t.3", &["Nats-Expected-Last-Msg-Id: "]),
        put("t.3", &["Nats-Msg-Id: m"]),
        put("t.3", &["Nats-Expected-Last-Msg-Id: m"]),
        put("t.3", &["Nats-Required-Api-Level: 9"]),
        put("t.3", &["Nats-Rollup: all"]),
        info("T"),
        api("DIRECT.GET.T", r#"{"seq":1,"batch":99}"#),
        create("S", r#""allow_msg_schedules":true,"allow_msg_ttl":true"#),
        put("s.1", &["Nats-Schedule: @at 2099-01-01T00:00:00Z", "Nats-Schedule-Target: s.2"]),
        put("s.1", &["Nats-Schedule: @every 1h", "Nats-Schedule-Target: s.2", "Nats-Schedule-TTL: 5m"]),
        put("s.1", &["Nats-Schedule: nonsense", "Nats-Schedule-Target: s.2"]),
        put("s.1", &["Nats-Schedule: @every 1ms", "Nats-Schedule-Target: s.2"]),
        put("s.1", &["Nats-Schedule: @every 1h", "Nats-Schedule-Target: s.1"]),
        put("s.1", &["Nats-Schedule: @every 1h", "Nats-Schedule-Target: other"]),
        put("s.1", &["Nats-Schedule: @every 1h"]),
        put("s.1", &["Nats-Schedule: @every 1h", "Nats-Schedule-Target: s.2", "Nats-Schedule-Rollup: all"]),
        put("s.1", &["Nats-Schedule: @every 1h", "Nats-Schedule-Target: s.2", "Nats-Schedule-Source: s.*"]),
        put("s.3", &["Nats-Schedule-Next: purge", "Nats-Scheduler: s.1"]),
        info("S"),
        create("N", r#""discard":"new","max_msgs":3,"max_msgs_per_subject":1,"discard_new_per_subject":true"#),
        put("n.1", &[]),
        put("n.1", &[]),
        put("n.2", &[]),
        put("n.3", &[]),
        put("n.4", &[]),
        info("N"),
        update("N", r#""discard":"old","max_msgs":2"#),
        info("N"),
        put("n.5", &[]),
        info("N"),
        create("B", r#""max_bytes":120"#),
        put("b.1", &[]),
        ask("b.2", &"y".repeat(60)),
        ask("b.3", &"z".repeat(200)),
        info("B"),
        update("B", r#""sealed":true"#),
        put("b.1", &[]),
        api("STREAM.PURGE.B", ""),
        api("STREAM.MSG.DELETE.B", r#"{"seq":1}"#),
        update("B", r#""max_bytes":100"#),
        create("D", r#""deny_delete":true,"deny_purge":true"#),
        put("d.1", &[]),
        api("STREAM.PURGE.D", ""),
        api("STREAM.MSG.DELETE.D", r#"{"seq":1}"#),
        update("D", r#""max_msgs":5"#),
        create("L", r#""consumer_limits":{"inactive_threshold":60000000000,"max_ack_pending":10}"#),
        api("CONSUMER.CREATE.L.c", r#"{"stream_name":"L","config":{"name":"c","ack_policy":"explicit"}}"#),
        api(
            "CONSUMER.CREATE.L.d",
            r#"{"stream_name":"L","config":{"name":"d","ack_policy":"explicit","max_ack_pending":11}}"#,
        ),
        update("L", r#""consumer_limits":{"max_ack_pending":5}"#),
        update("L", r#""consumer_limits":{"max_ack_pending":20}"#),
        create("I", r#""retention":"interest""#),
        put("i.1", &[]),
        api(
            "CONSUMER.CREATE.I.c",
            r#"{"stream_name":"I","config":{"durable_name":"c","ack_policy":"explicit","filter_subject":"i.2"}}"#,
        ),
        put("i.1", &["Nats-TTL: nonsense"]),
        put("i.2", &[]),
        info("I"),
        api("CONSUMER.DELETE.I.c", ""),
        info("I"),
        create("M", r#""subject_transform":{"src":"m.*","dest":"moved.{{wildcard(1)}}"},"max_msgs_per_subject":2"#),
        put("m.1", &[]),
        put("m.1", &[]),
        put("m.1", &[]),
        put("m.a.b", &[]),
        api("DIRECT.GET.M.moved.1", ""),
        info("M"),
        ask("m.1", "").header(""),
        ask("m.1", "x").header("Nats-Request-Info: hidden").header("Kept: yes"),
        api("DIRECT.GET.M.moved.1", ""),
    ];
    compare(&steps);
}

/// JS3, JS20, JS87, JL4, JL5: what is reserved and what is stored is held to the server's limits.
#[test]
fn limits_of_the_server() {
    let create = |name: &str, rest: &str| {
        api(&format!("STREAM.CREATE.{name}"), &format!(r#"{{"name":"{name}","storage":"memory"{rest}}}"#))
    };
    let steps = [
        create("A", r#","max_bytes":301"#),
        create("A", r#","max_bytes":200"#),
        create("B", r#","max_bytes":101"#),
        create("B", r#","max_bytes":100"#),
        create("C", ""),
        api("STREAM.CREATE.F", r#"{"name":"F","max_bytes":2000000000}"#),
        api("STREAM.UPDATE.A", r#"{"name":"A","storage":"memory","max_bytes":201}"#),
        api("STREAM.UPDATE.B", r#"{"name":"B","storage":"memory","max_bytes":50}"#),
        create("C", ""),
        ask("C", &"x".repeat(200)),
        ask("C", &"y".repeat(200)),
        ask("A", "z"),
        api("INFO", ""),
        api("STREAM.PURGE.C", ""),
        ask("A", "z"),
        api("STREAM.DELETE.A", ""),
        api("INFO", ""),
    ];
    compare_on(Setup { max_memory: 300, ..Setup::default() }, &steps);
}

/// JS12: without strictness unknown keys are dropped, and faults are worded otherwise.
#[test]
fn a_server_that_is_not_strict() {
    let bodies = [
        r#"{"name":"X","foo":1}"#,
        "x",
        r#"{"name":"X"} x"#,
        r#"{"name":"X","#,
        r#"{"name":1}"#,
        "[]",
        "",
        r#"{"name":"X"}{}"#,
        r#"{"name":"X","placement":{"foo":1}}"#,
        r#"{"retention":"foo"}"#,
        r#"{"name":"a\q"}"#,
    ];
    let mut steps: Vec<Step> = bodies.iter().map(|body| api("STREAM.CREATE.X", body)).collect();
    steps.extend([
        api("STREAM.NAMES", r#"{"limit":1}"#),
        api("STREAM.PURGE.X", r#"{"foo":1}"#),
        api("STREAM.MSG.GET.X", r#"{"seq":1,"foo":1}"#),
        api("STREAM.MSG.GET.X", "x"),
        api("CONSUMER.CREATE.X.c", r#"{"stream_name":"X","config":{"foo":1}}"#),
        api("CONSUMER.CREATE.X.c", "{"),
    ]);
    compare_on(Setup { is_strict: false, ..Setup::default() }, &steps);
}
