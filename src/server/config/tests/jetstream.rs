//! Goal: the map `jetstream` is read as nats-server reads it. Method: small texts.

use super::{read, wrong};
use crate::jetstream::JetStreamOptions;
use crate::jetstream::engine::config::ServerLimits;
use std::time::Duration;

/// The options of a text that turns JetStream on.
fn on(text: &str) -> JetStreamOptions {
    let config = read(text).unwrap_or_else(|error| panic!("{text:?}: {error}"));
    let options = config.server_options();
    let options = options.jetstream_options().unwrap_or_else(|| panic!("{text:?} does not turn it on"));
    assert_eq!(options, config.jetstream_options());
    options.clone()
}

fn limits(text: &str) -> ServerLimits {
    on(text).limits().clone()
}

/// JL1, JS2.
#[test]
fn jetstream_is_turned_on_and_off_in_several_ways() {
    for text in
        ["jetstream: true", "jetstream: enabled", "jetstream: ENABLE", "jetstream {}", "jetstream {enable: yes}"]
    {
        assert_eq!(on(text), JetStreamOptions::new(), "{text:?}");
    }
    for text in ["", "jetstream: off", "jetstream: disabled", "jetstream {enabled: false, domain: a}"] {
        assert_eq!(read(text).unwrap().server_options().jetstream_options(), None, "{text:?}");
    }
    // Kept, for the flag that turns it on.
    let off = read("store_dir: a\njetstream {enabled: false, domain: hub}").unwrap();
    assert_eq!(off.jetstream_options(), &JetStreamOptions::new().domain("hub").store_dir("a"));
}

/// JL1, JL2.
#[test]
fn each_option_of_jetstream() {
    let new = JetStreamOptions::new;
    assert_eq!(on("jetstream {domain: hub, strict: false}"), new().domain("hub").strict(false));
    assert_eq!(on("jetstream {store_dir: a}"), new().store_dir("a"));
    assert_eq!(on("storedir: a\njetstream: true"), new().store_dir("a"));
    assert_eq!(on("jetstream {unique_tag: ' Az:One '}"), new().unique_tag("az:one"));
    assert_eq!(on("jetstream {sync: always}"), new().sync_always(true));
    assert_eq!(on("jetstream {sync_interval: '10s'}"), new().sync_interval(Duration::from_secs(10)));
    assert_eq!(on("jetstream {max_buffered_msgs: 5}"), new().max_buffered_messages(5));
    assert_eq!(on("jetstream {max_mem: 64M, max_file: 1GiB}"), new().max_memory(64_000_000).max_storage(1 << 30));
    assert_eq!(
        on("jetstream {max_memory_store: '64M', max_file_store: '1T'}"),
        new().max_memory(64 << 20).max_storage(1 << 40)
    );
    // 0 is "none at all"; less is the default.
    assert_eq!(on("jetstream {max_mem_store: 0, max_file: ''}"), new().max_memory(0).max_storage(0));
    assert_eq!(on("jetstream {max_mem: -1, max_file: -5}"), new());
}

/// JL4.
#[test]
fn each_limit_of_jetstream() {
    let found = limits(
        "jetstream {limits {max_ack_pending: 10, max_request_batch: 5, max_ha_assets: 3, default_max_consumers: -1,\n\
         duplicate_window: '1m', batch {max_msgs: 6, max_inflight_per_stream: 2, max_inflight_total: 4, timeout: '3s'}}}",
    );
    let expected = ServerLimits {
        max_ack_pending: 10,
        max_request_batch: 5,
        max_ha_assets: 3,
        default_max_consumers: -1,
        duplicate_window: 60_000_000_000,
        batch_max_msgs: 6,
        batch_max_inflight: 2,
        batch_max_inflight_total: 4,
        batch_timeout: 3_000_000_000,
        ..ServerLimits::default()
    };
    assert_eq!(found, expected);
    assert_eq!(limits("jetstream {limits {batch {max_msgs: 0, timeout: '0s'}}}"), ServerLimits::default());
}

/// The words of nats-server 2.15.1 where it has any.
#[test]
fn wrong_values_are_refused_in_the_servers_words() {
    let refused = [
        ("jetstream: foo", "1:1: `jetstream`: Expected 'enabled' or 'disabled' for string value, got 'foo'"),
        ("jetstream: 5", "1:1: `jetstream` must be a map, a boolean or a string, not an integer"),
        ("jetstream {nope: 1}", "1:12: unknown field \"nope\""),
        (
            "jetstream {max_mem: '64MB'}",
            "1:12: `max_mem`: max_mem_store strconv.ParseInt: parsing \"64M\": invalid syntax",
        ),
        ("jetstream {max_mem: '64'}", "1:12: `max_mem`: max_mem_store sizes defined as strings must end in K, M, G, T"),
        ("jetstream {max_file: 1.5}", "1:12: `max_file`: max_file_store must be int64 or string"),
        (
            "jetstream {max_file: 'K'}",
            "1:12: `max_file`: max_file_store strconv.ParseInt: parsing \"\": invalid syntax",
        ),
        ("jetstream {store_dir: a, storedir: b}", "1:26: duplicate option \"store_dir\""),
        ("jetstream {limits: 5}", "1:12: `limits`: Expected a map to define JetStreamLimits, got an integer"),
        ("jetstream {limits {batch: 5}}", "1:20: `batch`: Expected a map to define batch limits, got an integer"),
        ("jetstream {limits {max_consumers: 5}}", "1:20: unknown field \"max_consumers\""),
        ("jetstream {cipher: foo}", "1:12: `cipher`: Unknown cipher type: \"foo\""),
        ("jetstream {max_concurrent_io: 3}", "1:12: `max_concurrent_io`: Expected an absolute size between 4 and 8192"),
        ("jetstream {key: abc}", "1:12: `key` is not supported: streams are not encrypted"),
    ];
    for (text, expected) in refused {
        assert_eq!(wrong(text), expected);
    }
}

#[test]
fn options_without_effect_are_taken_with_a_warning() {
    let ignored = [
        "max_buffered_size: '1M'",
        "max_outstanding_catchup: 5M",
        "request_queue_limit: 5",
        "info_queue_limit: 5",
        "meta_compact: 5",
        "meta_compact_size: '5K'",
        "meta_compact_sync: true",
        "max_concurrent_io: 4",
        "extension_hint: no_extend",
        "cipher: aes",
    ];
    for option in ignored {
        let config = read(&format!("jetstream {{{option}}}")).unwrap_or_else(|error| panic!("{option:?}: {error}"));
        assert_eq!(config.warnings().len(), 1, "{option:?}");
    }
}
