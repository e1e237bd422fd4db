//! Names of hosts as a configuration writes them.

use std::net::Ipv6Addr;

use crate::authority;

/// Host and port of `host[:port]`: the host in lower case, without the brackets of an IPv6 address and the dot of a full
/// name. Strict, other than what reads the wire: nothing if the text is no such name.
pub(crate) fn parse(text: &str) -> Option<(String, Option<u16>)> {
    let (host, port) = match text.strip_prefix('[').map(|bracketed| bracketed.split_once(']')) {
        Some(bracketed) => bracketed.filter(|(address, _)| is_ipv6(address))?,
        None if is_ipv6(text) => (text, ""),
        None => {
            let (host, port) = text.split_at(text.find(':').unwrap_or(text.len()));
            let host = host.strip_suffix('.').unwrap_or(host);
            (Some(host).filter(|host| host.split('.').all(is_label))?, port)
        }
    };
    let port = match port {
        "" => None,
        port if port.starts_with(':') => Some(authority::split(port.as_bytes()).1?),
        _ => return None,
    };
    Some((host.to_ascii_lowercase(), port))
}

/// What is no name, as errors show it: before an `@` there may be a password.
pub(crate) fn refused(text: &str) -> String {
    text.rsplit_once('@').map_or_else(|| text.to_owned(), |(_, host)| format!("REDACTED@{host}"))
}

/// Whether a request's host is this one, which [`parse`] has made.
#[inline]
pub(crate) fn same(name: &str, host: &[u8]) -> bool {
    full(host).eq_ignore_ascii_case(name.as_bytes())
}

/// Without the dot of a full name: `example.com.` is the same host as `example.com`.
#[inline]
pub(crate) fn full(host: &[u8]) -> &[u8] {
    host.strip_suffix(b".").unwrap_or(host)
}

fn is_ipv6(text: &str) -> bool {
    text.parse::<Ipv6Addr>().is_ok()
}

fn is_label(label: &str) -> bool {
    !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_with_and_without_a_port() {
        for (text, host, port) in [
            ("inventory", "inventory", None),
            ("Inventory:8080", "inventory", Some(8080)),
            ("shop.example.", "shop.example", None),
            ("shop.example.:80", "shop.example", Some(80)),
            ("my_db-1.local", "my_db-1.local", None),
            ("127.0.0.1:80", "127.0.0.1", Some(80)),
            ("::1", "::1", None),
            ("[::1]", "::1", None),
            ("[2001:DB8::1]:443", "2001:db8::1", Some(443)),
        ] {
            assert_eq!(parse(text), Some((host.to_owned(), port)), "{text}");
        }
    }

    #[test]
    fn other_text_is_no_name() {
        for (text, why) in [
            ("", "empty"),
            (" ", "blank"),
            ("a b", "blank within"),
            (" a", "blank before"),
            (".", "only a dot"),
            (".internal", "an empty label"),
            ("a..b", "an empty label"),
            ("http://a", "a scheme"),
            ("a/x", "a path"),
            ("u:p@a", "user information"),
            ("u@a", "user information"),
            ("*.a", "a star"),
            ("a,b", "a list"),
            ("bücher.example", "not ASCII"),
            ("a:", "an empty port"),
            ("a:0", "port 0"),
            ("a:65536", "port too large"),
            ("a:+80", "a sign"),
            ("a:http", "a port's name"),
            ("a:80:90", "two ports"),
            (":80", "no host"),
            ("[::1", "no closing bracket"),
            ("[::1]80", "no colon"),
            ("[::1]:", "an empty port"),
            ("[a]", "brackets around a name"),
            ("[127.0.0.1]", "brackets around IPv4"),
            ("2001:db8::zz", "no address"),
        ] {
            assert_eq!(parse(text), None, "{why}: {text}");
        }
    }

    #[test]
    fn hosts_are_the_same_in_any_case_and_with_a_dot() {
        for (host, wanted) in
            [("a.b", true), ("A.B", true), ("a.b.", true), ("a.b..", false), ("x.a.b", false), ("", false)]
        {
            assert_eq!(same("a.b", host.as_bytes()), wanted, "{host}");
        }
    }
}
