//! The grammars, read plainly and slowly.

use throughline_core::SamplingState;

/// Trace id, parent id, and the two flags that have a meaning.
pub(crate) fn traceparent(data: &[u8]) -> Option<([u8; 16], [u8; 8], u8)> {
    let text = trim(data);
    let field = |from: usize, to: usize| -> Option<Vec<u8>> {
        let digits = text.get(from..to)?;
        let digit = |byte: u8| b"0123456789abcdef".iter().position(|known| *known == byte).map(|at| at as u8);
        digits.chunks(2).map(|pair| Some(digit(pair[0])? * 16 + digit(pair[1])?)).collect()
    };
    let (version, trace, parent, flags) = (field(0, 2)?, field(3, 35)?, field(36, 52)?, field(53, 55)?);
    let dashes = [2, 35, 52].iter().all(|at| text[*at] == b'-');
    let rest = match version[0] {
        0 => text.len() == 55,
        0xff => false,
        _ => text.len() == 55 || text[55] == b'-',
    };
    let zero = |id: &[u8]| id.iter().all(|byte| *byte == 0);
    let valid = dashes && rest && !zero(&trace) && !zero(&parent);
    valid.then(|| (trace.try_into().expect("16 bytes"), parent.try_into().expect("8 bytes"), flags[0] & 3))
}

/// The members, without the empty ones.
pub(crate) fn tracestate(data: &[u8]) -> Option<Vec<(String, String)>> {
    let mut members = Vec::new();
    for part in data.split(|byte| *byte == b',') {
        let part = trim(part);
        if part.is_empty() {
            continue;
        }
        let text = std::str::from_utf8(part).ok()?;
        let (key, value) = text.split_once('=')?;
        let first = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let key_fits = (1..=256).contains(&key.len())
            && key.starts_with(first)
            && key.chars().all(|c| first(c) || "_-*/@".contains(c));
        let value_fits =
            (1..=256).contains(&value.len()) && value.chars().all(|c| (' '..='~').contains(&c) && c != '=');
        if !key_fits || !value_fits {
            return None;
        }
        members.push((key.to_owned(), value.to_owned()));
    }
    (1..=32).contains(&members.len()).then_some(members)
}

type Said = (Option<(u128, u64)>, SamplingState);

/// One header, else the several; nothing if what there is is malformed.
pub(crate) fn b3(value: impl Fn(&str) -> Option<String>) -> Option<Said> {
    if let Some(said) = value("b3").and_then(|text| b3_single(text.trim_matches([' ', '\t']))) {
        return Some(said);
    }
    let header = |name: &str| value(name).map(|text| text.trim_matches([' ', '\t']).to_owned());
    let sampling = match header("X-B3-Sampled").map(|text| text.to_ascii_lowercase()).as_deref() {
        _ if header("X-B3-Flags").as_deref() == Some("1") => SamplingState::Debug,
        None => SamplingState::Defer,
        Some("1" | "true") => SamplingState::Accept,
        Some("0" | "false") => SamplingState::Deny,
        Some(_) => return None,
    };
    let Some(trace) = header("X-B3-TraceId") else {
        // With a malformed single header and nothing else, nothing is left.
        let is_there = value("b3").is_none() || sampling != SamplingState::Defer;
        return is_there.then_some((None, sampling));
    };
    let span = header("X-B3-SpanId")?;
    let fits = (trace.len() == 32 || trace.len() == 16) && span.len() == 16;
    if fits { Some((Some((hex(&trace)?, hex(&span)? as u64)), sampling)) } else { None }
}

fn b3_single(text: &str) -> Option<Said> {
    let state = |text: &str| match text {
        "0" => Some(SamplingState::Deny),
        "1" => Some(SamplingState::Accept),
        "d" => Some(SamplingState::Debug),
        _ => None,
    };
    if let Some(state) = state(text) {
        return Some((None, state));
    }
    let parts: Vec<&str> = text.split('-').collect();
    let is_span = |text: &str| text.len() == 16 && hex(text).is_some();
    let (trace, span, state) = match parts[..] {
        [trace, span] => (trace, span, SamplingState::Defer),
        [trace, span, parent] if is_span(parent) => (trace, span, SamplingState::Defer),
        [trace, span, letter] => (trace, span, state(letter)?),
        [trace, span, letter, parent] if is_span(parent) => (trace, span, state(letter)?),
        _ => return None,
    };
    let fits = (trace.len() == 32 || trace.len() == 16) && span.len() == 16;
    if fits { Some((Some((hex(trace)?, hex(span)? as u64)), state)) } else { None }
}

