//! The settings of the process: the configuration file, and the flags, which take precedence.

use crate::flags::Flags;
use crate::log::LogOptions;
use postroom::jetstream::JetStreamOptions;
use postroom::server::config::{Config, ConfigWarning, ProcessOptions, WarningKind};
use postroom::server::{TlsOptions, User};
use std::path::Path;
use tokio_rustls::rustls::crypto::ring::cipher_suite::TLS13_AES_128_GCM_SHA256;

/// Port of clients, unless another is asked for.
const PORT: u16 = 4_222;

/// File and flags together.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) config: Config,
    /// `sha256:…` of the file's bytes, or empty.
    pub(crate) digest: String,
    /// Options that were given and have no effect.
    pub(crate) warnings: Vec<String>,
    /// Values that nats-server warns of, too: with them `-t` fails.
    pub(crate) doubts: Vec<String>,
}

impl Settings {
    /// Reads the file that the flags name, if they do.
    ///
    /// # Errors
    ///
    /// An error in the file, or in a flag.
    pub(crate) fn load(flags: &Flags) -> Result<Settings, String> {
        let mut settings = Settings::from_file(flags.config.as_deref())?;
        refuse_what_is_not_there(flags)?;
        settings.warnings.extend(without_effect(flags).map(|(flag, why)| format!("--{flag} has no effect: {why}")));
        process(flags, settings.config.process_mut())?;
        server(flags, &mut settings.config)?;
        Ok(settings)
    }

    fn from_file(path: Option<&str>) -> Result<Settings, String> {
        let Some(path) = path else {
            let (warnings, doubts) = (Vec::new(), Vec::new());
            return Ok(Settings { config: Config::default(), digest: String::new(), warnings, doubts });
        };
        let config = Config::load(path).map_err(|error| error.to_string())?;
        let bytes = std::fs::read(path).map_err(|error| format!("cannot read `{path}`: {error}"))?;
        let is_ours = |warning: &&ConfigWarning| matches!(warning.kind, WarningKind::NoEffect { .. });
        let (ours, shared): (Vec<_>, Vec<_>) = config.warnings().iter().partition(is_ours);
        let [warnings, doubts] = [ours, shared].map(|part| part.into_iter().map(ToString::to_string).collect());
        Ok(Settings { config, digest: digest(&bytes), warnings, doubts })
    }

    /// Where to listen for clients.
    pub(crate) fn address(&self) -> String {
        join(&self.config.process().host, self.config.process().port)
    }

    /// Where to serve monitoring, if anywhere.
    pub(crate) fn monitor_address(&self) -> Option<String> {
        let process = self.config.process();
        let host = process.http_host.as_ref().unwrap_or(&process.host);
        process.http_port.map(|port| join(host, port))
    }

    pub(crate) fn log(&self) -> LogOptions {
        let process = self.config.process();
        LogOptions {
            debug: process.debug,
            trace: process.trace,
            time: process.logtime,
            utc: process.logtime_utc,
            file: process.log_file.clone(),
        }
    }
}

