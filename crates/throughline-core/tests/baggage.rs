//! W3C `baggage`: what is read, what is written, and the limits (<https://www.w3.org/TR/baggage/>).

mod common;

use std::collections::HashMap;

use common::{SAMPLED, read, read_bytes, remote, written};
use proptest::prelude::*;
use throughline_core::propagation::{Allow, Composite, Extractor, Propagator, W3cBaggage};
use throughline_core::{Baggage, Context};

fn pairs(baggage: &Baggage) -> Vec<(&str, &str)> {
    baggage.iter().map(|member| (member.key(), member.value())).collect()
}

#[test]
fn reads_what_the_specification_allows() {
    for (input, wanted, why) in [
        ("k=v", vec![("k", "v", "")], "one member"),
        ("k=v;p;q=1", vec![("k", "v", "p;q=1")], "properties with and without value"),
        ("k=v ; p ; q = 1 ", vec![("k", "v", "p;q=1")], "properties with blanks"),
        ("k=v;\tp=1\t,a=b", vec![("k", "v", "p=1"), ("a", "b", "")], "properties with tabs"),
        ("k=v;", vec![("k", "v", "")], "an empty property"),
        ("k=v;p=a=b", vec![("k", "v", "p=a=b")], "an equals sign in a property"),
        ("k=v;p=%20", vec![("k", "v", "p=%20")], "a property's value is as it was sent"),
        ("userId =   alice", vec![("userId", "alice", "")], "blanks around the equals sign"),
        ("serverNode = DF%2028", vec![("serverNode", "DF 28", "")], "a blank, encoded"),
        ("k\t=\tv", vec![("k", "v", "")], "tabs around the equals sign"),
        (" k=v \t,\t a=b ", vec![("k", "v", ""), ("a", "b", "")], "blanks around members"),
        ("k=a=b=c", vec![("k", "a=b=c", "")], "equals signs in a value"),
        ("k=", vec![("k", "", "")], "an empty value"),
        ("k=   ", vec![("k", "", "")], "a blank value"),
        ("k=%E2%82%AC", vec![("k", "€", "")], "UTF-8, encoded"),
        ("k=%e2%82%ac", vec![("k", "€", "")], "UTF-8, encoded in lower case"),
        ("k=%ff", vec![("k", "\u{fffd}", "")], "no UTF-8"),
        ("k=a%E2%82b", vec![("k", "a\u{fffd}b", "")], "half a character"),
        ("k=a+b", vec![("k", "a+b", "")], "a plus is a plus"),
        ("k=%zz", vec![("k", "%zz", "")], "no digits after %"),
        ("k=%", vec![("k", "%", "")], "% at the end"),
        ("k=%4", vec![("k", "%4", "")], "one digit after %"),
        ("k=%%41", vec![("k", "%A", "")], "% before a sequence"),
        ("k=%2541", vec![("k", "%41", "")], "decoded once"),
        ("%6B=v", vec![("%6B", "v", "")], "a key is never decoded"),
        ("K=1,k=2", vec![("K", "1", ""), ("k", "2", "")], "keys are case-sensitive"),
        ("k=a,k=b", vec![("k", "b", "")], "of two with a key the last counts"),
        ("k=a;p,k=b", vec![("k", "b", "")], "with its properties"),
        ("!#$%&'*+-.^_`|~09=v", vec![("!#$%&'*+-.^_`|~09", "v", "")], "every sign of a token"),
        ("k=!#$%&'()*+-./:<=>?@[]^_`{|}~", vec![("k", "!#$%&'()*+-./:<=>?@[]^_`{|}~", "")], "every sign of a value"),
        ("bad=va%lue,key1=v1", vec![("bad", "va%lue", ""), ("key1", "v1", "")], "% within a value"),
    ] {
        let seen = read(&[("baggage", input)]);
        let found: Vec<_> = seen.baggage.iter().map(|(k, v, p)| (&**k, &**v, &**p)).collect();
        assert_eq!(found, wanted, "{why}: {input:?}");
        assert_eq!(Baggage::parse_counting(input.as_bytes()).1, 0, "{why}: nothing is left out");
    }
}

