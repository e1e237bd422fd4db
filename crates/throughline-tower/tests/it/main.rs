//! The HTTP layers, driven poll by poll: no runtime, no sockets, no waiting.

#![expect(clippy::unwrap_used, reason = "a helper of tests may unwrap as tests do")]

mod rig;

mod captures;
mod choices;
mod client_attributes;
mod client_end;
mod context;
mod errors;
mod forwarding;
mod hooks;
mod ingress;
mod listener;
mod metrics;
mod panics;
mod propagation;
mod proxies;
mod quiet;
mod resend;
mod routes;
mod server_attributes;
mod server_end;
mod streams;
mod targets;
mod traits;
mod upgrades;
