//! `shop --json`: every span of every request, each under its parent.

#![expect(clippy::unwrap_used, reason = "a helper of tests may unwrap as tests do")]

use std::collections::{BTreeMap, HashSet};
use std::process::Command;

use serde_json::Value;

#[test]
fn every_request_is_the_tree_that_it_should_be() {
    let spans = spans();
    let mut traces: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for span in &spans {
        traces.entry(text(span, "trace_id")).or_default().push(span);
    }
    let mut trees: Vec<String> = traces.values().map(|trace| tree(trace, None, 0)).collect();
    let mut wanted: Vec<String> = TREES.iter().map(|tree| tree.trim_start().to_owned()).collect();
    trees.sort();
    wanted.sort();
    for (tree, wanted) in trees.iter().zip(&wanted) {
        assert_eq!(tree, wanted, "\n{tree}\ninstead of\n{wanted}");
    }
    assert_eq!(trees.len(), wanted.len(), "{trees:#?}");
}

#[test]
fn every_line_has_exactly_the_keys_and_every_parent_is_printed() {
    let spans = spans();
    let ids: HashSet<&str> = spans.iter().map(|span| text(span, "span_id")).collect();
    assert_eq!(ids.len(), spans.len(), "span ids repeat");
    for span in &spans {
        let mut keys: Vec<&str> = span.as_object().unwrap().keys().map(String::as_str).collect();
        keys.sort_unstable();
        assert_eq!(keys, KEYS, "{span}");
        assert!(is_hex(text(span, "trace_id"), 32) && is_hex(text(span, "span_id"), 16), "{span}");
        if let Some(parent) = span["parent_span_id"].as_str() {
            assert!(ids.contains(parent), "the parent is missing: {span}");
        }
        assert!(span["start_unix_nano"].is_u64() && span["duration_ns"].is_u64(), "{span}");
        assert!(span["attributes"].is_object() && span["events"].is_array() && span["links"].is_array(), "{span}");
    }
}

#[test]
fn a_detached_task_outlives_its_request_and_stays_below_it() {
    let spans = spans();
    let receipt = spans.iter().find(|span| span["name"] == "send receipt").unwrap();
    let server = spans.iter().find(|span| span["span_id"] == receipt["parent_span_id"]).unwrap();
    assert_eq!((&server["name"], &server["kind"]), (&"POST /orders".into(), &"server".into()));
    let end = server["start_unix_nano"].as_u64().unwrap() + server["duration_ns"].as_u64().unwrap();
    assert!(receipt["start_unix_nano"].as_u64().unwrap() >= end, "{receipt} begins before the end of {server}");
}

#[test]
fn what_the_application_wrote_is_there() {
    let spans = spans();
    let find = |key: &str, value: Value| spans.iter().filter(|span| span["attributes"][key] == value).count();
    assert_eq!(find("order.books", 3.into()), 1);
    assert_eq!(find("invoice.books", 3.into()), 1);
    assert_eq!(find("customer.tier", "gold".into()), 1);
    let events = spans.iter().flat_map(|span| span["events"].as_array().unwrap());
    let mut names: Vec<&str> = events.map(|event| text(event, "name")).collect();
    names.sort_unstable();
    assert_eq!(names, ["ladder slipped", "ladder slipped", "nobody listens any more", "record is damaged"]);
}

fn spans() -> Vec<Value> {
    let output = Command::new(env!("CARGO_BIN_EXE_shop"))
        .arg("--json")
        .env_remove("OTEL_EXPORTER_OTLP_ENDPOINT")
        .output()
        .unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && errors.is_empty(), "{}: {errors}", output.status);
    let lines = String::from_utf8(output.stdout).unwrap();
    lines.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

