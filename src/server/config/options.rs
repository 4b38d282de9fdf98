//! The options at the top of a configuration.

use super::builder::{ConfigBuilder, store_dir};
#[cfg(feature = "jetstream")]
use super::jetstream;
use super::problem::ConfigErrorKind;
use super::process::ProcessOptions;
use super::table::{Reader, Row, Support, Takes, row};
use super::value::{Data, Entry, Value};
use super::{authorization, tls};
use crate::server::ServerOptions;

const ACCOUNTS: &str = "there are no accounts";
const JWT: &str = "there is no operator mode";
const LOG: &str = "there is one log file, which is never turned over";
const ROUTES: &str = "there are no routes";
const SYSLOG: &str = "there is no system log";
const PROFILING: &str = "there is no profiling";
const MONITORING: &str = "it only shows in monitoring";

pub(super) static OPTIONS: &[Row<ConfigBuilder>] = &[
    // Where to listen.
    row(&["listen"], Support::Supported(listen), ""),
    row(&["host", "net"], Support::Supported(host), ""),
    row(&["port"], Support::Supported(port), "-1: a free one"),
    row(&["http"], Support::Supported(http), ""),
    row(&["http_port", "monitor_port"], Support::Supported(http_port), "-1: a free one"),
    row(&["http_base_path"], Support::Supported(http_base_path), ""),
    row(&["https", "https_port"], Support::Refused(never), "monitoring has no TLS"),
    row(&["client_advertise"], Support::Refused(Value::is_empty), "INFO shows the address that the server listens on"),
    row(
        &["proxy_protocol"],
        Support::Refused(Value::is_false),
        "connections would begin with bytes that are not understood",
    ),
    row(&["tls"], Support::Supported(tls::read), "see below"),
    row(&["allow_non_tls"], Support::Refused(Value::is_false), "with TLS every client must use it"),
    row(&["ocsp"], Support::Refused(Value::is_false), "certificates are not stapled"),
    row(&["ocsp_cache"], Support::Ignored(Takes::BooleanOrMap), "there is no OCSP"),
    // Authentication.
    row(&["authorization"], Support::Supported(authorization::read), "see below"),
    row(
        &["no_auth_user"],
        Support::Supported(no_auth_user),
        "one of `authorization.users`, and not a single `authorization.user`",
    ),
    row(&["accounts"], Support::Refused(Value::is_empty), ACCOUNTS),
    row(&["system_account", "system"], Support::Refused(is_system_account), ACCOUNTS),
    row(&["no_system_account", "no_system", "no_sys_acc"], Support::Ignored(Takes::Boolean), ACCOUNTS),
    row(&["default_sentinel"], Support::Refused(Value::is_empty), JWT),
    row(&["operator", "operators", "roots", "root", "root_operators", "root_operator"], Support::Refused(never), JWT),
    row(&["resolver", "account_resolver", "accounts_resolver"], Support::Refused(never), JWT),
    row(&["resolver_tls"], Support::Refused(never), JWT),
    row(&["resolver_preload"], Support::Refused(Value::is_empty), JWT),
    row(&["resolver_pinned_accounts"], Support::Refused(never), JWT),
    row(&["trusted", "trusted_keys"], Support::Refused(never), JWT),
    row(&["proxies"], Support::Refused(Value::is_empty), "no proxy is trusted"),
    // How much.
    row(&["max_payload"], Support::Supported(max_payload), ""),
    row(&["max_pending"], Support::Supported(max_pending), ""),
    row(&["max_control_line"], Support::Supported(max_control_line), ""),
    row(&["max_connections", "max_conn"], Support::Supported(max_connections), "at least 1"),
    row(&["max_subscriptions", "max_subs"], Support::Supported(max_subscriptions), "0 or -1: no bound"),
    row(&["max_sub_tokens", "max_subscription_tokens"], Support::Supported(max_subscription_tokens), "at most 255"),
    row(&["write_deadline"], Support::Supported(write_deadline), ""),
    row(
        &["write_timeout"],
        Support::Refused(closes_slow_clients),
        "a client that takes too long is closed, as `default` and `close` have it",
    ),
    row(&["ping_interval"], Support::Supported(ping_interval), ""),
    row(&["ping_max"], Support::Supported(ping_max), ""),
    row(&["lame_duck_duration"], Support::Supported(lame_duck_duration), "at least 30s"),
    row(&["lame_duck_grace_period"], Support::Supported(lame_duck_grace_period), ""),
    row(&["no_fast_producer_stall"], Support::Supported(no_fast_producer_stall), ""),
    row(&["no_header_support"], Support::Supported(no_header_support), ""),
    row(&["max_closed_clients"], Support::Ignored(Takes::Integer), MONITORING),
    row(&["disable_sublist_cache", "no_sublist_cache"], Support::Ignored(Takes::Boolean), "it only changes the speed"),
    // The server's name, and its log.
    row(&["server_name"], Support::Supported(server_name), ""),
    row(&["server_tags"], Support::Ignored(Takes::Strings), MONITORING),
    row(&["server_metadata"], Support::Ignored(Takes::Map), MONITORING),
    row(&["debug"], Support::Supported(debug), ""),
    row(&["trace"], Support::Supported(trace), ""),
    row(&["trace_verbose"], Support::Supported(trace_verbose), "also turns `trace` on"),
    row(&["trace_headers"], Support::Ignored(Takes::Boolean), "`trace` shows what it shows"),
    row(&["max_traced_msg_len"], Support::Ignored(Takes::Integer), "`trace` shows what it shows"),
    row(&["logtime"], Support::Supported(logtime), ""),
    row(&["logtime_utc"], Support::Supported(logtime_utc), ""),
    row(&["log_file", "logfile"], Support::Supported(log_file), ""),
    row(&["log_size_limit", "logfile_size_limit"], Support::Ignored(Takes::Integer), LOG),
    row(&["log_max_num", "logfile_max_num"], Support::Ignored(Takes::Integer), LOG),
    row(&["syslog"], Support::Ignored(Takes::Boolean), SYSLOG),
    row(&["remote_syslog"], Support::Ignored(Takes::String), SYSLOG),
    row(&["pid_file", "pidfile"], Support::Supported(pid_file), ""),
    row(&["ports_file_dir"], Support::Supported(ports_file_dir), ""),
    row(&["prof_port"], Support::Ignored(Takes::Integer), PROFILING),
    row(&["prof_block_rate"], Support::Ignored(Takes::Integer), PROFILING),
    row(&["connect_error_reports"], Support::Ignored(Takes::Integer), ROUTES),
    row(&["reconnect_error_reports"], Support::Ignored(Takes::Integer), ROUTES),
    row(&["feature_flags"], Support::Ignored(Takes::Map), "there is nothing that they turn on or off"),
    // JetStream.
    #[cfg(feature = "jetstream")]
    row(&["jetstream"], Support::Supported(jetstream::read), "with the feature `jetstream`; see below"),
    #[cfg(not(feature = "jetstream"))]
    row(&["jetstream"], Support::Refused(is_disabled), "this was built without the feature `jetstream`"),
    row(&["store_dir", "storedir"], Support::Supported(store_dir), "of JetStream; in one place only"),
    // Features that are not there.
    row(&["default_js_domain"], Support::Refused(Value::is_empty), ACCOUNTS),
    row(&["mappings", "maps"], Support::Refused(Value::is_empty), "subjects are not mapped"),
    row(&["cluster"], Support::Refused(Value::is_empty), "there are no clusters"),
    row(&["gateway"], Support::Refused(Value::is_empty), "there are no gateways"),
    row(&["leafnodes", "leaf"], Support::Refused(Value::is_empty), "there are no leaf nodes"),
    row(&["websocket", "ws"], Support::Refused(Value::is_empty), "there is no WebSocket listener"),
    row(&["mqtt"], Support::Refused(Value::is_empty), "there is no MQTT listener"),
];

