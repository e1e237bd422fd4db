//! What variables say of the HTTP layers.

use throughline_core::Tracer;
use throughline_tower::{HttpClientLayer, HttpServerLayer};

use super::variables::Variables;
use crate::ConfigError;

/// Settings of every layer that a [`Telemetry`](crate::Telemetry) makes; the program may change them layer by layer.
#[derive(Clone, Debug, Default)]
pub(crate) struct HttpConfig {
    known_methods: Option<Vec<String>>,
    server: Captured,
    client: Captured,
    peer_services: Vec<(String, String)>,
    baggage_to: Vec<String>,
}

#[derive(Clone, Debug, Default)]
struct Captured {
    request: Vec<String>,
    response: Vec<String>,
}

// === impl HttpConfig ===

impl HttpConfig {
    pub(super) fn read(variables: &Variables<'_>) -> Result<Self, ConfigError> {
        let names = |variable| tokens(variables, variable, "").map(|names| names.filter(|names| !names.is_empty()));
        let headers = |variable| tokens(variables, variable, "*?").map(Option::unwrap_or_default);
        Ok(Self {
            known_methods: names(KNOWN_METHODS)?,
            server: Captured { request: headers(SERVER_REQUEST)?, response: headers(SERVER_RESPONSE)? },
            client: Captured { request: headers(CLIENT_REQUEST)?, response: headers(CLIENT_RESPONSE)? },
            peer_services: peer_services(variables)?,
            ..Self::propagation(variables)?
        })
    }

    /// What holds even where no spans are made.
    pub(super) fn propagation(variables: &Variables<'_>) -> Result<Self, ConfigError> {
        let baggage_to = variables.entries(BAGGAGE_TO).unwrap_or_default();
        client().baggage_to(&baggage_to).map_err(|error| ConfigError::variable(BAGGAGE_TO, error.to_string()))?;
        Ok(Self { baggage_to, ..Self::default() })
    }

    pub(crate) fn server(&self, mut layer: HttpServerLayer) -> HttpServerLayer {
        let Captured { request, response } = &self.server;
        if let Some(methods) = &self.known_methods {
            layer = layer.known_methods(methods);
        }
        if !request.is_empty() {
            layer = layer.capture_request_headers(request);
        }
        if !response.is_empty() {
            layer = layer.capture_response_headers(response);
        }
        layer
    }

    pub(crate) fn client(&self, mut layer: HttpClientLayer) -> HttpClientLayer {
        let Captured { request, response } = &self.client;
        if let Some(methods) = &self.known_methods {
            layer = layer.known_methods(methods);
        }
        if !request.is_empty() {
            layer = layer.capture_request_headers(request);
        }
        if !response.is_empty() {
            layer = layer.capture_response_headers(response);
        }
        if !self.peer_services.is_empty() {
            // Both were tried when they were read.
            layer = layer.clone().peer_services(self.peer_services.iter().cloned()).unwrap_or(layer);
        }
        if !self.baggage_to.is_empty() {
            layer = layer.clone().baggage_to(&self.baggage_to).unwrap_or(layer);
        }
        layer
    }
}

/// Names as HTTP has them (RFC 9110 §5.6.2), in which these characters may stand, too.
fn tokens(variables: &Variables<'_>, name: &'static str, also: &str) -> Result<Option<Vec<String>>, ConfigError> {
    let Some(entries) = variables.entries(name) else { return Ok(None) };
    let allowed = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c) || also.contains(c);
    match entries.iter().find(|entry| !entry.chars().all(allowed)) {
        None => Ok(Some(entries)),
        Some(entry) => {
            let globs = if also.is_empty() { "" } else { ", in which `*` and `?` stand for others" };
            let problem = format!("{entry:?} is no name; accepted: a list of names such as A,B{globs}");
            Err(ConfigError::variable(name, problem))
        }
    }
}

