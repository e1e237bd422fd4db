//! HTTP over loopback sockets: every end of a span that a real server or client brings about.

#![expect(clippy::unwrap_used, reason = "a helper of tests may unwrap as tests do")]

mod rig;
mod routes;

mod aborts;
mod beats;
mod between;
mod clients;
mod layers;
mod panics;
mod parity;
mod responses;
mod shapes;
mod streams;
mod timeouts;
