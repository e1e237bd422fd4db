//! The command line.

use std::ffi::OsString;

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Run(Vec<Program>),
    Help,
}

/// How to start a peer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Program {
    /// What the table of cases calls it.
    pub(crate) peer: &'static str,
    pub(crate) interpreter: OsString,
    pub(crate) script: OsString,
}

// === impl Command ===

impl Command {
    /// Reads the arguments that follow the program's name; the error is one line for whoever typed them.
    pub(crate) fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Self, String> {
        let mut programs: Vec<Program> = Vec::new();
        let mut args = args.into_iter();
        while let Some(arg) = args.next() {
            let peer = match arg.to_str() {
                Some("--help" | "-h") => return Ok(Self::Help),
                Some("--js") => "js",
                Some("--python") => "python",
                _ => return Err(format!("unknown argument {arg:?}")),
            };
            if programs.iter().any(|known| known.peer == peer) {
                return Err(format!("--{peer} is there twice"));
            }
            let (Some(interpreter), Some(script)) = (args.next(), args.next()) else {
                return Err(format!("--{peer} needs an interpreter and a script"));
            };
            programs.push(Program { peer, interpreter, script });
        }
        if programs.is_empty() {
            return Err("no peer is named".to_owned());
        }
        Ok(Self::Run(programs))
    }
}

pub(crate) const USAGE: &str = "\
usage: interop [--js NODE PEER.MJS] [--python PYTHON PEER.PY]

Starts the peers that are named, lets services of throughline and of the official SDKs call each other over
loopback sockets in every format, and prints a line per case. The exit code is 1 if one side read something
else than the other wrote. `tests/interop/run.sh` installs what the peers need and calls this.

  --js NODE PEER.MJS        the peer of the JavaScript SDK: an interpreter and a script
  --python PYTHON PEER.PY   the peer of the Python SDK
  --help                    print this
";

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Result<Command, String> {
        Command::parse(args.iter().map(OsString::from))
    }

    #[test]
    fn reads_how_to_start_the_peers() {
        let js = || Program { peer: "js", interpreter: "node".into(), script: "a b.mjs".into() };
        let python = || Program { peer: "python", interpreter: "python3".into(), script: "peer.py".into() };
        for (args, wanted) in [
            (&["--js", "node", "a b.mjs"][..], Command::Run(vec![js()])),
            (&["--python", "python3", "peer.py", "--js", "node", "a b.mjs"], Command::Run(vec![python(), js()])),
            (&["--js", "node", "a b.mjs", "--help"], Command::Help),
        ] {
            assert_eq!(parse(args), Ok(wanted), "{args:?}");
        }
    }

    #[test]
    fn says_what_is_wrong() {
        for (args, message) in [
            (&[][..], "no peer is named"),
            (&["--js", "node"], "--js needs an interpreter and a script"),
            (&["--js", "node", "a", "--js", "node", "b"], "--js is there twice"),
            (&["--ruby", "ruby", "peer.rb"], r#"unknown argument "--ruby""#),
        ] {
            assert_eq!(parse(args), Err(message.to_owned()), "{args:?}");
        }
    }
}
