//! `OTEL_PROPAGATORS`: which formats contexts have on the wire.

use throughline_core::propagation::{Composite, Format};

use super::variables::{Variables, refuse};
use crate::ConfigError;

pub(super) fn read(variables: &Variables<'_>) -> Result<Option<Composite>, ConfigError> {
    let Some(entries) = variables.list(PROPAGATORS)? else { return Ok(None) };
    let formats = entries.iter().map(|entry| match &**entry {
        "tracecontext" => Ok(Format::TraceContext),
        "baggage" => Ok(Format::Baggage),
        other => Err(refuse(PROPAGATORS, other, &KNOWN, ACCEPTED)),
    });
    Ok(Some(Composite::new(formats.collect::<Result<Vec<_>, _>>()?)))
}

const PROPAGATORS: &str = "OTEL_PROPAGATORS";
const ACCEPTED: &str = "tracecontext, baggage, none";
const KNOWN: [&str; 5] = ["b3", "b3multi", "jaeger", "xray", "ottrace"];
