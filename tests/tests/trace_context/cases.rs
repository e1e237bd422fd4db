//! The table: header lines in, and what becomes of the trace.

use crate::harness::{P, SAMPLED, T, UNSAMPLED};

/// One request of a case; a case of the suite may have several.
pub(crate) struct Row {
    /// The test's name in the suite, or one of ours.
    pub(crate) case: &'static str,
    /// The one thing that is special about it.
    pub(crate) why: &'static str,
    /// Header lines, exactly as they go over the wire.
    pub(crate) lines: Vec<String>,
    pub(crate) outcome: Outcome,
}

/// What the call's headers are to be.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    /// Another trace, without tracestate.
    Restarted,
    /// The same trace with these flags and, in this order, these members of the tracestate.
    Continued(&'static str, Vec<String>),
}

/// Every row; `T` and `P` in a line stand for the suite's ids.
pub(crate) fn rows() -> Vec<Row> {
    let mut table = Table(Vec::new());
    traceparent(&mut table);
    tracestate(&mut table);
    flags(&mut table);
    table.0
}

struct Table(Vec<Row>);

impl Table {
    fn row(&mut self, case: &'static str, why: &'static str, lines: &[impl AsRef<str>], outcome: Outcome) {
        let lines = lines.iter().map(|line| with_ids(line.as_ref())).collect();
        self.0.push(Row { case, why, lines, outcome });
    }
}

fn traceparent(table: &mut Table) {
    let case = "both_traceparent_and_tracestate_missing";
    table.row(case, "nothing to continue", &[""; 0], Outcome::Restarted);

    let case = "traceparent_included_tracestate_missing";
    table.row(case, "all is well", &[SAMPLED], continued("01"));

    let case = "traceparent_duplicated";
    table.row(
        case,
        "which one?",
        &["traceparent: 00-12345678901234567890123456789011-P-01", SAMPLED],
        Outcome::Restarted,
    );
    table.row(case, "the same twice", &[SAMPLED, SAMPLED], Outcome::Restarted);

    let case = "traceparent_header_name";
    table.row(case, "a hyphen in the name", &["trace-parent: 00-T-P-01"], Outcome::Restarted);
    table.row(case, "a dot in the name", &["trace.parent: 00-T-P-01"], Outcome::Restarted);

    let case = "traceparent_header_name_valid_casing";
    for line in ["TraceParent: 00-T-P-01", "TrAcEpArEnT: 00-T-P-01", "TRACEPARENT: 00-T-P-01"] {
        table.row(case, "names of headers have no case", &[line], continued("01"));
    }

    for (case, why, value) in [
        ("traceparent_version_0x00", "a character too many", "00-T-P-01."),
        ("traceparent_version_0x00", "version 00 has no more fields", "00-T-P-01-what-the-future-will-be-like"),
        ("traceparent_version_0xcc", "more, but not after a hyphen", "cc-T-P-01.what-the-future-will-be-like"),
        ("traceparent_version_0xff", "there is no version ff", "ff-T-P-01"),
        ("traceparent_version_illegal_characters", "first digit", ".0-T-P-01"),
        ("traceparent_version_illegal_characters", "second digit", "0.-T-P-01"),
        ("traceparent_version_too_long", "three digits", "000-T-P-01"),
        ("traceparent_version_too_long", "four digits", "0000-T-P-01"),
        ("traceparent_version_too_short", "one digit", "0-T-P-01"),
        ("traceparent_trace_id_all_zero", "no id", "00-00000000000000000000000000000000-P-01"),
        ("traceparent_trace_id_illegal_characters", "first digit", "00-.2345678901234567890123456789012-P-01"),
        ("traceparent_trace_id_illegal_characters", "last digit", "00-1234567890123456789012345678901.-P-01"),
        ("traceparent_trace_id_too_long", "33 digits", "00-123456789012345678901234567890123-P-01"),
        ("traceparent_trace_id_too_short", "31 digits", "00-1234567890123456789012345678901-P-01"),
        ("traceparent_parent_id_all_zero", "no id", "00-T-0000000000000000-01"),
        ("traceparent_parent_id_illegal_characters", "first digit", "00-T-.234567890123456-01"),
        ("traceparent_parent_id_illegal_characters", "last digit", "00-T-123456789012345.-01"),
        ("traceparent_parent_id_too_long", "17 digits", "00-T-12345678901234567-01"),
        ("traceparent_parent_id_too_short", "15 digits", "00-T-123456789012345-01"),
        ("traceparent_trace_flags_illegal_characters", "first digit", "00-T-P-.0"),
        ("traceparent_trace_flags_illegal_characters", "second digit", "00-T-P-0."),
        ("traceparent_trace_flags_too_long", "three digits", "00-T-P-001"),
        ("traceparent_trace_flags_too_short", "one digit", "00-T-P-1"),
        ("traceparent_upper_case", "the version", "CC-T-P-01"),
        ("traceparent_upper_case", "the trace id", "00-1234567890123456789012345678901A-P-01"),
        ("traceparent_upper_case", "the parent id", "00-T-123456789012345A-01"),
        ("traceparent_upper_case", "the flags", "00-T-P-0A"),
        ("traceparent_signs", "an integer parser takes a sign", "00-+2345678901234567890123456789012-P-01"),
        ("traceparent_separators", "none after the version", "00_T-P-01"),
        ("traceparent_separators", "one too many", "00-T-P-01-"),
        ("traceparent_later_version", "two digits are not a field of their own", "01-T-P-01xyz"),
        ("traceparent_empty", "no value", ""),
    ] {
        table.row(case, why, &[&format!("traceparent: {value}")], Outcome::Restarted);
    }

    for (case, why, line) in [
        ("traceparent_version_0xcc", "a later version", "traceparent: cc-T-P-01"),
        ("traceparent_version_0xcc", "with more fields", "traceparent: cc-T-P-01-what-the-future-will-be-like"),
        ("traceparent_ows_handling", "a space before", "traceparent:  00-T-P-01"),
        ("traceparent_ows_handling", "a tab before", "traceparent: \t00-T-P-01"),
        ("traceparent_ows_handling", "a space after", "traceparent: 00-T-P-01 "),
        ("traceparent_ows_handling", "a tab after", "traceparent: 00-T-P-01\t"),
        ("traceparent_ows_handling", "both, on both sides", "traceparent: \t 00-T-P-01 \t"),
        ("traceparent_ows_handling", "none at all", "traceparent:00-T-P-01"),
    ] {
        table.row(case, why, &[line], continued("01"));
    }
}

