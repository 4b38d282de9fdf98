//! Files that tell other programs about the process: its id, and its ports.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

/// Writes the process's id, without a line end.
///
/// # Errors
///
/// The operating system's.
pub(crate) fn write_pid(path: &Path) -> io::Result<()> {
    std::fs::write(path, std::process::id().to_string())
}

#[derive(serde::Serialize)]
struct Ports<'a> {
    nats: [&'a str; 1],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    monitoring: Vec<String>,
}

/// The file with the ports.
#[derive(Debug)]
pub(crate) struct PortsFile(PathBuf);

impl PortsFile {
    /// Where it is: named after the program and the process.
    pub(crate) fn path(folder: &Path, program: &str) -> PathBuf {
        let program = Path::new(program).file_name().unwrap_or("postroom".as_ref()).to_string_lossy();
        folder.join(format!("{program}_{}.ports", std::process::id()))
    }

    /// Writes it. It appears under its name when it is whole.
    ///
    /// # Errors
    ///
    /// The operating system's.
    pub(crate) fn write(path: PathBuf, clients: &str, monitor: Option<SocketAddr>) -> io::Result<Self> {
        let monitoring = monitor.map(|address| format!("http://{}", reachable(address)));
        let ports = serde_json::to_vec(&Ports { nats: [clients], monitoring: monitoring.into_iter().collect() })?;
        let unfinished = path.with_extension("ports.tmp");
        std::fs::write(&unfinished, ports)?;
        std::fs::rename(&unfinished, &path)?;
        Ok(PortsFile(path))
    }

    /// # Errors
    ///
    /// The operating system's.
    pub(crate) fn remove(self) -> io::Result<()> {
        std::fs::remove_file(&self.0)
    }
}

/// For what listens everywhere, the loopback address.
//
// DIFFERENCE: nats-server lists the addresses of all interfaces.
pub(crate) fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        let loopback = if address.is_ipv4() { IpAddr::from(Ipv4Addr::LOCALHOST) } else { Ipv6Addr::LOCALHOST.into() };
        address.set_ip(loopback);
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_of_ports_is_named_and_filled_as_nats_servers() {
        let path = PortsFile::path(Path::new("/tmp"), "/usr/bin/nats-server");
        assert_eq!(path, PathBuf::from(format!("/tmp/nats-server_{}.ports", std::process::id())));
        let path = PortsFile::path(&std::env::temp_dir(), "postroom-unit-test");
        let monitor = "0.0.0.0:8222".parse().ok();
        let file = PortsFile::write(path.clone(), "nats://127.0.0.1:4222", monitor).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text, r#"{"nats":["nats://127.0.0.1:4222"],"monitoring":["http://127.0.0.1:8222"]}"#);
        file.remove().unwrap();
        assert!(!path.exists());
        assert!(PortsFile::write("/nonexistent/x.ports".into(), "", None).is_err());
    }
}
