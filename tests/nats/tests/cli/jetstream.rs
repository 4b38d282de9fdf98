//! The program with JetStream.

use crate::process::Postroom;

/// JL1.
#[test]
fn the_flag_turns_it_on() {
    let mut started = Postroom::start(&["-js"]);
    assert!(started.texts().contains(&"[INF] Starting JetStream"), "{:?}", started.lines);
    let mut wire = started.connect();
    assert!(wire.info.contains(r#""jetstream":true"#), "{}", wire.info);
    wire.send("CONNECT {\"verbose\":false}\r\nSUB r 1\r\nPUB $JS.API.INFO r 0\r\n\r\nPING\r\n");
    let lines = wire.until("PONG");
    assert!(lines[1].contains("io.nats.jetstream.api.v1.account_info_response"), "{lines:?}");
    started.signal("term");
    assert!(started.wait().success());
    let texts = started.texts();
    let end: Vec<_> = texts.iter().skip_while(|text| !text.ends_with("Initiating Shutdown...")).take(3).collect();
    let expected =
        ["[INF] Initiating Shutdown...", "[INF] Initiating JetStream Shutdown...", "[INF] JetStream Shutdown"];
    assert_eq!(end, expected.iter().collect::<Vec<_>>());
}
