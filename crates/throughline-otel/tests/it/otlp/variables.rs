//! Each variable, good and bad.

use std::time::Duration;

use throughline_otel::{InvalidVariable, OtlpConfig, OtlpMetricsConfig};

fn parse(variables: &[(&str, &str)]) -> Result<OtlpConfig, InvalidVariable> {
    OtlpConfig::from_lookup(|name| {
        variables.iter().find_map(|(known, value)| (*known == name).then(|| (*value).to_owned()))
    })
}

const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const TRACES_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
const PROTOCOL: &str = "OTEL_EXPORTER_OTLP_PROTOCOL";
const HEADERS: &str = "OTEL_EXPORTER_OTLP_HEADERS";
const TIMEOUT: &str = "OTEL_EXPORTER_OTLP_TIMEOUT";
const COMPRESSION: &str = "OTEL_EXPORTER_OTLP_COMPRESSION";
const CLIENT_KEY: &str = "OTEL_EXPORTER_OTLP_CLIENT_KEY";
const CLIENT_CERTIFICATE: &str = "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE";

#[test]
fn endpoints() {
    for (variables, url, why) in [
        (&[][..], "http://localhost:4318/v1/traces", "the default"),
        (&[(ENDPOINT, "")], "http://localhost:4318/v1/traces", "empty is unset"),
        (&[(ENDPOINT, "http://c:4318")], "http://c:4318/v1/traces", "a bare host"),
        (&[(ENDPOINT, "http://c:4318/")], "http://c:4318/v1/traces", "one slash, not two"),
        (&[(ENDPOINT, "https://c/otlp/")], "https://c/otlp/v1/traces", "below a path"),
        (&[(ENDPOINT, "https://c/otlp?k=v")], "https://c/otlp/v1/traces?k=v", "before a query"),
        (&[(TRACES_ENDPOINT, "http://c:4318/otlp")], "http://c:4318/otlp", "verbatim"),
        (&[(TRACES_ENDPOINT, "http://c:4318")], "http://c:4318/", "verbatim: the root"),
        (&[(TRACES_ENDPOINT, "http://t/"), (ENDPOINT, "http://c")], "http://t/", "traces win"),
        (&[(TRACES_ENDPOINT, " "), (ENDPOINT, "http://c")], "http://c/v1/traces", "blank is unset"),
        (&[(ENDPOINT, "http://[::1]:4318")], "http://[::1]:4318/v1/traces", "an IPv6 address"),
    ] {
        assert_eq!(parse(variables).unwrap().url(), url, "{why}");
    }
}

