//! The program as a user runs it: it ends by itself, and prints what its README shows.

#![expect(clippy::unwrap_used, reason = "a helper of tests may unwrap as tests do")]

use std::process::{Command, Output, Stdio};

#[test]
fn prints_what_the_readme_shows_but_for_ids_and_durations() {
    let output = run(&[]);
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    let printed = String::from_utf8(output.stdout).unwrap();
    let readme = include_str!("../README.md");
    let shown: Vec<&str> = readme.split("```text\n").skip(1).map(|block| block.split_once("```").unwrap().0).collect();
    // Ids are numbered in the order in which they appear: who has the same one in the README has it here.
    assert_eq!(comparable(&printed), comparable(&shown.join("\n")), "\n{printed}");
}

#[test]
fn a_child_of_nobody_begins_a_trace() {
    let child = run(&["--child"]);
    assert!(child.status.success(), "{child:?}");
    assert!(String::from_utf8(child.stdout).unwrap().ends_with("\n  parent: none\n"));
}

#[test]
fn arguments_that_make_no_sense_are_named() {
    let help = run(&["--help"]);
    assert!(help.status.success() && String::from_utf8(help.stdout).unwrap().contains("Usage: propagation\n"));
    let wrong = run(&["--verbose"]);
    assert_eq!(wrong.status.code(), Some(2));
    assert_eq!(
        String::from_utf8(wrong.stderr).unwrap(),
        "propagation: unknown argument \"--verbose\"; see `propagation --help`\n"
    );
}

fn run(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_propagation"));
    // Whoever runs the tests may be traced.
    for variable in ["TRACEPARENT", "TRACESTATE", "BAGGAGE"] {
        command.env_remove(variable);
    }
    command.args(args).stdin(Stdio::null()).output().unwrap()
}

/// The same without what is another in every run.
fn comparable(text: &str) -> Vec<String> {
    let mut ids: Vec<&str> = Vec::new();
    let mut numbered = String::new();
    for word in text.split_inclusive(|c: char| !c.is_ascii_hexdigit()) {
        let id = word.trim_end_matches(|c: char| !c.is_ascii_hexdigit());
        if matches!(id.len(), 16 | 32) {
            let number = ids.iter().position(|known| *known == id).unwrap_or_else(|| {
                ids.push(id);
                ids.len() - 1
            });
            numbered.push_str(&format!("#{number}{}", &word[id.len()..]));
        } else {
            numbered.push_str(word);
        }
    }
    numbered.lines().map(without_durations).collect()
}

/// Of a waterfall's line what comes before durations and bars.
fn without_durations(line: &str) -> String {
    let cells: Vec<&str> = line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect();
    let kind = cells.iter().position(|cell| matches!(*cell, "internal" | "client" | "server"));
    match (kind, &*cells) {
        (Some(kind), cells) => cells[..=kind].join(" | "),
        (None, [trace, _, spans, services]) if spans.ends_with(" spans") => format!("{trace} | {spans} | {services}"),
        _ => line.to_owned(),
    }
}
