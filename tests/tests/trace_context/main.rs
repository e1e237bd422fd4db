//! `examples/trace-context` under a W3C Trace Context validation harness, over real sockets.
//!
//! The cases are those of [the W3C's suite](https://github.com/w3c/trace-context/tree/main/test), by their names there,
//! and what its rows leave out. Where levels 1 and 2 of the specification differ, level 2 holds.

#![expect(clippy::unwrap_used, reason = "a helper of tests may unwrap as tests do")]

mod cases;
mod conformance;
mod harness;
mod otlp;
mod spans;
