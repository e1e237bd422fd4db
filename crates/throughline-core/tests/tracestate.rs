//! W3C `tracestate`: which lists are valid, what is sent on, and how a list changes (Trace Context level 2, §3.3).

mod common;

use common::{SAMPLED, read, read_bytes, remote, written};
use proptest::prelude::*;
use throughline_core::propagation::Allow;
use throughline_core::{Context, TraceState};

fn read_lines(lines: &[&str]) -> Option<String> {
    let mut all = vec![("traceparent", SAMPLED)];
    all.extend(lines.iter().map(|line| ("tracestate", *line)));
    let seen = read(&all);
    assert!(seen.parent.is_some(), "traceparent is kept, whatever the tracestate is: {lines:?}");
    seen.tracestate
}

#[test]
fn valid_lists_are_kept_and_sent_on_as_they_came() {
    let key_256 = "k".repeat(256);
    let tenant_242 = format!("{}@v=1", "t".repeat(242));
    for (input, members, why) in [
        ("foo=1", vec![("foo", "1")], "one member"),
        ("foo=1,bar=2", vec![("foo", "1"), ("bar", "2")], "two members"),
        (
            "foo=1 \t , \t bar=2,\tbaz=3",
            vec![("foo", "1"), ("bar", "2"), ("baz", "3")],
            "blanks and tabs around commas",
        ),
        ("foo=1,,bar=2,", vec![("foo", "1"), ("bar", "2")], "empty members"),
        (",foo=1", vec![("foo", "1")], "an empty first member"),
        ("foo=1, \t ,bar=2", vec![("foo", "1"), ("bar", "2")], "a blank member"),
        ("foo=1,foo=2", vec![("foo", "1"), ("foo", "2")], "a repeated key"),
        ("foo=1,foo=1", vec![("foo", "1"), ("foo", "1")], "a repeated member"),
        ("foo@=1,bar=2", vec![("foo@", "1"), ("bar", "2")], "level 2: @ at the end"),
        ("foo@@bar=1", vec![("foo@@bar", "1")], "level 2: more than one @"),
        ("foo@b@r=1", vec![("foo@b@r", "1")], "level 2: more than one @"),
        ("1a=2", vec![("1a", "2")], "level 2: a digit first"),
        ("1=2", vec![("1", "2")], "level 2: a digit alone"),
        ("a_-*/b@9=1", vec![("a_-*/b@9", "1")], "every character that a key may have"),
        (&tenant_242, vec![(&tenant_242[..244], "1")], "level 2: a tenant of 242"),
        ("k= x", vec![("k", " x")], "a leading blank is part of the value"),
        ("k=a b", vec![("k", "a b")], "a blank within the value"),
        (
            "k=!\"#$%&'()*+-./:;<>?@[\\]^_`{|}~",
            vec![("k", "!\"#$%&'()*+-./:;<>?@[\\]^_`{|}~")],
            "every sign of a value",
        ),
        (&format!("{key_256}=1"), vec![(&key_256, "1")], "a key of 256"),
        (&format!("k={key_256}"), vec![("k", &key_256)], "a value of 256"),
        (&format!("k={key_256} "), vec![("k", &key_256)], "a value of 256 and a trailing blank"),
    ] {
        let state = TraceState::parse(input.as_bytes()).unwrap_or_else(|_| panic!("{why}: {input:?}"));
        assert_eq!(state.iter().collect::<Vec<_>>(), members, "{why}");
        assert_eq!(state.as_str(), input.trim_matches([' ', '\t']), "{why}: as it came");
        assert_eq!(state.get(members[0].0), Some(members[0].1), "{why}: the first one counts");
        assert_eq!(read_lines(&[input]).as_deref(), Some(state.as_str()), "{why}: by every carrier");

        let context = Context::ROOT.with_span_context(remote(SAMPLED)).with_tracestate(Some(state.clone()));
        assert_eq!(written(&context, Allow::ALL)["tracestate"], state.as_str(), "{why}: sent on as it came");
    }
}

