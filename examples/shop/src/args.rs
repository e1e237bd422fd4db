//! The command line.

use std::ffi::OsString;

/// What the user asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Args {
    pub(crate) help: bool,
    /// Spans as JSON lines instead of waterfalls.
    pub(crate) json: bool,
}

impl Args {
    pub(crate) fn parse(given: impl Iterator<Item = OsString>) -> Result<Self, String> {
        let mut args = Self::default();
        for argument in given {
            match argument.to_str() {
                Some("-h" | "--help") => args.help = true,
                Some("--json") => args.json = true,
                _ => return Err(format!("unknown argument {argument:?}")),
            }
        }
        Ok(args)
    }
}

pub(crate) const HELP: &str = "\
Sends a dozen requests through four services (driver, gateway, orders, inventory) that talk over
loopback sockets, and draws what throughline recorded: a waterfall per request, then a summary.

Usage: shop [--json]

Options:
      --json  print every span as a line of JSON instead, and nothing else, with the keys trace_id,
              span_id, parent_span_id, service, name, kind, start_unix_nano, duration_ns, status,
              error_type, attributes, events, links
  -h, --help  print this

Environment:
  OTEL_EXPORTER_OTLP_ENDPOINT  where to export to as well, over OTLP/HTTP: http://localhost:4318
                               (and the other OTEL_EXPORTER_OTLP_* variables)
  NO_COLOR                     draw without colours, on a terminal too

Exit status: 0, or 1 if a request went otherwise than planned or spans could not be exported, or 2 if
the arguments make no sense.
";
