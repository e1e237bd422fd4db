//! Checks that an adapter must pass, whatever framework or client it is for.
//!
//! A suite brings the other end of the wire along and looks at the spans, so that an adapter's test is the few lines that
//! start a server or send a request. One call runs all cases, and the [`Report`] has all failures.

pub mod http;

mod report;

pub use self::report::Report;
