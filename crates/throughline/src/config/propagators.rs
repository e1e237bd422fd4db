//! `OTEL_PROPAGATORS`, `THROUGHLINE_PROPAGATORS_…`: which formats contexts have on the wire, and whom to believe.

use throughline_core::propagation::{Composite, Format, Policy};

use super::variables::{Variables, refuse};
use crate::ConfigError;

/// A format that the program gave a name, in lower case.
#[derive(Clone, Debug)]
pub(crate) struct NamedFormat {
    name: String,
    format: Format,
}

/// What the variables say of formats. What they do not mention stays as the program had it.
#[derive(Debug, Default)]
pub(crate) struct Propagators {
    pub(super) extract: Option<Vec<Format>>,
    pub(super) inject: Option<Vec<Format>>,
    pub(super) messages: Option<Vec<Format>>,
    pub(super) policy: Option<Policy>,
}

// === impl NamedFormat ===

impl NamedFormat {
    pub(crate) fn new(name: &str, format: Format, known: &[Self]) -> Result<Self, ConfigError> {
        let lower = name.to_ascii_lowercase();
        let is_word = |name: &str| name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
        let problem = match &*lower {
            "" => "it is empty",
            NONE => "in a variable it stands for no format at all",
            name if Format::NAMES.contains(&name) => "a built-in format is called so",
            name if known.iter().any(|format| format.name == name) => "another propagator is called so",
            name if !is_word(name) => "accepted are ASCII letters, digits, `-`, `_` and `.`",
            _ => return Ok(Self { name: lower, format }),
        };
        Err(ConfigError::PropagatorName { name: name.to_owned(), problem })
    }
}

// === impl Propagators ===

impl Propagators {
    pub(super) fn read(variables: &Variables<'_>, named: &[NamedFormat]) -> Result<Self, ConfigError> {
        let formats = |variable| formats(variables, variable, named);
        let both = formats(PROPAGATORS)?;
        let inject = formats(INJECT)?.or_else(|| both.clone());
        Ok(Self {
            extract: formats(EXTRACT)?.or(both),
            messages: formats(INJECT_MESSAGES)?.or_else(|| inject.clone()),
            inject,
            policy: policy(variables)?,
        })
    }

    /// The program's propagator as the operator wants it.
    pub(crate) fn apply(self, mut propagator: Composite) -> Composite {
        let Self { extract, inject, messages, policy } = self;
        if let Some(formats) = extract {
            propagator = propagator.extracting(formats);
        }
        if let Some(formats) = inject {
            propagator = propagator.injecting(formats);
        }
        if let Some(formats) = messages {
            propagator = propagator.injecting_messages(formats);
        }
        if let Some(policy) = policy {
            propagator = propagator.policy(policy);
        }
        propagator
    }
}

fn formats(
    variables: &Variables<'_>,
    variable: &'static str,
    named: &[NamedFormat],
) -> Result<Option<Vec<Format>>, ConfigError> {
    let Some(entries) = variables.list(variable)? else { return Ok(None) };
    let own = |entry: &str| named.iter().find(|format| format.name == entry).map(|format| format.format.clone());
    let format = |entry: &String| {
        let format = Format::by_name(entry).or_else(|| own(entry));
        format.ok_or_else(|| refuse(variable, entry, &[], &accepted(named)))
    };
    entries.iter().map(format).collect::<Result<Vec<_>, _>>().map(Some)
}

fn policy(variables: &Variables<'_>) -> Result<Option<Policy>, ConfigError> {
    let Some(value) = variables.get(POLICY) else { return Ok(None) };
    match &*value.to_ascii_lowercase() {
        "last" => Ok(Some(Policy::LastWins)),
        "first" => Ok(Some(Policy::FirstWins)),
        other => Err(refuse(POLICY, other, &[], "last, first")),
    }
}

fn accepted(named: &[NamedFormat]) -> String {
    let own = named.iter().map(|format| &*format.name);
    Format::NAMES.into_iter().chain(own).chain([NONE]).collect::<Vec<_>>().join(", ")
}

const PROPAGATORS: &str = "OTEL_PROPAGATORS";
const EXTRACT: &str = "THROUGHLINE_PROPAGATORS_EXTRACT";
const INJECT: &str = "THROUGHLINE_PROPAGATORS_INJECT";
const INJECT_MESSAGES: &str = "THROUGHLINE_PROPAGATORS_INJECT_MESSAGES";
const POLICY: &str = "THROUGHLINE_PROPAGATORS_POLICY";
const NONE: &str = "none";
