//! `OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES`: who the service is.

use percent_encoding::percent_decode_str;

use super::variables::Variables;
use crate::ConfigError;

/// The attributes in order; a later one of a key wins, and the service's own variable comes last.
pub(super) fn read(variables: &Variables<'_>) -> Result<Vec<(String, String)>, ConfigError> {
    let mut attributes = Vec::new();
    for (at, pair) in variables.get(ATTRIBUTES).unwrap_or_default().split(',').enumerate() {
        let pair = pair.trim();
        if pair.is_empty() {
            continue;
        }
        let entry = |problem: &str| {
            let problem = format!("entry {}, {pair:?}, {problem}; accepted: key=value,key=value", at + 1);
            ConfigError::variable(ATTRIBUTES, problem)
        };
        let (key, value) = pair.split_once('=').ok_or_else(|| entry("has no `=`"))?;
        let decoded = decode(key.trim()).zip(decode(value.trim()));
        let (key, value) = decoded.ok_or_else(|| entry("is not percent-encoded UTF-8"))?;
        if key.is_empty() {
            return Err(entry("has no key"));
        }
        attributes.push((key, value));
    }
    if let Some(name) = variables.get(SERVICE_NAME) {
        attributes.push(("service.name".to_owned(), name));
    }
    Ok(attributes)
}

fn decode(text: &str) -> Option<String> {
    // The decoder would pass on what only looks like an escape.
    let escapes = text.split('%').skip(1);
    let sound = |rest: &str| rest.len() >= 2 && rest.bytes().take(2).all(|byte| byte.is_ascii_hexdigit());
    if !escapes.into_iter().all(sound) {
        return None;
    }
    Some(percent_decode_str(text).decode_utf8().ok()?.into_owned())
}

const ATTRIBUTES: &str = "OTEL_RESOURCE_ATTRIBUTES";
const SERVICE_NAME: &str = "OTEL_SERVICE_NAME";
