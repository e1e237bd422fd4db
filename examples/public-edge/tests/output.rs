//! The program as a user runs it: it ends by itself, and prints what its README shows.

#![expect(clippy::unwrap_used, reason = "a helper of tests may unwrap as tests do")]

use std::process::{Command, Stdio};

#[test]
fn prints_what_the_readme_shows_but_for_the_ids() {
    let output = Command::new(env!("CARGO_BIN_EXE_public-edge")).stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    let printed = String::from_utf8(output.stdout).unwrap();
    let readme = include_str!("../README.md");
    let (_, shown) = readme.split_once("```text\n").unwrap();
    let (shown, _) = shown.split_once("```").unwrap();

    let (ours, theirs) = (ids(&printed), ids(shown));
    assert_eq!(ours[0], ours[1], "the inventory was told the trace that was recorded");
    let own_ids = |text: &str, ids: &[&str]| ids.iter().fold(text.to_owned(), |text, id| text.replace(id, "…"));
    assert_eq!(own_ids(&printed, &ours), own_ids(shown, &theirs));
    assert!(printed.contains("link: trace 4bf92f3577b34da6a3ce929d0e0e4736 span 00f067aa0ba902b7\n"));
}

/// The ids that differ from run to run: of the trace, as recorded and as told, and of the span that was told.
fn ids(text: &str) -> [&str; 3] {
    let recorded = text.split_once("{id}: trace ").unwrap().1;
    let (_, told) = text.rsplit_once("traceparent: 00-").unwrap();
    [&recorded[..32], &told[..32], &told[33..49]]
}
