//! The life of a connection: restarts, farewells, slow subscribers, drains.

use super::*;
use crate::servers::{AnyServer, Setup};
use async_nats::connection::State;

on_both_servers!(
    reconnects_and_subscribes_again,
    a_limit_survives_a_reconnect,
    requests_go_on_after_a_reconnect,
    a_forced_reconnect_is_one,
    lame_duck_mode_is_announced_and_service_continues,
    a_slow_subscriber_is_reported_and_loses_the_newest,
    draining_a_subscription_keeps_what_came,
    draining_a_client_ends_it,
    the_server_says_who_it_is,
    many_clients_at_once,
);

async fn reconnects_and_subscribes_again<S: AnyServer>() {
    let mut server = S::start(&Setup::default());
    let (client, mut events) = connect_and_listen(&server, ConnectOptions::new()).await;
    events.wait_for(Event::Connected).await;
    let mut plain = client.subscribe("a.*").await.unwrap();
    let mut member = client.queue_subscribe("a.b", "q".into()).await.unwrap();
    round_trip(&client).await;
    let id = client.server_info().server_id;
    server.restart();
    events.wait_for(Event::Disconnected).await;
    events.wait_for(Event::Connected).await;
    client.publish("a.b", "after".into()).await.unwrap();
    assert_eq!(text(&next(&mut plain).await), "after");
    assert_eq!(text(&next(&mut member).await), "after");
    assert_eq!(client.connection_state(), State::Connected);
    assert_ne!(client.server_info().server_id, id, "a new server");
}

/// D6.
async fn a_limit_survives_a_reconnect<S: AnyServer>() {
    let mut server = S::start(&Setup::default());
    let (client, mut events) = connect_and_listen(&server, ConnectOptions::new()).await;
    let mut limited = client.subscribe("a").await.unwrap();
    limited.unsubscribe_after(3).await.unwrap();
    client.publish("a", "1".into()).await.unwrap();
    assert_eq!(text(&next(&mut limited).await), "1");
    server.restart();
    events.wait_for(Event::Disconnected).await;
    events.wait_for(Event::Connected).await;
    for payload in ["2", "3", "4"] {
        client.publish("a", payload.into()).await.unwrap();
    }
    let rest: Vec<_> = in_time(limited.map(|message| text(&message).to_owned()).collect()).await;
    assert_eq!(rest, ["2", "3"]);
}

async fn requests_go_on_after_a_reconnect<S: AnyServer>() {
    let mut server = S::start(&Setup::default());
    let (client, mut events) = connect_and_listen(&server, ConnectOptions::new()).await;
    let mut questions = client.subscribe("ask").await.unwrap();
    let answering = client.clone();
    tokio::spawn(async move {
        while let Some(question) = questions.next().await {
            answering.publish(question.reply.expect("a reply"), question.payload).await.unwrap();
        }
    });
    assert_eq!(text(&client.request("ask", "1".into()).await.unwrap()), "1");
    server.restart();
    events.wait_for(Event::Disconnected).await;
    events.wait_for(Event::Connected).await;
    assert_eq!(text(&client.request("ask", "2".into()).await.unwrap()), "2");
}

async fn a_forced_reconnect_is_one<S: AnyServer>() {
    let server = S::start(&Setup::default());
    let (client, mut events) = connect_and_listen(&server, ConnectOptions::new()).await;
    events.wait_for(Event::Connected).await;
    let mut subscriber = client.subscribe("a").await.unwrap();
    round_trip(&client).await;
    let before = client.server_info().client_id;
    client.force_reconnect().await.unwrap();
    events.wait_for(Event::Connected).await;
    client.publish("a", "after".into()).await.unwrap();
    assert_eq!(text(&next(&mut subscriber).await), "after");
    assert!(client.server_info().client_id > before, "another connection of the same server");
}

/// C19.
async fn lame_duck_mode_is_announced_and_service_continues<S: AnyServer>() {
    let server = S::start(&Setup::default());
    let (client, mut events) = connect_and_listen(&server, ConnectOptions::new()).await;
    let other = connect(&server).await;
    let mut subscriber = other.subscribe("a").await.unwrap();
    round_trip(&other).await;
    server.lame_duck();
    events.wait_for(Event::LameDuckMode).await;
    client.publish("a", "still here".into()).await.unwrap();
    assert_eq!(text(&next(&mut subscriber).await), "still here");
    async_nats::connect(server.url()).await.expect_err("nobody new comes in");
}