type Done = Result<(), ConfigErrorKind>;

fn never(_: &Value) -> bool {
    false
}

fn is_system_account(value: &Value) -> bool {
    matches!(value.as_string(), Some("" | "$SYS"))
}

fn closes_slow_clients(value: &Value) -> bool {
    matches!(value.as_string(), Some("default" | "close"))
}

#[cfg(not(feature = "jetstream"))]
fn is_disabled(value: &Value) -> bool {
    match &value.data {
        Data::String(text) => text.eq_ignore_ascii_case("disabled") || text.eq_ignore_ascii_case("disable"),
        Data::Map(map) => map.items.iter().any(|entry| {
            let enables = entry.key.eq_ignore_ascii_case("enabled") || entry.key.eq_ignore_ascii_case("enable");
            enables && entry.value.is_false()
        }),
        _ => value.is_false(),
    }
}

/// Host, if there is one, and port.
fn host_and_port(entry: &Entry) -> Result<(Option<String>, i64), ConfigErrorKind> {
    let text = match &entry.value.data {
        Data::Integer(port) => return Ok((None, *port)),
        Data::String(text) => text,
        _ => return Err(entry.wrong("a port or host:port")),
    };
    let not_address = || entry.invalid(format!("{text:?} is not host:port"));
    let (host, port) = text.rsplit_once(':').ok_or_else(not_address)?;
    let host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(host) => host,
        None if host.contains(':') => return Err(not_address()),
        None => host,
    };
    if host.contains(['[', ']']) {
        return Err(not_address());
    }
    let number = port.parse::<i64>().map_err(|_| entry.invalid(format!("{port:?} is not a port")))?;
    Ok((Some(host.to_owned()).filter(|host| !host.is_empty()), number))
}