/// What is said, and the id of a root without a parent; nothing if it is malformed.
pub(crate) fn xray(data: &[u8]) -> Option<(Said, Option<u128>)> {
    let (mut root, mut parent, mut sampling) = (None, None, SamplingState::Defer);
    if data.len() > 1024 {
        return None;
    }
    for part in data.split(|byte| *byte == b';').map(trim).filter(|part| !part.is_empty()) {
        let equals = part.iter().position(|byte| *byte == b'=')?;
        let value = &part[equals + 1..];
        match &part[..equals] {
            b"Root" => {
                let text = std::str::from_utf8(value).ok()?;
                let mut parts = text.split('-');
                let (version, epoch, unique) = (parts.next()?, parts.next()?, parts.next()?);
                let fits =
                    version == "1" && (1..=8).contains(&epoch.len()) && unique.len() == 24 && parts.next().is_none();
                root = Some(if fits { hex(&format!("{epoch:0>8}{unique}"))? } else { return None });
            }
            b"Parent" => {
                let text = std::str::from_utf8(value).ok()?;
                parent = Some(if text.len() == 16 { hex(text)? as u64 } else { return None });
            }
            b"Sampled" => {
                sampling = match value {
                    b"0" => SamplingState::Deny,
                    b"1" => SamplingState::Accept,
                    b"?" => SamplingState::Defer,
                    _ => return None,
                }
            }
            _ => {}
        }
    }
    match (root, parent) {
        (Some(root), Some(parent)) => Some(((Some((root, parent)), sampling), None)),
        (Some(root), None) => Some(((None, sampling), Some(root))),
        (None, None) => Some(((None, sampling), None)),
        (None, Some(_)) => None,
    }
}

/// Of ASCII.
pub(crate) fn jaeger(data: &[u8]) -> Option<Said> {
    let text = std::str::from_utf8(trim(data)).ok()?;
    if text.len() > 128 {
        return None;
    }
    let text = if text.contains(':') { text.to_owned() } else { url_decoded(text) };
    let parts: Vec<&str> = text.split(':').collect();
    let &[trace, span, parent, flags] = &parts[..] else { return None };
    let fits = |text: &str, most| (1..=most).contains(&text.len());
    if !(fits(trace, 32) && fits(span, 16) && parent.len() <= 16 && fits(flags, 2)) {
        return None;
    }
    let flags =
        if flags.bytes().all(|digit| b"0123456789abcdef".contains(&digit)) { digits(flags) } else { return None };
    let state = match flags & 3 {
        1 => SamplingState::Accept,
        3 => SamplingState::Debug,
        _ => SamplingState::Deny,
    };
    Some((Some((hex(trace)?, hex(span)? as u64)), state))
}

fn url_decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let pair = after.get(..2).and_then(|pair| std::str::from_utf8(pair).ok());
        let hex = pair.filter(|pair| *first == b'%' && pair.bytes().all(|digit| digit.is_ascii_hexdigit()));
        match hex {
            Some(pair) => {
                bytes.push(digits(&pair.to_lowercase()) as u8);
                rest = &after[2..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Lower-case digits that are not all zero.
fn hex(text: &str) -> Option<u128> {
    let valid = !text.is_empty() && text.bytes().all(|digit| b"0123456789abcdef".contains(&digit));
    valid.then(|| digits(text)).filter(|value| *value != 0)
}

fn digits(text: &str) -> u128 {
    text.chars().fold(0, |value, digit| value * 16 + u128::from(digit.to_digit(16).unwrap_or_default()))
}

fn trim(text: &[u8]) -> &[u8] {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let from = text.iter().position(|byte| !blank(byte)).unwrap_or(text.len());
    let to = text.iter().rposition(|byte| !blank(byte)).map_or(from, |at| at + 1);
    &text[from..to]
}
