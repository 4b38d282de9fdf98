//! The command line, read as nats-server reads it: one dash or two, `-p 4222` or `-p=4222`, and no bundles of letters.

/// The flags of the command line. A flag that is absent is `None`, or false.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Flags {
    pub(crate) host: Option<String>,
    pub(crate) port: Option<i64>,
    pub(crate) name: Option<String>,
    pub(crate) pid_file: Option<String>,
    pub(crate) ports_file_dir: Option<String>,
    pub(crate) http_port: Option<i64>,
    pub(crate) https_port: Option<i64>,
    pub(crate) config: Option<String>,
    pub(crate) check: Option<bool>,
    pub(crate) signal: Option<String>,
    pub(crate) client_advertise: Option<String>,
    pub(crate) log_file: Option<String>,
    pub(crate) log_size_limit: Option<i64>,
    pub(crate) logtime: Option<bool>,
    pub(crate) logtime_utc: Option<bool>,
    pub(crate) syslog: Option<bool>,
    pub(crate) remote_syslog: Option<String>,
    pub(crate) debug: Option<bool>,
    pub(crate) trace: Option<bool>,
    pub(crate) debug_and_trace: Option<bool>,
    pub(crate) verbose_trace: Option<bool>,
    pub(crate) debug_and_verbose_trace: Option<bool>,
    pub(crate) max_traced_msg_len: Option<i64>,
    pub(crate) jetstream: Option<bool>,
    pub(crate) store_dir: Option<String>,
    pub(crate) user: Option<String>,
    pub(crate) pass: Option<String>,
    pub(crate) auth: Option<String>,
    pub(crate) tls: Option<bool>,
    pub(crate) tls_cert: Option<String>,
    pub(crate) tls_key: Option<String>,
    pub(crate) tls_verify: Option<bool>,
    pub(crate) tls_ca_cert: Option<String>,
    pub(crate) routes: Option<String>,
    pub(crate) cluster: Option<String>,
    pub(crate) cluster_name: Option<String>,
    pub(crate) no_advertise: Option<bool>,
    pub(crate) cluster_advertise: Option<String>,
    pub(crate) connect_retries: Option<i64>,
    pub(crate) profile: Option<i64>,
    pub(crate) help: Option<bool>,
    pub(crate) version: Option<bool>,
    pub(crate) help_tls: Option<bool>,
}

