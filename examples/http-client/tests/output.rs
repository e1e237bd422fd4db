//! The program as a user runs it: it ends by itself, and draws what its README shows.

use std::process::{Command, Stdio};

#[test]
fn draws_every_request_with_what_it_caused() {
    let output = Command::new(env!("CARGO_BIN_EXE_http-client")).stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    let drawn = String::from_utf8(output.stdout).unwrap();
    let rows: Vec<String> = drawn.lines().filter_map(row).collect();
    assert_eq!(rows, ROWS, "\n{drawn}");
    for (what, times) in [("  503\n", 4), ("  cancelled\n", 2), ("  connection_refused\n", 1), ("  404\n", 1)] {
        assert_eq!(drawn.matches(what).count(), times, "{what:?}\n{drawn}");
    }
}

/// Depth, name, service and kind of a span; what comes after them is another one in every run.
fn row(line: &str) -> Option<String> {
    let rest = line.trim_start_matches(['│', '├', '└', '─', ' ']);
    let depth = (line.chars().count() - rest.chars().count()) / 3;
    let cells: Vec<&str> = rest.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).take(3).collect();
    let [name, service @ ("client" | "warehouse"), kind] = *cells else { return None };
    Some(format!("{depth} {name} | {service} | {kind}"))
}

const ROWS: [&str; 28] = [
    "0 hyper-util | client | internal",
    "1 GET /stock/{id} | client | client",
    "2 GET /stock/{id} | warehouse | server",
    "0 hyper-util: to the body's end | client | internal",
    "1 GET /stock/{id}/log | client | client",
    "2 GET /stock/{id}/log | warehouse | server",
    "0 hyper-util: retry | client | internal",
    "1 GET | client | client",
    "2 GET /forklift | warehouse | server",
    "1 GET | client | client",
    "2 GET /forklift | warehouse | server",
    "1 GET | client | client",
    "2 GET /forklift | warehouse | server",
    "0 hyper-util: timeout | client | internal",
    "1 GET | client | client",
    "2 GET /attic | warehouse | server",
    "0 hyper-util: nobody there | client | internal",
    "1 GET /stock/{id} | client | client",
    "0 reqwest | client | internal",
    "1 GET /stock/{id} | client | client",
    "2 GET /stock/{id} | warehouse | server",
    "0 reqwest: redirect | client | internal",
    "1 GET /shelf/{id} | client | client",
    "2 GET /shelf/{id} | warehouse | server",
    "2 GET /stock/{id} | warehouse | server",
    "0 reqwest: not found | client | internal",
    "1 GET | client | client",
    "2 GET | warehouse | server",
];
