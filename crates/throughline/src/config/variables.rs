//! Looking up variables, and the types that several of them have.

use std::ops::RangeInclusive;

use crate::ConfigError;

/// Where variables are looked up: the process's environment, or a test's table.
pub(super) struct Variables<'a>(&'a dyn Fn(&str) -> Option<String>);

impl<'a> Variables<'a> {
    pub(super) fn new(lookup: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self(lookup)
    }

    /// The value, without blanks around it; an empty one counts as unset.
    pub(super) fn get(&self, name: &str) -> Option<String> {
        let value = (self.0)(name)?.trim().to_owned();
        (!value.is_empty()).then_some(value)
    }

    /// The variable as the crates of exporters look it up.
    #[cfg(feature = "otlp")]
    pub(super) fn lookup(&self) -> impl Fn(&str) -> Option<String> {
        self.0
    }

    pub(super) fn truth(&self, name: &'static str) -> Result<Option<bool>, ConfigError> {
        let Some(value) = self.get(name) else { return Ok(None) };
        match &*value.to_ascii_lowercase() {
            "true" => Ok(Some(true)),
            "false" => Ok(Some(false)),
            _ => Err(ConfigError::variable(name, format!("unknown value {value:?}; accepted: true, false"))),
        }
    }

    pub(super) fn number(&self, name: &'static str, range: RangeInclusive<u64>) -> Result<Option<u64>, ConfigError> {
        let Some(value) = self.get(name) else { return Ok(None) };
        match value.parse::<u64>() {
            // `parse` takes a sign, which no variable has.
            Ok(number) if range.contains(&number) && !value.starts_with('+') => Ok(Some(number)),
            _ => {
                let (low, high) = (range.start(), range.end());
                let problem = format!("{value:?} is not accepted; accepted: whole numbers, {low} to {high}");
                Err(ConfigError::variable(name, problem))
            }
        }
    }

    /// The entries of a list as they are written.
    #[cfg(feature = "http")]
    pub(super) fn entries(&self, name: &'static str) -> Option<Vec<String>> {
        let list = self.get(name)?;
        Some(list.split(',').map(str::trim).filter(|entry| !entry.is_empty()).map(str::to_owned).collect())
    }

    /// The entries of a list in lower case, each once; an empty entry counts as none.
    pub(super) fn list(&self, name: &'static str) -> Result<Option<Vec<String>>, ConfigError> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let mut entries: Vec<String> = Vec::new();
        for entry in value.split(',').map(|entry| entry.trim().to_ascii_lowercase()) {
            if !entry.is_empty() && !entries.contains(&entry) {
                entries.push(entry);
            }
        }
        if entries.len() > 1 && entries.iter().any(|entry| entry == "none") {
            let problem = format!("{value:?} says both `none` and something; `none` stands alone");
            return Err(ConfigError::variable(name, problem));
        }
        entries.retain(|entry| entry != "none");
        Ok(Some(entries))
    }
}

/// A value that is none of the accepted ones, but perhaps one that the specification knows.
pub(super) fn refuse(name: &'static str, value: &str, known: &[&str], accepted: &str) -> ConfigError {
    let problem = if known.contains(&value) {
        format!("{value:?} is not supported by this version; accepted: {accepted}")
    } else {
        format!("unknown value {value:?}; accepted: {accepted}")
    };
    ConfigError::variable(name, problem)
}
