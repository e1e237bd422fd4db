//! reqwest behind the layer, over loopback sockets where they matter.

#![expect(clippy::unwrap_used, reason = "a helper of tests may unwrap as tests do")]

mod rig;

mod attributes;
mod builder;
mod context;
mod ends;
mod propagation;
mod redirects;
mod stacks;
