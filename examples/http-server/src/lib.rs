//! A server with every kind of HTTP answer, traced: something to point clients, load and validators at.
//!
//! [`App`] is the router behind throughline's layer, [`serve`] puts it on a socket for HTTP/1.0, HTTP/1.1 and h2c. The
//! tests drive both in process; the program adds the command line, signals and the environment.

use std::error::Error;

mod app;
mod bounds;
mod outgoing;
mod routes;
mod serve;

pub use self::app::{App, Edge};
pub use self::serve::serve;

/// An error with its causes, in one line.
#[must_use]
pub fn chain(error: &dyn Error) -> String {
    let causes = std::iter::successors(error.source(), |cause: &&dyn Error| (*cause).source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