/// A port to listen on; 0 for any that is free, which nats-server writes as -1. `None` for its 0, the default.
fn checked_port(entry: &Entry, port: i64) -> Result<Option<u16>, ConfigErrorKind> {
    match port {
        0 => Ok(None),
        -1 => Ok(Some(0)),
        _ => u16::try_from(port).map(Some).map_err(|_| entry.invalid(format!("{port} is not a port"))),
    }
}

fn listen(_: &mut Reader<'_>, builder: &mut ConfigBuilder, entry: &Entry) -> Done {
    let (host, port) = host_and_port(entry)?;
    builder.process.port = checked_port(entry, port)?.unwrap_or(ProcessOptions::default().port);
    if let Some(host) = host {
        builder.process.host = host;
    }
    Ok(())
}

fn host(_: &mut Reader<'_>, builder: &mut ConfigBuilder, entry: &Entry) -> Done {
    builder.process.host = entry.some_string()?.unwrap_or(ProcessOptions::default().host);
    Ok(())
}

fn port(_: &mut Reader<'_>, builder: &mut ConfigBuilder, entry: &Entry) -> Done {
    builder.process.port = checked_port(entry, entry.integer()?)?.unwrap_or(ProcessOptions::default().port);
    Ok(())
}

fn http(_: &mut Reader<'_>, builder: &mut ConfigBuilder, entry: &Entry) -> Done {
    let (host, port) = host_and_port(entry)?;
    builder.process.http_port = checked_port(entry, port)?;
    builder.process.http_host = host;
    Ok(())
}

fn http_port(_: &mut Reader<'_>, builder: &mut ConfigBuilder, entry: &Entry) -> Done {
    builder.process.http_port = checked_port(entry, entry.integer()?)?;
    Ok(())
}

fn http_base_path(_: &mut Reader<'_>, builder: &mut ConfigBuilder, entry: &Entry) -> Done {
    builder.process.http_base_path = entry.string()?.to_owned();
    Ok(())
}

fn no_auth_user(_: &mut Reader<'_>, builder: &mut ConfigBuilder, entry: &Entry) -> Done {
    builder.places.insert("no_auth_user", entry.at.clone());
    builder.server.auth.no_auth_user = entry.some_string()?;
    Ok(())
}

