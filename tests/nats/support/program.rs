//! Programs of other packages of the workspace: `postroom`, and examples.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The path of the program `postroom`, built once for each process with the profile of the test or bench that calls.
///
/// Cargo names a program's path only to tests of its own package.
pub fn postroom() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    // A test target makes cargo build the program with the features and the profile of all tests, so that nothing is built twice.
    PROGRAM.get_or_init(|| build(&["--test", "public_api"]).join("postroom"))
}

/// The path of an example, built now with the profile of the test that calls.
pub fn example(name: &str) -> PathBuf {
    build(&["--example", name]).join("examples").join(name)
}

/// Builds a target of the workspace; gives back the folder of its profile.
fn build(target: &[&str]) -> PathBuf {
    // <target>/<profile>/deps/<this process>
    let this = env::current_exe().expect("this process is a file");
    let folder = this.ancestors().nth(2).expect("it lies in deps");
    let mut build = Command::new(env!("CARGO"));
    build.args(["test", "--no-run", "--quiet", "--locked", "--workspace", "--all-features"]).args(target);
    if !folder.ends_with("debug") {
        build.arg("--release");
    }
    build.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."));
    build.env("CARGO_TARGET_DIR", folder.parent().expect("the target directory"));
    without_cargo_variables(&mut build);
    let built = build.output().expect("cargo runs");
    assert!(built.status.success(), "{target:?} does not build:\n{}", String::from_utf8_lossy(&built.stderr));
    folder.to_owned()
}

/// Takes away what the outer cargo tells a test of its package: build scripts that look at it would run again, and all that depends on
/// them would be built again.
fn without_cargo_variables(command: &mut Command) {
    let names = env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    for name in names.filter(|name| {
        ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_CRATE_", "CARGO_BIN_"].iter().any(|head| name.starts_with(head))
    }) {
        command.env_remove(name);
    }
}
