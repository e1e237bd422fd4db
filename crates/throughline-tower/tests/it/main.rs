//! The HTTP layers, driven poll by poll: no runtime, no sockets, no waiting.

#![expect(clippy::unwrap_used, reason = "a helper of tests may unwrap as tests do")]

mod rig;

mod client_attributes;
mod client_end;
mod context;
mod errors;
mod forwarding;
mod hooks;
mod listener;
mod metrics;
mod panics;
mod propagation;
mod quiet;
mod resend;
mod server_attributes;
mod server_end;
