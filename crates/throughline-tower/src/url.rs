//! URLs without their secrets.

use std::sync::Arc;

use http::Uri;
use http::uri::Authority;

/// Which values of a query are recorded as `REDACTED`.
///
/// Keys are always kept, and user information (`https://user:password@host`) never is, whatever is chosen here.
///
/// ```
/// use throughline_tower::{HttpClientLayer, Redact};
/// # let (tracer, _) = throughline_testing::tracer();
///
/// let layer = HttpClientLayer::new(&tracer).redact(Redact::keys(["token", "sig"]));
/// # let _ = layer;
/// ```
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum Redact {
    /// Every value.
    #[default]
    All,
    /// The values of the keys that the semantic conventions list: `AWSAccessKeyId`, `Signature`, `X-Amz-Signature`,
    /// `X-Amz-Credential`, `X-Amz-Security-Token`, `sig` and `X-Goog-Signature`, exactly as written here.
    Listed,
    /// The values of these keys and no others. Keys are compared as they stand in the query: case counts, and `%73ig` is
    /// not `sig`.
    Keys(Arc<[String]>),
    /// No value.
    None,
}

// === impl Redact ===

impl Redact {
    /// The values of these keys and no others: [`Redact::Keys`].
    pub fn keys<K: Into<String>>(keys: impl IntoIterator<Item = K>) -> Self {
        Self::Keys(keys.into_iter().map(Into::into).collect())
    }

    /// Appends an absolute URL. `http::Uri` has dropped the fragment; in origin form the scheme is the connection's and
    /// the authority that of the `Host` header.
    #[inline]
    pub(crate) fn uri<'h>(&self, uri: &'h Uri, scheme: &str, host: impl FnOnce() -> Option<&'h str>, to: &mut String) {
        if let Some(authority) = uri.authority().map(Authority::as_str).or_else(host) {
            to.push_str(uri.scheme_str().unwrap_or(scheme));
            to.push_str("://");
            write_authority(authority, to);
        }
        to.push_str(uri.path());
        if let Some(query) = uri.query() {
            to.push('?');
            self.query(query, to);
        }
    }

    /// Appends a URL that the application wrote, fragment and all.
    pub(crate) fn url(&self, url: &str, to: &mut String) {
        let (url, fragment) = url.split_at(url.find('#').unwrap_or(url.len()));
        let (url, query) = url.split_at(url.find('?').unwrap_or(url.len()));
        let path = match url.split_once("//") {
            // Later slashes are the path's own.
            Some((scheme, rest)) if scheme.is_empty() || (scheme.ends_with(':') && !scheme.contains('/')) => {
                let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
                to.push_str(scheme);
                to.push_str("//");
                write_authority(authority, to);
                path
            }
            _ => url,
        };
        to.push_str(path);
        if let Some(query) = query.strip_prefix('?') {
            to.push('?');
            self.query(query, to);
        }
        to.push_str(fragment);
    }

    /// Appends a query.
    ///
    /// ```text
    /// user=7&debug&sig=  →  user=REDACTED&debug&sig=REDACTED
    /// ```
    #[inline]
    pub(crate) fn query(&self, query: &str, to: &mut String) {
        for (at, pair) in query.split('&').enumerate() {
            if at > 0 {
                to.push('&');
            }
            match self.hidden(pair) {
                Some(key) => to.extend([key, "=", REDACTED]),
                None => to.push_str(pair),
            }
        }
    }

    /// The key of a pair whose value is not to be seen.
    #[inline]
    fn hidden<'p>(&self, pair: &'p str) -> Option<&'p str> {
        let (key, _) = pair.split_once('=')?;
        let hidden = match self {
            Self::All => true,
            Self::Listed => LISTED.contains(&key),
            Self::Keys(keys) => keys.iter().any(|hidden| hidden == key),
            Self::None => false,
        };
        hidden.then_some(key)
    }
}

#[inline]
fn write_authority(authority: &str, to: &mut String) {
    match authority.rsplit_once('@') {
        Some((_, host)) => {
            to.push_str("REDACTED:REDACTED@");
            to.push_str(host);
        }
        None => to.push_str(authority),
    }
}

const REDACTED: &str = "REDACTED";