fn max_payload(_: &mut Reader<'_>, builder: &mut ConfigBuilder, entry: &Entry) -> Done {
    builder.places.insert("max_payload", entry.at.clone());
    builder.server.max_payload = entry.size(i64::from(i32::MAX))?.unwrap_or(ServerOptions::new().max_payload);
    Ok(())
}

fn max_pending(_: &mut Reader<'_>, builder: &mut ConfigBuilder, entry: &Entry) -> Done {
    builder.places.insert("max_pending", entry.at.clone());
    builder.server.max_pending = entry.size(i64::MAX)?.unwrap_or(ServerOptions::new().max_pending);
    Ok(())
}

fn max_control_line(_: &mut Reader<'_>, builder: &mut ConfigBuilder, entry: &Entry) -> Done {
    builder.server.max_control_line = entry.size(i64::from(i32::MAX))?.unwrap_or(ServerOptions::new().max_control_line);
    Ok(())
}

/// DIFFERENCE: zero is a fault. nats-server then lets no client connect, and says nothing.
fn max_connections(_: &mut Reader<'_>, builder: &mut ConfigBuilder, entry: &Entry) -> Done {
    let connections = entry.size(i64::MAX)?.ok_or_else(|| entry.invalid("0 would let nobody connect"))?;
    builder.server.max_connections = connections;
    Ok(())
}

fn max_subscriptions(_: &mut Reader<'_>, builder: &mut ConfigBuilder, entry: &Entry) -> Done {
    let unbounded = entry.integer()? == -1;
    builder.server.max_subscriptions = if unbounded { 0 } else { entry.size(i64::from(i32::MAX))?.unwrap_or(0) };
    Ok(())
}

fn max_subscription_tokens(_: &mut Reader<'_>, builder: &mut ConfigBuilder, entry: &Entry) -> Done {
    let tokens = entry.size(255)?.ok_or_else(|| entry.invalid("must be at least 1"))?;
    builder.server.max_subscription_tokens = tokens;
    Ok(())
}

fn write_deadline(reader: &mut Reader<'_>, builder: &mut ConfigBuilder, entry: &Entry) -> Done {
    builder.server.write_deadline = reader.duration(entry)?.unwrap_or(ServerOptions::new().write_deadline);
    Ok(())
}

fn ping_interval(reader: &mut Reader<'_>, builder: &mut ConfigBuilder, entry: &Entry) -> Done {
    builder.server.ping_interval = reader.duration(entry)?.unwrap_or(ServerOptions::new().ping_interval);
    Ok(())
}

fn ping_max(_: &mut Reader<'_>, builder: &mut ConfigBuilder, entry: &Entry) -> Done {
    let pings = entry.size(i64::from(u32::MAX))?.map(|pings| pings as u32);
    builder.server.ping_max = pings.unwrap_or(ServerOptions::new().ping_max);
    Ok(())
}

fn lame_duck_duration(reader: &mut Reader<'_>, builder: &mut ConfigBuilder, entry: &Entry) -> Done {
    const LEAST: std::time::Duration = std::time::Duration::from_secs(30);
    entry.string()?;
    let duration = reader.duration(entry)?.unwrap_or_default();
    if duration < LEAST {
        return Err(entry.invalid(format!("{duration:?} is less than {LEAST:?}")));
    }
    builder.places.insert("lame_duck_duration", entry.at.clone());
    builder.server.lame_duck_duration = duration;
    Ok(())
}

fn lame_duck_grace_period(reader: &mut Reader<'_>, builder: &mut ConfigBuilder, entry: &Entry) -> Done {
    entry.string()?;
    builder.places.insert("lame_duck_grace_period", entry.at.clone());
    builder.server.lame_duck_grace = reader.duration(entry)?.unwrap_or(ServerOptions::new().lame_duck_grace);
    Ok(())
}

fn no_fast_producer_stall(_: &mut Reader<'_>, builder: &mut ConfigBuilder, entry: &Entry) -> Done {
    builder.server.no_fast_producer_stall = entry.boolean()?;
    Ok(())
}

