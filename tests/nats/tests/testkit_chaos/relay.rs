//! A network between a client and a server, which can be cut, and stopped on the way to the client.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

pub(crate) struct Relay {
    /// Where clients are to connect.
    pub(crate) addr: SocketAddr,
    links: Arc<Mutex<Links>>,
    /// Whether the way to the client is open.
    way: Arc<Way>,
}

#[derive(Default)]
struct Way {
    is_stopped: Mutex<bool>,
    goes_on: Condvar,
}

impl Way {
    /// Carries all that comes, as long as it may.
    fn carry(&self, from: &mut TcpStream, to: &mut TcpStream) -> io::Result<()> {
        let mut bytes = [0; 4096];
        loop {
            let count = from.read(&mut bytes)?;
            drop(self.goes_on.wait_while(self.is_stopped.lock().unwrap(), |is_stopped| *is_stopped).unwrap());
            to.write_all(&bytes[..count])?;
            if count == 0 {
                return Ok(());
            }
        }
    }
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
        let relay = Relay { addr: listener.local_addr().unwrap(), links: Arc::default(), way: Arc::default() };
        let (links, way) = (relay.links.clone(), relay.way.clone());
        thread::spawn(move || {
            for near in listener.incoming().flatten() {
                let mut links = links.lock().unwrap();
                if links.is_cut {
                    continue;
                }
                let Ok(far) = TcpStream::connect(&server) else { continue };
                for (from, to, is_back) in [(&near, &far, false), (&far, &near, true)] {
                    let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    let way = if is_back { way.clone() } else { Arc::default() };
                    thread::spawn(move || {
                        // An end or an error: either way there is no more.
                        let _ = way.carry(&mut from, &mut to);
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

    /// From now on nothing comes to the client.
    pub(crate) fn stop(&self) {
        *self.way.is_stopped.lock().unwrap() = true;
    }

    /// Until now.
    pub(crate) fn go_on(&self) {
        *self.way.is_stopped.lock().unwrap() = false;
        self.way.goes_on.notify_all();
    }

    /// From now on connections are carried again.
    pub(crate) fn mend(&self) {
        self.links.lock().unwrap().is_cut = false;
    }
}
