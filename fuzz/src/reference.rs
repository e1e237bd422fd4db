//! The grammars, read plainly and slowly.

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

fn trim(text: &[u8]) -> &[u8] {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let from = text.iter().position(|byte| !blank(byte)).unwrap_or(text.len());
    let to = text.iter().rposition(|byte| !blank(byte)).map_or(from, |at| at + 1);
    &text[from..to]
}