/// The spans below a parent, one a line: service, kind, name, and what is not as usual. Siblings are sorted by that.
fn tree(trace: &[&Value], parent: Option<&str>, depth: usize) -> String {
    let children = trace.iter().filter(|span| span["parent_span_id"].as_str() == parent);
    let mut lines: Vec<String> = children
        .map(|span| {
            let mut line = "  ".repeat(depth);
            line += &[text(span, "service"), text(span, "kind"), text(span, "name")].join(" ");
            if span["status"] != "unset" {
                line += &format!(", {}", text(span, "status"));
            }
            if let Some(error_type) = span["error_type"].as_str() {
                line += &format!(" {error_type}");
            }
            for key in ["throughline.outcome", "throughline.phase", "http.request.resend_count", "customer.tier"] {
                match &span["attributes"][key] {
                    Value::Null => {}
                    value => line += &format!(", {} {value}", key.rsplit('.').next().unwrap()),
                }
            }
            line + "\n" + &tree(trace, Some(text(span, "span_id")), depth + 1)
        })
        .collect();
    lines.sort();
    lines.concat()
}

#[track_caller]
fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("{key} is no text: {value}"))
}

fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

const KEYS: [&str; 13] = [
    "attributes",
    "duration_ns",
    "error_type",
    "events",
    "kind",
    "links",
    "name",
    "parent_span_id",
    "service",
    "span_id",
    "start_unix_nano",
    "status",
    "trace_id",
];

/// One trace for every request but the unsampled one.
const TREES: [&str; 11] = [
    r#"
driver internal plain
  driver client GET
    gateway server GET /orders/{id}
      gateway client GET
        orders server GET /orders/{id}
          orders client GET
            inventory server GET /stock/{id}
"#,
    r#"
driver internal streamed response
  driver client GET
    gateway server GET /orders/{id}/log
      gateway client GET
        orders server GET /orders/{id}/log
          orders internal read log
"#,
    r#"
driver internal fan-out
  driver client POST
    gateway server POST /orders
      gateway client POST
        orders server POST /orders
          orders client GET
            inventory server GET /stock/{id}
          orders client GET
            inventory server GET /stock/{id}
          orders client GET
            inventory server GET /stock/{id}
          orders internal checksum
          orders internal send receipt
          orders internal write invoice
"#,
    r#"
driver internal not found
  driver client GET, error 404
    gateway server GET /orders/{id}
      gateway client GET, error 404
        orders server GET /orders/{id}
"#,
    r#"
driver internal server error
  driver client GET, error 500
    gateway server GET /orders/{id}, error 500
      gateway client GET, error 500
        orders server GET /orders/{id}, error damaged_record
"#,
    r#"
driver internal retry
  driver client GET
    gateway server GET /orders/{id}
      gateway client GET
        orders server GET /orders/{id}
          orders client GET, error 503
            inventory server GET /stock/{id}, error 503
          orders client GET, error 503, resend_count 1
            inventory server GET /stock/{id}, error 503
          orders client GET, resend_count 2
            inventory server GET /stock/{id}
"#,
    r#"
driver internal hang-up
  driver client GET, outcome "cancelled", phase "body"
    gateway server GET /orders/{id}/live, error cancelled, outcome "cancelled", phase "body"
      gateway client GET
        orders server GET /orders/{id}/live, error cancelled, outcome "cancelled", phase "body"
          orders internal watch order
"#,
    r#"
driver internal panic
  driver client GET, error 500
    gateway server GET /orders/{id}, error 500
      gateway client GET, error 500
        orders server GET /orders/{id}, error panic, outcome "panicked", phase "head"
"#,
    r#"
driver internal baggage
  driver client GET
    gateway server GET /orders/{id}
      gateway client GET
        orders server GET /orders/{id}
          orders client GET
            inventory server GET /stock/{id}, tier "gold"
"#,
    r#"
driver internal no server
  driver client GET, error 502
    gateway server GET /reviews/{id}, error 502
      gateway client GET, error connection_refused
"#,
    r#"
gateway server GET /orders/{id}
  gateway client GET
    orders server GET /orders/{id}
      orders client GET
        inventory server GET /stock/{id}
"#,
];
