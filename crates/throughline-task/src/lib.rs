//! Carries throughline contexts into tokio tasks, blocking threads and join sets.
//!
//! `tokio::spawn` forgets the context. The functions here have the same names, bounds and results, and take it along:
//!
//! ```
//! use throughline_core::Context;
//! use throughline_task as task;
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! let context = Context::ROOT.with_value("request 7");
//! let seen = context.scope(|| task::spawn(async { Context::current().value::<&str>().copied() }));
//! assert_eq!(seen.await.unwrap(), Some("request 7"));
//! # }
//! ```
//!
//! | instead of | there is |
//! |---|---|
//! | `tokio::spawn`, `spawn_blocking`, `spawn_local` | [`spawn`], [`spawn_blocking`], [`spawn_local`] |
//! | methods of a runtime's handle | [`HandleExt`] |
//! | methods of a `JoinSet` | [`JoinSetExt`] |
//! | any other function that spawns | `future.with_current_context()`, from [`ContextExt`](throughline_core::ContextExt) |
//!
//! None of them makes a span: spans that the task starts are children of the span that was current at the call.
//! A span for the task itself is made by [`traced`], and [`spawn_linked`] begins a trace of its own for work that nobody
//! waits for.
//!
//! # Guarantees
//!
//! * The context is the one that is current at the call; it does not matter where and when the task runs.
//! * It is attached in every poll and while the future is dropped: cleanup after an abort sees it.
//! * A task that outlives the span it was spawned under is still below it, and cannot change it any more.
//! * The cost is one refcount per spawn and two words swapped per poll; nothing is allocated beyond what tokio does.
//!
//! # Keeping to it
//!
//! Clippy finds the places where it was forgotten. In `clippy.toml`:
//!
//! ```toml
//! disallowed-methods = [
//!     { path = "tokio::spawn", reason = "loses the trace: use throughline_task::spawn" },
//!     { path = "tokio::task::spawn", reason = "loses the trace: use throughline_task::spawn" },
//!     { path = "tokio::task::spawn_blocking", reason = "loses the trace: use throughline_task::spawn_blocking" },
//!     { path = "tokio::task::spawn_local", reason = "loses the trace: use throughline_task::spawn_local" },
//!     { path = "tokio::task::JoinSet::spawn", reason = "loses the trace: use JoinSetExt::spawn_in_context" },
//!     { path = "tokio::runtime::Handle::spawn", reason = "loses the trace: use HandleExt::spawn_in_context" },
//! ]
//! ```

mod join_set;
mod plan;
mod result;
mod spawn;
mod traced;

pub use self::join_set::JoinSetExt;
pub use self::result::TracedResult;
pub use self::spawn::{HandleExt, spawn, spawn_blocking, spawn_linked, spawn_local};
pub use self::traced::{Traced, traced};
