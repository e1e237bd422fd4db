//! URLs without their secrets.

use http::Uri;
use http::uri::Authority;

/// A query with every value replaced; keys are kept.
///
/// ```text
/// user=7&debug&sig=  →  user=REDACTED&debug&sig=REDACTED
/// ```
pub(crate) fn redact_query(query: &str) -> String {
    let mut text = String::with_capacity(query.len() + REDACTED.len());
    for (at, pair) in query.split('&').enumerate() {
        if at > 0 {
            text.push('&');
        }
        match pair.split_once('=') {
            Some((key, _)) => {
                text.push_str(key);
                text.push('=');
                text.push_str(REDACTED);
            }
            None => text.push_str(pair),
        }
    }
    text
}

/// An absolute URL with user information and every query value replaced. `http::Uri` has dropped the fragment; in origin
/// form the scheme is the connection's and the authority that of the `Host` header.
pub(crate) fn full(uri: &Uri, scheme: &str, host: Option<&str>) -> String {
    let mut text = String::with_capacity(uri.path().len() + 64);
    if let Some(authority) = uri.authority().map(Authority::as_str).or(host) {
        text.push_str(uri.scheme_str().unwrap_or(scheme));
        text.push_str("://");
        match authority.rsplit_once('@') {
            Some((_, host)) => {
                text.push_str("REDACTED:REDACTED@");
                text.push_str(host);
            }
            None => text.push_str(authority),
        }
    }
    text.push_str(uri.path());
    if let Some(query) = uri.query() {
        text.push('?');
        text.push_str(&redact_query(query));
    }
    text
}

const REDACTED: &str = "REDACTED";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_every_value_and_keeps_keys() {
        for (query, redacted) in [
            ("sig=abc&q=1", "sig=REDACTED&q=REDACTED"),
            ("sig=", "sig=REDACTED"),
            ("sig", "sig"),
            ("", ""),
            ("a=b=c&&d", "a=REDACTED&&d"),
        ] {
            assert_eq!(redact_query(query), redacted);
        }
    }

    #[test]
    fn replaces_user_information() {
        for (input, host, wanted) in [
            ("https://u:p@h/x?sig=abc", Some("other"), "https://REDACTED:REDACTED@h/x?sig=REDACTED"),
            ("https://h/a@b", None, "https://h/a@b"),
            ("http://h:81", None, "http://h:81/"),
            ("/only/a/path?q=1", None, "/only/a/path?q=REDACTED"),
            ("/a/path?q=1", Some("h:81"), "http://h:81/a/path?q=REDACTED"),
        ] {
            assert_eq!(full(&input.parse().unwrap(), "http", host), wanted);
        }
    }
}
