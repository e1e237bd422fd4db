//! What proxies say of a request: `Forwarded` (RFC 7239) and `X-Forwarded-*`.

use std::net::IpAddr;

use http::header::FORWARDED;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::authority;

/// What the outermost of the trusted proxies saw.
///
/// `Forwarded` goes before `X-Forwarded-*`, part by part; nothing is copied. Whoever trusts proxies must have them overwrite or remove the
/// fields that they do not append to: in those a stranger's text looks like theirs.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Forwarded<'a> {
    /// Who asked. IPv4 addresses that are mapped to IPv6 are IPv4 addresses again.
    pub(crate) client: Option<IpAddr>,
    /// Which host was asked for: no user information, no brackets, never empty, visible ASCII only.
    pub(crate) host: Option<(&'a [u8], Option<u16>)>,
    /// `http` or `https`.
    pub(crate) scheme: Option<&'static &'static str>,
}

/// The trimmed pieces of a list; empty ones are none (RFC 9110 §5.6.1.2).
#[derive(Clone)]
struct Pieces<'a> {
    rest: &'a [u8],
    delimiter: u8,
}

// === impl Forwarded ===

impl<'a> Forwarded<'a> {
    /// Believes the last `trusted` entries of each list, at least one: each proxy appends what it saw.
    pub(crate) fn read(headers: &'a HeaderMap, trusted: usize) -> Self {
        let mut elements = entries(headers, &FORWARDED, trusted);
        let alone = |field| entries(headers, field, trusted).next().and_then(unquote);
        // A proxy may leave `host` and `proto` to the next one. Only the outermost knows the client.
        let host = elements.clone().find_map(|element| parameter(element, "host").and_then(host_port));
        let scheme = elements.clone().find_map(|element| scheme_of(parameter(element, "proto")?));
        let client = elements.next().and_then(|element| address(parameter(element, "for")?));
        Self {
            client: client.or_else(|| address(alone(&X_FORWARDED_FOR)?)),
            host: host.or_else(|| alone(&X_FORWARDED_HOST).and_then(host_port)),
            scheme: scheme.or_else(|| scheme_of(alone(&X_FORWARDED_PROTO)?)),
        }
    }
}

// === impl Pieces ===

impl<'a> Pieces<'a> {
    fn new(list: &'a [u8], delimiter: u8) -> Self {
        Self { rest: list, delimiter }
    }
}

impl<'a> Iterator for Pieces<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        while !self.rest.is_empty() {
            let (piece, rest) = cut(self.rest, self.delimiter);
            self.rest = rest;
            if !piece.is_empty() {
                return Some(piece);
            }
        }
        None
    }
}

/// The last `trusted` entries of all lines of a field, from left to right. If there are fewer, trusted proxies made them
/// all; if there is more text than is looked at, nobody knows.
fn entries<'a>(
    headers: &'a HeaderMap,
    field: &HeaderName,
    trusted: usize,
) -> impl Iterator<Item = &'a [u8]> + Clone + use<'a> {
    let (mut lines, mut first) = ([&b""[..]; MAX_LINES], MAX_LINES);
    let (mut missing, mut surplus, mut budget) = (trusted.max(1), 0, MAX_BYTES);
    // From the right: what strangers wrote is on the left, and may be long.
    for line in headers.get_all(field).iter().rev().map(HeaderValue::as_bytes) {
        let text = match line.len().checked_sub(budget) {
            None | Some(0) => line,
            Some(excess) => cut(&line[excess..], b',').1,
        };
        let count = Pieces::new(text, b',').count();
        (missing, surplus) = (missing.saturating_sub(count), count.saturating_sub(missing));
        budget -= budget.min(line.len());
        first -= 1;
        lines[first] = text;
        if missing == 0 || budget == 0 || first == 0 {
            break;
        }
    }
    let exhausted = missing > 0 && (budget == 0 || first == 0);
    let first = if exhausted { MAX_LINES } else { first };
    lines.into_iter().skip(first).flat_map(|line| Pieces::new(line, b',')).skip(surplus)
}

