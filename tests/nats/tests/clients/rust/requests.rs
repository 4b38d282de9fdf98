//! Requests, and the features that async-nats builds on them: JetStream's news that there is none,
//! and services.

use super::*;
use crate::servers::{AnyServer, Setup};
use async_nats::HeaderMap;
use async_nats::jetstream::{self, stream};
use async_nats::service::ServiceExt;

on_both_servers!(
    a_request_without_an_answer_times_out,
    a_request_may_have_its_own_inbox_timeout_and_headers,
    an_inbox_prefix_is_the_users_choice,
    without_jetstream_every_call_says_so_at_once,
    a_service_answers_and_tells_of_itself,
    instances_of_a_service_share_the_work,
);

async fn a_request_without_an_answer_times_out<S: AnyServer>() {
    let server = S::start(&Setup::default());
    let options = ConnectOptions::new().request_timeout(Some(Duration::from_millis(100)));
    let (client, _) = connect_and_listen(&server, options).await;
    let mut silent = client.subscribe("silent").await.unwrap();
    round_trip(&client).await;
    let refusal = client.request("silent", "".into()).await.unwrap_err();
    assert_eq!(refusal.kind(), RequestErrorKind::TimedOut);
    // An answer that comes too late harms no request.
    let late = next(&mut silent).await.reply.expect("a reply");
    client.publish(late, "late".into()).await.unwrap();
    let refusal = client.request("nobody", "".into()).await.unwrap_err();
    assert_eq!(refusal.kind(), RequestErrorKind::NoResponders);
}

async fn a_request_may_have_its_own_inbox_timeout_and_headers<S: AnyServer>() {
    let server = S::start(&Setup::default());
    let (asker, answerer) = (connect(&server).await, connect(&server).await);
    let mut questions = answerer.subscribe("ask").await.unwrap();
    round_trip(&answerer).await;
    let answering = tokio::spawn(async move {
        let question = next(&mut questions).await;
        let mut headers = HeaderMap::new();
        headers.insert("Answer", question.headers.expect("headers").get("Question").expect("a header").as_str());
        let reply = question.reply.expect("a reply");
        answerer.publish_with_headers(reply.clone(), headers, question.payload).await.unwrap();
        answerer.flush().await.unwrap();
        reply
    });
    let mut headers = HeaderMap::new();
    headers.insert("Question", "why");
    let inbox = asker.new_inbox();
    let request = Request::new().payload("body".into()).headers(headers).inbox(inbox.clone());
    let answer = asker.send_request("ask", request.timeout(Some(PATIENCE / 2))).await.unwrap();
    assert_eq!(text(&answer), "body");
    assert_eq!(
        answer.headers.as_ref().and_then(|headers| headers.get("Answer")).map(|value| value.as_str()),
        Some("why")
    );
    assert_eq!(answering.await.unwrap().as_str(), inbox);
    let refusal = asker.send_request("nobody", Request::new().inbox(asker.new_inbox())).await.unwrap_err();
    assert_eq!(refusal.kind(), RequestErrorKind::NoResponders);
}

async fn an_inbox_prefix_is_the_users_choice<S: AnyServer>() {
    let server = S::start(&Setup::default());
    let (client, _) = connect_and_listen(&server, ConnectOptions::new().custom_inbox_prefix("BOB")).await;
    let other = connect(&server).await;
    let mut inboxes = other.subscribe("BOB.>").await.unwrap();
    let mut questions = other.subscribe("ask").await.unwrap();
    round_trip(&other).await;
    let answering = tokio::spawn(async move {
        let question = next(&mut questions).await;
        other.publish(question.reply.expect("a reply"), "yes".into()).await.unwrap();
    });
    assert_eq!(text(&client.request("ask", "".into()).await.unwrap()), "yes");
    answering.await.unwrap();
    assert_eq!(text(&next(&mut inboxes).await), "yes");
}

