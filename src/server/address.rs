//! The values that may be given as an address to listen on.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

mod sealed {
    pub trait Sealed {
        /// Host and port as text.
        fn text(&self) -> String;
    }
}

pub(super) use sealed::Sealed;

/// Whatever may be given as the address to listen on: a text such as `127.0.0.1:4222` or `localhost:4222`, a `SocketAddr`, or host and port.
///
/// Sealed: implemented for `&str`, `String`, `&String`, `SocketAddr`, and for pairs of a `&str`, `String`, `IpAddr`, `Ipv4Addr` or
/// `Ipv6Addr` and a `u16`; for nothing outside this crate.
pub trait ToListenAddress: Sealed {}

macro_rules! addresses {
    ($($address:ty => |$it:ident| $text:expr),* $(,)?) => {$(
        impl Sealed for $address {
            fn text(&self) -> String {
                let $it = self;
                $text
            }
        }

        impl ToListenAddress for $address {}
    )*};
}

addresses! {
    &str => |text| (*text).to_owned(),
    String => |text| text.clone(),
    &String => |text| (*text).clone(),
    SocketAddr => |address| address.to_string(),
    (&str, u16) => |pair| pair_text(pair.0, pair.1),
    (String, u16) => |pair| pair_text(&pair.0, pair.1),
    (IpAddr, u16) => |pair| SocketAddr::from(*pair).to_string(),
    (Ipv4Addr, u16) => |pair| SocketAddr::from(*pair).to_string(),
    (Ipv6Addr, u16) => |pair| SocketAddr::from(*pair).to_string(),
}

/// An address of IPv6 goes into brackets.
fn pair_text(host: &str, port: u16) -> String {
    if host.contains(':') && !host.starts_with('[') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}
