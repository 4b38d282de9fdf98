//! The C client.

use crate::script::{Report, done, prepared, scripts};
use crate::servers::AnyServer;
use std::path::PathBuf;
use std::process::Command;
use std::sync::LazyLock;

/// The checks refuse to compile with a version before 3.4.1.
const PACKAGE: &str = "libnats-dev";

checks!();

fn report<S: AnyServer>() -> Report {
    // Compiled once in each run of the tests, for it may have changed.
    static PROGRAM: LazyLock<Result<PathBuf, String>> = LazyLock::new(program);
    Report::of::<S>(|| PROGRAM.clone().map(Command::new))
}

fn program() -> Result<PathBuf, String> {
    prepared("c-package", |_| {
        if done(compiler().args(["-fsyntax-only", "-include", "nats/nats.h", "-x", "c", "/dev/null"])).is_ok() {
            return Ok(());
        }
        let mut update = Command::new("apt-get");
        update.args(["update", "--quiet"]);
        let mut install = Command::new("apt-get");
        install.args(["install", "--yes", "--quiet", "-o", "DPkg::Lock::Timeout=120", PACKAGE]);
        install.env("DEBIAN_FRONTEND", "noninteractive");
        done(&mut update).and_then(|()| done(&mut install)).map_err(|why| {
            format!(
                "a C compiler and the C client are needed: as root, `apt-get install gcc libc6-dev {PACKAGE}`.\n{why}"
            )
        })
    })?;
    let folder = prepared("c", |_| Ok(()))?;
    let (program, fresh) = (folder.join("checks"), folder.join(format!("checks-{}", std::process::id())));
    let source = scripts().join("c/checks.c");
    done(compiler().arg("-o").arg(&fresh).arg(source).args(["-lnats", "-lpthread"]))?;
    // Another run may be executing the old one.
    std::fs::rename(&fresh, &program).map_err(|error| format!("{}: {error}", program.display()))?;
    Ok(program)
}

fn compiler() -> Command {
    let mut compiler = Command::new("cc");
    compiler.args(["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-O1", "-g"]);
    compiler
}
