//! The two servers; ours over TCP and over a pipe.

use super::profile::Profile;
use super::run::Target;
use crate::support::nats_server::NatsServer;
use crate::support::wire::{Stream, dial};
use postroom::server::config::Config;
use postroom::server::{PipeStream, ServerOptions};
use postroom::{Bus, Server};
use std::io::{self, ErrorKind, Read, Write};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::{Builder, Runtime};

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
    let server = Server::builder(&Bus::new()).options(options).bind("127.0.0.1:0").expect("a free port");
    let addr = server.address().expect("it listens").to_string();
    let open = move || {
        let _keep = &server;
        dial(&addr).expect("it listens")
    };
    Target::new(open, connect)
}

/// Ours, with a configuration of the profiles, over streams without sockets.
pub(crate) fn ours_by_pipe(profile: &Profile) -> Target {
    let server = Server::builder(&Bus::new()).options((profile.options)()).bind("127.0.0.1:0").expect("a free port");
    // Only drives the near end of the pipes; the server has brought threads of its own.
    let runtime = Arc::new(Builder::new_current_thread().enable_time().build().expect("a runtime"));
    let open = move || -> Box<dyn Stream> {
        Box::new(Blocking { runtime: runtime.clone(), pipe: server.pipe(), patience: Duration::ZERO })
    };
    Target::new(open, &profile.connect())
}

/// A pipe for threads that block.
struct Blocking {
    runtime: Arc<Runtime>,
    pipe: PipeStream,
    patience: Duration,
}

impl Read for Blocking {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Blocking { runtime, pipe, patience } = self;
        let read = async { tokio::time::timeout(*patience, pipe.read(buffer)).await };
        runtime.block_on(read).unwrap_or_else(|_| Err(ErrorKind::TimedOut.into()))
    }
}

impl Write for Blocking {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.runtime.block_on(self.pipe.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.runtime.block_on(self.pipe.flush())
    }
}

impl Stream for Blocking {
    fn end(&mut self) -> io::Result<()> {
        self.runtime.block_on(self.pipe.shutdown())
    }

    fn patience(&mut self, limit: Duration) -> io::Result<()> {
        self.patience = limit;
        Ok(())
    }
}
