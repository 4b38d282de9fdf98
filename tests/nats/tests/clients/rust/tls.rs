//! TLS: after INFO or before it, with and without certificates of clients (C27).

use super::*;
use crate::servers::{AnyServer, Certificates, Setup, Tls};

on_both_servers!(
    the_server_shows_its_certificate,
    the_handshake_may_come_first,
    clients_may_have_to_show_theirs,
    a_connection_over_tls_comes_back_after_a_restart,
);

fn with_tls(verify_clients: bool, handshake_first: bool) -> Setup {
    Setup { tls: Some(Tls { files: Certificates::make(), verify_clients, handshake_first }), ..Setup::default() }
}

fn trusting(setup: &Setup) -> ConnectOptions {
    let files = &setup.tls.as_ref().expect("made with").files;
    ConnectOptions::new().add_root_certificates(files.authority()).require_tls(true)
}

fn with_certificate_of(shown: &Setup, options: ConnectOptions) -> ConnectOptions {
    let files = &shown.tls.as_ref().expect("made with").files;
    options.add_client_certificate(files.client_certificate(), files.client_key())
}

/// C27.
async fn the_server_shows_its_certificate<S: AnyServer>() {
    let setup = with_tls(false, false);
    let server = S::start(&setup);
    let client = trusting(&setup).connect(server.url()).await.expect("a trusted certificate");
    assert!(client.server_info().tls_required);
    round_trip(&client).await;
    let mut subscriber = client.subscribe("a").await.unwrap();
    client.publish("a", vec![b'x'; 1 << 20].into()).await.unwrap();
    assert_eq!(next(&mut subscriber).await.payload.len(), 1 << 20);
    ConnectOptions::new().require_tls(true).connect(server.url()).await.expect_err("an authority nobody knows");
    let stranger = with_tls(false, false);
    trusting(&stranger).connect(server.url()).await.expect_err("another authority");
}

/// C27.
async fn the_handshake_may_come_first<S: AnyServer>() {
    let setup = with_tls(false, true);
    let server = S::start(&setup);
    let client = trusting(&setup).tls_first().connect(server.url()).await.expect("a connection");
    round_trip(&client).await;
}

/// C27.
async fn clients_may_have_to_show_theirs<S: AnyServer>() {
    let setup = with_tls(true, false);
    let server = S::start(&setup);
    let client =
        with_certificate_of(&setup, trusting(&setup)).connect(server.url()).await.expect("a signed certificate");
    assert!(client.server_info().tls_required);
    round_trip(&client).await;
    trusting(&setup).connect(server.url()).await.expect_err("no certificate");
    let stranger = with_tls(true, false);
    with_certificate_of(&stranger, trusting(&setup)).connect(server.url()).await.expect_err("another authority's");
    round_trip(&client).await;
}

async fn a_connection_over_tls_comes_back_after_a_restart<S: AnyServer>() {
    let setup = with_tls(true, false);
    let mut server = S::start(&setup);
    let options = with_certificate_of(&setup, trusting(&setup));
    let (client, mut events) = connect_and_listen(&server, options).await;
    events.wait_for(Event::Connected).await;
    let mut subscriber = client.subscribe("a").await.unwrap();
    round_trip(&client).await;
    server.restart();
    events.wait_for(Event::Disconnected).await;
    events.wait_for(Event::Connected).await;
    client.publish("a", "again".into()).await.unwrap();
    assert_eq!(text(&next(&mut subscriber).await), "again");
}