#[test]
fn one_invalid_member_discards_the_list() {
    let (key_257, value_257) = (format!("{}=1", "k".repeat(257)), format!("k={}", "v".repeat(257)));
    for (input, why) in [
        ("", "empty"),
        (" , ,, ", "no member"),
        ("@foo=1,bar=2", "@ first in a key"),
        ("_foo=1", "_ first in a key"),
        ("-foo=1", "- first in a key"),
        ("FOO=1", "upper case in a key"),
        ("fOo=1", "upper case in a key"),
        ("foo.bar=1", "a dot in a key"),
        ("foo =1", "a blank before the equals sign"),
        ("foo\t=1", "a tab before the equals sign"),
        ("fo o=1", "a blank in a key"),
        ("=1", "no key"),
        ("foo=bar=baz", "two equals signs"),
        ("a==b", "two equals signs in a row"),
        ("foo=,bar=3", "an empty value"),
        ("foo= ,bar=3", "a blank value"),
        ("foo", "no equals sign"),
        ("bar=1,foo", "no equals sign in the last one"),
        ("k=a\tb", "a tab in a value"),
        ("k=\tx", "a tab before a value"),
        (&*key_257, "a key of 257"),
        (&*value_257, "a value of 257"),
        ("k=\u{7f}", "DEL in a value"),
        ("k=é", "no ASCII in a value"),
        ("é=1", "no ASCII in a key"),
        ("foo=1;bar=2=3", "another separator"),
    ] {
        assert!(TraceState::parse(input.as_bytes()).is_err(), "{why}: {input:?}");
        let good = format!("good=1,{input}");
        if !why.contains("no member") && !input.is_empty() {
            assert!(TraceState::parse(good.as_bytes()).is_err(), "{why}: {good:?}");
        }
        if !input.contains('\u{7f}') {
            assert_eq!(read_lines(&[input]), None, "{why}: by every carrier");
        }
    }
    for byte in (0..0x20).chain(0x7f..=0xff) {
        assert!(TraceState::parse(&[b'k', b'=', b'a', byte, b'b']).is_err(), "byte {byte:#x} in a value");
        assert!(TraceState::parse(&[b'a', byte, b'b', b'=', b'1']).is_err(), "byte {byte:#x} in a key");
        if let Some(seen) =
            read_bytes(&[("traceparent", SAMPLED.as_bytes()), ("tracestate", &[b'k', b'=', byte, b'b'])])
        {
            assert!(seen.parent.is_some() && seen.tracestate.is_none(), "byte {byte:#x} by a header");
        }
    }
}

#[test]
fn several_lines_are_one_list() {
    let line = |from: usize, to: usize| (from..to).map(|at| format!("k{at}=v")).collect::<Vec<_>>().join(",");
    let (full, over) = (line(0, 32), line(0, 33));
    let four = [line(0, 8), line(8, 16), line(16, 24), line(24, 32)];
    let four: Vec<&str> = four.iter().map(|line| &**line).collect();
    for (lines, wanted, why) in [
        (vec!["foo=1", "bar=2"], Some("foo=1,bar=2"), "in the order in which they came"),
        (vec!["", "foo=1"], Some("foo=1"), "an empty first line"),
        (vec!["foo=1", ""], Some("foo=1"), "an empty last line"),
        (vec!["foo=1", " \t", "bar=2"], Some("foo=1,bar=2"), "a blank line"),
        (vec!["", ""], None, "empty lines only"),
        (vec![""], None, "one empty line"),
        (vec!["foo=1", "foo=2"], Some("foo=1,foo=2"), "a key repeated in another line"),
        (vec!["foo=1,bar=2", "b!d=3"], None, "an invalid member in one line"),
        (vec![&*full], Some(&*full), "32 members"),
        (vec![&*over], None, "33 members"),
        (four.clone(), Some(&*full), "32 members in four lines"),
        ([&four[..], &["k32=v"]].concat(), None, "33 members in five lines"),
        ([&four[..], &["k0=v"]].concat(), None, "33 members, one of them repeated"),
        ([&four[..], &[",, ,"]].concat(), Some(&*format!("{full},,, ,")), "empty members do not count"),
    ] {
        let seen = read_lines(&lines);
        if why.starts_with("empty members") {
            // What is sent on may keep or lose members that say nothing.
            assert_eq!(TraceState::parse(seen.unwrap().as_bytes()).unwrap().iter().count(), 32, "{why}");
        } else {
            assert_eq!(seen.as_deref(), wanted, "{why}");
        }
    }
}

#[test]
fn an_empty_tracestate_is_never_sent() {
    let parent = Context::ROOT.with_span_context(remote(SAMPLED));
    let state = TraceState::new("a", "1").unwrap();
    for (context, why) in [
        (parent.clone(), "none"),
        (parent.with_tracestate(None), "set to none"),
        (parent.with_tracestate(Some(state.clone())).with_tracestate(None), "removed"),
        (parent.with_tracestate(state.remove("a")), "its only member removed"),
    ] {
        assert_eq!(written(&context, Allow::ALL).keys().collect::<Vec<_>>(), ["traceparent"], "{why}");
    }
}

