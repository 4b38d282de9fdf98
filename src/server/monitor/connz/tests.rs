use super::*;
use crate::protocol::DisconnectReason;
use crate::server::ServerOptions;
use crate::server::monitor::fake::{self, Fake};
use crate::server::monitor::json;

fn ask(options: ConnzOptions) -> Connz {
    connz(&Fake::new(ServerOptions::new()), &options).unwrap()
}

fn cids(options: ConnzOptions) -> Vec<u64> {
    ask(options).connections.iter().map(|info| info.cid).collect()
}

#[test]
fn a_connection_has_the_keys_that_nats_server_shows() {
    let keys = |options| {
        let text = String::from_utf8(json::indented(&ask(options))).unwrap();
        let found = text.lines().filter_map(|line| line.strip_prefix("      \"")?.split('"').next());
        found.map(str::to_owned).collect::<Vec<_>>().join(" ")
    };
    let plain = "cid kind type ip port start last_activity rtt uptime idle pending_bytes in_msgs out_msgs in_bytes out_bytes \
        subscriptions";
    assert_eq!(keys(ConnzOptions::new().cid(6)), plain);
    let full = ConnzOptions::new().cid(5).auth(true).subscriptions(ShowSubscriptions::List);
    assert_eq!(keys(full), format!("{plain} name authorized_user subscriptions_list name_tag"));
    let detail = ConnzOptions::new().cid(5).subscriptions(ShowSubscriptions::Detail);
    assert_eq!(keys(detail), format!("{plain} name subscriptions_list_detail"));
    let closed = ConnzOptions::new().state(ConnState::Closed).auth(true);
    let stopped = plain.replace(" rtt", " stop reason rtt");
    assert_eq!(keys(closed), format!("{stopped} authorized_user"));
}

#[test]
fn a_connection_is_shown_as_nats_server_shows_it() {
    let text = String::from_utf8(json::compact(&ask(ConnzOptions::new().cid(5).auth(true)).connections[0])).unwrap();
    assert_eq!(
        text,
        "{\"cid\":5,\"kind\":\"Client\",\"type\":\"nats\",\"ip\":\"127.0.0.1\",\"port\":4005,\
         \"start\":\"1970-01-12T13:46:45Z\",\"last_activity\":\"1970-01-12T13:46:46Z\",\"rtt\":\"397µs\",\"uptime\":\"58s\",\
         \"idle\":\"57s\",\"pending_bytes\":9,\"in_msgs\":99995,\"out_msgs\":5,\"in_bytes\":199995,\"out_bytes\":50,\
         \"subscriptions\":2,\"name\":\"n\\u003c1\\u003e\",\"authorized_user\":\"ann\",\"name_tag\":\"$G\"}"
    );
    let closed = ask(ConnzOptions::new().state(ConnState::Closed));
    let gone = &closed.connections[0];
    assert_eq!((gone.uptime.as_secs(), gone.reason.as_deref()), (26, Some("Stale Connection")), "as it was at its end");
}