#[test]
fn skips_an_invalid_member_and_nothing_else() {
    for (input, why) in [
        ("=v", "no key"),
        (" =v", "a blank key"),
        ("k", "no equals sign"),
        ("k;p=1", "no equals sign but in a property"),
        ("k e=v", "a blank in the key"),
        ("ke?y=v", "no token"),
        ("k\"=v", "a quote in the key"),
        ("kéy=v", "no ASCII in the key"),
        ("k=va l", "a blank in the value"),
        ("k=\"v\"", "quotes"),
        ("k=a\\b", "a backslash"),
        ("k=é", "no ASCII in the value"),
        ("k=v;p q=1", "a blank in a property's key"),
        ("k=v;=1", "a property without key"),
        ("k=v;p=a b", "a blank in a property's value"),
        ("k=v;p=\"1\"", "quotes in a property"),
        ("k=v;p?", "a property that is no token"),
    ] {
        let line = format!("first=1,{input},last=2");
        assert_eq!(read(&[("baggage", &line)]).keys(), ["first", "last"], "{why}: {line:?}");
        assert_eq!(Baggage::parse_counting(line.as_bytes()).1, 1, "{why}: it is counted");
    }
    for byte in (0..0x20).filter(|byte| *byte != b'\t').chain(0x7f..=0xff) {
        for line in [[b'k', byte, b'=', b'v'], [b'k', b'=', byte, b'v']] {
            assert_eq!(Baggage::parse(&line), Baggage::new(), "byte {byte:#x}");
            if let Some(seen) = read_bytes(&[("baggage", &line)]) {
                assert!(seen.baggage.is_empty(), "byte {byte:#x} by a header");
            }
        }
    }
}

#[test]
fn nothing_is_installed_where_there_is_nothing() {
    for (lines, why) in [
        (vec![("baggage", "")], "an empty line"),
        (vec![("baggage", " \t ")], "a blank line"),
        (vec![("baggage", ",, ,")], "commas only"),
        (vec![("baggage", ""), ("baggage", ",")], "two such lines"),
        (vec![("baggages", "k=v"), ("bagga", "k=v")], "other names"),
    ] {
        let seen = read(&lines);
        assert!(seen.baggage.is_empty() && seen.parent.is_none() && !seen.malformed, "{why}");
    }
    let ambient = Context::ROOT.with_baggage(Baggage::new().with("mine", "1").unwrap());
    for line in ["", " ", ",,", " , ,"] {
        let carrier: Vec<(String, String)> = vec![("baggage".into(), line.into())];
        let context = Composite::w3c().extract_from(&carrier).to_context(&ambient);
        assert_eq!(pairs(&context.baggage()), [("mine", "1")], "{line:?} changes nothing");
    }
}

#[test]
fn several_lines_are_one_list() {
    for (lines, wanted, why) in [
        (vec!["a=1", "b=2"], vec!["a", "b"], "in the order in which they came"),
        (vec!["", "a=1"], vec!["a"], "an empty first line"),
        (vec!["a=1,", ",b=2"], vec!["a", "b"], "commas at the ends"),
        (vec!["a=1", "b b=2", "c=3"], vec!["a", "c"], "an invalid one between"),
    ] {
        let lines: Vec<_> = lines.into_iter().map(|line| ("baggage", line)).collect();
        assert_eq!(read(&lines).keys(), wanted, "{why}");
    }
    let seen = read(&[("baggage", "k=a"), ("baggage", "k=b")]);
    assert_eq!(seen.baggage, [("k".into(), "b".into(), String::new())], "the last one counts");
}

