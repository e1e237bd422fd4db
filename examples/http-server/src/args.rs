//! The command line.

use std::ffi::OsString;

use http_server::Edge;

/// How the server is to run.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Args {
    pub(crate) port: u16,
    pub(crate) edge: Edge,
}

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Serve(Args),
    Help,
}

// === impl Command ===

impl Command {
    /// Reads the arguments that follow the program's name; the error is one line for whoever typed them.
    pub(crate) fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Self, String> {
        let mut parsed = Args { port: 8080, edge: Edge::Trusted };
        let mut args = args.into_iter().map(|arg| arg.to_string_lossy().into_owned());
        while let Some(arg) = args.next() {
            let (name, attached) = match arg.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (&*arg, None),
            };
            let value = || attached.or_else(|| args.next()).ok_or_else(|| format!("{name} needs a value"));
            match name {
                "--help" | "-h" => return Ok(Self::Help),
                "--port" => {
                    let value = value()?;
                    parsed.port =
                        value.parse().map_err(|_| format!("invalid port {value:?}: accepted is 0 to 65535"))?;
                }
                "--edge" => {
                    parsed.edge = match &*value()? {
                        "public" => Edge::Public,
                        "trusted" => Edge::Trusted,
                        other => return Err(format!("invalid edge {other:?}: accepted is public or trusted")),
                    };
                }
                _ => return Err(format!("unknown argument {arg:?}")),
            }
        }
        Ok(Self::Serve(parsed))
    }
}

pub(crate) const USAGE: &str = "\
usage: http-server [--port N] [--edge public|trusted]

Serves every kind of HTTP answer on 127.0.0.1, over HTTP/1.0, HTTP/1.1 and h2c, until Ctrl-C or SIGTERM.
The first line of its output is the address: `listening on http://127.0.0.1:8080`.

  --port N      the port; 0 takes a free one (default: 8080)
  --edge KIND   trusted: a request's trace is continued (default)
                public: a request begins a trace of its own, with a link to the one that it names
  --help        print this

Routes (GET where nothing else is said; a parameter that is left out has the value shown):
  /users/{id}                    200, JSON
  /nested/a/{x}                  200, from a nested router
  /stream?chunks=3&ms=0          chunked: the first chunk at once, then one every so many milliseconds
  /download?bytes=65536          with Content-Length, in frames of 16 KiB at most
  /empty                         204
  /not-modified                  304
  /redirect                      302, to /users/1
  /status/{code}                 that status, 200 to 999
  /panic                         the handler panics: the connection or stream breaks
  /slow?ms=100                   200 after so many milliseconds in the handler
  /body-error?after=1024         200, and a body that fails after so many bytes
  /sse?events=3                  server-sent events
  /ws                            a WebSocket that sends back what it gets
  POST /echo                     streams the request's body back, trailers too
  /call?url=U                    one request to the plain http:// URL U; its status
  /retry?url=U                   up to three, until an answer is below 500; the last one's status
  /spawn                         200, and a task whose span outlives the answer
  /healthz                       200, the only route without a span
  /stats                         what throughline counted, and the number of active requests, as JSON

Limits: chunks and events 100000, ms 60000, bytes and after 1073741824. Other values are answered 400.
/call and /retry answer 502 if nobody answers them, 504 if that takes longer than 30 seconds.

The OTEL_* variables set up the telemetry: OTEL_EXPORTER_OTLP_ENDPOINT says where it goes,
OTEL_TRACES_EXPORTER=console draws spans here, OTEL_TRACES_EXPORTER=none does neither.
";

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Result<Command, String> {
        Command::parse(args.iter().map(OsString::from))
    }

    #[test]
    fn reads_port_and_edge() {
        for (args, port, edge) in [
            (&[][..], 8080, Edge::Trusted),
            (&["--port", "0"], 0, Edge::Trusted),
            (&["--port=65535", "--edge=public"], 65535, Edge::Public),
            (&["--edge", "public", "--edge", "trusted", "--port", "1"], 1, Edge::Trusted),
        ] {
            assert_eq!(parse(args), Ok(Command::Serve(Args { port, edge })), "{args:?}");
        }
        assert_eq!(parse(&["--port", "1", "--help"]), Ok(Command::Help));
    }

    #[test]
    fn says_what_is_wrong() {
        for (args, message) in [
            (&["--port"][..], "--port needs a value"),
            (&["--port", "65536"], r#"invalid port "65536": accepted is 0 to 65535"#),
            (&["--edge"], "--edge needs a value"),
            (&["--edge=Public"], r#"invalid edge "Public": accepted is public or trusted"#),
            (&["--verbose"], r#"unknown argument "--verbose""#),
        ] {
            assert_eq!(parse(args), Err(message.to_owned()), "{args:?}");
        }
    }
}
