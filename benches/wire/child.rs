//! Our server as a process of its own, until there is the program.

use postroom::{Bus, Server};

/// Serves as long as the process lives, if that is what it was started for.
pub(crate) fn serve_if_asked() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == "serve") {
        let port = arguments.last().map_or("0", |port| if port == "-1" { "0" } else { port });
        let server = Server::bind(&Bus::new(), &format!("127.0.0.1:{port}")).expect("it listens");
        eprintln!("Listening for client connections on {}", server.address().expect("it listens"));
        server.wait();
    }
}