const LISTED: [&str; 7] = [
    "AWSAccessKeyId",
    "Signature",
    "X-Amz-Signature",
    "X-Amz-Credential",
    "X-Amz-Security-Token",
    "sig",
    "X-Goog-Signature",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn query_of(redact: &Redact, query: &str) -> String {
        let mut text = String::from("before ");
        redact.query(query, &mut text);
        text.split_off("before ".len())
    }

    fn url(redact: &Redact, url: &str) -> String {
        let mut text = String::from("before ");
        redact.url(url, &mut text);
        text.split_off("before ".len())
    }

    #[test]
    fn queries() {
        let mine = Redact::keys(["q", "Sig"]);
        for (query, all, listed, keys) in [
            ("sig=abc&q=1", "sig=REDACTED&q=REDACTED", "sig=REDACTED&q=1", "sig=abc&q=REDACTED"),
            ("q=1&sig=abc", "q=REDACTED&sig=REDACTED", "q=1&sig=REDACTED", "q=REDACTED&sig=abc"),
            ("sig=", "sig=REDACTED", "sig=REDACTED", "sig="),
            ("sig", "sig", "sig", "sig"),
            ("sig=a&sig=b", "sig=REDACTED&sig=REDACTED", "sig=REDACTED&sig=REDACTED", "sig=a&sig=b"),
            ("Sig=1", "Sig=REDACTED", "Sig=1", "Sig=REDACTED"),
            ("my_sig=1", "my_sig=REDACTED", "my_sig=1", "my_sig=1"),
            ("sig2=1", "sig2=REDACTED", "sig2=1", "sig2=1"),
            ("%73ig=1", "%73ig=REDACTED", "%73ig=1", "%73ig=1"),
            ("sig=a=b=c&&d", "sig=REDACTED&&d", "sig=REDACTED&&d", "sig=a=b=c&&d"),
            ("&sig=a&", "&sig=REDACTED&", "&sig=REDACTED&", "&sig=a&"),
            ("=x", "=REDACTED", "=x", "=x"),
            ("sig=é&ü=ö", "sig=REDACTED&ü=REDACTED", "sig=REDACTED&ü=ö", "sig=é&ü=ö"),
            ("&&", "&&", "&&", "&&"),
            ("", "", "", ""),
        ] {
            for (redact, wanted) in
                [(&Redact::All, all), (&Redact::Listed, listed), (&mine, keys), (&Redact::None, query)]
            {
                assert_eq!(query_of(redact, query), wanted, "{redact:?} {query}");
            }
        }
    }

    #[test]
    fn every_listed_key_is_hidden() {
        for key in LISTED {
            assert_eq!(query_of(&Redact::Listed, &format!("{key}=x&a=b")), format!("{key}=REDACTED&a=b"));
            assert_eq!(query_of(&Redact::Listed, &format!("{key}x=x")), format!("{key}x=x"));
        }
    }

    #[test]
    fn whole_urls() {
        for (input, all, listed, none) in [
            (
                "https://u:p@h/x?sig=abc&q=1#f",
                "https://REDACTED:REDACTED@h/x?sig=REDACTED&q=REDACTED#f",
                "https://REDACTED:REDACTED@h/x?sig=REDACTED&q=1#f",
                "https://REDACTED:REDACTED@h/x?sig=abc&q=1#f",
            ),
            ("https://h/a@b", "https://h/a@b", "https://h/a@b", "https://h/a@b"),
            ("https://h?Sig=1", "https://h?Sig=REDACTED", "https://h?Sig=1", "https://h?Sig=1"),
            ("https://h?my_sig=1", "https://h?my_sig=REDACTED", "https://h?my_sig=1", "https://h?my_sig=1"),
            ("https://h?sig", "https://h?sig", "https://h?sig", "https://h?sig"),
            ("https://h?sig=", "https://h?sig=REDACTED", "https://h?sig=REDACTED", "https://h?sig="),
            (
                "https://h?sig=a&sig=b",
                "https://h?sig=REDACTED&sig=REDACTED",
                "https://h?sig=REDACTED&sig=REDACTED",
                "https://h?sig=a&sig=b",
            ),
            ("http://h/x?q=a@b", "http://h/x?q=REDACTED", "http://h/x?q=a@b", "http://h/x?q=a@b"),
            ("http://h#sig=1?sig=2", "http://h#sig=1?sig=2", "http://h#sig=1?sig=2", "http://h#sig=1?sig=2"),
            ("http://h/?#", "http://h/?#", "http://h/?#", "http://h/?#"),
            ("/only/a//path?sig=1", "/only/a//path?sig=REDACTED", "/only/a//path?sig=REDACTED", "/only/a//path?sig=1"),
            ("a//u@h/x", "a//u@h/x", "a//u@h/x", "a//u@h/x"),
            ("", "", "", ""),
        ] {
            for (redact, wanted) in [(Redact::All, all), (Redact::Listed, listed), (Redact::None, none)] {
                assert_eq!(url(&redact, input), wanted, "{redact:?} {input}");
            }
        }
    }

    #[test]
    fn user_information_is_never_kept() {
        for (input, wanted, why) in [
            ("http://u@h", "http://REDACTED:REDACTED@h", "no password"),
            ("http://:p@h", "http://REDACTED:REDACTED@h", "no user"),
            ("http://@h", "http://REDACTED:REDACTED@h", "neither"),
            ("http://u:p@q@h/a@b", "http://REDACTED:REDACTED@h/a@b", "the last one before the path"),
            ("http://u:p@h?a@b", "http://REDACTED:REDACTED@h?a@b", "no path"),
            ("http://u:p@h#a@b", "http://REDACTED:REDACTED@h#a@b", "only a fragment"),
            ("http://u:p@[::1]:80/", "http://REDACTED:REDACTED@[::1]:80/", "IPv6"),
            ("//u:p@h/x", "//REDACTED:REDACTED@h/x", "no scheme"),
        ] {
            for redact in [Redact::All, Redact::Listed, Redact::None] {
                assert_eq!(url(&redact, input), wanted, "{why}");
            }
        }
    }

    #[test]
    fn parsed_uris() {
        for (input, host, wanted) in [
            ("https://u:p@h/x?sig=abc", Some("other"), "https://REDACTED:REDACTED@h/x?sig=REDACTED"),
            ("https://h/a@b", None, "https://h/a@b"),
            ("http://h:81", None, "http://h:81/"),
            ("http://h?q=1", None, "http://h/?q=REDACTED"),
            ("/only/a/path?q=1", None, "/only/a/path?q=REDACTED"),
            ("/a/path?q=1", Some("h:81"), "http://h:81/a/path?q=REDACTED"),
            ("/a", Some("u:p@h"), "http://REDACTED:REDACTED@h/a"),
            ("*", Some("h"), "http://h*"),
        ] {
            let mut text = String::new();
            Redact::All.uri(&input.parse().unwrap(), "http", || host, &mut text);
            assert_eq!(text, wanted);
        }
    }
}
