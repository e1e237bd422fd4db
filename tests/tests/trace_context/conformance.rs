//! The suite's cases.

use std::collections::HashSet;

use http::HeaderMap;
use throughline::{AlwaysOff, Telemetry};

use crate::cases::{OF_THE_SUITE, Outcome, Row, rows};
use crate::harness::{Harness, P, SAMPLED, T, traceparent, tracestate};

#[tokio::test]
async fn every_case_of_the_w3c_suite_and_some_of_ours() {
    let (telemetry, _) = Telemetry::test();
    every_row(&telemetry, true).await;
}

/// Law 2: what is not recorded has ids and a tracestate all the same.
#[tokio::test]
async fn every_case_but_for_the_sampled_flag_when_nothing_is_sampled() {
    let (telemetry, spans) = Telemetry::builder().sampler(AlwaysOff).test();
    every_row(&telemetry, false).await;
    assert!(spans.is_empty(), "{}", spans.tree());
}

#[test]
fn no_case_of_the_suite_is_missing() {
    let rows = rows();
    let cases: HashSet<_> = rows.iter().map(|row| row.case).collect();
    let missing: Vec<_> = OF_THE_SUITE.iter().filter(|case| !cases.contains(*case)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// The suite's own name, as those of the next two.
#[tokio::test]
async fn multiple_requests_with_valid_traceparent() {
    let (telemetry, _) = Telemetry::test();
    let calls = Harness::start(&telemetry).await.calls(&[SAMPLED.to_owned()], 3).await;
    let calls: Vec<_> = calls.iter().map(|call| traceparent(call).unwrap()).collect();
    let parents: HashSet<_> = calls.iter().map(|call| call.parent_id.as_str()).collect();
    assert!(calls.iter().all(|call| call.trace_id == T && call.flags == "01"), "{calls:?}");
    assert!(parents.len() == 3 && !parents.contains(P), "{calls:?}");
}

#[tokio::test]
async fn multiple_requests_without_traceparent() {
    several_calls_are_one_new_trace(&[]).await;
}

#[tokio::test]
async fn multiple_requests_with_illegal_traceparent() {
    let illegal = "traceparent: 00-00000000000000000000000000000000-1234567890123456-01";
    several_calls_are_one_new_trace(&[illegal.to_owned()]).await;
}

async fn several_calls_are_one_new_trace(headers: &[String]) {
    let (telemetry, _) = Telemetry::test();
    let harness = Harness::start(&telemetry).await;
    let calls = harness.calls(headers, 3).await;
    let calls: Vec<_> = calls.iter().map(|call| traceparent(call).unwrap()).collect();
    let (traces, parents): (HashSet<_>, HashSet<_>) =
        calls.iter().map(|call| (call.trace_id.as_str(), call.parent_id.as_str())).unzip();
    assert!(traces.len() == 1 && parents.len() == 3 && !parents.contains(P), "{calls:?}");
    let next = traceparent(&harness.calls(headers, 1).await[0]).unwrap();
    assert!(!traces.contains(next.trace_id.as_str()), "{next:?} is of the trace of the request before");
}

async fn every_row(telemetry: &Telemetry, sampled: bool) {
    let harness = Harness::start(telemetry).await;
    let rows = rows();
    let mut failures = Vec::new();
    for row in &rows {
        let calls = harness.calls(&row.lines, 1).await;
        if let Err(problem) = check(row, &calls[0], sampled) {
            failures.push(format!("{}, {}: {problem}\n    {:?}", row.case, row.why, row.lines));
        }
    }
    assert!(failures.is_empty(), "{} of {} rows failed\n{}", failures.len(), rows.len(), failures.join("\n"));
}

/// Whether the call is what the row wants it to be; `sampled` says whether the service may sample at all.
fn check(row: &Row, call: &HeaderMap, sampled: bool) -> Result<(), String> {
    let (parent, state) = (traceparent(call)?, tracestate(call)?);
    // A trace that starts here is sampled, and its id is random.
    let (flags, members) = match &row.outcome {
        Outcome::Restarted if row.lines.iter().any(|line| line.contains(&parent.trace_id)) => {
            return Err(format!("{parent:?} goes on with a trace"));
        }
        Outcome::Restarted => ("03", &[][..]),
        Outcome::Continued(..) if parent.trace_id != T => return Err(format!("{parent:?} is another trace")),
        Outcome::Continued(flags, members) => (*flags, &members[..]),
    };
    let flags = match flags {
        "01" if !sampled => "00",
        "03" if !sampled => "02",
        _ => flags,
    };
    if parent.parent_id == P {
        return Err(format!("{parent:?} has the parent id of the request"));
    }
    if parent.flags != flags {
        return Err(format!("{parent:?} does not have the flags {flags}"));
    }
    if state != members {
        return Err(format!("the tracestate is {state:?} instead of {members:?}"));
    }
    Ok(())
}
