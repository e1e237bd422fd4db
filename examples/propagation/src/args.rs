//! The command line.

use std::ffi::OsString;

/// What the user asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Args {
    Scenes,
    /// What the program starts itself as.
    Child,
    Help,
}

impl Args {
    pub(crate) fn parse(given: impl Iterator<Item = OsString>) -> Result<Self, String> {
        let mut args = Self::Scenes;
        for argument in given {
            match argument.to_str() {
                Some("-h" | "--help") => return Ok(Self::Help),
                Some("--child") => args = Self::Child,
                _ => return Err(format!("unknown argument {argument:?}")),
            }
        }
        Ok(args)
    }
}

pub(crate) const HELP: &str = "\
Takes one trace context through other formats, a child process and a stored job, and shows what is
redacted, kept, sampled and told along the way. Everything happens on loopback and in this process,
but for one child that it starts itself, and one file in the temporary folder that it removes.

Usage: propagation

Options:
      --child  continue the trace that the environment names, and say so: what the program starts
               itself with
  -h, --help   print this

Environment:
  NO_COLOR                           draw without colours, on a terminal too
  TRACEPARENT, TRACESTATE, BAGGAGE   with --child: the context to continue

Exit status: 0, or 1 if something could not be shown, or 2 if the arguments make no sense.
";
