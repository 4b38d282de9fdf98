//! The crates that the default build pulls in.

use std::collections::BTreeSet;
use std::process::Command;

/// Crates in the default build, this one and those that only run at compile time included.
const CRATES_MAX: usize = 28;

/// Runtimes, and crates that open sockets.
const UNWANTED: [&str; 16] = [
    "async-global-executor",
    "async-io",
    "async-nats",
    "async-std",
    "curl",
    "futures-executor",
    "hyper",
    "mio",
    "native-tls",
    "polling",
    "reqwest",
    "rustls",
    "smol",
    "socket2",
    "tokio",
    "tungstenite",
];

fn default_crates() -> BTreeSet<String> {
    let mut tree = Command::new(env!("CARGO"));
    tree.args(["tree", "--locked", "--edges", "normal", "--prefix", "none", "--package", "postroom"]);
    let tree = tree.current_dir(env!("CARGO_MANIFEST_DIR")).output().expect("cargo runs");
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let text = String::from_utf8(tree.stdout).expect("cargo speaks UTF-8");
    let name_and_version = |line: &str| line.split(' ').take(2).collect::<Vec<_>>().join(" ");
    text.lines().filter(|line| !line.is_empty()).map(name_and_version).collect()
}

#[test]
fn the_default_build_has_no_runtime_no_sockets_and_few_crates() {
    let crates = default_crates();
    assert!(crates.iter().any(|name| name.starts_with("postroom ")), "{crates:?}");
    let unwanted = |name: &&String| UNWANTED.iter().any(|bad| name.split(' ').next() == Some(bad));
    assert_eq!(crates.iter().find(unwanted), None);
    assert!(crates.len() <= CRATES_MAX, "{} crates: {crates:?}", crates.len());
}

#[test]
fn no_crate_comes_in_two_versions() {
    let crates = default_crates();
    let names: BTreeSet<_> = crates.iter().filter_map(|name| name.split(' ').next()).collect();
    assert_eq!(names.len(), crates.len(), "{crates:?}");
}
