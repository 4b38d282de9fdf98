//! JetStream on the real server, used by components on the bus as plain requests.

use crate::fixture::{PATIENCE, bus, start};
use crate::support::nats_server::{self, NatsServer};
use postroom::jetstream::{self, ConsumerConfig, ContextOptions, PublishOptions, Storage, StreamConfig};
use postroom::{Bridge, Client, RequestOptions};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// A server with JetStream, in a folder of its own.
struct Server {
    server: Option<NatsServer>,
    folder: PathBuf,
}

fn server() -> Server {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let name = format!("jetstream-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let folder = nats_server::target().join(name);
    let config = format!("jetstream {{ store_dir: {:?} }}", folder.display().to_string());
    Server { server: Some(NatsServer::start(&config)), folder }
}

impl Server {
    fn url(&self) -> String {
        self.server.as_ref().expect("until the end").url()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.server = None;
        // A file that can't be removed is in the target directory anyhow.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn api(client: &Client, subject: &str, request: &Value) -> Value {
    let answer = client.request_timeout(format!("$JS.API.{subject}"), request.to_string(), PATIENCE).unwrap();
    let answer: Value = serde_json::from_slice(answer.payload()).unwrap();
    assert!(answer.get("error").is_none(), "{subject}: {answer}");
    answer
}

#[test]
fn streams_are_made_published_to_with_acknowledgement_and_read() {
    let (server, bus) = (server(), bus());
    let builder = Bridge::builder(&bus).server(server.url()).call("$JS.API.>").call("orders.>");
    let _bridge = start(builder);
    let client = bus.connect();
    api(&client, "STREAM.CREATE.ORDERS", &json!({ "name": "ORDERS", "subjects": ["orders.>"], "storage": "memory" }));
    for n in 1..=20_u64 {
        let headers = [("Nats-Msg-Id", format!("id{n}"))].try_into().unwrap();
        let with_id = RequestOptions::new().headers(headers);
        let ack = client.request_with(format!("orders.{n}"), n.to_string(), with_id.clone()).unwrap();
        let ack: Value = serde_json::from_slice(ack.payload()).unwrap();
        assert_eq!((&ack["stream"], &ack["seq"]), (&json!("ORDERS"), &json!(n)));
        // Once more: headers have crossed, so the stream knows it.
        let again = client.request_with(format!("orders.{n}"), n.to_string(), with_id).unwrap();
        assert_eq!(serde_json::from_slice::<Value>(again.payload()).unwrap()["duplicate"], json!(true));
    }
    let info = api(&client, "STREAM.INFO.ORDERS", &json!({}));
    assert_eq!(info["state"]["messages"], json!(20));
    let got = api(&client, "STREAM.MSG.GET.ORDERS", &json!({ "last_by_subj": "orders.7" }));
    assert_eq!((&got["message"]["subject"], &got["message"]["seq"]), (&json!("orders.7"), &json!(7)));
    let nobody = client.request_timeout("orders_elsewhere", "", PATIENCE).unwrap_err();
    assert!(nobody.is_no_responders());
}

#[test]
fn a_key_value_bucket_is_read_and_written() {
    let (server, bus) = (server(), bus());
    let _bridge = start(Bridge::builder(&bus).server(server.url()).call("$JS.API.>").call("$KV.>"));
    let client = bus.connect();
    let bucket = json!({
        "name": "KV_settings", "subjects": ["$KV.settings.>"], "max_msgs_per_subject": 1, "allow_direct": true,
        "allow_rollup_hdrs": true, "storage": "memory",
    });
    api(&client, "STREAM.CREATE.KV_settings", &bucket);
    let put = |key: &str, value: &str| {
        let ack = client.request_timeout(format!("$KV.settings.{key}"), value, PATIENCE).unwrap();
        serde_json::from_slice::<Value>(ack.payload()).unwrap()["seq"].as_u64().unwrap()
    };
    let get =
        |key: &str| client.request_timeout(format!("$JS.API.DIRECT.GET.KV_settings.$KV.settings.{key}"), "", PATIENCE);
    assert_eq!((put("colour", "blue"), put("size", "9"), put("colour", "red")), (1, 2, 3));
    let colour = get("colour").unwrap();
    assert_eq!((colour.payload(), colour.headers().get("Nats-Sequence")), (&b"red"[..], Some("3")));
    assert_eq!(get("size").unwrap().payload(), b"9");
    let missing = get("shape").unwrap();
    assert_eq!(missing.status().map(|status| status.as_u16()), Some(404), "{missing:?}");
}

#[test]
fn a_push_consumer_delivers_to_the_bus_and_is_acknowledged_from_there() {
    let (server, bus) = (server(), bus());
    let builder = Bridge::builder(&bus).server(server.url()).call("$JS.API.>").call("jobs.>").import("deliver.jobs");
    let bridge = start(builder);
    let client = bus.connect();
    let jobs = client.subscribe("deliver.jobs").unwrap();
    bridge.flush(PATIENCE).wait().unwrap();
    api(&client, "STREAM.CREATE.JOBS", &json!({ "name": "JOBS", "subjects": ["jobs.>"], "storage": "memory" }));
    let config = json!({ "durable_name": "worker", "deliver_subject": "deliver.jobs", "ack_policy": "explicit" });
    api(&client, "CONSUMER.DURABLE.CREATE.JOBS.worker", &json!({ "stream_name": "JOBS", "config": config }));
    for n in 0..10 {
        client.request_timeout("jobs.new", n.to_string(), PATIENCE).unwrap();
    }
    for n in 0..10 {
        let job = jobs.recv_timeout(PATIENCE).unwrap();
        assert_eq!((job.payload(), job.subject().as_str()), (n.to_string().as_bytes(), "jobs.new"));
        job.respond("+ACK").unwrap();
    }
    bridge.flush(PATIENCE).wait().unwrap();
    let info = || api(&client, "CONSUMER.INFO.JOBS.worker", &json!({}));
    crate::fixture::wait_until("all are acknowledged", || info()["ack_floor"]["stream_seq"] == json!(10));
}

/// A stream with ten orders, and a consumer that is asked for them.
fn orders(client: &Client) {
    api(client, "STREAM.CREATE.ORDERS", &json!({ "name": "ORDERS", "subjects": ["orders.>"], "storage": "memory" }));
    for n in 0..10 {
        client.request_timeout(format!("orders.{n}"), n.to_string(), PATIENCE).unwrap();
    }
    let config = json!({ "durable_name": "worker", "ack_policy": "explicit" });
    api(client, "CONSUMER.DURABLE.CREATE.ORDERS.worker", &json!({ "stream_name": "ORDERS", "config": config }));
}

#[test]
fn a_pull_consumer_delivers_to_a_request_under_the_subjects_of_the_stream() {
    let (server, bus) = (server(), bus());
    let bridge = start(Bridge::builder(&bus).server(server.url()).call("$JS.API.>").call("orders.>"));
    let client = bus.connect();
    orders(&client);
    for n in 0..10 {
        let order = client.request_timeout("$JS.API.CONSUMER.MSG.NEXT.ORDERS.worker", "", PATIENCE).unwrap();
        assert_eq!((order.subject().as_str(), order.payload()), (&*format!("orders.{n}"), n.to_string().as_bytes()));
        order.respond("+ACK").unwrap();
    }
    bridge.flush(PATIENCE).wait().unwrap();
    let info = || api(&client, "CONSUMER.INFO.ORDERS.worker", &json!({}));
    crate::fixture::wait_until("all are acknowledged", || info()["ack_floor"]["stream_seq"] == json!(10));
    let none = json!({ "no_wait": true }).to_string();
    let none = client.request_timeout("$JS.API.CONSUMER.MSG.NEXT.ORDERS.worker", none, PATIENCE).unwrap();
    assert_eq!(none.status().map(|status| status.as_u16()), Some(404), "{none:?}");
    assert_eq!(bridge.stats().late_replies, 0);
}

#[test]
fn a_batch_is_delivered_to_an_inbox_and_each_pull_request_ends() {
    let (server, bus) = (server(), bus());
    let bridge = start(Bridge::builder(&bus).server(server.url()).call("$JS.API.>").call("orders.>"));
    let client = bus.connect();
    orders(&client);
    let before = bridge.stats().open_requests;
    let inbox = client.new_inbox();
    let batch = client.subscribe(inbox.clone()).unwrap();
    let pull = |request: Value| {
        client
            .publish_with_reply("$JS.API.CONSUMER.MSG.NEXT.ORDERS.worker", inbox.clone(), request.to_string())
            .unwrap()
    };
    assert_eq!((pull(json!({ "batch": 4 })), pull(json!({ "batch": 100, "expires": 500_000_000 }))), (1, 1));
    for n in 0..10 {
        let order = batch.recv_timeout(PATIENCE).unwrap();
        assert_eq!(order.subject().as_str(), format!("orders.{n}"));
    }
    // The second one asked for more than there was.
    let end = batch.recv_timeout(PATIENCE).unwrap();
    assert_eq!(
        (end.subject().as_str(), end.status().map(|status| status.as_u16())),
        (inbox.as_str(), Some(408)),
        "{end:?}"
    );
    // Acknowledgements of ten messages may still come; no more messages do.
    crate::fixture::wait_until("both are over", || bridge.stats().open_requests == before + 10);
    assert_eq!(bridge.stats().late_replies, 0);
    // A pull request of a client that has gone takes nothing away from others.
    drop(batch);
    let next = client.request_timeout("$JS.API.CONSUMER.MSG.NEXT.ORDERS.nobody", "", PATIENCE).unwrap_err();
    assert!(next.is_no_responders(), "{next:?}");
}

/// The same context as on a bus with streams of its own.
#[test]
fn a_context_works_with_the_real_server() {
    let (server, bus) = (server(), bus());
    let _bridge = start(Bridge::builder(&bus).server(server.url()).call("$JS.API.>").call("orders.>"));
    let js = jetstream::with_options(bus.connect(), ContextOptions::new().timeout(PATIENCE));
    let config = StreamConfig::new("ORDERS")
        .subjects(["orders.>"])
        .storage(Storage::Memory)
        .max_age(Duration::from_secs(3_600))
        .allow_direct(true);
    let stream = js.create_stream(config.clone()).wait().unwrap();
    let mut shown = stream.cached_info().config.clone();
    shown.metadata.clear();
    assert_eq!(shown, config.clone().duplicate_window(Duration::from_secs(120)));
    assert!(js.create_stream(config.max_msgs(1)).wait().unwrap_err().is_already_exists());
    assert!(js.get_stream("NONE").wait().unwrap_err().is_not_found());
    assert_eq!(js.stream_names().iter().map(Result::unwrap).collect::<Vec<_>>(), ["ORDERS"]);
    assert_eq!(js.account_info().wait().unwrap().streams, 1);

    let acks: Vec<_> = (0..10).map(|n| js.publish(format!("orders.{n}"), n.to_string())).collect();
    for (n, ack) in acks.into_iter().enumerate() {
        assert_eq!(ack.wait().unwrap().sequence, n as u64 + 1);
    }
    let error = js.publish_with("orders.1", "", PublishOptions::new().expected_last_sequence(3)).wait().unwrap_err();
    assert!(error.is_wrong_last_sequence(), "{error}");
    let stored = stream.get_message(2).wait().unwrap();
    assert_eq!((stored.subject.as_str(), &stored.payload[..]), ("orders.1", &b"1"[..]));
    assert_eq!(stream.direct_get(2).wait().unwrap(), stored);
    assert!(stream.get_message(99).wait().unwrap_err().is_not_found());

    let config = ConsumerConfig::pull("worker").filter_subject("orders.*").max_deliver(5);
    let worker = stream.create_consumer(config).wait().unwrap();
    assert_eq!((worker.cached_info().num_pending, worker.cached_info().config.max_deliver), (10, 5));
    let first: Vec<_> = worker.fetch(4).messages().into_iter().map(Result::unwrap).collect();
    assert_eq!(
        first.iter().map(|order| order.subject().as_str()).collect::<Vec<_>>(),
        ["orders.0", "orders.1", "orders.2", "orders.3"]
    );
    first.iter().for_each(|order| order.ack().unwrap());
    let mut flow = worker.messages().unwrap();
    for n in 4..10 {
        let order = flow.recv().unwrap().unwrap();
        assert_eq!(order.payload_str().unwrap(), n.to_string());
        order.double_ack().wait().unwrap();
    }
    crate::fixture::wait_until("all are acknowledged", || worker.info().wait().unwrap().ack_floor.stream == 10);
    stream.delete_consumer("worker").wait().unwrap();
    assert!(flow.recv().unwrap().unwrap_err().is_consumer_gone());
    assert!(worker.fetch(1).messages().recv().unwrap().unwrap_err().is_consumer_gone());
    js.delete_stream("ORDERS").wait().unwrap();
}

/// With a rule for the acknowledgements, deliveries keep the reply subjects that name their sequences.
#[test]
fn deliveries_say_their_sequences_where_acknowledgements_are_exported() {
    let (server, bus) = (server(), bus());
    let builder = Bridge::builder(&bus).server(server.url()).call("$JS.API.>").call("orders.>").export("$JS.ACK.>");
    let bridge = start(builder);
    let js = jetstream::with_options(bus.connect(), ContextOptions::new().timeout(PATIENCE));
    let stream =
        js.create_stream(StreamConfig::new("ORDERS").subjects(["orders.>"]).storage(Storage::Memory)).wait().unwrap();
    for n in 0..10 {
        js.publish(format!("orders.{n}"), n.to_string()).wait().unwrap();
    }
    let worker = stream.create_consumer(ConsumerConfig::pull("worker")).wait().unwrap();
    for order in worker.fetch(10).messages() {
        let order = order.unwrap();
        let info = order.info().expect("the reply subject of the server");
        assert_eq!(order.subject().as_str(), format!("orders.{}", info.stream_sequence - 1));
        assert_eq!((info.delivered, info.pending), (1, 10 - info.stream_sequence));
        order.double_ack().wait().unwrap();
    }
    assert_eq!(worker.info().wait().unwrap().ack_floor.stream, 10);

    let mut ordered = stream.ordered_pull(ConsumerConfig::ephemeral()).unwrap();
    for n in 0..10 {
        let order = ordered.recv().unwrap().unwrap();
        assert_eq!((order.payload_str().unwrap(), order.info().unwrap().stream_sequence), (&*n.to_string(), n + 1));
    }
    js.publish("orders.10", "10").wait().unwrap();
    assert_eq!(ordered.recv().unwrap().unwrap().payload_str().unwrap(), "10");
    assert_eq!(bridge.stats().late_replies, 0);
}

/// JC200: an ordered consumer delivers to an inbox, which the bridge follows as long as something on the bus is subscribed to it.
#[test]
fn ordered_messages_come_across_without_a_rule_for_their_inbox() {
    let (server, bus) = (server(), bus());
    let _bridge = start(Bridge::builder(&bus).server(server.url()).call("$JS.API.>").call("orders.>"));
    let js = jetstream::with_options(bus.connect(), ContextOptions::new().timeout(PATIENCE));
    let config = StreamConfig::new("ORDERS").subjects(["orders.>"]).storage(Storage::Memory);
    let stream = js.create_stream(config).wait().unwrap();
    let large = vec![b'x'; 100_000];
    for n in 1..=100 {
        js.publish(format!("orders.{n}"), &large[..]).wait().unwrap();
    }
    // More than the server delivers without an answer to its flow control.
    let mut ordered = stream.ordered(ConsumerConfig::ephemeral().filter_subject("orders.*")).unwrap();
    for n in 1..=100 {
        let order = ordered.recv().unwrap().unwrap();
        let info = order.info().unwrap();
        assert_eq!((info.stream_sequence, info.pending), (n, 100 - n));
        assert_eq!((order.subject().as_str(), order.payload().len()), (&*format!("orders.{n}"), 100_000));
    }
    js.publish("orders.late", "late").wait().unwrap();
    assert_eq!(ordered.recv().unwrap().unwrap().payload(), b"late");
    let name = stream.consumer_names().recv().unwrap().unwrap();
    let consumer = stream.get_consumer(name).wait().unwrap();
    assert!(consumer.cached_info().push_bound);
    drop(ordered);
    crate::fixture::wait_until("the inbox is left", || !consumer.info().wait().unwrap().push_bound);
}