fn tracestate(table: &mut Table) {
    let case = "tracestate_included_traceparent_missing";
    table.row(case, "whose state?", &["tracestate: foo=1"], Outcome::Restarted);
    table.row(case, "whose state?", &["tracestate: foo=1,bar=2"], Outcome::Restarted);
    let case = "tracestate_included_traceparent_invalid";
    table.row(case, "whose state?", &["traceparent: 00-T-P-1", "tracestate: foo=1"], Outcome::Restarted);

    // Below, the trace goes on; what counts are the members.
    let key = "abcdefghijklmnopqrstuvwxyz0123456789_-*/";
    let value = r##" !"#$%&'()*+-./0123456789:;<>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\]^_`abcdefghijklmnopqrstuvwxyz{|}~"##;
    let every = [format!("{key}={value}"), format!("{key}@a-z0-9_-*/={value}")];
    let key_256 = format!("{}=1", "z".repeat(256));
    let key_257 = format!("{}=1", "z".repeat(257));
    let vendor = format!("{}@{}=1", "t".repeat(241), "v".repeat(14));
    let tenant_242 = format!("{}@v=1", "t".repeat(242));
    let vendor_15 = format!("t@{}=1", "v".repeat(15));
    let value_256 = format!("foo={}", "v".repeat(256));
    let value_257 = format!("foo={}", "v".repeat(257));

    let case = "tracestate_header_name";
    table.row(case, "a hyphen in the name", &[UNSAMPLED, "trace-state: foo=1"], continued("00"));
    table.row(case, "a dot in the name", &[UNSAMPLED, "trace.state: foo=1"], continued("00"));

    let case = "tracestate_header_name_valid_casing";
    for line in ["TraceState: foo=1", "TrAcEsTaTe: foo=1", "TRACESTATE: foo=1"] {
        table.row(case, "names of headers have no case", &[UNSAMPLED, line], inherits(&["foo=1"]));
    }

    let case = "tracestate_multiple_headers_different_keys";
    table.row(
        case,
        "lines are one list, in order",
        &[UNSAMPLED, "tracestate: foo=1,bar=2", "tracestate: rojo=1,congo=2", "tracestate: baz=3"],
        inherits(&["foo=1", "bar=2", "rojo=1", "congo=2", "baz=3"]),
    );

    // The suite takes both copies, or one of the two.
    let case = "tracestate_duplicated_keys";
    for (first, second) in [("foo=1", "foo=1"), ("foo=1", "foo=2")] {
        let (line, [one, two]) =
            (format!("tracestate: {first},{second}"), [first, second].map(|m| format!("tracestate: {m}")));
        table.row(case, "in one line: as received", &[UNSAMPLED, &line], inherits(&[first, second]));
        table.row(case, "in two lines: as received", &[UNSAMPLED, &one, &two], inherits(&[first, second]));
    }

    let case = "tracestate_member_count_limit";
    let members: Vec<_> = (1..=33).map(|n| format!("bar{n:02}={n:02}")).collect();
    for (why, count, outcome) in
        [("32 members", 32, Outcome::Continued("00", members[..32].to_vec())), ("33 members", 33, continued("00"))]
    {
        let lines = members[..count].chunks(10).map(|line| format!("tracestate: {}", line.join(",")));
        table.row(case, why, &Vec::from_iter(std::iter::once(UNSAMPLED.to_owned()).chain(lines)), outcome);
    }

    // §3.3.1.5 wants at least 512 characters passed on.
    let long: Vec<_> = (1..=32).map(|n| format!("bar{n:02}={}", "v".repeat(100))).collect();
    let line = format!("tracestate: {}", long.join(","));
    table.row("tracestate_length", "3423 characters", &[UNSAMPLED, &line], Outcome::Continued("00", long));

    for (case, why, values, members) in [
        ("tracestate_included_traceparent_included", "all is well", &["foo=1,bar=2"][..], &["foo=1", "bar=2"][..]),
        ("tracestate_empty_header", "nothing in it", &[""], &[]),
        ("tracestate_empty_header", "after another", &["foo=1", ""], &["foo=1"]),
        ("tracestate_empty_header", "before another", &["", "foo=1"], &["foo=1"]),
        ("tracestate_empty_header", "blanks alone", &[" \t "], &[]),
        ("tracestate_empty_header", "commas alone", &[",", " , "], &[]),
        ("tracestate_empty_member", "in the middle and at the end", &["foo=1,,bar=2,"], &["foo=1", "bar=2"]),
        ("tracestate_all_allowed_characters", "a plain key", &[&every[0]], &[&every[0]]),
        ("tracestate_all_allowed_characters", "a vendor's key", &[&every[1]], &[&every[1]]),
        (
            "tracestate_ows_handling",
            "blanks and tabs",
            &["foo=1 \t , \t bar=2, \t baz=3"],
            &["foo=1", "bar=2", "baz=3"],
        ),
        (
            "tracestate_ows_handling",
            "tabs and blanks",
            &["foo=1\t \t,\t \tbar=2,\t \tbaz=3"],
            &["foo=1", "bar=2", "baz=3"],
        ),
        ("tracestate_ows_handling", "a space before", &[" foo=1"], &["foo=1"]),
        ("tracestate_ows_handling", "a tab before", &["\tfoo=1"], &["foo=1"]),
        ("tracestate_ows_handling", "a space after", &["foo=1 "], &["foo=1"]),
        ("tracestate_ows_handling", "a tab after", &["foo=1\t"], &["foo=1"]),
        ("tracestate_ows_handling", "both, on both sides", &["\t foo=1 \t"], &["foo=1"]),
        ("tracestate_ows_handling", "a leading space is part of the value", &["foo= x"], &["foo= x"]),
        ("tracestate_key_illegal_characters", "a space", &["foo =1"], &[]),
        ("tracestate_key_illegal_characters", "upper case", &["FOO=1"], &[]),
        ("tracestate_key_illegal_characters", "a dot", &["foo.bar=1"], &[]),
        ("tracestate_key_illegal_characters", "no key", &["=1,bar=2"], &[]),
        ("tracestate_key_illegal_vendor_format", "nothing before the at sign", &["@foo=1,bar=2"], &[]),
        // Level 1 has exactly one `@`, with something on both sides; to level 2 it is a character like others.
        ("tracestate_key_illegal_vendor_format", "level 2: last", &["foo@=1,bar=2"], &["foo@=1", "bar=2"]),
        ("tracestate_key_illegal_vendor_format", "level 2: two", &["foo@@bar=1,bar=2"], &["foo@@bar=1", "bar=2"]),
        (
            "tracestate_key_illegal_vendor_format",
            "level 2: three parts",
            &["foo@bar@baz=1,bar=2"],
            &["foo@bar@baz=1", "bar=2"],
        ),
        ("tracestate_key_first_character", "level 2: a digit", &["1foo=1"], &["1foo=1"]),
        ("tracestate_key_first_character", "an underscore", &["_foo=1,bar=2"], &[]),
        ("tracestate_key_length_limit", "256 characters", &["foo=1", &key_256], &["foo=1", &key_256]),
        ("tracestate_key_length_limit", "257 characters", &["foo=1", &key_257], &[]),
        ("tracestate_key_length_limit", "a tenant of 241, a vendor of 14", &["foo=1", &vendor], &["foo=1", &vendor]),
        ("tracestate_key_length_limit", "level 2: a tenant of 242", &["foo=1", &tenant_242], &["foo=1", &tenant_242]),
        ("tracestate_key_length_limit", "level 2: a vendor of 15", &["foo=1", &vendor_15], &["foo=1", &vendor_15]),
        ("tracestate_value_illegal_characters", "an equals sign", &["foo=bar=baz"], &[]),
        ("tracestate_value_illegal_characters", "no value", &["foo=,bar=3"], &[]),
        ("tracestate_value_illegal_characters", "no equals sign", &["foo,bar=3"], &[]),
        ("tracestate_value_illegal_characters", "a tab inside", &["foo=a\tb,bar=3"], &[]),
        ("tracestate_value_illegal_characters", "no ASCII", &["foo=\u{e9},bar=3"], &[]),
        ("tracestate_value_length_limit", "256 characters", &[&value_256], &[&value_256]),
        ("tracestate_value_length_limit", "257 characters", &[&value_257], &[]),
    ] {
        let lines = values.iter().map(|value| format!("tracestate: {value}"));
        table.row(case, why, &Vec::from_iter(std::iter::once(UNSAMPLED.to_owned()).chain(lines)), inherits(members));
    }
}