#[test]
fn a_long_list_loses_whole_members_the_long_ones_first() {
    let long = format!("long={}", "x".repeat(150));
    let line = |n: usize, fill: usize| (0..n).map(|at| format!("k{at:02}={}", "v".repeat(fill))).collect::<Vec<_>>();
    let mut members = line(31, 124);
    members.insert(3, long);
    let text = members.join(",");
    assert!(text.len() > TraceState::MAX_LENGTH);
    let state = TraceState::parse(text.as_bytes()).unwrap();
    assert_eq!(state.get("long"), None, "the member of more than 128 bytes went first");
    assert_eq!(state.iter().count(), 31, "and nothing else had to");
    assert!(state.as_str().len() <= TraceState::MAX_LENGTH);

    let wide: Vec<_> = (0..20).map(|at| format!("k{at:02}={}", "v".repeat(250))).collect();
    let state = TraceState::parse(wide.join(",").as_bytes()).unwrap();
    let kept: Vec<_> = state.iter().map(|(key, _)| key.to_owned()).collect();
    assert_eq!(kept, (0..16).map(|at| format!("k{at:02}")).collect::<Vec<_>>(), "the right-most go");
}

#[test]
fn at_least_512_bytes_are_sent_on() {
    let text = format!("a={},b={}", "x".repeat(252), "y".repeat(252));
    assert!(text.len() >= 509);
    assert_eq!(TraceState::parse(text.as_bytes()).unwrap().as_str(), text);
}

#[test]
fn a_changed_member_moves_to_the_front() {
    let full: Vec<_> = (0..32).map(|at| format!("k{at}=v")).collect();
    let full = full.join(",");
    for (before, key, value, after, why) in [
        ("a=1,b=2", "c", "3", "c=3,a=1,b=2".to_owned(), "a new one"),
        ("a=1,b=2,c=3", "b", "9", "b=9,a=1,c=3".into(), "a changed one"),
        ("a=1,b=2", "a", "9", "a=9,b=2".into(), "the first one"),
        ("a=1,b=2,a=3,a=4", "a", "9", "a=9,b=2".into(), "its other copies are gone"),
        ("b=1,b=2,a=1", "a", "9", "a=9,b=1,b=2".into(), "others' copies stay"),
        ("a=1 ,\tb= x,,", "c", "3", "c=3,a=1,b= x".into(), "blanks around members go, those of a value stay"),
        (&full, "new", "1", format!("new=1,{}", full.trim_end_matches(",k31=v")), "a full list loses its right-most"),
        (&full, "k31", "1", format!("k31=1,{}", full.trim_end_matches(",k31=v")), "a full list that has it already"),
    ] {
        let state = TraceState::parse(before.as_bytes()).unwrap();
        assert_eq!(state.insert(key, value).unwrap().as_str(), after, "{why}");
        assert_eq!(state.as_str(), before, "{why}: the old list is as it was");
    }
}

#[test]
fn a_removed_member_leaves_the_others_in_order() {
    for (before, after, why) in [
        ("a=1,b=2,c=3", Some("a=1,c=3"), "one in the middle"),
        ("b=1,a=1,b=2,c=3,b=3", Some("a=1,c=3"), "all its copies"),
        ("b=1", None, "the only one"),
        ("a=1,c=3", Some("a=1,c=3"), "one that is not there"),
    ] {
        let state = TraceState::parse(before.as_bytes()).unwrap();
        assert_eq!(state.remove("b").as_ref().map(TraceState::as_str), after, "{why}");
    }
}

