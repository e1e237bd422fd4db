//! The suites of `throughline_testing::conformance`, run for every adapter that there is.

#![expect(clippy::unwrap_used, reason = "a helper of tests may unwrap as tests do")]

mod clients;
mod servers;
