//! A real nats-server as a place for async-nats to connect.

use super::on_the_wire::Place;
use super::system::Setup;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

pub struct NatsServer {
    process: Child,
    url: String,
}

impl Place for NatsServer {
    fn start(setup: Setup) -> Self {
        let mut config = String::new();
        for (name, value) in [("max_payload", setup.max_payload), ("max_subscriptions", setup.max_subscriptions)] {
            config.extend(value.map(|value| format!("{name}: {value}\n")));
        }
        let dir = std::env::temp_dir().join(format!("pr-{}-{:?}", std::process::id(), std::thread::current().id()));
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join("c"), config).unwrap();
        let mut process = Command::new(std::env::var("NATS_SERVER").expect("NATS_SERVER"))
            .args(["-a", "127.0.0.1", "-p", "-1", "-c"])
            .arg(dir.join("c"))
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines().map(Result::unwrap);
        let line = lines.find(|line| line.contains("Listening for client connections on")).unwrap();
        let url = format!("nats://{}", line.rsplit(' ').next().unwrap());
        std::thread::spawn(move || lines.for_each(drop));
        NatsServer { process, url }
    }

    fn url(&self) -> String {
        self.url.clone()
    }
}

impl Drop for NatsServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