/// Level 2: the random flag is the trace's own, and flags that nobody knows yet are not passed on.
fn flags(table: &mut Table) {
    for (case, why, sent, received) in [
        ("propagates_random_flag", "set, not sampled", "02", "02"),
        ("propagates_random_flag", "set, sampled", "03", "03"),
        ("propagates_random_flag", "not set, sampled", "01", "01"),
        ("propagates_random_flag", "not set, not sampled", "00", "00"),
        ("unknown_flags", "all of them", "ff", "03"),
        ("unknown_flags", "none that is known", "fc", "00"),
        ("unknown_flags", "the sampled one among them", "09", "01"),
    ] {
        table.row(case, why, &[format!("traceparent: 00-T-P-{sent}")], continued(received));
    }
}

fn continued(flags: &'static str) -> Outcome {
    Outcome::Continued(flags, Vec::new())
}

fn inherits(members: &[&str]) -> Outcome {
    Outcome::Continued("00", members.iter().map(|&member| member.to_owned()).collect())
}

fn with_ids(line: &str) -> String {
    line.replace("-T-", &format!("-{T}-")).replace("_T-", &format!("_{T}-")).replace("-P-", &format!("-{P}-"))
}

/// What the suite has, so that none is missing here: its class `AdvancedTest` has tests of their own.
pub(crate) const OF_THE_SUITE: &[&str] = &[
    "both_traceparent_and_tracestate_missing",
    "traceparent_included_tracestate_missing",
    "traceparent_duplicated",
    "traceparent_header_name",
    "traceparent_header_name_valid_casing",
    "traceparent_version_0x00",
    "traceparent_version_0xcc",
    "traceparent_version_0xff",
    "traceparent_version_illegal_characters",
    "traceparent_version_too_long",
    "traceparent_version_too_short",
    "traceparent_trace_id_all_zero",
    "traceparent_trace_id_illegal_characters",
    "traceparent_trace_id_too_long",
    "traceparent_trace_id_too_short",
    "traceparent_parent_id_all_zero",
    "traceparent_parent_id_illegal_characters",
    "traceparent_parent_id_too_long",
    "traceparent_parent_id_too_short",
    "traceparent_trace_flags_illegal_characters",
    "traceparent_trace_flags_too_long",
    "traceparent_trace_flags_too_short",
    "traceparent_ows_handling",
    "tracestate_included_traceparent_missing",
    "tracestate_included_traceparent_included",
    "tracestate_header_name",
    "tracestate_header_name_valid_casing",
    "tracestate_empty_header",
    "tracestate_multiple_headers_different_keys",
    "tracestate_duplicated_keys",
    "tracestate_all_allowed_characters",
    "tracestate_ows_handling",
    "tracestate_key_illegal_characters",
    "tracestate_key_illegal_vendor_format",
    "tracestate_member_count_limit",
    "tracestate_key_length_limit",
    "tracestate_value_illegal_characters",
    "propagates_random_flag",
];