fn no_header_support(_: &mut Reader<'_>, builder: &mut ConfigBuilder, entry: &Entry) -> Done {
    builder.server.headers = !entry.boolean()?;
    Ok(())
}

fn server_name(_: &mut Reader<'_>, builder: &mut ConfigBuilder, entry: &Entry) -> Done {
    let name = entry.some_string()?;
    if name.as_ref().is_some_and(|name| name.contains(' ')) {
        return Err(entry.invalid("a server's name cannot contain spaces"));
    }
    builder.server.name = name;
    Ok(())
}

fn debug(_: &mut Reader<'_>, builder: &mut ConfigBuilder, entry: &Entry) -> Done {
    builder.process.debug = entry.boolean()?;
    Ok(())
}

fn trace(_: &mut Reader<'_>, builder: &mut ConfigBuilder, entry: &Entry) -> Done {
    builder.process.trace = entry.boolean()?;
    Ok(())
}

fn trace_verbose(_: &mut Reader<'_>, builder: &mut ConfigBuilder, entry: &Entry) -> Done {
    builder.process.trace_verbose = entry.boolean()?;
    builder.process.trace = builder.process.trace_verbose;
    Ok(())
}

fn logtime(_: &mut Reader<'_>, builder: &mut ConfigBuilder, entry: &Entry) -> Done {
    builder.process.logtime = entry.boolean()?;
    Ok(())
}

fn logtime_utc(_: &mut Reader<'_>, builder: &mut ConfigBuilder, entry: &Entry) -> Done {
    builder.process.logtime_utc = entry.boolean()?;
    Ok(())
}

fn log_file(_: &mut Reader<'_>, builder: &mut ConfigBuilder, entry: &Entry) -> Done {
    builder.process.log_file = entry.some_string()?.map(Into::into);
    Ok(())
}

fn pid_file(_: &mut Reader<'_>, builder: &mut ConfigBuilder, entry: &Entry) -> Done {
    builder.process.pid_file = entry.some_string()?.map(Into::into);
    Ok(())
}

fn ports_file_dir(_: &mut Reader<'_>, builder: &mut ConfigBuilder, entry: &Entry) -> Done {
    builder.process.ports_file_dir = entry.some_string()?.map(Into::into);
    Ok(())
}

/// Checks the relations between options. nats-server looks at this when it starts, so its `-t` does not find
/// it.
pub(super) fn check(reader: &mut Reader<'_>, builder: &ConfigBuilder) {
    let ConfigBuilder { server, places, .. } = builder;
    let mut refuse = |options: [&'static str; 2], why: String| {
        let (option, at) =
            options.iter().find_map(|name| Some((*name, places.get(name)?))).expect("one differs from its default");
        reader.problem(at, ConfigErrorKind::Invalid { option: option.to_owned(), why });
    };
    if server.max_payload > server.max_pending {
        let why =
            format!("max_payload ({}) cannot be higher than max_pending ({})", server.max_payload, server.max_pending);
        refuse(["max_payload", "max_pending"], why);
    }
    if server.lame_duck_grace >= server.lame_duck_duration {
        let (grace, duration) = (server.lame_duck_grace, server.lame_duck_duration);
        let why = format!("lame_duck_grace_period ({grace:?}) must be lower than lame_duck_duration ({duration:?})");
        refuse(["lame_duck_grace_period", "lame_duck_duration"], why);
    }
    if let Some(name) = &server.auth.no_auth_user {
        // Credentials of other forms are not names to fall back to: a password alone would then protect nothing (P1).
        if server.auth.users.is_empty() || builder.has_single_user {
            refuse(["no_auth_user"; 2], format!("{name:?} present, but `authorization` has no list of users or nkeys"));
        } else if server.auth.users.known_as(name).is_none() {
            refuse(["no_auth_user"; 2], format!("{name:?} is not one of the users of `authorization`"));
        }
    }
}
