//! A network between a client and a server, which can be cut.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

pub(crate) struct Relay {
    /// Where clients are to connect.
    pub(crate) addr: SocketAddr,
    links: Arc<Mutex<Links>>,
}

#[derive(Default)]
struct Links {
    open: Vec<TcpStream>,
    is_cut: bool,
}

impl Relay {
    /// Carries what comes to `server`, and back. It ends with the process.
    pub(crate) fn to(server: String) -> Relay {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let relay = Relay { addr: listener.local_addr().unwrap(), links: Arc::default() };
        let links = relay.links.clone();
        thread::spawn(move || {
            for near in listener.incoming().flatten() {
                let mut links = links.lock().unwrap();
                if links.is_cut {
                    continue;
                }
                let Ok(far) = TcpStream::connect(&server) else { continue };
                for (from, to) in [(&near, &far), (&far, &near)] {
                    let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    thread::spawn(move || {
                        // An end or an error: either way there is no more.
                        let _ = io::copy(&mut from, &mut to);
                        let _ = to.shutdown(Shutdown::Both);
                    });
                }
                links.open.extend([near, far]);
            }
        });
        relay
    }

    /// Ends all connections, and each that comes.
    pub(crate) fn cut(&self) {
        let mut links = self.links.lock().unwrap();
        links.is_cut = true;
        for link in links.open.drain(..) {
            // It may have ended before.
            let _ = link.shutdown(Shutdown::Both);
        }
    }

    /// From now on connections are carried again.
    pub(crate) fn mend(&self) {
        self.links.lock().unwrap().is_cut = false;
    }
}
