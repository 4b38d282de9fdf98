//! A server's configuration, as text in nats-server's own language.
//!
//! [`Config::load`] and [`Config::parse`] read it, [`changes`] compares two of them. An option of nats-server has one of three
//! effects here: it works, it is passed over with a warning because no client would notice, or it is an error because clients would
//! notice or something would be open that should be shut. An option that nats-server does not know is an error too. Each warning
//! and error has its line and column.
//!
//! # The language
//!
//! - An entry is a key and a value, with `:`, `=` or a blank between them. Entries end with their line, or with `,` or `;`.
//! - A map is `{ … }` with entries in it, an array `[ … ]` with values, set apart by commas or lines. A whole text may be one map,
//!   as JSON has it. If two entries have the same key, the later counts.
//! - A string stands in `"…"` with the escapes `\t`, `\n`, `\r`, `\"`, `\\`, `\xXX`; in `'…'` without; bare, up to a blank or one
//!   of `,;]}`; or over lines between `(` and a line that is only `)`.
//! - `true`, `yes`, `on` and `false`, `no`, `off` are booleans in any case.
//! - Integers may end in `k`, `m`, `g`, `t`, `p`, `e`, powers of 1,000; with `b`, `i` or `ib` behind that, powers of 1,024. An integer
//!   right before a `]` is read as part of a string, as in nats-server; put a blank between them. A number with a suffix and more
//!   behind it, such as `4e2abc` and `1e5`, is a string.
//! - Floats are `1.5`, dates `2026-01-31T12:00:00Z`, durations strings such as `10s` or `1h30m`.
//! - `#` and `//` begin comments.
//! - `$NAME` is the value of the key `NAME` before it in this map or in one around it, or else of the environment variable, read as a
//!   value too. Only `$2a$…`, the hash of a password, is itself.
//! - `include FILE` stands for the entries of that file, which is below the folder of the file that includes it. Keys outside are no
//!   variables inside, but those inside are after it.
//!
//! Maps and arrays may be 100 deep in each other, files 16 deep and 1,000 in all, environment variables 16; a configuration has at
//! most 1,048,576 values. Time and memory are linear in the texts.
//!
//! # The options
//!
//! An option with "error" is accepted if its value turns it off: `false`, or nothing in it. Options in maps are listed only for
//! maps that work; `users[]` is an entry of `authorization.users`, and `permissions` those of an entry or the default ones, where
//! `publish` and `subscribe` take a subject, an array of them, or `{allow, deny}`, each subject of `subscribe` with a queue group
//! behind a blank if need be, and `allow_responses` takes true or `{max, expires}`.
//!
//! | option | | |
//! |---|---|---|
//! | `listen` | works | |
//! | `host`, `net` | works | |
//! | `port` | works | -1: a free one |
//! | `http` | works | |
//! | `http_port`, `monitor_port` | works | -1: a free one |
//! | `http_base_path` | works | |
//! | `https`, `https_port` | error | monitoring has no TLS |
//! | `client_advertise` | error | INFO shows the address that the server listens on |
//! | `proxy_protocol` | error | connections would begin with bytes that are not understood |
//! | `tls` | works | see below |
//! | `allow_non_tls` | error | with TLS every client must use it |
//! | `ocsp` | error | certificates are not stapled |
//! | `ocsp_cache` | warning | there is no OCSP |
//! | `authorization` | works | see below |
//! | `no_auth_user` | works | one of `authorization.users`, and not a single `authorization.user` |
//! | `accounts` | error | there are no accounts |
//! | `system_account`, `system` | error | there are no accounts |
//! | `no_system_account`, `no_system`, `no_sys_acc` | warning | there are no accounts |
//! | `default_sentinel` | error | there is no operator mode |
//! | `operator`, `operators`, `roots`, `root`, `root_operators`, `root_operator` | error | there is no operator mode |
//! | `resolver`, `account_resolver`, `accounts_resolver` | error | there is no operator mode |
//! | `resolver_tls` | error | there is no operator mode |
//! | `resolver_preload` | error | there is no operator mode |
//! | `resolver_pinned_accounts` | error | there is no operator mode |
//! | `trusted`, `trusted_keys` | error | there is no operator mode |
//! | `proxies` | error | no proxy is trusted |
//! | `max_payload` | works | |
//! | `max_pending` | works | |
//! | `max_control_line` | works | |
//! | `max_connections`, `max_conn` | works | at least 1 |
//! | `max_subscriptions`, `max_subs` | works | 0 or -1: no bound |
//! | `max_sub_tokens`, `max_subscription_tokens` | works | at most 255 |
//! | `write_deadline` | works | |
//! | `write_timeout` | error | a client that takes too long is closed, as `default` and `close` have it |
//! | `ping_interval` | works | |
//! | `ping_max` | works | |
//! | `lame_duck_duration` | works | at least 30s |
//! | `lame_duck_grace_period` | works | |
//! | `no_fast_producer_stall` | works | |
//! | `no_header_support` | works | |
//! | `max_closed_clients` | warning | it only shows in monitoring |
//! | `disable_sublist_cache`, `no_sublist_cache` | warning | it only changes the speed |
//! | `server_name` | works | |
//! | `server_tags` | warning | it only shows in monitoring |
//! | `server_metadata` | warning | it only shows in monitoring |
//! | `debug` | works | |
//! | `trace` | works | |
//! | `trace_verbose` | works | also turns `trace` on |
//! | `trace_headers` | warning | `trace` shows what it shows |
//! | `max_traced_msg_len` | warning | `trace` shows what it shows |
//! | `logtime` | works | |
//! | `logtime_utc` | works | |
//! | `log_file`, `logfile` | works | |
//! | `log_size_limit`, `logfile_size_limit` | warning | there is one log file, which is never turned over |
//! | `log_max_num`, `logfile_max_num` | warning | there is one log file, which is never turned over |
//! | `syslog` | warning | there is no system log |
//! | `remote_syslog` | warning | there is no system log |
//! | `pid_file`, `pidfile` | works | |
//! | `ports_file_dir` | works | |
//! | `prof_port` | warning | there is no profiling |
//! | `prof_block_rate` | warning | there is no profiling |
//! | `connect_error_reports` | warning | there are no routes |
//! | `reconnect_error_reports` | warning | there are no routes |
//! | `feature_flags` | warning | there is nothing that they turn on or off |
//! | `jetstream` | works | with the feature `jetstream`; see below |
//! | `store_dir`, `storedir` | works | of JetStream; in one place only |
//! | `default_js_domain` | error | there are no accounts |
//! | `mappings`, `maps` | error | subjects are not mapped |
//! | `cluster` | error | there are no clusters |
//! | `gateway` | error | there are no gateways |
//! | `leafnodes`, `leaf` | error | there are no leaf nodes |
//! | `websocket`, `ws` | error | there is no WebSocket listener |
//! | `mqtt` | error | there is no MQTT listener |
//! | `authorization.user`, `authorization.username` | works | |
//! | `authorization.password`, `authorization.pass` | works | |
//! | `authorization.token` | works | |
//! | `authorization.timeout` | works | |
//! | `authorization.users` | works | see below |
//! | `authorization.default_permissions`, `authorization.default_permission`, `authorization.permissions` | works | of `users` without their own |
//! | `authorization.auth_callout`, `authorization.auth_hook` | error | nobody can be asked who a client is |
//! | `authorization.proxy_required` | error | no proxy is trusted |
//! | `users[].user`, `users[].username` | works | |
//! | `users[].password`, `users[].pass` | works | |
//! | `users[].nkey` | works | |
//! | `users[].permissions`, `users[].permission`, `users[].authorization` | works | |
//! | `users[].allowed_connection_types`, `users[].connection_types`, `users[].clients` | works | `STANDARD` must be one of them |
//! | `users[].proxy_required` | error | no proxy is trusted |
//! | `permissions.publish`, `permissions.pub`, `permissions.import` | works | |
//! | `permissions.subscribe`, `permissions.sub`, `permissions.export` | works | |
//! | `permissions.allow_responses`, `permissions.publish_allow_responses` | works | |
//! | `tls.cert_file` | works | |
//! | `tls.key_file` | works | |
//! | `tls.ca_file` | works | |
//! | `tls.verify` | works | needs `ca_file` |
//! | `tls.timeout` | works | |
//! | `tls.handshake_first`, `tls.first`, `tls.immediate` | works | true or false |
//! | `tls.verify_and_map` | error | certificates are not mapped to users |
//! | `tls.verify_cert_and_check_known_urls` | error | nats-server does not take it from clients either |
//! | `tls.certs`, `tls.certificates` | error | there is one certificate |
//! | `tls.pinned_certs` | error | certificates are not pinned |
//! | `tls.cipher_suites`, `tls.curve_preferences` | error | TLS 1.2 and 1.3 with the cipher suites and curves of rustls are always on |
//! | `tls.min_version` | error | TLS 1.2 and 1.3 with the cipher suites and curves of rustls are always on |
//! | `tls.allow_insecure_cipher_suites` | warning | TLS 1.2 and 1.3 with the cipher suites and curves of rustls are always on |
//! | `tls.connection_rate_limit` | warning | handshakes are not counted |
//! | `tls.insecure` | warning | it is for connections to other servers |
//! | `tls.ocsp_peer` | error | clients' certificates are not looked up |
//! | `tls.cert_store`, `tls.cert_match_by`, `tls.cert_match` | error | there is no Windows certificate store |
//! | `tls.ca_certs_match`, `tls.cert_match_skip_invalid` | error | there is no Windows certificate store |
//! | `jetstream.enabled`, `jetstream.enable` | works | the flag `-js` goes before it |
//! | `jetstream.store_dir`, `jetstream.storedir`, `jetstream.store` | works | in one place only |
//! | `jetstream.max_memory_store`, `jetstream.max_mem_store`, `jetstream.max_mem` | works | 1 GiB by default |
//! | `jetstream.max_file_store`, `jetstream.max_file` | works | 16 GiB by default |
//! | `jetstream.domain` | works | |
//! | `jetstream.strict` | works | |
//! | `jetstream.unique_tag` | works | it only shows in monitoring |
//! | `jetstream.sync_interval`, `jetstream.sync` | works | a duration, or `always` |
//! | `jetstream.limits` | works | see below |
//! | `jetstream.max_buffered_msgs` | works | |
//! | `jetstream.max_buffered_size` | warning | messages that wait are counted, not their bytes |
//! | `jetstream.max_outstanding_catchup` | warning | there are no clusters |
//! | `jetstream.request_queue_limit`, `jetstream.info_queue_limit` | warning | calls are answered as they come |
//! | `jetstream.meta_compact` | warning | there are no clusters |
//! | `jetstream.meta_compact_size` | warning | there are no clusters |
//! | `jetstream.meta_compact_sync` | warning | there are no clusters |
//! | `jetstream.max_concurrent_io` | warning | each stream is stored by one thread at a time |
//! | `jetstream.extension_hint` | warning | there are no clusters |
//! | `jetstream.key`, `jetstream.ek`, `jetstream.encryption_key` | error | streams are not encrypted |
//! | `jetstream.prev_key`, `jetstream.prev_ek`, `jetstream.prev_encryption_key` | error | streams are not encrypted |
//! | `jetstream.cipher` | warning | streams are not encrypted |
//! | `jetstream.tpm` | error | streams are not encrypted |
//! | `jetstream.limits.max_ack_pending` | works | |
//! | `jetstream.limits.max_request_batch` | works | |
//! | `jetstream.limits.max_ha_assets` | works | it only shows in monitoring |
//! | `jetstream.limits.default_max_consumers` | works | 1000 by default |
//! | `jetstream.limits.duplicate_window` | works | |
//! | `jetstream.limits.batch` | works | see below |
//! | `jetstream.limits.batch.max_inflight_per_stream` | works | |
//! | `jetstream.limits.batch.max_inflight_total` | works | |
//! | `jetstream.limits.batch.max_msgs` | works | |
//! | `jetstream.limits.batch.timeout` | works | |
//!
//! | file | reason to change |
//! |---|---|
//! | `cursor`, `scalar`, `parser` | the language |
//! | `value`, `problem` | the result of reading a text: a tree, or its problems |
//! | `loader` | [`Config`]: a text is read |
//! | `source` | the source of files and variables |
//! | `files` | the names and texts of files |
//! | `builder` | the configuration while it is read |
//! | `table` | the reading of options from the tree |
//! | `options`, `authorization`, `permissions`, `tls`, `jetstream` | the options |
//! | `process` | options of the process |
//! | `duration` | the syntax of durations |
//! | `changes` | hot reload |

mod authorization;
mod builder;
mod changes;
mod cursor;
mod duration;
mod files;
#[cfg(feature = "jetstream")]
mod jetstream;
mod loader;
mod options;
mod parser;
mod permissions;
mod problem;
mod process;
mod scalar;
mod source;
mod table;
mod tls;
mod value;

#[cfg(test)]
mod tests;

pub use super::error::ReloadError;
pub use changes::{Change, changes, server_changes};
pub use loader::Config;
pub use problem::{ConfigError, ConfigErrorKind, ConfigProblem, ConfigWarning, Position, ValueKind, WarningKind};
pub use process::ProcessOptions;
pub use source::ConfigSource;