/// The trimmed text up to the next delimiter outside of quotes, and the text after it.
fn cut(text: &[u8], delimiter: u8) -> (&[u8], &[u8]) {
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        if *byte == delimiter {
            return (text[..at].trim_ascii(), &text[at + 1..]);
        }
        at += 1;
        if *byte == b'=' {
            at += quoted(&text[at..]).unwrap_or(0);
        }
    }
    (text.trim_ascii(), b"")
}

/// The length of the quoted string at the text's start. It is none unless it is closed where a value may end: a quote
/// that a stranger left open must not swallow what proxies append.
fn quoted(text: &[u8]) -> Option<usize> {
    let inside = text.strip_prefix(b"\"")?;
    let mut escaped = false;
    let close = inside.iter().position(|byte| {
        let closes = *byte == b'"' && !escaped;
        escaped = *byte == b'\\' && !escaped;
        closes
    })?;
    let after = inside[close + 1..].trim_ascii_start().first();
    matches!(after, None | Some(b',' | b';')).then_some(close + 2)
}

/// The value of a parameter of a `Forwarded` element, without quotes.
fn parameter<'a>(element: &'a [u8], name: &str) -> Option<&'a [u8]> {
    Pieces::new(element, b';').find_map(|pair| {
        let equals = pair.iter().position(|byte| *byte == b'=')?;
        pair[..equals].trim_ascii().eq_ignore_ascii_case(name.as_bytes()).then(|| unquote(&pair[equals + 1..]))
    })?
}

/// The value without its quotes. No address, host or scheme needs an escape: what has one is none of them.
fn unquote(value: &[u8]) -> Option<&[u8]> {
    let value = value.trim_ascii();
    if !value.contains(&b'"') {
        return Some(value);
    }
    quoted(value).filter(|length| *length == value.len())?;
    value.get(1..value.len() - 1).filter(|inside| !inside.contains(&b'\\'))
}

/// `v4`, `v4:port`, `[v6]`, `[v6]:port`, `v6`; names such as `unknown` and `_hidden` are no addresses.
fn address(node: &[u8]) -> Option<IpAddr> {
    let node = std::str::from_utf8(node).ok()?.trim_ascii();
    let address = match node.strip_prefix('[') {
        Some(bracketed) => {
            let (address, port) = bracketed.split_once(']')?;
            let ends = port.is_empty() || port.starts_with(':');
            IpAddr::V6(address.parse().ok().filter(|_| ends)?)
        }
        None => match (node.parse(), node.split_once(':')) {
            (Ok(address), _) => address,
            (Err(_), Some((address, _port))) => IpAddr::V4(address.parse().ok()?),
            (Err(_), None) => return None,
        },
    };
    Some(address.to_canonical())
}

fn host_port(authority: &[u8]) -> Option<(&[u8], Option<u16>)> {
    Some(authority::split(authority)).filter(|(host, _)| !host.is_empty() && host.iter().all(u8::is_ascii_graphic))
}

fn scheme_of(proto: &[u8]) -> Option<&'static &'static str> {
    [&"http", &"https"].into_iter().find(|scheme| proto.eq_ignore_ascii_case(scheme.as_bytes()))
}

