//! The command line.

use std::ffi::OsString;

/// Where the service listens.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Args {
    pub(crate) host: String,
    pub(crate) port: u16,
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
        let mut parsed = Args { host: "127.0.0.1".to_owned(), port: 5000 };
        let mut args = args.into_iter().map(|arg| arg.to_string_lossy().into_owned());
        while let Some(arg) = args.next() {
            let (name, attached) = match arg.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (&*arg, None),
            };
            let value = || attached.or_else(|| args.next()).ok_or_else(|| format!("{name} needs a value"));
            match name {
                "--help" | "-h" => return Ok(Self::Help),
                "--host" => parsed.host = value()?,
                "--port" => {
                    let value = value()?;
                    parsed.port =
                        value.parse().map_err(|_| format!("invalid port {value:?}: accepted is 0 to 65535"))?;
                }
                _ => return Err(format!("unknown argument {arg:?}")),
            }
        }
        Ok(Self::Serve(parsed))
    }
}

pub(crate) const USAGE: &str = "\
usage: trace-context [--port N] [--host H]

Serves POST /test for a W3C Trace Context validation harness, until Ctrl-C or SIGTERM.

  --port N   the port; 0 takes a free one (default: 5000)
  --host H   the address to listen on (default: 127.0.0.1)
  --help     print this

The OTEL_* variables set up the tracing: OTEL_EXPORTER_OTLP_ENDPOINT says where spans go,
OTEL_TRACES_EXPORTER=console prints them, OTEL_TRACES_EXPORTER=none does neither.
";

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Result<Command, String> {
        Command::parse(args.iter().map(OsString::from))
    }

    #[test]
    fn reads_where_to_listen() {
        for (args, host, port) in [
            (&[][..], "127.0.0.1", 5000),
            (&["--port", "0"], "127.0.0.1", 0),
            (&["--port=65535", "--host=::1"], "::1", 65535),
            (&["--port", "1", "--host", "localhost", "--port", "2"], "localhost", 2),
        ] {
            let wanted = Args { host: host.to_owned(), port };
            assert_eq!(parse(args), Ok(Command::Serve(wanted)), "{args:?}");
        }
        assert_eq!(parse(&["--port", "1", "--help"]), Ok(Command::Help));
    }

    #[test]
    fn says_what_is_wrong() {
        for (args, message) in [
            (&["--port"][..], "--port needs a value"),
            (&["--port", "65536"], r#"invalid port "65536": accepted is 0 to 65535"#),
            (&["--port="], r#"invalid port "": accepted is 0 to 65535"#),
            (&["--host"], "--host needs a value"),
            (&["--verbose"], r#"unknown argument "--verbose""#),
            (&["5000"], r#"unknown argument "5000""#),
        ] {
            assert_eq!(parse(args), Err(message.to_owned()), "{args:?}");
        }
    }
}