#[test]
fn at_most_64_members_are_read_however_many_lines_there_are() {
    let members: Vec<_> = (0..80).map(|at| format!("k{at}=v")).collect();
    for (count, lines, kept, why) in [
        (64, 1, 64, "64 in one line"),
        (65, 1, 64, "65 in one line"),
        (64, 4, 64, "64 in four lines"),
        (65, 5, 64, "65 in five lines"),
        (80, 80, 64, "each in its own line"),
    ] {
        let lines: Vec<String> = members[..count].chunks(count.div_ceil(lines)).map(|part| part.join(",")).collect();
        let lines: Vec<_> = lines.iter().map(|line| ("baggage", &**line)).collect();
        let seen = read(&lines);
        assert_eq!(seen.keys(), (0..kept).map(|at| format!("k{at}")).collect::<Vec<_>>(), "{why}: the first ones");
    }
    assert_eq!(Baggage::parse_counting(members.join(",").as_bytes()).1, 16, "all that were left out are counted");
    let with_bad = format!("b@d=1,{}", members[..64].join(","));
    assert_eq!(Baggage::parse(with_bad.as_bytes()).len(), 64, "an invalid one takes no place");
}

#[test]
fn at_most_8192_bytes_are_read_in_whole_members() {
    let of = |key: &str, length: usize| format!("{key}={}", "v".repeat(length - key.len() - 1));
    let (half, rest) = (of("a", 4095), of("b", 4096));
    for (lines, kept, why) in [
        (vec![of("a", 8192)], vec!["a"], "8192 in one member"),
        (vec![of("a", 8193)], vec![], "8193 in one member"),
        (vec![format!("{half},{rest}")], vec!["a", "b"], "8192 in two members"),
        (vec![format!("{half},{}", of("b", 4097))], vec!["a"], "8193 in two members"),
        (vec![format!("{},{}", of("a", 8193), "b=1")], vec![], "the first one is too long alone"),
        (vec![half.clone(), rest.clone()], vec!["a", "b"], "8192 in two lines and their comma"),
        (vec![half.clone(), of("b", 4097)], vec!["a"], "8193 in two lines and their comma"),
        (vec![of("a", 8192), String::new()], vec!["a"], "8192 and an empty line"),
        (vec![of("a", 8190), "b=1".into()], vec!["a"], "one byte and a comma too much"),
        (vec![of("a", 8000), format!("b=1,{},c=1", of("d", 300))], vec!["a", "b"], "the second line fits in part"),
        (vec![format!("b=1,{}", of("a", 9000)), "c=1".into()], vec!["b"], "the first line fits in part"),
    ] {
        let lines: Vec<_> = lines.iter().map(|line| ("baggage", &**line)).collect();
        let seen = read(&lines);
        assert_eq!(seen.keys(), kept, "{why}");
        for (key, value, _) in &seen.baggage {
            assert!(
                lines.iter().any(|(_, line)| line.split(',').any(|part| part == format!("{key}={value}"))),
                "{why}: cut"
            );
        }
    }
}

#[test]
fn many_lines_cost_no_more_than_one() {
    // GHSA-mh2q-q3fh-2475: each line within the limit, the sum without one.
    let line = format!("k={}", "v".repeat(8000));
    let lines: Vec<_> = (0..100).map(|_| ("baggage", &*line)).collect();
    let carrier: Vec<(String, String)> = lines.iter().map(|(n, v)| ((*n).into(), (*v).into())).collect();
    assert_eq!(read(&lines).keys(), ["k"]);
    let context = W3cBaggage.extract(&carrier as &dyn Extractor).to_context(&Context::ROOT);
    assert!(written(&context, Allow::ALL)["baggage"].len() <= Baggage::MAX_LENGTH);
}

#[test]
fn encodes_all_that_is_no_octet() {
    for (value, wanted, why) in [
        ("plain", "plain", "octets"),
        ("", "", "empty"),
        ("a b", "a%20b", "a blank"),
        ("a,b;c", "a%2Cb%3Bc", "separators"),
        ("a\"b\\c", "a%22b%5Cc", "a quote and a backslash"),
        ("50%", "50%25", "a percent sign"),
        ("%41", "%2541", "what looks encoded"),
        ("a=b", "a=b", "an equals sign is an octet"),
        ("€", "%E2%82%AC", "UTF-8"),
        ("a\r\nb\0", "a%0D%0Ab%00", "control characters"),
        ("\u{fffd}", "%EF%BF%BD", "the replacement character"),
    ] {
        let baggage = Baggage::new().with("k", value).unwrap();
        assert_eq!(baggage.to_string(), format!("k={wanted}"), "{why}");
        assert_eq!(Baggage::parse(baggage.to_string().as_bytes()), baggage, "{why}: and back");
        let context = Context::ROOT.with_baggage(baggage);
        assert_eq!(written(&context, Allow::ALL)["baggage"], format!("k={wanted}"), "{why}: on the wire");
    }
}