static X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
static X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
static X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// What is looked at of one field: no more than so many bytes and lines, from the right.
const MAX_BYTES: usize = 8 * 1024;
const MAX_LINES: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines are `name: value`, separated by line feeds.
    fn headers(lines: &[u8]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let colon = line.iter().position(|byte| *byte == b':').unwrap();
            let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).unwrap();
            headers.append(HeaderName::from_bytes(&line[..colon]).unwrap(), value);
        }
        headers
    }

    /// `client host scheme`, each `-` if there is none.
    fn seen(lines: impl AsRef<[u8]>, trusted: usize) -> String {
        let headers = headers(lines.as_ref());
        let Forwarded { client, host, scheme } = Forwarded::read(&headers, trusted);
        let port = |port: Option<u16>| port.map_or(String::new(), |port| format!("|{port}"));
        let client = client.map_or("-".to_owned(), |client| client.to_string());
        let host = host.map_or("-".to_owned(), |(host, p)| format!("{}{}", String::from_utf8_lossy(host), port(p)));
        format!("{client} {host} {}", scheme.unwrap_or(&"-"))
    }

    #[test]
    fn the_tables_vectors() {
        for (lines, trusted, wanted) in [
            ("forwarded: for=192.0.2.60;proto=http;by=203.0.113.43", 1, "192.0.2.60 - http"),
            ("forwarded: For=\"[2001:db8:cafe::17]:4711\"", 1, "2001:db8:cafe::17 - -"),
            ("forwarded: for=192.0.2.43, for=198.51.100.17", 2, "192.0.2.43 - -"),
            ("forwarded: for=\nx-forwarded-for: 1.2.3.4", 1, "1.2.3.4 - -"),
            ("forwarded: for=\"1.2.3.4\nx-forwarded-for: 5.6.7.8", 1, "5.6.7.8 - -"),
            ("forwarded: for=\"1.2.3.4", 1, "- - -"),
            ("x-forwarded-for: 1.2.3.4:5678, 9.9.9.9", 2, "1.2.3.4 - -"),
            ("x-forwarded-for: 2001:db8::1", 1, "2001:db8::1 - -"),
            ("x-forwarded-for: [::1]:80", 1, "::1 - -"),
            ("forwarded: host=\"ex.com:8443\";proto=https", 1, "- ex.com|8443 https"),
            ("forwarded: host=a.com, host=b.com", 2, "- a.com -"),
            ("x-forwarded-host: a.com, b.com", 2, "- a.com -"),
            ("x-forwarded-host: [::1]:8080", 1, "- ::1|8080 -"),
            ("x-forwarded-host: ex.com:abc", 1, "- ex.com -"),
            ("x-forwarded-host: ex.com", 1, "- ex.com -"),
        ] {
            assert_eq!(seen(lines, trusted), wanted, "{lines}");
        }
    }

    #[test]
    fn entries_are_counted_from_the_right() {
        let three = "x-forwarded-for: 1.1.1.1, 2.2.2.2, 3.3.3.3";
        let lines = "x-forwarded-for: 1.1.1.1\nx-forwarded-for: 2.2.2.2, 3.3.3.3";
        let empty = "x-forwarded-for: 1.1.1.1,, 2.2.2.2\nx-forwarded-for:\nx-forwarded-for: , 3.3.3.3 ,";
        for list in [three, lines, empty] {
            for (trusted, wanted) in [(1, "3.3.3.3"), (2, "2.2.2.2"), (3, "1.1.1.1"), (4, "1.1.1.1"), (99, "1.1.1.1")] {
                assert_eq!(seen(list, trusted), format!("{wanted} - -"), "{list} {trusted}");
                let forwarded = list.replace("x-forwarded-for", "forwarded");
                let forwarded = ["1.1.1.1", "2.2.2.2", "3.3.3.3"]
                    .iter()
                    .fold(forwarded, |list, ip| list.replace(ip, &format!("for=\"{ip}\"")));
                assert_eq!(seen(&forwarded, trusted), format!("{wanted} - -"), "{forwarded} {trusted}");
            }
        }
    }

    #[test]
    fn each_part_is_looked_for_by_itself() {
        for (lines, trusted, wanted, why) in [
            (
                "forwarded: host=a.com\nx-forwarded-proto: https\nx-forwarded-for: 1.2.3.4",
                1,
                "1.2.3.4 a.com https",
                "rest",
            ),
            ("forwarded: for=1.1.1.1, for=2.2.2.2;host=b.com", 2, "1.1.1.1 b.com -", "the inner one says the host"),
            ("forwarded: for=1.1.1.1;host=a.com, for=2.2.2.2", 1, "2.2.2.2 - -", "a stranger says the host"),
            ("forwarded: for=unknown, for=2.2.2.2", 2, "- - -", "the next entry is a proxy, not the client"),
            ("forwarded: for=_hidden\nx-forwarded-for: 1.2.3.4", 1, "1.2.3.4 - -", "falls through"),
            ("x-forwarded-for: 1.2.3.4, unknown", 1, "- - -", "no other entry instead"),
            ("forwarded: proto=ftp\nx-forwarded-proto: HTTPS", 1, "- - https", "unknown scheme; any case"),
            ("x-forwarded-proto: wss", 1, "- - -", "neither http nor https"),
            ("forwarded: for=1.2.3.4;for=5.6.7.8", 1, "1.2.3.4 - -", "said twice: the first"),
        ] {
            assert_eq!(seen(lines, trusted), wanted, "{why}: {lines}");
        }
    }

    #[test]
    fn quotes_escapes_and_blanks() {
        for (lines, wanted, why) in [
            (r#"forwarded: for="1.2.3.4" ; proto="https" ;host="a.com""#, "1.2.3.4 a.com https", "blanks"),
            (r#"forwarded: HOST="a.com";PROTO=HtTp"#, "- a.com http", "upper case"),
            (r#"forwarded: host="a.\c\om";proto=http"#, "- - http", "escapes in what needs none"),
            (r#"forwarded: by="a,b;for=6.6.6.6";for=1.2.3.4"#, "1.2.3.4 - -", "delimiters within quotes"),
            (r#"forwarded: by="\",for=6.6.6.6,\"";for=1.2.3.4"#, "1.2.3.4 - -", "quotes within quotes"),
            (r#"forwarded: ext="x\\";for=1.2.3.4"#, "1.2.3.4 - -", "a backslash within quotes"),
            (r#"forwarded: for="1.2.3.4"x"#, "- - -", "text after the quotes"),
            (r#"forwarded: host=a"b"#, "- - -", "a quote within a token"),
            (r#"forwarded: host="""#, "- - -", "an empty host"),
            (r#"x-forwarded-for: "[2001:db8::1]:80""#, "2001:db8::1 - -", "quotes where none belong"),
            ("forwarded: for = 1.2.3.4", "1.2.3.4 - -", "blanks around the equals sign"),
            ("forwarded: for;=;==;;1.2.3.4", "- - -", "no parameters"),
            ("x-forwarded-for:\t1.2.3.4\t", "1.2.3.4 - -", "tabs"),
        ] {
            assert_eq!(seen(lines, 1), wanted, "{why}: {lines}");
        }
    }

    #[test]
    fn strangers_quotes_do_not_swallow_what_proxies_append() {
        for lines in [
            r#"forwarded: for="6.6.6.6, for=1.2.3.4"#,
            r#"forwarded: for="6.6.6.6, for="1.2.3.4""#,
            r#"forwarded: for="6.6.6.6, for=1.2.3.4;by="a""#,
            r#"forwarded: for="6.6.6.6, for=1.2.3.4;by="""#,
            r#"forwarded: for="6.6.6.6\, for=1.2.3.4;by="a";proto=http"#,
            "forwarded: for=\"6.6.6.6\nforwarded: for=1.2.3.4",
        ] {
            assert!(seen(lines, 1).starts_with("1.2.3.4 "), "{lines}");
        }
    }

    #[test]
    fn only_addresses_are_clients() {
        for (node, wanted, why) in [
            ("1.2.3.4", "1.2.3.4", "v4"),
            ("1.2.3.4:", "1.2.3.4", "no port"),
            ("1.2.3.4:abc", "1.2.3.4", "port is no number"),
            ("1.2.3.4:_gazonk", "1.2.3.4", "hidden port"),
            ("1.2.3.4:0", "1.2.3.4", "port 0"),
            ("1.2.3.4:65536", "1.2.3.4", "port too large"),
            ("1.2.3.4:99999999999999999999", "1.2.3.4", "port far too large"),
            ("1.2.3.4:-80", "1.2.3.4", "signed port"),
            ("::ffff:1.2.3.4", "1.2.3.4", "mapped"),
            ("[::FFFF:1.2.3.4]:80", "1.2.3.4", "mapped, port"),
            ("[2001:DB8::1]", "2001:db8::1", "canonical text"),
            ("2001:db8::1:80", "2001:db8::1:80", "all address"),
            ("[2001:db8::1", "-", "no closing bracket"),
            ("[2001:db8::1]80", "-", "no colon"),
            ("[2001:db8::1]]:80", "-", "two brackets"),
            ("[1.2.3.4]:80", "-", "v4 in brackets"),
            ("fe80::1%eth0", "-", "zone"),
            ("01.2.3.4", "-", "octal"),
            ("1.2.3", "-", "short"),
            ("1.2.3.4.5", "-", "long"),
            ("user@1.2.3.4", "-", "user information"),
            ("1.2.3.4 5.6.7.8", "-", "blank"),
            ("unknown", "-", "unknown"),
            ("_hidden", "-", "obfuscated"),
            ("localhost", "-", "a name"),
            (":80", "-", "only a port"),
            ("", "-", "nothing"),
        ] {
            assert_eq!(seen(format!("x-forwarded-for: {node}"), 1), format!("{wanted} - -"), "{why}: {node}");
            assert_eq!(seen(format!("forwarded: for=\"{node}\""), 1), format!("{wanted} - -"), "{why}: {node}");
        }
    }

    #[test]
    fn only_visible_ascii_is_a_host() {
        for (host, wanted, why) in [
            (&b"u:p@ex.com:81"[..], "ex.com|81", "user information"),
            (b"[2001:db8::1", "2001:db8::1", "no closing bracket"),
            (b"ex.com:70000", "ex.com", "port too large"),
            (b"ex .com", "-", "blank"),
            (b"\xff\xfe.com", "-", "not ASCII"),
            ("bücher.example".as_bytes(), "-", "not ASCII"),
            (b":80", "-", "no host"),
        ] {
            let line = [b"x-forwarded-host: ", host].concat();
            assert_eq!(seen(line, 1), format!("- {wanted} -"), "{why}");
        }
        assert_eq!(seen(b"forwarded: for=\xff;proto=\xfe;host=\xfd", 1), "- - -");
    }

    #[test]
    fn work_is_bounded_from_the_right() {
        let commas = ",".repeat(10_000);
        let long = "x".repeat(20_000);
        let many = "x-forwarded-for: 6.6.6.6\n".repeat(1000);
        for (lines, trusted, wanted, why) in [
            (format!("x-forwarded-for: {commas}1.2.3.4"), 1, "1.2.3.4", "what the proxy wrote is near"),
            (format!("x-forwarded-for: 6.6.6.6{commas}1.2.3.4"), 2, "-", "the second is out of sight"),
            (format!("x-forwarded-for: {commas}"), 1, "-", "nothing but commas"),
            (format!("x-forwarded-for: {long}1.2.3.4"), 1, "-", "one entry, cut"),
            (format!("x-forwarded-for: 99.9.9.9,{:>8184}", "1.2.3.4"), 2, "-", "the first is cut to another address"),
            (format!("x-forwarded-for: {long}, 1.2.3.4"), 1, "1.2.3.4", "junk before"),
            (format!("forwarded: for=\"{long}, for=1.2.3.4"), 1, "1.2.3.4", "junk in quotes before"),
            (format!("forwarded: {}, for=1.2.3.4", "a=\"".repeat(5000)), 1, "1.2.3.4", "open quotes before"),
            (format!("x-forwarded-for: {long}\nx-forwarded-for: 1.2.3.4"), 1, "1.2.3.4", "a long line before"),
            (format!("{many}x-forwarded-for: 1.2.3.4"), 1, "1.2.3.4", "many lines before"),
            (format!("{many}x-forwarded-for: 1.2.3.4"), 16, "6.6.6.6", "the sixteenth line"),
            (format!("{many}x-forwarded-for: 1.2.3.4"), 17, "-", "a line out of sight"),
        ] {
            assert_eq!(seen(lines, trusted), format!("{wanted} - -"), "{why}");
        }
    }

    #[test]
    fn no_text_makes_it_panic() {
        // Multiplications mix the low bits well enough to choose from an alphabet.
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut next = |below: usize| {
            state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
            usize::try_from(state >> 33).unwrap() % below
        };
        let alphabet: &[&[u8]] = &[
            b"\"", b"\\", b",", b";", b"=", b"for", b"host", b"proto", b"[", b"]", b":", b"1.2.3.4", b"::1", b" ",
            b"\xff",
        ];
        for _ in 0..20_000 {
            let value: Vec<u8> = (0..next(16)).flat_map(|_| alphabet[next(alphabet.len())]).copied().collect();
            for field in ["forwarded", "x-forwarded-for", "x-forwarded-host"] {
                seen([field.as_bytes(), b":", &value].concat(), next(4));
            }
        }
    }
}
