//! More servers than one, and servers that announce their end.

use crate::fixture::{PATIENCE, Remote, Restartable, bus, event, start, text, wait_until};
use crate::support::nats_server::NatsServer;
use postroom::Bridge;
use postroom::bridge::{BridgeEvent, BridgeState, StartError};
use std::time::Duration;

/// The address of the server that the bridge is connected to.
fn address(bridge: &Bridge) -> Option<String> {
    match bridge.state() {
        BridgeState::Connected { server, .. } => Some(server),
        _ => None,
    }
}

#[test]
fn several_servers_are_tried_in_turn_with_what_each_url_says() {
    let (mut first, second) = (Restartable::start(""), NatsServer::start("authorization { user: u, password: p }"));
    let bus = bus();
    let with_user = second.url().replace("nats://", "nats://u:p@");
    let builder = Bridge::builder(&bus).server(format!("{}, {with_user},", first.url())).export("a");
    let bridge = start(builder.reconnect_delay(|_| Duration::from_millis(1)));
    assert_eq!(address(&bridge), first.url().strip_prefix("nats://").map(str::to_owned));
    let options = async_nats::ConnectOptions::with_user_and_password("u".into(), "p".into());
    let remote = Remote::connect_with(&second.url(), options);
    let mut all = remote.subscribe("a");
    first.kill();
    wait_until("it is connected to the other", || address(&bridge) == Some(second.addr()));
    bus.connect().publish("a", "there").unwrap();
    bridge.flush(PATIENCE).wait().unwrap();
    assert_eq!(text(&all.next()), "there");
}

#[test]
fn one_server_that_refuses_does_not_speak_for_the_others() {
    let refusing = [(), ()].map(|()| NatsServer::start("authorization { user: u, password: p }"));
    let (open, bus) = (NatsServer::start(""), bus());
    let builder = || {
        let builder = Bridge::builder(&bus).server(refusing[0].url()).server(refusing[1].url());
        builder.reconnect_delay(|_| Duration::from_millis(1)).require_connected(PATIENCE)
    };
    let bridge = builder().server(open.url()).start().unwrap();
    assert_eq!(address(&bridge), Some(open.addr()));
    let refused = builder().start();
    assert!(matches!(refused, Err(StartError::Refused { .. })), "{refused:?}");
}

#[test]
fn servers_that_a_cluster_tells_of_are_used() {
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let config = format!("server_name: a, cluster {{ name: c, listen: \"127.0.0.1:{port}\" }}");
    let mut first = Restartable::start(&config);
    let routes = format!("routes: [\"nats://127.0.0.1:{port}\"]");
    let second =
        NatsServer::start(&format!("server_name: b, cluster {{ name: c, listen: \"127.0.0.1:-1\", {routes} }}"));
    wait_until("the first knows of the second", || {
        Remote::connect(&first.url()).client.server_info().connect_urls.contains(&second.addr())
    });
    let bus = bus();
    let builder = Bridge::builder(&bus).server(first.url()).export("a");
    let bridge = start(builder.reconnect_delay(|_| Duration::from_millis(1)));
    let events = bridge.events();
    first.kill();
    event(&events, |event| (event == BridgeEvent::Disconnected).then_some(()));
    wait_until("it is connected to the other", || address(&bridge) == Some(second.addr()));
}

#[test]
fn a_server_that_is_about_to_end_is_told_of() {
    let (server, bus) = (Restartable::start("lame_duck_duration: \"30s\""), bus());
    let bridge = start(Bridge::builder(&bus).server(server.url()));
    let events = bridge.events();
    server.signal("-USR2");
    let said = event(&events, |event| match event {
        BridgeEvent::ServerError { text } => Some(text),
        _ => None,
    });
    assert_eq!(said, "lame duck mode");
}

#[test]
fn the_library_must_not_retry_by_itself() {
    let mut server = Restartable::start("");
    server.kill();
    let bus = bus();
    let options = async_nats::ConnectOptions::new().retry_on_initial_connect();
    let builder = Bridge::builder(&bus).server(server.url()).connect_options(options);
    let refused = builder.require_connected(Duration::from_millis(200)).start();
    let Err(StartError::NotConnected { reason, .. }) = refused else { panic!("{refused:?}") };
    assert!(reason.contains("retry_on_initial_connect"), "{reason}");
}
