//! The `OTEL_EXPORTER_OTLP_*` variables.

use std::path::PathBuf;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use opentelemetry_sdk::metrics::Temporality;
use percent_encoding::percent_decode_str;

use super::{File, InvalidVariable, OtlpConfig};

/// A variable's two names: the one of the signal wins.
type Names = [&'static str; 2];

type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// What is sent: its variables, its path below a base URL, and where it goes if no variable says.
pub(super) struct Signal {
    endpoint: Names,
    protocol: Names,
    headers: Names,
    timeout: Names,
    compression: Names,
    certificate: Names,
    client_certificate: Names,
    client_key: Names,
    path: &'static str,
    pub(super) default: &'static str,
}

macro_rules! signal {
    ($prefix:literal, $path:literal) => {
        Signal {
            endpoint: signal!(@names $prefix, "ENDPOINT"),
            protocol: signal!(@names $prefix, "PROTOCOL"),
            headers: signal!(@names $prefix, "HEADERS"),
            timeout: signal!(@names $prefix, "TIMEOUT"),
            compression: signal!(@names $prefix, "COMPRESSION"),
            certificate: signal!(@names $prefix, "CERTIFICATE"),
            client_certificate: signal!(@names $prefix, "CLIENT_CERTIFICATE"),
            client_key: signal!(@names $prefix, "CLIENT_KEY"),
            path: $path,
            default: concat!("http://localhost:4318/", $path),
        }
    };
    (@names $prefix:literal, $suffix:literal) => {
        [concat!("OTEL_EXPORTER_OTLP_", $prefix, $suffix), concat!("OTEL_EXPORTER_OTLP_", $suffix)]
    };
}

pub(super) static TRACES: Signal = signal!("TRACES_", "v1/traces");
pub(super) static METRICS: Signal = signal!("METRICS_", "v1/metrics");

pub(super) fn parse(signal: &Signal, lookup: Lookup<'_>) -> Result<OtlpConfig, InvalidVariable> {
    let mut config = OtlpConfig::to(signal.default);
    if let Some((name, value)) = find(lookup, signal.protocol) {
        protocol(name, &value)?;
    }
    if let Some((name, value)) = find(lookup, signal.endpoint) {
        let url = url(name, &value)?;
        config.endpoint = if name == signal.endpoint[0] { url } else { below(&url, name, signal.path)? };
    }
    if let Some((name, value)) = find(lookup, signal.headers) {
        config.headers = headers(name, &value)?;
    }
    if let Some((name, value)) = find(lookup, signal.timeout) {
        config.timeout = timeout(name, &value)?;
    }
    if let Some((name, value)) = find(lookup, signal.compression) {
        config.gzip = gzip(name, &value)?;
    }
    config.certificate = file(lookup, signal.certificate);
    config.client = match (file(lookup, signal.client_certificate), file(lookup, signal.client_key)) {
        (Some(certificate), Some(key)) => Some((certificate, key)),
        (None, None) => None,
        (Some((name, _)), None) => return Err(alone(name, signal.client_key)),
        (None, Some((name, _))) => return Err(alone(name, signal.client_certificate)),
    };
    Ok(config)
}

/// `OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE`.
pub(super) fn temporality(lookup: Lookup<'_>) -> Result<Temporality, InvalidVariable> {
    let Some((name, value)) = find(lookup, [TEMPORALITY; 2]) else { return Ok(Temporality::Cumulative) };
    match &*value.to_ascii_lowercase() {
        "cumulative" => Ok(Temporality::Cumulative),
        "delta" => Ok(Temporality::Delta),
        "lowmemory" => Ok(Temporality::LowMemory),
        _ => {
            let problem = format!("unknown preference {value:?}; accepted: cumulative, delta, lowmemory");
            Err(InvalidVariable::new(name, problem))
        }
    }
}

/// The first of the names that has a value, and that value.
fn find(lookup: Lookup<'_>, names: Names) -> Option<(&'static str, String)> {
    names.into_iter().find_map(|name| {
        let value = lookup(name)?.trim().to_owned();
        (!value.is_empty()).then_some((name, value))
    })
}

fn file(lookup: Lookup<'_>, names: Names) -> Option<File> {
    find(lookup, names).map(|(name, value)| (name, PathBuf::from(value)))
}

fn alone(name: &'static str, missing: Names) -> InvalidVariable {
    InvalidVariable::new(name, format!("needs {} (or {}) beside it", missing[1], missing[0]))
}

fn protocol(name: &'static str, value: &str) -> Result<(), InvalidVariable> {
    match &*value.to_ascii_lowercase() {
        "http/protobuf" => Ok(()),
        "grpc" | "http/json" => {
            let problem = format!("{value:?} is not supported by this version; accepted: http/protobuf");
            Err(InvalidVariable::new(name, problem))
        }
        _ => Err(InvalidVariable::new(name, format!("unknown protocol {value:?}; accepted: http/protobuf"))),
    }
}

pub(super) fn url(name: &'static str, value: &str) -> Result<Uri, InvalidVariable> {
    if value.contains('@') {
        // Shown to nobody: it may well be a password.
        let problem = "credentials in the URL are not sent; put them into OTEL_EXPORTER_OTLP_HEADERS";
        return Err(InvalidVariable::new(name, problem));
    }
    let accepted = || {
        // Without the query, in which some backends want their key.
        let shown = value.split('?').next().unwrap_or_default();
        let problem = format!("{shown:?} is no http or https URL; accepted: such as http://localhost:4318");
        InvalidVariable::new(name, problem)
    };
    let uri: Uri = value.parse().map_err(|_| accepted())?;
    let spoken = matches!(uri.scheme_str(), Some("http" | "https"));
    if spoken && uri.host().is_some_and(|host| !host.is_empty()) { Ok(uri) } else { Err(accepted()) }
}

/// The URL of a signal below a base URL.
fn below(base: &Uri, name: &'static str, signal: &str) -> Result<Uri, InvalidVariable> {
    let path = base.path().trim_end_matches('/');
    let query = base.query().map(|query| format!("?{query}")).unwrap_or_default();
    let mut parts = base.clone().into_parts();
    parts.path_and_query = format!("{path}/{signal}{query}").parse().ok();
    Uri::from_parts(parts).map_err(|_| InvalidVariable::new(name, format!("`{signal}` cannot be appended to it")))
}

fn headers(name: &'static str, list: &str) -> Result<HeaderMap, InvalidVariable> {
    let mut headers = HeaderMap::new();
    for (at, member) in list.split(',').map(str::trim).enumerate().filter(|(_, member)| !member.is_empty()) {
        let Some((key, value)) = member.split_once('=') else {
            let problem = format!("entry {} has no `=`; accepted: name=value,name=value", at + 1);
            return Err(InvalidVariable::new(name, problem));
        };
        let (key, value) = (key.trim(), value.trim());
        let stray = value.split('%').skip(1).any(|rest| {
            let mut digits = rest.bytes();
            !(0..2).all(|_| digits.next().is_some_and(|byte| byte.is_ascii_hexdigit()))
        });
        if stray {
            let problem = format!("the value of {key:?} has a `%` that is not percent-encoding; write it as %25");
            return Err(InvalidVariable::new(name, problem));
        }
        let value: Vec<u8> = percent_decode_str(value).collect();
        let (key, value) = header(name, key, &value)?;
        headers.append(key, value);
    }
    Ok(headers)
}

pub(super) fn header(
    variable: &'static str,
    name: &str,
    value: &[u8],
) -> Result<(HeaderName, HeaderValue), InvalidVariable> {
    let Ok(key) = name.parse::<HeaderName>() else {
        return Err(InvalidVariable::new(variable, format!("{name:?} cannot be the name of a header")));
    };
    match HeaderValue::from_bytes(value) {
        Ok(value) => Ok((key, super::sensitive(value))),
        Err(_) => Err(InvalidVariable::new(variable, format!("the value of {name:?} cannot be that of a header"))),
    }
}

fn timeout(name: &'static str, value: &str) -> Result<Duration, InvalidVariable> {
    match value.parse::<u32>() {
        Ok(millis @ 1..) if !value.starts_with('+') => Ok(Duration::from_millis(millis.into())),
        _ => {
            let problem = format!("{value:?} is no time; accepted: whole milliseconds, 1 to {}", u32::MAX);
            Err(InvalidVariable::new(name, problem))
        }
    }
}

fn gzip(name: &'static str, value: &str) -> Result<bool, InvalidVariable> {
    match &*value.to_ascii_lowercase() {
        "gzip" => Ok(true),
        "none" => Ok(false),
        _ => Err(InvalidVariable::new(name, format!("unknown compression {value:?}; accepted: gzip, none"))),
    }
}

const TEMPORALITY: &str = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE";
