//! What a context goes through beside HTTP with W3C's headers, a scene per file: `estate.rs` moves from B3 to W3C,
//! `child.rs` starts a process, `job.rs` stores a context and resumes it, `kept.rs` redacts spans and keeps those that
//! nobody sampled, `sampling.rs` decides by rules that are replaced, `fields.rs` has fields of baggage.

mod args;
mod child;
mod estate;
mod fields;
mod job;
mod kept;
mod sampling;

use std::error::Error;
use std::io::{self, Write as _};
use std::process::ExitCode;

use throughline::{SpanContext, SpanData};

use self::args::Args;

type BoxError = Box<dyn Error + Send + Sync>;

/// What is shown, below its title.
type Scene = fn() -> Result<String, BoxError>;

fn main() -> ExitCode {
    let result = match Args::parse(std::env::args_os().skip(1)) {
        Ok(Args::Help) => print(args::HELP),
        Ok(Args::Child) => child::run(),
        Ok(Args::Scenes) => scenes(),
        Err(error) => {
            eprintln!("propagation: {error}; see `propagation --help`");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("propagation: {error}");
            ExitCode::FAILURE
        }
    }
}

fn scenes() -> Result<(), BoxError> {
    let scenes: [(&str, Scene); 6] = [
        ("An estate moves from B3 to W3C", estate::show),
        ("A child process", child::show),
        ("A stored job", job::show),
        ("Redacted, and kept though not sampled", kept::show),
        ("Rules, replaced while the process runs", sampling::show),
        ("Fields of baggage", fields::show),
    ];
    for (at, (title, scene)) in scenes.into_iter().enumerate() {
        let space = if at == 0 { "" } else { "\n" };
        print(&format!("{space}== {title}\n\n"))?;
        print(&scene()?)?;
    }
    Ok(())
}

fn print(text: &str) -> Result<(), BoxError> {
    Ok(io::stdout().write_all(text.as_bytes())?)
}

/// A span's identity and whom it goes back to.
fn identity(span: &SpanData) -> String {
    let place = |span: &SpanContext| format!("trace {} span {}", span.trace_id(), span.span_id());
    let parent = span.parent_span_id.map_or("none".to_owned(), |id| id.to_string());
    let links: String = span.links.iter().map(|link| format!("  link: {}\n", place(&link.span_context))).collect();
    format!("{}\n  {}\n  parent: {parent}\n{links}", span.name, place(&span.span_context))
}
