//! The program with JetStream.

use crate::process::{Folder, Postroom};
use crate::support::nats_server::NatsServer;

/// The lines of a log from the one that says that JetStream starts up to the one that says how long that took.
fn of_the_start<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<String> {
    let texts = lines.map(|line| line.find("[INF]").map_or(line, |at| &line[at..]));
    let own = texts.map(|text| if text.contains("] Took ") { "[INF] Took" } else { text });
    let lines = own.skip_while(|text| !text.ends_with("Starting JetStream")).map(str::to_owned);
    let mut end = false;
    lines.take_while(|text| !std::mem::replace(&mut end, text.ends_with("Took"))).collect()
}

/// JL1, JL2.
#[test]
fn jetstream_starts_with_the_lines_of_nats_server() {
    let folder = Folder::new();
    let config =
        format!("jetstream {{ store_dir: {:?}, max_mem: 64MB, max_file: 1GiB, domain: hub }}", folder.path("store"));
    let real = NatsServer::start(&config);
    let started = Postroom::start(&["-c", &folder.write("c.conf", &config)]);
    assert_eq!(of_the_start(started.lines.iter().map(String::as_str)), of_the_start(real.log().lines()));
    assert_eq!(of_the_start(real.log().lines()).len(), 17, "{}", real.log());
    let info = started.connect().info;
    assert!(info.contains(r#""jetstream":true"#) && info.contains(r#""domain":"hub""#), "{info}");
}

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

/// The lines of a reload that are about JetStream, without the time that a start took.
fn about_jetstream(lines: &[String]) -> Vec<String> {
    let texts = lines.iter().filter_map(|line| line.find("] [").map(|at| &line[at + 2..]).or(Some(line)));
    let texts = texts.map(|line| line.find("[INF]").or(line.find("[ERR]")).map_or(line, |at| &line[at..]));
    let about = texts.filter(|line| line.contains("JetStream") || line.contains("Max ") || line.contains("Failed"));
    about.map(|line| if line.contains("Took") { "Took".to_owned() } else { line.to_owned() }).collect()
}

/// JL4.
#[test]
fn a_reload_takes_over_what_nats_servers_takes_over() {
    let folder = Folder::new();
    let config = |more: &str| {
        let store = folder.path("real");
        format!("server_name: one\njetstream {{ store_dir: {store:?}, max_file: 1GiB, {more} }}\n")
    };
    let base = config("max_mem: 64M");
    let real = NatsServer::start(&base);
    let file = folder.write("c.conf", &base);
    let mut ours = Postroom::start(&["-c", &file]);
    let steps = [
        "max_mem: 64M, domain: hub",
        "max_mem: 64M, strict: false",
        "max_mem: 64M, unique_tag: a",
        "max_mem: 64M, sync: always",
        "max_mem: 64M, sync_interval: \"10s\"",
        "max_mem: 64M, max_buffered_msgs: 5",
        "max_mem: 63M",
        "max_mem: 0",
        "max_mem: 64M, store_dir2",
        "max_mem: 64M, limits { max_ack_pending: 5 }",
        "max_mem: 65M, limits { max_ack_pending: 5, duplicate_window: \"1m\", default_max_consumers: 5, batch { max_msgs: 5 } }",
        "max_mem: 66M, max_file: 2GiB",
        "max_mem: 66M, max_file: 2GiB, enabled: false",
        "max_mem: 66M, max_file: 2GiB",
        "max_mem: 66M, max_file: 1GiB",
    ];
    for step in steps {
        let text = match step.strip_suffix(", store_dir2") {
            Some(step) => config(step).replace("/real", "/other"),
            None => config(step),
        };
        let mut theirs = about_jetstream(&real.try_reload(&text));
        folder.write("c.conf", &text);
        let before = ours.lines.len();
        ours.signal("reload");
        while !ours.lines[before..]
            .iter()
            .any(|line| line.contains("eload server conf") || line.contains("eloaded server conf"))
        {
            ours.next_line();
        }
        let mut lines = about_jetstream(&ours.lines[before..]);
        // Here changes are told when they are made, there before.
        lines.sort();
        theirs.sort();
        assert_eq!(lines, theirs, "{step}");
        assert!(!theirs.is_empty(), "{step}");
    }
}