/// L8.
async fn a_slow_subscriber_is_reported_and_loses_the_newest<S: AnyServer>() {
    let server = S::start(&Setup::default());
    let (client, mut events) = connect_and_listen(&server, ConnectOptions::new().subscription_capacity(2)).await;
    let mut slow = client.subscribe("a").await.unwrap();
    let publisher = connect(&server).await;
    round_trip(&client).await;
    for payload in ["1", "2", "3"] {
        publisher.publish("a", payload.into()).await.unwrap();
    }
    events.wait_for(Event::SlowConsumer(1)).await;
    assert_eq!([text(&next(&mut slow).await), text(&next(&mut slow).await)], ["1", "2"]);
    publisher.publish("a", "4".into()).await.unwrap();
    assert_eq!(text(&next(&mut slow).await), "4");
}

/// D7.
async fn draining_a_subscription_keeps_what_came<S: AnyServer>() {
    let server = S::start(&Setup::default());
    let client = connect(&server).await;
    let mut subscriber = client.subscribe("a").await.unwrap();
    for n in 0..100 {
        client.publish("a", n.to_string().into()).await.unwrap();
    }
    round_trip(&client).await;
    subscriber.drain().await.unwrap();
    client.publish("a", "too late".into()).await.unwrap();
    let all: Vec<_> = in_time(subscriber.map(|message| text(&message).to_owned()).collect()).await;
    assert_eq!(all, (0..100).map(|n| n.to_string()).collect::<Vec<_>>());
    round_trip(&client).await;
}

/// D8.
async fn draining_a_client_ends_it<S: AnyServer>() {
    let server = S::start(&Setup::default());
    let (client, mut events) = connect_and_listen(&server, ConnectOptions::new()).await;
    let other = connect(&server).await;
    let mut heard = other.subscribe("out").await.unwrap();
    round_trip(&other).await;
    let subscriber = client.subscribe("a").await.unwrap();
    client.publish("a", "mine".into()).await.unwrap();
    client.publish("out", "before".into()).await.unwrap();
    round_trip(&client).await;
    client.drain().await.unwrap();
    events.wait_for(Event::Draining).await;
    events.wait_for(Event::Closed).await;
    let all: Vec<_> = in_time(subscriber.map(|message| text(&message).to_owned()).collect()).await;
    assert_eq!(all, ["mine"]);
    assert_eq!(text(&next(&mut heard).await), "before");
    until_nobody_answers(&other, "a").await;
}

/// C2.
async fn the_server_says_who_it_is<S: AnyServer>() {
    let server = S::start(&Setup::default());
    let client = connect(&server).await;
    let info = client.server_info();
    assert_eq!((info.server_id.len(), &info.server_id[..1]), (56, "N"));
    assert_eq!(info.server_name, info.server_id);
    assert_eq!(info.version, "2.15.1");
    assert!(client.is_server_compatible(2, 15, 1) && !client.is_server_compatible(2, 15, 2));
    assert_eq!((info.proto, info.headers, info.max_payload), (1, true, 1 << 20));
    assert_eq!((info.auth_required, info.tls_required, info.lame_duck_mode), (false, false, false));
    assert!(info.client_id >= 5, "the first ids are the server's own");
    assert_eq!(info.client_ip, "127.0.0.1");
    assert_eq!((info.nonce.as_str(), info.connect_urls.len()), ("", 0));
    assert!(server.url().ends_with(&format!(":{}", info.port)), "{} is not {}", info.port, server.url());
}

async fn many_clients_at_once<S: AnyServer>() {
    const CLIENTS: usize = 50;
    let server = S::start(&Setup::default());
    let url = server.url();
    let connect = |_| {
        let url = url.clone();
        async move {
            let client = async_nats::connect(url).await.expect("a connection");
            let subscriber = client.subscribe("all").await.unwrap();
            round_trip(&client).await;
            (client, subscriber)
        }
    };
    let mut clients = futures_util::future::join_all((0..CLIENTS).map(connect)).await;
    for (n, (client, _)) in clients.iter().enumerate() {
        client.publish("all", n.to_string().into()).await.unwrap();
    }
    let wanted: Vec<_> = (0..CLIENTS).collect();
    for (_, subscriber) in &mut clients {
        let mut got = Vec::new();
        for _ in 0..CLIENTS {
            got.push(text(&next(subscriber).await).parse::<usize>().unwrap());
        }
        got.sort_unstable();
        assert_eq!(got, wanted);
    }
}