async fn without_jetstream_every_call_says_so_at_once<S: AnyServer>() {
    let server = S::start(&Setup::default());
    let jetstream = jetstream::new(connect(&server).await);
    let error = jetstream.query_account().await.unwrap_err();
    assert_eq!(error.kind(), jetstream::context::AccountErrorKind::JetStreamUnavailable, "{error}");
    let config = stream::Config { name: "s".into(), ..stream::Config::default() };
    let error = jetstream.create_stream(config).await.unwrap_err();
    assert_eq!(error.kind(), jetstream::context::CreateStreamErrorKind::JetStreamUnavailable, "{error}");
    let error = jetstream.get_stream("s").await.unwrap_err();
    assert!(matches!(error.kind(), jetstream::context::GetStreamErrorKind::Request), "{error}");
    let error = jetstream.publish("a", "".into()).await.unwrap().await.unwrap_err();
    assert_eq!(error.kind(), jetstream::context::PublishErrorKind::StreamNotFound, "{error}");
}

async fn a_service_answers_and_tells_of_itself<S: AnyServer>() {
    let server = S::start(&Setup::default());
    let (client, host) = (connect(&server).await, connect(&server).await);
    let service = host.service_builder().description("adds").start("adder", "1.0.0").await.unwrap();
    let mut endpoint = service.group("math").endpoint("add").await.unwrap();
    let answering = tokio::spawn(async move {
        while let Some(question) = endpoint.next().await {
            let text = String::from_utf8(question.message.payload.to_vec()).unwrap();
            let sum =
                text.split(' ').map(|n| n.parse::<u32>().map_err(|error| error.to_string())).sum::<Result<u32, _>>();
            let answer = sum.map(|sum| sum.to_string().into());
            question
                .respond(answer.map_err(|status| async_nats::service::error::Error { status, code: 400 }))
                .await
                .unwrap();
        }
    });
    round_trip(&host).await;
    assert_eq!(text(&client.request("math.add", "1 2 3".into()).await.unwrap()), "6");
    let refusal = client.request("math.add", "one".into()).await.unwrap();
    let headers = refusal.headers.as_ref().expect("the error's headers");
    assert_eq!(headers.get("Nats-Service-Error-Code").map(|value| value.as_str()), Some("400"));
    for subject in ["$SRV.PING", "$SRV.PING.adder", "$SRV.INFO", "$SRV.STATS.adder"] {
        let answer = client.request(subject, "".into()).await.unwrap();
        let answer: serde_json::Value = serde_json::from_slice(&answer.payload).unwrap();
        assert_eq!((&answer["name"], &answer["version"]), (&"adder".into(), &"1.0.0".into()), "{subject}");
        if subject.starts_with("$SRV.STATS") {
            assert_eq!(answer["endpoints"][0]["num_requests"], 2);
            assert_eq!(answer["endpoints"][0]["num_errors"], 1);
        }
    }
    service.stop().await.unwrap();
    answering.await.unwrap();
    until_nobody_answers(&client, "math.add").await;
    until_nobody_answers(&client, "$SRV.PING.adder").await;
}

/// V1, V3.
async fn instances_of_a_service_share_the_work<S: AnyServer>() {
    let server = S::start(&Setup::default());
    let client = connect(&server).await;
    let mut services = Vec::new();
    for n in 0..3 {
        let host = connect(&server).await;
        let service = host.service_builder().start("who", "1.0.0").await.unwrap();
        let mut endpoint = service.endpoint("who").await.unwrap();
        round_trip(&host).await;
        tokio::spawn(async move {
            while let Some(question) = endpoint.next().await {
                question.respond(Ok(n.to_string().into())).await.unwrap();
            }
        });
        services.push((host, service));
    }
    let mut shares = [0; 3];
    for _ in 0..90 {
        let answer = client.request("who", "".into()).await.unwrap();
        shares[text(&answer).parse::<usize>().unwrap()] += 1;
    }
    assert!(shares.iter().all(|&share| share > 5), "{shares:?}");
    let mut pongs = client.subscribe("pongs").await.unwrap();
    client.publish_with_reply("$SRV.PING.who", "pongs", "".into()).await.unwrap();
    let mut ids = std::collections::HashSet::new();
    for _ in 0..3 {
        let pong: serde_json::Value = serde_json::from_slice(&next(&mut pongs).await.payload).unwrap();
        ids.insert(pong["id"].to_string());
    }
    assert_eq!(ids.len(), 3);
}
