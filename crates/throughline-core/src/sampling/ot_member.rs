//! OpenTelemetry's own member of tracestate: `ot=th:c;rv:6e6d1a75832a2f`.

use std::fmt::Write as _;

use super::Threshold;
use super::probability::RANGE;
use crate::TraceState;
use crate::hex::Decoder;

/// What a sampling decision makes of the member.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Change {
    /// `th`; without one there is none any more.
    pub(super) threshold: Option<Threshold>,
    /// `rv`; without one it stays.
    pub(super) random: Option<u64>,
}

// === impl Change ===

impl Change {
    /// The changed tracestate, or nothing in place of one that has become empty; nothing at all if there is nothing to
    /// change, or no room for it. What else the member has, and other members, are kept.
    #[cold]
    pub(crate) fn apply(self, state: Option<&TraceState>) -> Option<Option<TraceState>> {
        let old = state.and_then(|state| state.get(KEY)).unwrap_or_default();
        let mut new = String::new();
        if let Some(threshold) = self.threshold {
            let _ = write!(new, "th:{threshold};");
        }
        if let Some(random) = self.random {
            let _ = write!(new, "rv:{random:014x};");
        }
        let replaced = |part: &str| part.starts_with("th:") || (self.random.is_some() && part.starts_with("rv:"));
        for part in old.split(';').filter(|part| !part.is_empty() && !replaced(part)) {
            new.push_str(part);
            new.push(';');
        }
        let new = new.trim_end_matches(';');
        if new == old {
            return None;
        }
        match (new.is_empty(), state) {
            (true, state) => Some(state.and_then(|state| state.remove(KEY))),
            (false, Some(state)) => state.insert(KEY, new).ok().map(Some),
            (false, None) => TraceState::new(KEY, new).ok().map(Some),
        }
    }
}

/// `rv`: exactly 14 digits.
pub(super) fn random_value(state: &TraceState) -> Option<u64> {
    let value = sub_key(state.get(KEY)?, "rv:")?;
    let digits: [u8; 14] = value.as_bytes().try_into().ok()?;
    let mut padded = [b'0'; 16];
    padded[2..].copy_from_slice(&digits);
    let mut decoder = Decoder::default();
    let value = decoder.sixteen(&padded, 0);
    (decoder.is_sound() && value < RANGE).then_some(value)
}

fn sub_key<'a>(entry: &'a str, name: &str) -> Option<&'a str> {
    entry.split(';').find_map(|part| part.strip_prefix(name))
}

const KEY: &str = "ot";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_keep_what_is_not_theirs() {
        let c = "c".parse().ok();
        for (state, threshold, random, wanted, why) in [
            ("", c, None, Some("ot=th:c"), "none before"),
            ("a=1", c, None, Some("ot=th:c,a=1"), "in front"),
            ("a=1,ot=th:8;rv:00000000000001;x:y", c, None, Some("ot=th:c;rv:00000000000001;x:y,a=1"), "the rest stays"),
            ("ot=rv:1;th:8", c, Some(7), Some("ot=th:c;rv:00000000000007"), "both are replaced"),
            ("ot=th:c,a=1", c, None, None, "it is there"),
            ("ot=th:c,a=1", None, None, Some("a=1"), "nothing is left of it"),
            ("ot=th:c", None, None, Some(""), "nothing is left at all"),
            ("ot=x:y;th:c", None, None, Some("ot=x:y"), "the rest stays"),
            ("a=1", None, None, None, "there was none"),
            ("", None, Some(1), Some("ot=rv:00000000000001"), "not sampled, and random all the same"),
        ] {
            let parsed = TraceState::parse(state.as_bytes()).ok();
            let changed = Change { threshold, random }.apply(parsed.as_ref());
            let changed = changed.map(|state| state.map(|state| state.to_string()).unwrap_or_default());
            assert_eq!(changed.as_deref(), wanted, "{why}: {state:?}");
        }
        let full = TraceState::new(KEY, &format!("x:{}", "y".repeat(252))).unwrap();
        assert_eq!(
            Change { threshold: c, random: None }.apply(Some(&full)),
            None,
            "no room: the rest goes before ours"
        );
    }

    #[test]
    fn only_14_lower_case_digits_are_a_random_value() {
        for (entry, wanted) in [
            ("ot=rv:0123456789abcd", Some(0x0001_2345_6789_abcd)),
            ("ot=th:8;rv:ffffffffffffff;x:y", Some(RANGE - 1)),
            ("ot=rv:0123456789abc", None),
            ("ot=rv:0123456789abcde", None),
            ("ot=rv:0123456789ABCD", None),
            ("ot=rv:+123456789abcd", None),
            ("ot=xrv:0123456789abcd", None),
            ("a=rv:0123456789abcd", None),
        ] {
            assert_eq!(random_value(&TraceState::parse(entry.as_bytes()).unwrap()), wanted, "{entry}");
        }
    }
}