#[test]
fn details_of_closed_connections_name_the_account() {
    let detail = |state| {
        let options = ConnzOptions::new().state(state).subscriptions(ShowSubscriptions::Detail);
        serde_json::to_string(&ask(options).connections[0].subscriptions_list_detail[0]).unwrap()
    };
    assert_eq!(detail(ConnState::Open), r#"{"subject":"foo.>","sid":"1","msgs":0,"cid":5}"#);
    let closed = r#"{"account":"$G","account_tag":"$G","subject":"x","sid":"7","msgs":0,"cid":4}"#;
    assert_eq!(detail(ConnState::Closed), closed);
}

#[test]
fn filters_choose_connections() {
    let options = ConnzOptions::new;
    let all = || options().state(ConnState::All);
    assert_eq!(cids(options()), [5, 6]);
    assert_eq!(cids(options().state(ConnState::Closed)), [4]);
    assert_eq!(cids(all()), [4, 5, 6]);
    assert_eq!(cids(all().user("ann")), [4, 5]);
    assert_eq!(cids(all().account("$G")), [5, 6], "closed ones have no account");
    assert_eq!(cids(all().account("$SYS")), [0; 0]);
    assert_eq!(cids(all().cid(4)), [4]);
    assert_eq!(cids(options().cid(4)), [0; 0]);
    assert_eq!(cids(options().account("$G").filter_subject("bar")), [5]);
    assert_eq!(cids(options().account("$G").filter_subject("*.x")), [5, 6]);
    assert_eq!(cids(options().account("$G").filter_subject(">")), [5, 6]);
    let mut mqtt = all();
    mqtt.mqtt_client = "m".into();
    assert_eq!(cids(mqtt), [0; 0]);
}

#[test]
fn pages_have_the_total_of_all() {
    let page = ask(ConnzOptions::new().state(ConnState::All).offset(1).limit(1));
    let shown: Vec<_> = page.connections.iter().map(|info| info.cid).collect();
    assert_eq!((page.total, page.num_connections, page.offset, page.limit, shown), (3, 1, 1, 1, vec![5]));
    assert_eq!(ask(ConnzOptions::new().offset(9)).num_connections, 0);
    let one = ask(ConnzOptions::new().cid(5).limit(7));
    assert_eq!((one.limit, one.total), (1, 2));
}

#[test]
fn an_unknown_account_gets_no_list_at_all() {
    let text = String::from_utf8(json::compact(&ask(ConnzOptions::new().account("nope")))).unwrap();
    assert!(text.starts_with(r#"{"server_id":"","now":""#), "{text}");
    assert!(text.ends_with(r#""num_connections":0,"total":0,"offset":0,"limit":1024,"connections":null}"#), "{text}");
}

#[test]
fn the_order_is_that_of_the_word() {
    let mut fake = Fake::new(ServerOptions::new());
    fake.open = [7, 9, 8].map(fake::connection).into();
    fake.open[0].pending_bytes = 3;
    fake.open[1].subscriptions = 2;
    fake.open[2].rtt = Duration::from_secs(1);
    let cases = [
        ("", [7, 8, 9]),
        ("cid", [7, 8, 9]),
        ("start", [7, 8, 9]),
        ("subs", [9, 7, 8]),
        ("pending", [7, 8, 9]),
        ("msgs_to", [9, 8, 7]),
        ("msgs_from", [7, 8, 9]),
        ("bytes_to", [9, 8, 7]),
        ("bytes_from", [7, 8, 9]),
        ("last", [9, 8, 7]),
        ("idle", [7, 8, 9]),
        ("uptime", [9, 8, 7]),
        ("rtt", [8, 7, 9]),
    ];
    for (word, order) in cases {
        let options = ConnzOptions::new().sort(word.parse().unwrap());
        let connz = connz(&fake, &options).unwrap();
        assert_eq!(connz.connections.iter().map(|info| info.cid).collect::<Vec<_>>(), order, "{word}");
    }
}

#[test]
fn closed_connections_sort_by_end_and_reason() {
    let mut fake = Fake::new(ServerOptions::new());
    let closed = [
        (1, 5, DisconnectReason::WriteError),
        (2, 9, DisconnectReason::ClientClosed),
        (3, 7, DisconnectReason::ReadError),
    ];
    let closed = closed.map(|(cid, stop, reason)| ClosedConnection {
        connection: fake::connection(cid),
        stop: fake::at(stop),
        reason,
    });
    fake.closed = closed.map(std::sync::Arc::new).into();
    for (sort, order) in [(SortBy::Stop, [2, 3, 1]), (SortBy::Reason, [2, 3, 1]), (SortBy::Uptime, [1, 3, 2])] {
        let options = ConnzOptions::new().state(ConnState::Closed).sort(sort);
        let connz = connz(&fake, &options).unwrap();
        assert_eq!(connz.connections.iter().map(|info| info.cid).collect::<Vec<_>>(), order, "{sort:?}");
    }
}

#[test]
fn what_cannot_be_answered_is_refused() {
    let refused = |options| connz(&Fake::new(ServerOptions::new()), &options).unwrap_err();
    assert_eq!(refused(ConnzOptions::new().sort(SortBy::Stop)), MonitorError::SortByStop);
    assert_eq!(refused(ConnzOptions::new().sort(SortBy::Reason).state(ConnState::All)), MonitorError::SortByReason);
    let error = refused(ConnzOptions::new().filter_subject("x"));
    assert_eq!(error.to_string(), "filter by subject only valid with account filtering");
    assert_eq!("bogus".parse::<SortBy>(), Err(MonitorError::SortOption("bogus".into())));
}

#[test]
fn only_the_subscriptions_of_the_page_are_made_out() {
    let made = |options: ConnzOptions| {
        let fake = Fake::new(ServerOptions::new());
        let connz = connz(&fake, &options.account("$G")).unwrap();
        (connz.connections.iter().map(|info| info.cid).collect::<Vec<_>>(), fake.made.into_inner())
    };
    assert_eq!(made(ConnzOptions::new().filter_subject("*.x")), (vec![5, 6], 0));
    let listed = || ConnzOptions::new().subscriptions(ShowSubscriptions::List);
    assert_eq!(made(listed()), (vec![5, 6], 3));
    assert_eq!(made(listed().offset(1).limit(1)), (vec![6], 1));
}