#[test]
fn properties_are_sent_on_as_they_came() {
    for (input, output) in [
        ("k=v;p;q=1", "k=v;p;q=1"),
        ("k=v;a=b;c", "k=v;a=b;c"),
        ("k=a%20b;p=%20x", "k=a%20b;p=%20x"),
        ("k=v;q = 1", "k=v;q = 1"),
    ] {
        assert_eq!(Baggage::parse(input.as_bytes()).to_string(), output);
    }
    let made = Baggage::new().with_properties("k", "v", "p;q=1").unwrap();
    assert_eq!(made, Baggage::parse(b"k=v;p;q=1"));
    for (properties, why) in
        [("p,q=1", "a comma"), ("p q", "a blank"), ("=1", "no key"), ("p=\"", "a quote"), ("p\r\n", "a line break")]
    {
        assert!(Baggage::new().with_properties("k", "v", properties).is_err(), "{why}");
    }
    assert_eq!(Baggage::new().with_properties("k", "v", " ").unwrap().to_string(), "k=v", "blank ones are none");
}

#[test]
fn with_replaces_and_never_changes_the_old_value() {
    let one = Baggage::new().with("a", "1").unwrap().with_properties("b", "2", "p").unwrap();
    let two = one.with("b", "3").unwrap().with("c", "4").unwrap();
    assert_eq!(one.to_string(), "a=1,b=2;p");
    assert_eq!(two.to_string(), "a=1,b=3,c=4");
    assert_eq!(two.without("b").to_string(), "a=1,c=4");
    assert_eq!(two.without("x"), two);
    assert_eq!(one.without("a").without("b"), Baggage::new(), "an emptied one is the empty one");
    for (key, why) in
        [("", "empty"), ("a b", "a blank"), ("a=b", "an equals sign"), ("é", "no ASCII"), ("a,b", "a comma")]
    {
        assert!(one.with(key, "1").is_err(), "{why}");
    }
}

#[test]
fn with_refuses_what_exceeds_the_limits() {
    let full = (0..64).try_fold(Baggage::new(), |baggage, at| baggage.with(&format!("k{at}"), "v")).unwrap();
    assert!(full.with("k64", "v").is_err(), "65 members");
    assert_eq!(full.with("k0", "w").unwrap().len(), 64, "a replaced one takes no place");
    assert!(Baggage::new().with("k", &"v".repeat(8190)).is_ok(), "8192 bytes");
    assert!(Baggage::new().with("k", &"v".repeat(8191)).is_err(), "8193 bytes");
    assert!(Baggage::new().with("k", &" ".repeat(2731)).is_err(), "8195 bytes once encoded");
}

#[test]
fn what_nobody_changed_is_sent_as_it_came() {
    for (line, wanted, why) in [
        ("a=1;p , b = %ff", "a=1;p , b = %ff", "blanks and all"),
        ("a=1,a=2,bad", "a=1,a=2,bad", "what others may understand"),
        ("a=1,b=\u{e9}", "a=1", "what no header may have"),
        ("a=1,b=x\r\ny: z", "a=1", "what would begin another header"),
    ] {
        let carrier = HashMap::from([("baggage".to_owned(), line.to_owned())]);
        let context = Composite::w3c().extract_from(&carrier).to_context(&Context::ROOT);
        assert_eq!(written(&context, Allow::ALL)["baggage"], wanted, "{why}");
        let _ = context.baggage();
        assert_eq!(written(&context, Allow::ALL)["baggage"], wanted, "reading changes nothing: {why}");
    }
}