#[test]
fn other_values() {
    let text = |variables| format!("{:?}", parse(variables).unwrap());
    for (variables, shown, why) in [
        (&[][..], "timeout: 10s, gzip: false", "the defaults"),
        (&[(TIMEOUT, "250"), (COMPRESSION, "GZip")], "timeout: 250ms, gzip: true", "both, in any case"),
        (&[(COMPRESSION, "none")], "gzip: false", "said to be off"),
        (&[(COMPRESSION, "gzip"), ("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "none")], "gzip: false", "traces win"),
        (&[(TIMEOUT, "1"), ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "2")], "timeout: 2ms", "traces win"),
        (&[(PROTOCOL, "HTTP/protobuf")], "http://localhost:4318/v1/traces", "in any case"),
        (&[(PROTOCOL, "grpc"), ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/protobuf")], "10s", "traces win"),
        (&[(HEADERS, "Api-Key=a=b%2C c, x=1,,")], r#"headers: ["api-key", "x"]"#, "names only"),
        (&[(TRACES_ENDPOINT, "https://c/t?key=secret")], "endpoint: https://c/t, ", "a key may be in the query"),
        (&[(HEADERS, "a=1"), ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "b=2")], r#"["b"]"#, "traces win"),
    ] {
        let text = text(variables);
        assert!(text.contains(shown), "{why}: {text}");
    }
    assert!(format!("{:?}", OtlpConfig::default().timeout(Duration::MAX).gzip(true)).contains("gzip: true"));
}

#[test]
fn bad_values_are_named_with_what_is_accepted() {
    for (variables, message) in [
        (
            &[(ENDPOINT, "collector:4318")][..],
            r#"invalid OTEL_EXPORTER_OTLP_ENDPOINT: "collector:4318" is no http or https URL; accepted: such as http://localhost:4318"#,
        ),
        (
            &[(TRACES_ENDPOINT, "grpc://c:4317?key=secret")],
            r#"invalid OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "grpc://c:4317" is no http or https URL; accepted: such as http://localhost:4318"#,
        ),
        (
            &[(ENDPOINT, "https://user:pass@c")],
            "invalid OTEL_EXPORTER_OTLP_ENDPOINT: credentials in the URL are not sent; put them into OTEL_EXPORTER_OTLP_HEADERS",
        ),
        (
            &[(PROTOCOL, "grpc")],
            r#"invalid OTEL_EXPORTER_OTLP_PROTOCOL: "grpc" is not supported by this version; accepted: http/protobuf"#,
        ),
        (
            &[("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json")],
            r#"invalid OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: "http/json" is not supported by this version; accepted: http/protobuf"#,
        ),
        (
            &[(PROTOCOL, "thrift")],
            r#"invalid OTEL_EXPORTER_OTLP_PROTOCOL: unknown protocol "thrift"; accepted: http/protobuf"#,
        ),
        (
            &[(HEADERS, "a=1,secret")],
            "invalid OTEL_EXPORTER_OTLP_HEADERS: entry 2 has no `=`; accepted: name=value,name=value",
        ),
        (
            &[(HEADERS, "api key=secret")],
            r#"invalid OTEL_EXPORTER_OTLP_HEADERS: "api key" cannot be the name of a header"#,
        ),
        (
            &[(HEADERS, "api-key=secret%0a")],
            r#"invalid OTEL_EXPORTER_OTLP_HEADERS: the value of "api-key" cannot be that of a header"#,
        ),
        (
            &[(HEADERS, "api-key=100%")],
            r#"invalid OTEL_EXPORTER_OTLP_HEADERS: the value of "api-key" has a `%` that is not percent-encoding; write it as %25"#,
        ),
        (
            &[(TIMEOUT, "10s")],
            r#"invalid OTEL_EXPORTER_OTLP_TIMEOUT: "10s" is no time; accepted: whole milliseconds, 1 to 4294967295"#,
        ),
        (
            &[(TIMEOUT, "0")],
            r#"invalid OTEL_EXPORTER_OTLP_TIMEOUT: "0" is no time; accepted: whole milliseconds, 1 to 4294967295"#,
        ),
        (
            &[(COMPRESSION, "zstd")],
            r#"invalid OTEL_EXPORTER_OTLP_COMPRESSION: unknown compression "zstd"; accepted: gzip, none"#,
        ),
        (
            &[(CLIENT_KEY, "/k.pem")],
            "invalid OTEL_EXPORTER_OTLP_CLIENT_KEY: needs OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE (or OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE) beside it",
        ),
        (
            &[(CLIENT_CERTIFICATE, "/c.pem")],
            "invalid OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE: needs OTEL_EXPORTER_OTLP_CLIENT_KEY (or OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY) beside it",
        ),
    ] {
        let error = parse(variables).unwrap_err();
        assert_eq!(error.to_string(), message);
        assert_eq!(error.variable(), variables[0].0);
    }
    let error = OtlpConfig::default().header("a", "secret\n").unwrap_err();
    assert_eq!(error.to_string(), r#"invalid header: the value of "a" cannot be that of a header"#);
    assert!(OtlpConfig::default().endpoint("nowhere").unwrap_err().to_string().starts_with("invalid endpoint: "));
}

fn parse_metrics(variables: &[(&str, &str)]) -> Result<OtlpMetricsConfig, InvalidVariable> {
    OtlpMetricsConfig::from_lookup(|name| {
        variables.iter().find_map(|(known, value)| (*known == name).then(|| (*value).to_owned()))
    })
}

const METRICS_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT";
const TEMPORALITY: &str = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE";

#[test]
fn metrics_have_variables_of_their_own() {
    let general = [(HEADERS, "a=1"), (TIMEOUT, "1"), (COMPRESSION, "gzip")];
    for (variables, shown, why) in [
        (&[][..], "endpoint: http://localhost:4318/v1/metrics, ", "the default"),
        (&[(ENDPOINT, "http://c:4318/otlp/")], "endpoint: http://c:4318/otlp/v1/metrics, ", "below a base"),
        (&[(METRICS_ENDPOINT, "http://m/"), (ENDPOINT, "http://c")], "endpoint: http://m/, ", "verbatim, and it wins"),
        (&[(TRACES_ENDPOINT, "http://t/")], "endpoint: http://localhost:4318/v1/metrics, ", "that is of traces"),
        (&general, r#"headers: ["a"], timeout: 1ms, gzip: true"#, "the general ones"),
        (&[(TIMEOUT, "1"), ("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "2")], "timeout: 2ms", "metrics win"),
        (&[(HEADERS, "a=1"), ("OTEL_EXPORTER_OTLP_METRICS_HEADERS", "b=2")], r#"["b"]"#, "metrics win"),
        (&[(COMPRESSION, "gzip"), ("OTEL_EXPORTER_OTLP_METRICS_COMPRESSION", "none")], "gzip: false", "metrics win"),
        (&[(PROTOCOL, "grpc"), ("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "http/protobuf")], "10s", "metrics win"),
        (&[("OTEL_EXPORTER_OTLP_METRICS_CERTIFICATE", "/ca.pem")], "/ca.pem", "a file"),
        (&[], "temporality: Cumulative", "the default"),
        (&[(TEMPORALITY, "Delta")], "temporality: Delta", "in any case"),
        (&[(TEMPORALITY, "lowmemory")], "temporality: LowMemory", "the third"),
    ] {
        let text = format!("{:?}", parse_metrics(variables).unwrap());
        assert!(text.contains(shown), "{why}: {text}");
    }
    let traces = [("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "x"), (METRICS_ENDPOINT, "x"), (TEMPORALITY, "x")];
    assert!(parse(&traces).is_ok(), "spans do not read what is of metrics");
}

#[test]
fn bad_values_for_metrics_are_named_with_what_is_accepted() {
    for (variables, message) in [
        (
            &[(METRICS_ENDPOINT, "collector:4318")],
            r#"invalid OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: "collector:4318" is no http or https URL; accepted: such as http://localhost:4318"#,
        ),
        (
            &[("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "grpc")],
            r#"invalid OTEL_EXPORTER_OTLP_METRICS_PROTOCOL: "grpc" is not supported by this version; accepted: http/protobuf"#,
        ),
        (
            &[("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "10s")],
            r#"invalid OTEL_EXPORTER_OTLP_METRICS_TIMEOUT: "10s" is no time; accepted: whole milliseconds, 1 to 4294967295"#,
        ),
        (
            &[("OTEL_EXPORTER_OTLP_METRICS_COMPRESSION", "zstd")],
            r#"invalid OTEL_EXPORTER_OTLP_METRICS_COMPRESSION: unknown compression "zstd"; accepted: gzip, none"#,
        ),
        (
            &[("OTEL_EXPORTER_OTLP_METRICS_HEADERS", "secret")],
            "invalid OTEL_EXPORTER_OTLP_METRICS_HEADERS: entry 1 has no `=`; accepted: name=value,name=value",
        ),
        (
            &[("OTEL_EXPORTER_OTLP_METRICS_CLIENT_KEY", "/k.pem")],
            "invalid OTEL_EXPORTER_OTLP_METRICS_CLIENT_KEY: needs OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE (or OTEL_EXPORTER_OTLP_METRICS_CLIENT_CERTIFICATE) beside it",
        ),
        (
            &[(TEMPORALITY, "sometimes")],
            r#"invalid OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE: unknown preference "sometimes"; accepted: cumulative, delta, lowmemory"#,
        ),
    ] {
        let error = parse_metrics(variables).unwrap_err();
        assert_eq!(error.to_string(), message);
        assert_eq!(error.variable(), variables[0].0);
    }
}