/// Where the value of a flag goes, and so what it may be.
enum Place<'a> {
    Text(&'a mut Option<String>),
    Number(&'a mut Option<i64>),
    /// Needs no value, and takes one only after `=`.
    Switch(&'a mut Option<bool>),
}

impl Flags {
    fn place(&mut self, name: &str) -> Option<Place<'_>> {
        use Place::{Number, Switch, Text};
        Some(match name {
            "a" | "addr" | "net" => Text(&mut self.host),
            "p" | "port" => Number(&mut self.port),
            "n" | "name" | "server_name" => Text(&mut self.name),
            "P" | "pid" => Text(&mut self.pid_file),
            "ports_file_dir" => Text(&mut self.ports_file_dir),
            "m" | "http_port" => Number(&mut self.http_port),
            "ms" | "https_port" => Number(&mut self.https_port),
            "c" | "config" => Text(&mut self.config),
            "t" => Switch(&mut self.check),
            "sl" | "signal" => Text(&mut self.signal),
            "client_advertise" => Text(&mut self.client_advertise),
            "l" | "log" => Text(&mut self.log_file),
            "log_size_limit" => Number(&mut self.log_size_limit),
            "T" | "logtime" => Switch(&mut self.logtime),
            "logtime_utc" => Switch(&mut self.logtime_utc),
            "s" | "syslog" => Switch(&mut self.syslog),
            "r" | "remote_syslog" => Text(&mut self.remote_syslog),
            "D" | "debug" => Switch(&mut self.debug),
            "V" | "trace" => Switch(&mut self.trace),
            "DV" => Switch(&mut self.debug_and_trace),
            "VV" => Switch(&mut self.verbose_trace),
            "DVV" => Switch(&mut self.debug_and_verbose_trace),
            "max_traced_msg_len" => Number(&mut self.max_traced_msg_len),
            "js" | "jetstream" => Switch(&mut self.jetstream),
            "sd" | "store_dir" => Text(&mut self.store_dir),
            "user" => Text(&mut self.user),
            "pass" => Text(&mut self.pass),
            "auth" => Text(&mut self.auth),
            "tls" => Switch(&mut self.tls),
            "tlscert" => Text(&mut self.tls_cert),
            "tlskey" => Text(&mut self.tls_key),
            "tlsverify" => Switch(&mut self.tls_verify),
            "tlscacert" => Text(&mut self.tls_ca_cert),
            "routes" => Text(&mut self.routes),
            "cluster" | "cluster_listen" => Text(&mut self.cluster),
            "cluster_name" => Text(&mut self.cluster_name),
            "no_advertise" => Switch(&mut self.no_advertise),
            "cluster_advertise" => Text(&mut self.cluster_advertise),
            "connect_retries" => Number(&mut self.connect_retries),
            "profile" => Number(&mut self.profile),
            "h" | "help" => Switch(&mut self.help),
            "v" | "version" => Switch(&mut self.version),
            "help_tls" => Switch(&mut self.help_tls),
            _ => return None,
        })
    }

    /// Reads arguments up to the first that is not a flag; those from there on are given back.
    ///
    /// # Errors
    ///
    /// An error in a flag, in the words of nats-server.
    pub(crate) fn parse(arguments: &[String]) -> Result<(Flags, Vec<String>), String> {
        let mut flags = Flags::default();
        let mut rest = arguments.iter();
        while let Some(argument) =
            rest.clone().next().filter(|argument| argument.len() > 1 && argument.starts_with('-'))
        {
            rest.next();
            let name = argument.strip_prefix("--").unwrap_or(&argument[1..]);
            if name.is_empty() {
                break;
            }
            if name.starts_with(['-', '=']) {
                return Err(format!("bad flag syntax: {argument}"));
            }
            let (name, value) =
                name.split_once('=').map_or((name, None), |(name, value)| (name, Some(value.to_owned())));
            let place = flags.place(name).ok_or_else(|| format!("flag provided but not defined: -{name}"))?;
            let mut needed = || {
                let next = || rest.next().cloned().ok_or_else(|| format!("flag needs an argument: -{name}"));
                value.clone().map_or_else(next, Ok)
            };
            match place {
                Place::Text(place) => *place = Some(needed()?),
                Place::Number(place) => *place = Some(number(name, &needed()?)?),
                Place::Switch(place) => *place = Some(value.map_or(Ok(true), |value| switch(name, &value))?),
            }
        }
        Ok((flags, rest.cloned().collect()))
    }
}

fn number(name: &str, text: &str) -> Result<i64, String> {
    let (sign, digits) = text.strip_prefix('-').map_or(("", text), |digits| ("-", digits));
    let parsed = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(digits) if digits.starts_with(['+', '-']) => "".parse(),
        Some(digits) => i64::from_str_radix(&format!("{sign}{digits}"), 16),
        None => text.parse(),
    };
    use std::num::IntErrorKind::{NegOverflow, PosOverflow};
    parsed.map_err(|error| {
        let large = matches!(error.kind(), PosOverflow | NegOverflow);
        let why = if large { "value out of range" } else { "parse error" };
        format!("invalid value {text:?} for flag -{name}: {why}")
    })
}

fn switch(name: &str, text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(format!("invalid boolean value {text:?} for -{name}: parse error")),
    }
}

/// The text of `-h`.
pub(crate) const USAGE: &str = "
Usage: postroom [options]

Where to listen:
    -a, --addr, --net <host>         Address or name to listen on (default: 0.0.0.0)
    -p, --port <port>                Port for clients; -1 takes a free one (default: 4222)
    -m, --http_port <port>           Port for monitoring; -1 takes a free one (default: none)
    -n, --name, --server_name <name> Name of the server (default: its id)
    -P, --pid <file>                 Write the process's id to this file
        --ports_file_dir <dir>       Write the ports to <executable>_<pid>.ports in this folder
    -c, --config <file>              Configuration file; flags go before it
    -t                               Check the configuration file and exit
    -sl,--signal <signal>[=<pid>]    Send ldm, stop, quit, term, reopen or reload to a running postroom;
                                     <pid> is a process's id, or a file that has it

