//! The client protocol: what comes out for what goes in, by rule number. The answers of nats-server 2.15.1 were observed on
//! the real one, with the same bytes.

mod connect;
mod errors;
mod keepalive;
mod oracle;
mod peer;
mod properties;
mod server_ops;
mod session;
mod splits;
mod text;
