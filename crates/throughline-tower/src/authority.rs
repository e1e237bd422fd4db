//! `host[:port]`.

/// Host and port of an authority or a `Host` header: user information is left out, IPv6 addresses lose their brackets,
/// a port that is no number from 1 to 65535 is left out.
#[inline]
pub(crate) fn split(authority: &[u8]) -> (&[u8], Option<u16>) {
    let end = authority.len();
    // Digits from the right, up to the colon: one pass over what is usually four bytes.
    let mut at = end;
    let (mut port, mut scale) = (0_u32, 1_u32);
    while at > 0 && end - at < 5 && authority[at - 1].is_ascii_digit() {
        port += u32::from(authority[at - 1] - b'0') * scale;
        scale *= 10;
        at -= 1;
    }
    if at > 0 && authority[at - 1] == b':' {
        let host = host(&authority[..at - 1]);
        return match u16::try_from(port) {
            // `[::1]:80` and `a:80` have a port; the last group of a bare `::1` is none.
            Ok(port) if port > 0 && !host.contains(&b':') || authority[..at - 1].ends_with(b"]") => {
                (host, (port > 0).then_some(port))
            }
            _ if host.contains(&b':') => (self::host(authority), None),
            _ => (host, None),
        };
    }
    if let Some(colon) = authority.iter().rposition(|byte| *byte == b':') {
        let before = &authority[..colon];
        if before.ends_with(b"]") || !before.contains(&b':') {
            return (host(before), None);
        }
    }
    (host(authority), None)
}

/// Without user information and brackets.
#[inline]
fn host(mut text: &[u8]) -> &[u8] {
    if let Some(at) = text.iter().rposition(|byte| *byte == b'@') {
        text = &text[at + 1..];
    }
    match text {
        [b'[', address @ .., b']'] => address,
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_host_and_port() {
        for (input, address, port) in [
            ("ex.com", "ex.com", None),
            ("ex.com:8443", "ex.com", Some(8443)),
            ("ex.com:abc", "ex.com", None),
            ("ex.com:", "ex.com", None),
            ("ex.com:0", "ex.com", None),
            ("ex.com:65536", "ex.com", None),
            ("ex.com:99999", "ex.com", None),
            ("ex.com:123456", "ex.com", None),
            ("192.0.2.1:80", "192.0.2.1", Some(80)),
            ("[::1]:8080", "::1", Some(8080)),
            ("[::1]", "::1", None),
            ("[2001:db8::17]:abc", "2001:db8::17", None),
            ("::1", "::1", None),
            ("2001:db8::17", "2001:db8::17", None),
            ("user:secret@ex.com:81", "ex.com", Some(81)),
            ("user:secret@ex.com", "ex.com", None),
            ("", "", None),
            (":80", "", Some(80)),
        ] {
            let (host, found) = split(input.as_bytes());
            assert_eq!((std::str::from_utf8(host).unwrap(), found), (address, port), "{input:?}");
        }
    }
}
