//! Environment variables as carriers: a context for a child process.

use std::ffi::{OsStr, OsString};
use std::process::Command;

use super::{Extractor, Field, FieldValue, Injector};

/// Reads a context from environment variables, as a process does that another one has started
/// ([OpenTelemetry, Environment Variables as Context Propagation Carriers](https://opentelemetry.io/docs/specs/otel/context/env-carriers/)).
///
/// A field's variable is its name in upper case, with `_` for every character that is neither letter nor digit:
/// `TRACEPARENT`, `X_B3_TRACEID`. Variables of other spellings are not looked at. Values that are not UTF-8 count as
/// absent. Formats that make a field per key do not keep the key: Jaeger's `tenant-id` comes back as `tenant_id`.
///
/// ```
/// use throughline_core::Context;
/// use throughline_core::propagation::Composite;
/// use throughline_core::propagation::carrier::EnvExtractor;
///
/// let environment = EnvExtractor::process();
/// let parent = Composite::w3c().extract_from(&environment).to_context(&Context::ROOT);
/// # let _ = parent;
/// ```
#[derive(Clone, Default)]
pub struct EnvExtractor {
    variables: Vec<(String, String)>,
}

/// Writes a context to the environment of a child process that is about to be started.
///
/// What the child would inherit of the fields is removed where it is not written: a stale `TRACEPARENT` does not reach
/// it.
///
/// ```
/// use std::process::Command;
/// use throughline_core::Context;
/// use throughline_core::propagation::carrier::EnvInjector;
/// use throughline_core::propagation::{Allow, Composite};
///
/// let mut command = Command::new("convert");
/// Composite::w3c().inject_into(&Context::current(), Allow::ALL, &mut EnvInjector::new(&mut command));
/// ```
///
/// `tokio::process::Command` has `as_std_mut`.
#[derive(Debug)]
pub struct EnvInjector<'a> {
    command: &'a mut Command,
}

// === impl EnvExtractor ===

impl EnvExtractor {
    /// The variables of this process, as they are now.
    #[must_use]
    pub fn process() -> Self {
        Self::new(std::env::vars_os())
    }

    /// These variables.
    #[must_use]
    pub fn new<K: Into<OsString>, V: Into<OsString>>(variables: impl IntoIterator<Item = (K, V)>) -> Self {
        let text = |(name, value): (K, V)| Some((name.into().into_string().ok()?, value.into().into_string().ok()?));
        let mut variables: Vec<_> = variables.into_iter().filter_map(text).collect();
        variables.retain(|(name, _)| *name == variable(name));
        Self { variables }
    }
}

impl Extractor for EnvExtractor {
    fn get(&self, field: &Field) -> FieldValue<'_> {
        let name = variable(field.as_str());
        let found = self.variables.iter().find(|(known, _)| *known == name);
        found.map_or(FieldValue::Absent, |(_, value)| FieldValue::One(value.as_bytes()))
    }

    fn each<'a>(&'a self, field: &Field, see: &mut dyn FnMut(&'a [u8])) {
        if let FieldValue::One(value) = self.get(field) {
            see(value);
        }
    }

    fn each_prefixed<'a>(&'a self, prefix: &str, see: &mut dyn FnMut(&'a str, &'a [u8])) {
        let prefix = variable(prefix);
        for (name, value) in self.variables.iter().filter(|(name, _)| name.starts_with(&prefix)) {
            see(name, value.as_bytes());
        }
    }
}

/// The names of the variables; their values may be secret.
impl std::fmt::Debug for EnvExtractor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.variables.iter().map(|(name, _)| name)).finish()
    }
}

// === impl EnvInjector ===

impl<'a> EnvInjector<'a> {
    /// Writes to the environment of this command.
    pub fn new(command: &'a mut Command) -> Self {
        Self { command }
    }
}

impl Injector for EnvInjector<'_> {
    fn set(&mut self, field: &Field, value: &[u8]) {
        self.set_named(field.as_str(), value);
    }

    fn remove(&mut self, field: &Field) {
        self.command.env_remove(variable(field.as_str()));
    }

    fn set_named(&mut self, name: &str, value: &[u8]) {
        match std::str::from_utf8(value) {
            // The process would not start with a zero in its environment.
            Ok(text) if !value.contains(&0) => self.command.env(variable(name), text),
            _ => self.command.env_remove(variable(name)),
        };
    }

    fn remove_prefixed(&mut self, prefix: &str) {
        let prefix = variable(prefix);
        let begins = |name: &OsStr| name.to_str().is_some_and(|name| name.starts_with(&prefix));
        let own = self.command.get_envs().map(|(name, _)| name.to_owned());
        let stale: Vec<_> = std::env::vars_os().map(|(name, _)| name).chain(own).filter(|name| begins(name)).collect();
        for name in stale {
            self.command.env_remove(name);
        }
    }
}

/// The name of a field's variable.
fn variable(field: &str) -> String {
    let mut name: String =
        field.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect();
    if name.is_empty() || name.starts_with(|first: char| first.is_ascii_digit()) {
        name.insert(0, '_');
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_normalised_as_the_specification_says() {
        for (field, wanted) in [
            ("traceparent", "TRACEPARENT"),
            ("x-b3-traceid", "X_B3_TRACEID"),
            ("X-Amzn-Trace-Id", "X_AMZN_TRACE_ID"),
            ("", "_"),
            ("3d", "_3D"),
            ("a.b/c", "A_B_C"),
            ("é", "_"),
            ("_x", "_X"),
        ] {
            assert_eq!(variable(field), wanted, "{field:?}");
            assert_eq!(variable(wanted), wanted, "a normal one stays");
        }
    }
}
