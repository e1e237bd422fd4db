//! `host[:port]`.

/// Host and port of an authority or a `Host` header: user information is left out, IPv6 addresses lose their brackets,
/// a port that is no number from 1 to 65535 is left out.
#[inline]
pub(crate) fn split(authority: &[u8]) -> (&[u8], Option<u16>) {
    let Some((_, end)) = authority.split_last_chunk::<8>() else { return split_unusual(authority) };
    // The usual authority is a name with a port among its last eight bytes, the last of which is the highest.
    let end = u64::from_le_bytes(*end);
    let colons = zeros(end ^ (ONES * u64::from(b':')));
    if colons == 0 {
        return if is_plain(authority) { (authority, None) } else { split_unusual(authority) };
    }
    let length = (colons.leading_zeros() / 8) as usize;
    let host = &authority[..authority.len() - length - 1];
    match digits(end, length) {
        Some(port) if is_plain(host) => (host, Some(port)),
        _ => split_unusual(authority),
    }
}

/// A port among so many of the highest bytes.
#[inline]
fn digits(word: u64, length: usize) -> Option<u16> {
    let (mut rest, mut port) = (word, 0_u32);
    if !matches!(length, 1..=5) {
        return None;
    }
    rest >>= 64 - 8 * length;
    for _ in 0..length {
        let digit = (rest as u8).wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        port = port * 10 + u32::from(digit);
        rest >>= 8;
    }
    u16::try_from(port).ok().filter(|port| *port > 0)
}

/// No port, no number, user information, IPv6.
fn split_unusual(authority: &[u8]) -> (&[u8], Option<u16>) {
    let host_port = match authority.iter().rposition(|byte| *byte == b'@') {
        Some(at) => &authority[at + 1..],
        None => authority,
    };
    if let [b'[', rest @ ..] = host_port {
        let end = rest.iter().position(|byte| *byte == b']').unwrap_or(rest.len());
        let port = rest.get(end + 1..).and_then(|after| after.strip_prefix(b":"));
        return (&rest[..end], port.and_then(number));
    }
    let mut parts = host_port.splitn(2, |byte| *byte == b':');
    match (parts.next(), parts.next()) {
        (Some(_), Some(port)) if port.contains(&b':') && is_bare_ipv6(host_port) => (host_port, None),
        // Whatever the rest is: the host that clients connect to ends at the first colon.
        (Some(host), Some(port)) => (host, number(port)),
        _ => (host_port, None),
    }
}

/// Without brackets, perhaps with a zone.
fn is_bare_ipv6(text: &[u8]) -> bool {
    let mut address = text.iter().take_while(|byte| **byte != b'%');
    address.all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.'))
}

fn number(port: &[u8]) -> Option<u16> {
    // Checked first: arithmetic on other bytes, or on more of them, overflows.
    let digits = matches!(port.len(), 1..=5) && port.iter().all(u8::is_ascii_digit);
    let value = || port.iter().fold(0_u32, |value, digit| value * 10 + u32::from(digit - b'0'));
    digits.then(value).and_then(|port| u16::try_from(port).ok()).filter(|port| *port > 0)
}

/// Neither `:` nor `@`, and no bracket in front; eight bytes at a time.
#[inline]
fn is_plain(host: &[u8]) -> bool {
    let special = |word: &[u8; 8]| {
        let word = u64::from_le_bytes(*word);
        zeros(word ^ (ONES * u64::from(b':'))) | zeros(word ^ (ONES * u64::from(b'@')))
    };
    // The last word overlaps the one before it.
    let (Some(first), Some(last)) = (host.first_chunk::<8>(), host.last_chunk::<8>()) else {
        return host.iter().all(|byte| !matches!(byte, b':' | b'@' | b'['));
    };
    let mut found = special(first) | special(last);
    if host.len() > 16 {
        let between = host[8..].chunks_exact(8).filter_map(|chunk| chunk.first_chunk());
        found |= between.fold(0, |found, word| found | special(word));
    }
    found == 0 && first[0] != b'['
}

/// The high bit of each byte that is zero, and of no other.
#[inline]
fn zeros(word: u64) -> u64 {
    const LOW: u64 = ONES * 0x7f;
    !(((word & LOW) + LOW) | word | LOW)
}

const ONES: u64 = 0x0101_0101_0101_0101;

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
            ("ex.com:99999999999", "ex.com", None),
            ("ex.com:-1", "ex.com", None),
            ("ex.com:00080", "ex.com", Some(80)),
            ("192.0.2.1:80", "192.0.2.1", Some(80)),
            ("[::1]:8080", "::1", Some(8080)),
            ("[::1]", "::1", None),
            ("[2001:db8::17]:abc", "2001:db8::17", None),
            ("::1", "::1", None),
            ("2001:db8::17", "2001:db8::17", None),
            ("::ffff:192.0.2.1", "::ffff:192.0.2.1", None),
            ("fe80::1%eth0", "fe80::1%eth0", None),
            ("evil.example:[::1].ex.com", "evil.example", None),
            ("evil.example:80:[::1]81.ex.com:82", "evil.example", None),
            ("[::1].ex.com", "::1", None),
            ("[::1].ex.com:80", "::1", None),
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