fn join(host: &str, port: u16) -> String {
    if host.contains(':') && !host.starts_with('[') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// The hash comes from the library that TLS uses.
fn digest(bytes: &[u8]) -> String {
    let Some(suite) = TLS13_AES_128_GCM_SHA256.tls13() else { return String::new() };
    let hash = suite.common.hash_provider.hash(bytes);
    let hex: String = hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

fn refuse_what_is_not_there(flags: &Flags) -> Result<(), String> {
    let filled = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
    let clusters = "there are no clusters";
    let asked = [
        ("routes", filled(&flags.routes), clusters),
        ("cluster", filled(&flags.cluster), clusters),
        ("cluster_name", filled(&flags.cluster_name), clusters),
        ("cluster_advertise", filled(&flags.cluster_advertise), clusters),
        ("no_advertise", flags.no_advertise == Some(true), clusters),
        ("connect_retries", flags.connect_retries.is_some_and(|retries| retries != 0), clusters),
        ("client_advertise", filled(&flags.client_advertise), "INFO shows the address that the server listens on"),
        ("https_port", flags.https_port.is_some_and(|port| port != 0), "monitoring has no TLS"),
    ];
    match asked.into_iter().find(|(_, is_asked, _)| *is_asked) {
        Some((flag, _, why)) => Err(format!("--{flag} is not supported: {why}")),
        None => Ok(()),
    }
}

/// Flags that nats-server knows and that change nothing here, with the reason.
fn without_effect(flags: &Flags) -> impl Iterator<Item = (&'static str, &'static str)> {
    let one_file = "there is one log file, which is never turned over";
    let asked = [
        ("log_size_limit", flags.log_size_limit.is_some(), one_file),
        ("max_traced_msg_len", flags.max_traced_msg_len.is_some(), "traces show messages whole"),
        ("syslog", flags.syslog == Some(true), "there is no system log"),
        ("remote_syslog", flags.remote_syslog.is_some(), "there is no system log"),
        ("profile", flags.profile.is_some_and(|port| port != 0), "there is no profiling"),
    ];
    asked.into_iter().filter(|(_, is_asked, _)| *is_asked).map(|(flag, _, why)| (flag, why))
}

fn process(flags: &Flags, into: &mut ProcessOptions) -> Result<(), String> {
    let set = |text: &Option<String>, place: &mut String| {
        if let Some(text) = text.as_ref().filter(|text| !text.is_empty()) {
            text.clone_into(place);
        }
    };
    set(&flags.host, &mut into.host);
    if let Some(port) = flags.port {
        into.port = checked_port(port)?.unwrap_or(PORT);
    }
    if let Some(port) = flags.http_port {
        into.http_port = checked_port(port)?;
    }
    let files = [
        (&flags.log_file, &mut into.log_file),
        (&flags.pid_file, &mut into.pid_file),
        (&flags.ports_file_dir, &mut into.ports_file_dir),
        (&flags.store_dir, &mut into.store_dir),
    ];
    for (flag, place) in files {
        if let Some(path) = flag {
            *place = Some(path.into()).filter(|_| !path.is_empty());
        }
    }
    // The longer names come later, and win.
    into.debug = flags.debug_and_verbose_trace.or(flags.debug_and_trace).or(flags.debug).unwrap_or(into.debug);
    let trace = flags.verbose_trace.or(flags.debug_and_verbose_trace).or(flags.debug_and_trace).or(flags.trace);
    into.trace = trace.unwrap_or(into.trace);
    into.trace_verbose = flags.verbose_trace.or(flags.debug_and_verbose_trace).unwrap_or(into.trace_verbose);
    into.logtime = flags.logtime.unwrap_or(into.logtime);
    into.logtime_utc = flags.logtime_utc.unwrap_or(into.logtime_utc);
    Ok(())
}

/// `None` for 0, and 0 for -1, which means any free one.
fn checked_port(port: i64) -> Result<Option<u16>, String> {
    match port {
        0 => Ok(None),
        -1 => Ok(Some(0)),
        _ => u16::try_from(port).map(Some).map_err(|_| format!("invalid port: {port} is not within -1 to 65535")),
    }
}

fn server(flags: &Flags, config: &mut Config) -> Result<(), String> {
    let filled = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let mut options = config.server_options();
    if let Some(name) = filled(&flags.name) {
        options = options.name(name);
    }
    // DIFFERENCE: users of the file give way to those of the flags; in nats-server a list of users stays.
    match (filled(&flags.auth), filled(&flags.user)) {
        (Some(token), _) => options = options.without_credentials().token(token),
        (None, Some(user)) => {
            let password = flags.pass.clone().unwrap_or_default();
            options = options.without_credentials().user(User::new(user, password));
        }
        (None, None) => {}
    }
    if flags.jetstream.unwrap_or(options.jetstream_options().is_some()) {
        let folder = config.process().store_dir.clone();
        let jetstream = folder.into_iter().fold(config.jetstream_options().clone(), JetStreamOptions::store_dir);
        options = options.jetstream(jetstream);
    } else {
        options = options.without_jetstream();
    }
    if let Some(tls) = tls(flags)? {
        options = options.tls(tls);
    }
    config.set_server_options(options);
    Ok(())
}

fn tls(flags: &Flags) -> Result<Option<TlsOptions>, String> {
    let files = [&flags.tls_cert, &flags.tls_key, &flags.tls_ca_cert];
    let asked = files.iter().any(|file| file.is_some()) || flags.tls_verify.is_some();
    if !flags.tls.unwrap_or(asked) {
        return Ok(None);
    }
    let read = |path: &Option<String>, missing: &str| {
        let path = path.as_ref().filter(|path| !path.is_empty()).ok_or_else(|| missing.to_owned())?;
        std::fs::read(Path::new(path)).map_err(|error| format!("cannot read `{path}`: {error}"))
    };
    let certificate = read(&flags.tls_cert, "TLS Server certificate must be present and valid")?;
    let key = read(&flags.tls_key, "TLS Server private key must be present and valid")?;
    let options = TlsOptions::new(certificate, key);
    if flags.tls_verify != Some(true) {
        return Ok(Some(options));
    }
    let authorities = read(&flags.tls_ca_cert, "--tlsverify needs --tlscacert: who signs clients' certificates")?;
    Ok(Some(options.verify_clients(authorities)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(line: &str) -> Result<Settings, String> {
        let arguments: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
        Settings::load(&Flags::parse(&arguments).unwrap().0)
    }

    fn file(name: &str, text: &str) -> std::path::PathBuf {
        let path = std::env::temp_dir().join(format!("postroom-settings-{name}-{}.conf", std::process::id()));
        std::fs::write(&path, text).unwrap();
        path
    }

    #[test]
    fn without_a_file_defaults_are_nats_servers() {
        let settings = load("").unwrap();
        assert_eq!((settings.address().as_str(), settings.monitor_address()), ("0.0.0.0:4222", None));
        assert!(settings.log().time && settings.digest.is_empty() && settings.warnings.is_empty());
        let settings = load("-a ::1 -p -1 -m 8222").unwrap();
        assert_eq!(settings.address(), "[::1]:0");
        assert_eq!(settings.monitor_address().as_deref(), Some("[::1]:8222"));
        assert_eq!(load("-p 0").unwrap().config.process().port, 4_222);
    }

    #[test]
    fn flags_go_before_the_file() {
        let path = file("flags", "port: 5000\nhttp: 8222\ndebug: true\nserver_name: one\npid_file: /tmp/a");
        let name = path.display();
        let settings = load(&format!("-c {name} -D=false -V -n two -P /tmp/b -m 0")).unwrap();
        let process = settings.config.process();
        assert_eq!((process.port, process.http_port, process.debug, process.trace), (5_000, None, false, true));
        assert_eq!(process.pid_file.as_deref(), Some(Path::new("/tmp/b")));
        // A known hash, so that the right one is taken.
        assert_eq!(digest(b"abc"), "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(settings.digest.len(), 71);
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn the_switches_of_traces_are_those_of_nats_server() {
        let levels = |line| {
            let log = load(line).unwrap().log();
            (log.debug, log.trace)
        };
        let found = ["-D", "-V", "-DV", "-VV", "-DVV", "-DV=false -D -V"].map(levels);
        let expected = [(true, false), (false, true), (true, true), (false, true), (true, true), (false, false)];
        assert_eq!(found, expected);
    }

    #[test]
    fn what_is_not_there_is_refused_and_what_does_not_matter_is_told() {
        let refused = [
            ("--routes nats://x", "--routes is not supported: there are no clusters"),
            ("--no_advertise", "--no_advertise is not supported: there are no clusters"),
            ("-ms 1", "--https_port is not supported: monitoring has no TLS"),
            ("-p 99999", "invalid port: 99999 is not within -1 to 65535"),
            ("--tls", "TLS Server certificate must be present and valid"),
            ("--tls --tlscert /dev/null", "TLS Server private key must be present and valid"),
        ];
        for (line, text) in refused {
            assert_eq!(load(line).unwrap_err(), text);
        }
        assert!(load("-js=false --tls=false --tlscert x -sd /tmp").is_ok());
        assert_eq!(load("--syslog --profile 1").unwrap().warnings.len(), 2);
        let path = file("wrong", "port: 4222\nnope: 1");
        let text = load(&format!("-c {}", path.display())).unwrap_err();
        assert!(text.contains(".conf:2:1") && text.contains("nope"), "{text}");
        std::fs::remove_file(path).unwrap();
    }
}
