//! nats-py.

use crate::script::{Report, done, prepared, scripts};
use crate::servers::AnyServer;
use std::process::Command;

const PACKAGE: &str = "nats-py==2.16.0";

checks!(services, streams, pull_consumer, push_consumer, key_value, object_store);

fn report<S: AnyServer>() -> Report {
    Report::of::<S>(|| {
        let environment = prepared(&format!("python-{PACKAGE}"), |folder| {
            let advice = |why| format!("python3 with venv, and pip to get {PACKAGE}, are needed.\n{why}");
            done(Command::new("python3").args(["-m", "venv"]).arg(folder)).map_err(advice)?;
            let mut pip = Command::new(folder.join("bin/python"));
            pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--timeout", "30", PACKAGE]);
            done(&mut pip).map_err(advice)
        })?;
        let mut command = Command::new(environment.join("bin/python"));
        command.arg(scripts().join("python/checks.py"));
        Ok(command)
    })
}
