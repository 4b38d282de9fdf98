//! The client protocol: what comes out for what goes in, by rule number. What nats-server 2.15.1 answers was observed on the
//! real one, with the same bytes.

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