#[test]
fn what_grows_when_it_is_encoded_again_loses_whole_members() {
    // Every `%ff` becomes U+FFFD, and that three times as many bytes.
    let grown = format!("big={}", "%ff".repeat(2700));
    let context = |line: &str| {
        let carrier = HashMap::from([("baggage".to_owned(), line.to_owned())]);
        let context = Composite::w3c().extract_from(&carrier).to_context(&Context::ROOT);
        // The same, but not as it came.
        context.with_baggage(context.baggage())
    };
    let out = written(&context(&format!("a=1,{grown},b=2")), Allow::ALL);
    assert_eq!(out["baggage"], "a=1,b=2");
    assert_eq!(written(&context(&grown), Allow::ALL).get("baggage"), None, "an empty field is not sent");
}

#[test]
fn travels_without_a_trace_and_not_where_it_is_not_allowed() {
    let baggage = Context::ROOT.with_baggage(Baggage::new().with("k", "v").unwrap());
    let both = baggage.with_span_context(remote(SAMPLED));
    assert_eq!(written(&baggage, Allow::ALL).into_iter().collect::<Vec<_>>(), [("baggage".into(), "k=v".into())]);
    assert_eq!(written(&both, Allow::TRACE).keys().collect::<Vec<_>>(), ["traceparent"]);
    assert_eq!(written(&both, Allow::ALL).keys().collect::<Vec<_>>(), ["baggage", "traceparent"]);
}

#[test]
fn debug_output_of_a_context_does_not_tell_values() {
    let context = Context::ROOT.with_baggage(Baggage::new().with("user", "secret").unwrap());
    let text = format!("{context:?}");
    assert!(text.contains("user") && !text.contains("secret"), "{text}");
}

fn keys() -> impl Strategy<Value = String> {
    "[!#$%&'*+.^_`|~0-9A-Za-z-]{1,8}"
}

proptest! {
    #[test]
    fn any_text_comes_back_as_it_was(members in prop::collection::hash_map(keys(), any::<String>(), 0..20)) {
        let mut baggage = Baggage::new();
        for (key, value) in &members {
            baggage = baggage.with(key, value).unwrap();
        }
        let again = Baggage::parse(baggage.to_string().as_bytes());
        prop_assert_eq!(&again, &baggage);
        for (key, value) in &members {
            prop_assert_eq!(again.get(key), Some(&**value));
        }
        prop_assert!(baggage.to_string().bytes().all(|byte| matches!(byte, 0x21..=0x7e)));
    }

    #[test]
    fn what_is_read_is_within_the_limits_and_reads_the_same(bytes in prop_oneof![
        prop::collection::vec(any::<u8>(), 0..200),
        prop::collection::vec(prop::sample::select(&b"ab%2f=,; \t\"x"[..]), 0..400),
    ]) {
        let (baggage, _) = Baggage::parse_counting(&bytes);
        prop_assert!(baggage.len() <= Baggage::MAX_MEMBERS);
        let context = Context::ROOT.with_baggage(baggage.clone());
        let out = written(&context, Allow::ALL);
        match out.get("baggage") {
            Some(text) => {
                prop_assert!(text.len() <= Baggage::MAX_LENGTH && !text.is_empty());
                prop_assert_eq!(Baggage::parse(text.as_bytes()), baggage);
            }
            None => prop_assert!(baggage.is_empty()),
        }
    }

    #[test]
    fn the_sum_of_the_lines_is_what_counts(sizes in prop::collection::vec(1_usize..900, 1..30)) {
        let lines: Vec<String> = sizes.iter().enumerate().map(|(at, size)| format!("k{at}={}", "v".repeat(*size))).collect();
        let mut room = Baggage::MAX_LENGTH + 1;
        let mut wanted = Vec::new();
        for (at, line) in lines.iter().enumerate() {
            if line.len() + 1 > room {
                break;
            }
            room -= line.len() + 1;
            wanted.push(format!("k{at}"));
        }
        let several: Vec<_> = lines.iter().map(|line| ("baggage", &**line)).collect();
        assert_eq!(read(&several).keys(), wanted);
        assert_eq!(read(&[("baggage", &*lines.join(","))]).keys(), wanted);
    }
}
