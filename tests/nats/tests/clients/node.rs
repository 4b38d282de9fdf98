//! nats.js, on Node.

use crate::script::{Report, done, prepared, scripts};
use crate::servers::AnyServer;
use std::process::Command;

/// It names its own dependencies by exact versions.
const PACKAGE: &str = "@nats-io/transport-node@3.4.0";

checks!(request_many);

fn report<S: AnyServer>() -> Report {
    Report::of::<S>(|| {
        let modules = prepared(&format!("node-{}", PACKAGE.replace(['@', '/'], "-")), |folder| {
            let mut npm = Command::new("npm");
            npm.args(["install", "--no-audit", "--no-fund", "--no-save", "--prefix"]).arg(folder).arg(PACKAGE);
            done(&mut npm).map_err(|why| format!("node, and npm to get {PACKAGE}, are needed.\n{why}"))
        })?;
        let mut command = Command::new("node");
        command.arg(scripts().join("node/checks.js")).env("NODE_PATH", modules.join("node_modules"));
        Ok(command)
    })
}