Logging:
    -l, --log <file>                 Log to this file (default: standard error)
    -T, --logtime                    Begin lines with the time (default: true)
        --logtime_utc                That time is UTC (default: local time)
    -D, --debug                      Also log debugging lines
    -V, --trace                      Also log the protocol, line by line
    -DV                              Both
    -VV, -DVV                        As -V and -DV

Who may connect:
        --user <user>                User that connections must show
        --pass <password>            Its password
        --auth <token>               Token that connections must show
        --tls                        Connections must use TLS
        --tlscert <file>             Certificate of the server
        --tlskey <file>              Its private key
        --tlsverify                  Connections must show a certificate
        --tlscacert <file>           Who signs those

Other:
    -js,--jetstream                  Streams and consumers for JetStream clients
    -sd,--store_dir <dir>            Folder of streams with file storage (default: they are kept in memory)
    -h, --help                       Show this
    -v, --version                    Show the version
        --help_tls                   About TLS
";

/// The text of `--help_tls`.
pub(crate) const USAGE_TLS: &str = "
With --tls every connection must use TLS 1.2 or 1.3. --tlscert and --tlskey name the server's
certificate chain and its private key, both as PEM. With --tlsverify each connection must show a
certificate that was signed by one of those in --tlscacert. Cipher suites can't be chosen.
";

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<(Flags, Vec<String>), String> {
        Flags::parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    fn flags(line: &str) -> Flags {
        parse(line).unwrap().0
    }

    #[test]
    fn a_flag_may_be_written_in_four_ways() {
        for line in ["-p 4333", "--p 4333", "-port=4333", "--port=4333"] {
            assert_eq!(flags(line), Flags { port: Some(4_333), ..Flags::default() }, "{line}");
        }
        assert_eq!(flags("-p -1").port, Some(-1));
        assert_eq!(flags("-p 0x10").port, Some(16));
        assert_eq!(flags("-p 1 -p 2").port, Some(2));
        assert_eq!(flags("--signal=ldm=123").signal.as_deref(), Some("ldm=123"));
        assert_eq!(flags("-sl reload=7").signal.as_deref(), Some("reload=7"));
    }

    #[test]
    fn a_switch_takes_a_value_only_after_an_equals_sign() {
        assert_eq!(
            parse("-D false").unwrap(),
            (Flags { debug: Some(true), ..Flags::default() }, vec!["false".to_owned()])
        );
        assert_eq!(flags("-D=false -DV -T=0").debug, Some(false));
        assert_eq!(flags("-DVV").debug_and_verbose_trace, Some(true));
        assert_eq!(flags("-js").jetstream, Some(true));
    }

    #[test]
    fn all_names_of_the_usage_are_taken() {
        let mut names = 0;
        for word in
            USAGE.split([' ', ',', '\n']).filter(|word| word.starts_with('-') && word.len() > 1 && *word != "-1")
        {
            names += 1;
            let name = word.trim_start_matches('-');
            assert!(Flags::default().place(name).is_some(), "{word}");
        }
        assert!(names > 40, "{names}");
    }

    #[test]
    fn what_is_no_flag_ends_them() {
        assert_eq!(parse("-D version -V").unwrap().1, ["version", "-V"]);
        assert_eq!(parse("-- -V").unwrap().1, ["-V"]);
        assert_eq!(parse("-").unwrap().1, ["-"]);
        assert_eq!(parse("").unwrap(), Default::default());
    }

    /// The words of nats-server 2.15.1.
    #[test]
    fn wrong_flags_are_refused_in_the_servers_words() {
        let refused = [
            ("--nope", "flag provided but not defined: -nope"),
            ("-p", "flag needs an argument: -p"),
            ("-p x", "invalid value \"x\" for flag -p: parse error"),
            ("-p 99999999999999999999", "invalid value \"99999999999999999999\" for flag -p: value out of range"),
            ("-p 0x-1", "invalid value \"0x-1\" for flag -p: parse error"),
            ("-D=maybe", "invalid boolean value \"maybe\" for -D: parse error"),
            ("---p", "bad flag syntax: ---p"),
            ("-=p", "bad flag syntax: -=p"),
        ];
        for (line, text) in refused {
            assert_eq!(parse(line).unwrap_err(), text);
        }
    }
}
