//! Authentication and permissions.

use super::*;
use crate::servers::{AnyServer, Setup};
use async_nats::{ConnectErrorKind, ServerError};

on_both_servers!(
    by_user_and_password,
    by_token,
    by_nkey,
    credentials_hold_for_reconnects,
    what_is_not_allowed_is_an_event_and_the_connection_lives,
    requests_work_within_permissions,
    no_more_connections_than_allowed,
    max_payload_is_the_servers,
);

async fn refusal(server: &impl AnyServer, options: ConnectOptions) -> ConnectErrorKind {
    options.connect(server.url()).await.expect_err("it is refused").kind()
}

async fn works(server: &impl AnyServer, options: ConnectOptions) {
    let client = options.connect(server.url()).await.expect("it is accepted");
    assert!(client.server_info().auth_required);
    round_trip(&client).await;
}

const REFUSED: ConnectErrorKind = ConnectErrorKind::AuthorizationViolation;

fn ann() -> ConnectOptions {
    ConnectOptions::with_user_and_password("ann".into(), "secret".into())
}

/// P1; P8, L9: the text by which a client knows that it was refused.
async fn by_user_and_password<S: AnyServer>() {
    let server = S::start(&Setup { users: true, ..Setup::default() });
    works(&server, ann()).await;
    let wrong = ConnectOptions::with_user_and_password("ann".into(), "Secret".into());
    assert_eq!(refusal(&server, wrong).await, REFUSED);
    assert_eq!(refusal(&server, ConnectOptions::new()).await, REFUSED);
    assert_eq!(refusal(&server, ConnectOptions::with_token("secret".into())).await, REFUSED);
}

/// P1.
async fn by_token<S: AnyServer>() {
    let server = S::start(&Setup { token: Some("s3cr3t"), ..Setup::default() });
    works(&server, ConnectOptions::with_token("s3cr3t".into())).await;
    assert_eq!(refusal(&server, ConnectOptions::with_token("secret".into())).await, REFUSED);
    assert_eq!(refusal(&server, ConnectOptions::new()).await, REFUSED);
    let as_user = ConnectOptions::with_user_and_password("s3cr3t".into(), String::new());
    assert_eq!(refusal(&server, as_user).await, REFUSED);
}

/// P1.
async fn by_nkey<S: AnyServer>() {
    let (user, other) = (nkeys::KeyPair::new_user(), nkeys::KeyPair::new_user());
    let server = S::start(&Setup { nkey: Some(user.public_key()), ..Setup::default() });
    works(&server, ConnectOptions::with_nkey(user.seed().unwrap())).await;
    assert_eq!(refusal(&server, ConnectOptions::with_nkey(other.seed().unwrap())).await, REFUSED);
    assert_eq!(refusal(&server, ConnectOptions::new()).await, REFUSED);
}

async fn credentials_hold_for_reconnects<S: AnyServer>() {
    let mut server = S::start(&Setup { users: true, ..Setup::default() });
    let (client, mut events) = connect_and_listen(&server, ann()).await;
    events.wait_for(Event::Connected).await;
    let mut subscriber = client.subscribe("ok.1").await.unwrap();
    round_trip(&client).await;
    server.restart();
    events.wait_for(Event::Disconnected).await;
    events.wait_for(Event::Connected).await;
    client.publish("ok.1", "again".into()).await.unwrap();
    assert_eq!(text(&next(&mut subscriber).await), "again");
}

/// P4; L9: any other text is an event to this client.
async fn what_is_not_allowed_is_an_event_and_the_connection_lives<S: AnyServer>() {
    let server = S::start(&Setup { users: true, ..Setup::default() });
    let (client, mut events) = connect_and_listen(&server, ann()).await;
    let root = ConnectOptions::with_user_and_password("root".into(), "everything".into());
    let root = root.connect(server.url()).await.unwrap();
    let mut all = root.subscribe(">").await.unwrap();
    root.flush().await.unwrap();
    let denied = |what: &str| Event::ServerError(ServerError::Other(format!("Permissions Violation for {what}")));
    let _plain = client.subscribe("forbidden.>").await.unwrap();
    events.wait_for(denied("Subscription to \"forbidden.>\"")).await;
    let _member = client.queue_subscribe("forbidden", "q".into()).await.unwrap();
    events.wait_for(denied("Subscription to \"forbidden\" using queue \"q\"")).await;
    client.publish("forbidden.x", "1".into()).await.unwrap();
    events.wait_for(denied("Publish to \"forbidden.x\"")).await;
    client.publish("ok.x", "2".into()).await.unwrap();
    assert_eq!(text(&next(&mut all).await), "2");
}

async fn requests_work_within_permissions<S: AnyServer>() {
    let server = S::start(&Setup { users: true, ..Setup::default() });
    let (asker, answerer) = (ann().connect(server.url()).await.unwrap(), ann().connect(server.url()).await.unwrap());
    let mut questions = answerer.subscribe("ok.ask").await.unwrap();
    round_trip(&answerer).await;
    tokio::spawn(async move {
        while let Some(question) = questions.next().await {
            answerer.publish(question.reply.expect("a reply"), "yes".into()).await.unwrap();
        }
    });
    assert_eq!(text(&asker.request("ok.ask", "".into()).await.unwrap()), "yes");
    assert_eq!(asker.request("ok.nobody", "".into()).await.unwrap_err().kind(), RequestErrorKind::NoResponders);
    // R2: after a violation there is no news of responders.
    let request = Request::new().timeout(Some(Duration::from_millis(100)));
    let refusal = asker.send_request("forbidden", request).await.unwrap_err();
    assert_eq!(refusal.kind(), RequestErrorKind::TimedOut);
}

/// L6.
async fn no_more_connections_than_allowed<S: AnyServer>() {
    let server = S::start(&Setup { max_connections: Some(1), ..Setup::default() });
    let first = connect(&server).await;
    round_trip(&first).await;
    let error = async_nats::connect(server.url()).await.expect_err("there is no room");
    assert!(format!("{error}").contains("maximum connections exceeded"), "{error}");
    round_trip(&first).await;
}

/// L4.
async fn max_payload_is_the_servers<S: AnyServer>() {
    let server = S::start(&Setup { max_payload: Some(100), ..Setup::default() });
    let client = connect(&server).await;
    assert_eq!(client.max_payload(), 100);
    let mut subscriber = client.subscribe("a").await.unwrap();
    client.publish("a", vec![b'x'; 100].into()).await.unwrap();
    assert_eq!(next(&mut subscriber).await.payload.len(), 100);
    let error = client.publish("a", vec![b'x'; 101].into()).await.unwrap_err();
    assert_eq!(error.kind(), async_nats::PublishErrorKind::MaxPayloadExceeded);
}
