//! Text for a terminal: escaped, measured, cut.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::time::Duration;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Makes visible what would steer the terminal or hide in it. Names and attributes come from the network.
pub(crate) fn escape(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_hostile) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match u32::from(c) {
            // A `String` takes everything.
            code if is_hostile(c) && code < 0x100 => drop(write!(escaped, "\\x{code:02x}")),
            code if is_hostile(c) => drop(write!(escaped, "\\u{{{code:x}}}")),
            _ => escaped.push(c),
        }
    }
    Cow::Owned(escaped)
}

/// C0, DEL, C1; what changes the direction of text; what has no width and what ends a line.
fn is_hostile(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
            | '\u{e0000}'..='\u{e007f}')
}

/// The columns that a text takes.
pub(crate) fn columns(text: &str) -> usize {
    text.width()
}

/// The text in no more than so many columns, with an ellipsis where something was cut off.
pub(crate) fn fit(text: &str, room: usize) -> Cow<'_, str> {
    // Marks without a width of their own do not make a text endless.
    let most = room * 4;
    if columns(text) <= room && text.chars().count() <= most {
        return Cow::Borrowed(text);
    }
    let mut kept = String::new();
    let mut used = 1;
    for c in text.chars().take(most) {
        used += c.width().unwrap_or(0);
        if used > room {
            break;
        }
        kept.push(c);
    }
    if room > 0 {
        kept.push('…');
    }
    Cow::Owned(kept)
}

/// A duration in three digits and a unit.
pub(crate) fn duration(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    let (unit, value) = match nanos {
        0..1_000 => return format!("{nanos}ns"),
        1_000..999_500 => ("µs", nanos as f64 / 1e3),
        999_500..999_500_000 => ("ms", nanos as f64 / 1e6),
        999_500_000..60_000_000_000 => ("s", nanos as f64 / 1e9),
        _ => {
            let seconds = duration.as_secs();
            return match seconds / 60 {
                minutes @ 0..60 => format!("{minutes}m{:02}s", seconds % 60),
                minutes => format!("{}h{:02}m", minutes / 60, minutes % 60),
            };
        }
    };
    let decimals = match value {
        ..9.995 => 2,
        ..99.95 => 1,
        _ => 0,
    };
    format!("{value:.decimals$}{unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_a_terminal_is_printed_escaped() {
        for (text, escaped, why) in [
            ("\u{1b}[31mred", "\\x1b[31mred", "ESC"),
            ("a\nb\tc\0", "a\\x0ab\\x09c\\x00", "C0"),
            ("\u{7f}", "\\x7f", "DEL"),
            ("\u{9b}2J", "\\x9b2J", "C1: one character for ESC ["),
            ("\u{202e}gpj.exe", "\\u{202e}gpj.exe", "right to left"),
            ("\u{2066}x\u{2069}", "\\u{2066}x\\u{2069}", "isolates"),
            ("in\u{200b}visible\u{feff}", "in\\u{200b}visible\\u{feff}", "zero width"),
            ("\u{2028}\u{2029}", "\\u{2028}\\u{2029}", "line and paragraph"),
            ("\u{e0041}", "\\u{e0041}", "tag"),
        ] {
            assert_eq!(escape(text), escaped, "{why}");
        }
        assert!(matches!(escape("größer 漢字 ✗ 😀"), Cow::Borrowed(_)));
    }

    #[test]
    fn text_is_cut_by_columns() {
        for (text, room, cut) in [
            ("abcdef", 6, "abcdef"),
            ("abcdef", 5, "abcd…"),
            ("漢字漢字", 8, "漢字漢字"),
            ("漢字漢字", 7, "漢字漢…"),
            ("漢字漢字", 6, "漢字…"),
            ("ab", 1, "…"),
            ("ab", 0, ""),
        ] {
            assert_eq!(fit(text, room), cut, "{text} in {room}");
            assert!(columns(&fit(text, room)) <= room);
        }
        let marks = format!("a{}", "\u{301}".repeat(1000));
        assert!(fit(&marks, 10).chars().count() <= 41);
    }

    #[test]
    fn durations_have_three_digits() {
        for (nanos, text) in [
            (0, "0ns"),
            (999, "999ns"),
            (1_000, "1.00µs"),
            (9_994, "9.99µs"),
            (9_996, "10.0µs"),
            (99_949, "99.9µs"),
            (99_951, "100µs"),
            (999_499, "999µs"),
            (999_500, "1.00ms"),
            (12_345_678, "12.3ms"),
            (999_500_000, "1.00s"),
            (59_940_000_000, "59.9s"),
            (60_000_000_000, "1m00s"),
            (3_599_000_000_000, "59m59s"),
            (7_260_000_000_000, "2h01m"),
        ] {
            assert_eq!(duration(Duration::from_nanos(nanos)), text, "{nanos}");
        }
    }
}