fn peer_services(variables: &Variables<'_>) -> Result<Vec<(String, String)>, ConfigError> {
    let entries = variables.entries(PEER_SERVICES).unwrap_or_default();
    let pairs: Option<Vec<(String, String)>> = entries.iter().map(|entry| pair(entry)).collect();
    let accepted = "accepted: host[:port][/path]=name,host[:port][/path]=name";
    let pairs =
        pairs.ok_or_else(|| ConfigError::variable(PEER_SERVICES, format!("an entry has no `=`; {accepted}")))?;
    client()
        .peer_services(pairs.iter().cloned())
        .map_err(|error| ConfigError::variable(PEER_SERVICES, format!("{error}; {accepted}")))?;
    Ok(pairs)
}

fn pair(entry: &str) -> Option<(String, String)> {
    let (place, name) = entry.split_once('=')?;
    Some((place.trim().to_owned(), name.trim().to_owned()))
}

/// A layer to try settings on.
fn client() -> HttpClientLayer {
    HttpClientLayer::new(Tracer::noop())
}

const KNOWN_METHODS: &str = "OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS";
const SERVER_REQUEST: &str = "OTEL_INSTRUMENTATION_HTTP_SERVER_CAPTURE_REQUEST_HEADERS";
const SERVER_RESPONSE: &str = "OTEL_INSTRUMENTATION_HTTP_SERVER_CAPTURE_RESPONSE_HEADERS";
const CLIENT_REQUEST: &str = "OTEL_INSTRUMENTATION_HTTP_CLIENT_CAPTURE_REQUEST_HEADERS";
const CLIENT_RESPONSE: &str = "OTEL_INSTRUMENTATION_HTTP_CLIENT_CAPTURE_RESPONSE_HEADERS";
const PEER_SERVICES: &str = "OTEL_INSTRUMENTATION_COMMON_PEER_SERVICE_MAPPING";
const BAGGAGE_TO: &str = "THROUGHLINE_BAGGAGE_TO";

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, value: &str) -> Result<HttpConfig, ConfigError> {
        let lookup = |asked: &str| (asked == name).then(|| value.to_owned());
        HttpConfig::read(&Variables::new(&lookup))
    }

    #[test]
    fn lists_are_read_as_they_are_written() {
        let methods = |value| read(KNOWN_METHODS, value).unwrap().known_methods;
        assert_eq!(methods(" GET, purge ,"), Some(vec!["GET".to_owned(), "purge".to_owned()]));
        assert_eq!(methods(""), None, "empty is unset");
        assert_eq!(methods(" , "), None, "an empty list would know no method at all");
        let captured = read(SERVER_REQUEST, "X-Tenant,x-shop-*").unwrap().server.request;
        assert_eq!(captured, ["X-Tenant", "x-shop-*"]);
        let services = read(PEER_SERVICES, "stock:8080=inventory, pay.example/v1 = payments").unwrap().peer_services;
        let pair = |place: &str, name: &str| (place.to_owned(), name.to_owned());
        assert_eq!(services, [pair("stock:8080", "inventory"), pair("pay.example/v1", "payments")]);
        assert_eq!(read(BAGGAGE_TO, "a,*.b.internal").unwrap().baggage_to, ["a", "*.b.internal"]);
    }

    #[test]
    fn bad_values_are_named_with_what_is_accepted() {
        for (name, value) in [
            (KNOWN_METHODS, "GET,PO ST"),
            (SERVER_REQUEST, "x-tenant,a:b"),
            (SERVER_RESPONSE, "é"),
            (CLIENT_REQUEST, "a b"),
            (CLIENT_RESPONSE, "(x)"),
            (PEER_SERVICES, "inventory"),
            (PEER_SERVICES, "http://inventory=x"),
            (PEER_SERVICES, "=x"),
            (BAGGAGE_TO, "*"),
            (BAGGAGE_TO, "http://inventory"),
            (BAGGAGE_TO, "inventory:0"),
            (BAGGAGE_TO, "inventory:http"),
        ] {
            let error = read(name, value).expect_err(value);
            assert_eq!(error.variable_name(), Some(name), "{value}");
            assert!(error.to_string().contains("accepted"), "{value}: {error}");
        }
    }
}
