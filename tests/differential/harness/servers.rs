//! The two servers.

use super::profile::Profile;
use super::run::Target;
use crate::support::nats_server::NatsServer;
use crate::support::wire::dial;
use postroom::server::Config;
use postroom::{Bus, Server, ServerOptions};

/// A CONNECT without credentials.
const CONNECT: &str = "CONNECT {\"verbose\":false}\r\n";

/// The real server, with a configuration of the profiles.
pub(crate) fn real(profile: &Profile) -> Target {
    real_with(profile.config, &profile.connect())
}

/// The real server, with this configuration in its own language.
pub(crate) fn real_with_text(config: &str) -> Target {
    real_with(config, CONNECT)
}

fn real_with(config: &str, connect: &str) -> Target {
    let server = NatsServer::start(config);
    let open = move || {
        let stream = dial(&server.addr());
        stream.unwrap_or_else(|error| panic!("nats-server has gone: {error}; its last words:\n{}", server.log()))
    };
    Target::new(open, connect)
}

/// Ours, with a configuration of the profiles.
pub(crate) fn ours(profile: &Profile) -> Target {
    ours_with((profile.options)(), &profile.connect())
}

/// Ours, with this configuration in nats-server's language.
pub(crate) fn ours_with_text(config: &str) -> Target {
    let config = Config::parse(config, None).unwrap_or_else(|error| panic!("{error}\n{config}"));
    ours_with(config.server_options(), CONNECT)
}

fn ours_with(options: ServerOptions, connect: &str) -> Target {
    let server = Server::bind_with(&Bus::new(), "127.0.0.1:0", options).expect("a free port");
    let addr = server.address().expect("it listens").to_string();
    let open = move || {
        let _keep = &server;
        dial(&addr).expect("it listens")
    };
    Target::new(open, connect)
}
