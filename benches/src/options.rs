//! The command line.

use crate::peer::Peer;
use crate::peers;
use crate::workload::Workload;

/// What a table is to have.
#[derive(Default)]
pub struct Options {
    workloads: Vec<Workload>,
    only: Option<Vec<&'static str>>,
    pub rounds: Option<usize>,
    pub requests: Option<u64>,
    pub seconds: Option<u64>,
    pub exporter: Option<String>,
}

impl Options {
    pub fn parse(args: &[&str]) -> Result<Self, String> {
        let mut options = Self::default();
        let mut args = args.iter();
        while let Some(&arg) = args.next() {
            let mut value = || args.next().copied().ok_or_else(|| format!("{arg} needs a value"));
            match arg {
                "--rounds" => options.rounds = Some(number(arg, value()?)? as usize),
                "--requests" => options.requests = Some(number(arg, value()?)?),
                "--seconds" => options.seconds = Some(number(arg, value()?)?),
                "--exporter" => options.exporter = Some(value()?.to_owned()),
                "--only" => {
                    let row = |name| peers::find(name).map(Peer::name).ok_or_else(|| format!("no row {name}"));
                    options.only = Some(value()?.split(',').map(row).collect::<Result<_, _>>()?);
                }
                name => {
                    options.workloads.push(Workload::parse(name).ok_or_else(|| format!("no workload {name}"))?);
                }
            }
        }
        Ok(options)
    }

    /// The workloads that were named, or all.
    pub fn workloads(&self) -> &[Workload] {
        if self.workloads.is_empty() { &Workload::ALL } else { &self.workloads }
    }

    /// The rows of a workload; `bare` is always among them.
    pub fn peers(&self, workload: Workload) -> Vec<&'static dyn Peer> {
        let is_wanted = |name| name == "bare" || self.only.as_ref().is_none_or(|only| only.contains(&name));
        peers::all().into_iter().filter(|peer| peer.runs(workload) && is_wanted(peer.name())).collect()
    }
}

fn number(option: &str, value: &str) -> Result<u64, String> {
    value.parse().ok().filter(|number| *number > 0).ok_or_else(|| format!("{option} wants a number, not {value}"))
}