#[test]
fn only_members_of_both_levels_are_added() {
    let (tenant_241, tenant_242) = (format!("{}@v", "t".repeat(241)), format!("{}@v", "t".repeat(242)));
    let (key_256, key_257) = ("k".repeat(256), "k".repeat(257));
    let (value_256, value_257) = ("v".repeat(256), "v".repeat(257));
    for (key, value, fits, why) in [
        ("a", "1", true, "simple"),
        ("a1_-*/", "1", true, "every character of a simple key"),
        ("1a", "1", false, "level 1: a simple key starts with a letter"),
        ("1t@v", "1", true, "a tenant may start with a digit"),
        ("t@1v", "1", false, "a vendor starts with a letter"),
        ("t@v@w", "1", false, "level 1: one @"),
        ("t@", "1", false, "no vendor"),
        ("@v", "1", false, "no tenant"),
        ("_t@v", "1", false, "a tenant starts with a letter or a digit"),
        ("t@abcdefghijklmn", "1", true, "a vendor of 14"),
        ("t@abcdefghijklmno", "1", false, "a vendor of 15"),
        (&tenant_241, "1", true, "a tenant of 241"),
        (&tenant_242, "1", false, "a tenant of 242"),
        (&key_256, "1", true, "a key of 256"),
        (&key_257, "1", false, "a key of 257"),
        ("a", &value_256, true, "a value of 256"),
        ("a", &value_257, false, "a value of 257"),
        ("", "1", false, "no key"),
        ("A", "1", false, "upper case"),
        ("a=b", "1", false, "an equals sign in the key"),
        ("a,b", "1", false, "a comma in the key"),
        (" a", "1", false, "a blank before the key"),
        ("a ", "1", false, "a blank after the key"),
        ("a", "", false, "no value"),
        ("a", " ", false, "a blank value"),
        ("a", " x", true, "a value that starts with a blank"),
        ("a", "x ", false, "a value that ends in a blank"),
        ("a", "x\t", false, "a value that ends in a tab"),
        ("a", "x=y", false, "an equals sign in the value"),
        ("a", "x,b=1", false, "a comma in the value"),
        ("a", "x\r\ny", false, "a line break in the value"),
        ("a", "é", false, "no ASCII"),
    ] {
        assert_eq!(TraceState::new(key, value).is_ok(), fits, "{why}: new");
        let list = TraceState::parse(b"z=1").unwrap().insert(key, value);
        assert_eq!(list.is_ok(), fits, "{why}: insert");
        if let Ok(list) = list {
            assert_eq!(list.get(key), Some(value), "{why}");
        }
    }
}

#[test]
fn what_was_inserted_is_there_however_long_the_list_was() {
    let crowd: Vec<_> = (0..32).map(|at| format!("k{at:02}={}", "v".repeat(120))).collect();
    let list = TraceState::parse(crowd.join(",").as_bytes()).unwrap();
    let value = "x".repeat(256);
    let list = list.insert("mine", &value).unwrap();
    assert_eq!(list.get("mine"), Some(&*value));
    assert!(list.as_str().len() <= TraceState::MAX_LENGTH);
}

/// A valid list, with the blanks, empty members and repeated keys that the wire may have.
fn lists() -> impl Strategy<Value = String> {
    let member = "[ \t]{0,2}[a-c0-9][a-z0-9_*/@-]{0,5}=[ -+\\--<>-~]{0,6}[!-+\\--<>-~][ \t]{0,2}";
    let part = prop_oneof![8 => member, 1 => "[ \t]{0,2}"];
    prop::collection::vec(part, 1..30)
        .prop_map(|parts| parts.join(","))
        .prop_filter("a member", |text| text.contains('='))
}

proptest! {
    #[test]
    fn insert_get_and_remove_follow_a_list_of_pairs(text in lists(), key in "[a-c][a-z0-9]{0,2}", value in "[!-+]{1,9}") {
        let state = TraceState::parse(text.as_bytes()).unwrap();
        let pairs: Vec<(String, String)> = state.iter().map(|(k, v)| (k.into(), v.into())).collect();
        prop_assert_eq!(state.get(&key), pairs.iter().find(|(k, _)| *k == key).map(|(_, v)| &**v));

        let others: Vec<_> = pairs.iter().filter(|(k, _)| *k != key).cloned().collect();
        let inserted = state.insert(&key, &value.replace(',', ".")).unwrap();
        let mut wanted = vec![(key.clone(), value.replace(',', "."))];
        wanted.extend(others.iter().take(TraceState::MAX_MEMBERS - 1).cloned());
        let found: Vec<(String, String)> = inserted.iter().map(|(k, v)| (k.into(), v.into())).collect();
        prop_assert_eq!(found, wanted);

        let removed = state.remove(&key);
        let found: Option<Vec<(String, String)>> =
            removed.as_ref().map(|state| state.iter().map(|(k, v)| (k.into(), v.into())).collect());
        prop_assert_eq!(found, (!others.is_empty()).then_some(others));
    }

    #[test]
    fn what_is_accepted_is_kept_within_the_limits_and_reads_the_same(bytes in prop_oneof![
        prop::collection::vec(any::<u8>(), 0..64),
        prop::collection::vec(prop::sample::select(&b"ab1@=, \t;_x"[..]), 0..64),
        lists().prop_map(String::into_bytes),
    ]) {
        let Ok(state) = TraceState::parse(&bytes) else { return Ok(()) };
        prop_assert!(state.as_str().len() <= TraceState::MAX_LENGTH);
        prop_assert!((1..=TraceState::MAX_MEMBERS).contains(&state.iter().filter(|(k, _)| !k.is_empty()).count()));
        prop_assert_eq!(TraceState::parse(state.as_str().as_bytes()), Ok(state));
    }
}
