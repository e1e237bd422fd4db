//! Headers that become attributes, because somebody named them.

use std::sync::Arc;

use http::header::{AUTHORIZATION, COOKIE, HeaderMap, HeaderName, PROXY_AUTHORIZATION, SET_COOKIE};
use throughline_core::{Diagnostic, Key};

/// The headers to capture of one kind of message. A clone shares them.
///
/// Of one message at most 64 headers are captured, 16 values of each and 16 KiB of all: the named ones first, then what globs
/// match in the order of the header map. What a stranger sends leaves a span room for what it must say at its end.
#[derive(Clone, Debug)]
pub(crate) struct CapturedHeaders(Arc<Names>);

#[derive(Debug)]
struct Names {
    prefix: &'static str,
    exact: Vec<(HeaderName, String)>,
    globs: Vec<String>,
}

// === impl CapturedHeaders ===

impl CapturedHeaders {
    /// Headers of requests: `http.request.header.<name>`. Nothing if no name is left.
    pub(crate) fn request<N: AsRef<str>>(names: impl IntoIterator<Item = N>) -> Option<Self> {
        Self::new("http.request.header.", names)
    }

    /// Headers of responses: `http.response.header.<name>`. Nothing if no name is left.
    pub(crate) fn response<N: AsRef<str>>(names: impl IntoIterator<Item = N>) -> Option<Self> {
        Self::new("http.response.header.", names)
    }

    fn new<N: AsRef<str>>(prefix: &'static str, names: impl IntoIterator<Item = N>) -> Option<Self> {
        let mut captured = Names { prefix, exact: Vec::new(), globs: Vec::new() };
        for name in names {
            captured.add(name.as_ref().trim());
        }
        let empty = captured.exact.is_empty() && captured.globs.is_empty();
        (!empty).then(|| Self(Arc::new(captured)))
    }

    /// Shows each captured header with its values, in the order of its lines. Named headers are looked up; only globs look
    /// at all of them, and only what they match allocates.
    pub(crate) fn each(&self, headers: &HeaderMap, mut see: impl FnMut(Key<'_>, &[&[u8]])) {
        let Names { prefix, exact, globs } = &*self.0;
        let (mut seen, mut room) = (0, MAX_BYTES);
        for (name, key) in exact {
            seen += usize::from(values(headers, name, &mut room, |values| see(Key::dynamic(key), values)));
        }
        if globs.is_empty() {
            return;
        }
        let wanted = |name: &HeaderName| {
            globs.iter().any(|glob| matches(glob.as_bytes(), name.as_str().as_bytes()))
                && !is_credential(name)
                && !exact.iter().any(|(named, _)| named == name)
        };
        let mut key = String::new();
        for name in headers.keys().filter(|name| wanted(name)) {
            if seen == MAX_HEADERS {
                break;
            }
            key.clear();
            key.extend([prefix, name.as_str()]);
            seen += usize::from(values(headers, name, &mut room, |values| see(Key::dynamic(&key), values)));
        }
    }
}

// === impl Names ===

impl Names {
    fn add(&mut self, name: &str) {
        if name.contains(['*', '?']) {
            self.globs.push(name.to_ascii_lowercase());
            return;
        }
        match HeaderName::from_bytes(name.as_bytes()) {
            Ok(name) if is_credential(&name) => refused(&name),
            Ok(name) if self.exact.len() < MAX_HEADERS && self.exact.iter().all(|(named, _)| *named != name) => {
                let key = format!("{}{name}", self.prefix);
                self.exact.push((name, key));
            }
            Ok(_) => {}
            Err(_) => unnamed(name),
        }
    }
}

/// Shows the values of a header, unless it has none that may be seen, or more than there is room for.
fn values(headers: &HeaderMap, name: &HeaderName, room: &mut usize, see: impl FnOnce(&[&[u8]])) -> bool {
    let (mut values, mut len, mut bytes) = ([&b""[..]; MAX_VALUES], 0, name.as_str().len());
    let plain = headers.get_all(name).iter().filter(|value| !value.is_sensitive());
    for (slot, value) in values.iter_mut().zip(plain) {
        *slot = value.as_bytes();
        len += 1;
        bytes += value.len();
    }
    if len == 0 || bytes > *room {
        return false;
    }
    *room -= bytes;
    see(&values[..len]);
    true
}

fn is_credential(name: &HeaderName) -> bool {
    [AUTHORIZATION, COOKIE, SET_COOKIE, PROXY_AUTHORIZATION].contains(name) || name == "x-api-key"
}

/// `*` is any text, `?` any one byte.
fn matches(glob: &[u8], name: &[u8]) -> bool {
    let (mut at, mut in_glob) = (0, 0);
    // Where the last star stands, and how much of the name it has taken.
    let mut star = None;
    while at < name.len() {
        match (glob.get(in_glob), star) {
            (Some(b'*'), _) => {
                star = Some((in_glob, at));
                in_glob += 1;
            }
            (Some(byte), _) if *byte == b'?' || *byte == name[at] => {
                in_glob += 1;
                at += 1;
            }
            (_, Some((of_glob, taken))) => {
                star = Some((of_glob, taken + 1));
                in_glob = of_glob + 1;
                at = taken + 1;
            }
            (_, None) => return false,
        }
    }
    glob[in_glob..].iter().all(|byte| *byte == b'*')
}

#[cold]
fn refused(name: &HeaderName) {
    static REFUSED: Diagnostic = Diagnostic::new();
    REFUSED.warn(|| format!("the header `{name}` is a credential and is not captured, although it is named"));
}

#[cold]
fn unnamed(name: &str) {
    static UNNAMED: Diagnostic = Diagnostic::new();
    UNNAMED.warn(|| format!("{name:?} is to be captured but is no name of a header, and no glob of `*` and `?`"));
}

const MAX_HEADERS: usize = 64;
const MAX_VALUES: usize = 16;
const MAX_BYTES: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn captured(names: &[&str], headers: &HeaderMap) -> Vec<(String, Vec<String>)> {
        let mut seen = Vec::new();
        if let Some(names) = CapturedHeaders::request(names) {
            names.each(headers, |key, values| {
                let values = values.iter().map(|value| String::from_utf8_lossy(value).into_owned()).collect();
                seen.push((key.as_str().to_owned(), values));
            });
        }
        seen
    }

    /// `name=value|value` for each, without the prefix.
    fn shown(names: &[&str], headers: &HeaderMap) -> String {
        let captured = captured(names, headers).into_iter();
        let shown = captured
            .map(|(key, values)| format!("{}={}", key.strip_prefix("http.request.header.").unwrap(), values.join("|")));
        shown.collect::<Vec<_>>().join(" ")
    }

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        lines.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).fold(
            HeaderMap::new(),
            |mut headers, (name, value)| {
                headers.append(name, value);
                headers
            },
        )
    }

    #[test]
    fn names_and_globs() {
        let headers =
            headers(&[("x-tenant", "a"), ("accept", "b"), ("x-shop-id", "c"), ("accept", "d"), ("x-shop-no", "")]);
        for (names, wanted, why) in [
            (&["x-tenant"][..], "x-tenant=a", "by name"),
            (&["X-Tenant", "x-TENANT"], "x-tenant=a", "in any case, once"),
            (&["accept"], "accept=b|d", "several lines are one list"),
            (&["x-other"], "", "absent"),
            (&["x-shop-no"], "x-shop-no=", "empty, but there"),
            (&[], "", "none"),
            (&["X-Shop-*"], "x-shop-id=c x-shop-no=", "by glob"),
            (&["x-shop-i?"], "x-shop-id=c", "one byte"),
            (&["*-no", "accept", "x-*"], "accept=b|d x-tenant=a x-shop-id=c x-shop-no=", "names first, none twice"),
            (&["x tenant", "x-tenant:", ""], "", "no names"),
            (&[" x-tenant "], "x-tenant=a", "blanks around"),
        ] {
            assert_eq!(shown(names, &headers), wanted, "{why}");
        }
    }

    #[test]
    fn credentials_are_refused_even_if_they_are_named() {
        let credentials = ["authorization", "cookie", "set-cookie", "proxy-authorization", "x-api-key"];
        let mut headers = HeaderMap::new();
        for name in credentials {
            headers.insert(name, HeaderValue::from_static("secret"));
            assert!(CapturedHeaders::request([name.to_ascii_uppercase()]).is_none(), "{name}");
        }
        headers.insert("x-api-key-id", HeaderValue::from_static("public"));
        assert_eq!(shown(&credentials, &headers), "");
        assert_eq!(shown(&["*"], &headers), "x-api-key-id=public");
        assert_eq!(shown(&["*auth*", "?ookie", "x-api-key*"], &headers), "x-api-key-id=public");
    }

    #[test]
    fn values_that_are_marked_sensitive_are_left_out() {
        let value = |text, sensitive| {
            let mut value = HeaderValue::from_static(text);
            value.set_sensitive(sensitive);
            value
        };
        let mut headers = HeaderMap::new();
        headers.append("x-token", value("secret", true));
        headers.append("x-mixed", value("a", false));
        headers.append("x-mixed", value("secret", true));
        headers.append("x-mixed", value("b", false));
        assert_eq!(shown(&["x-token", "x-mixed"], &headers), "x-mixed=a|b");
        assert_eq!(shown(&["x-*"], &headers), "x-mixed=a|b");
    }

    #[test]
    fn globs_take_what_they_say() {
        for (glob, name, wanted) in [
            ("*", "", true),
            ("*", "anything", true),
            ("**", "anything", true),
            ("?", "", false),
            ("?", "a", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("a*c", "ac", true),
            ("a*c", "abcbc", true),
            ("a*c", "abcb", false),
            ("*b*d*", "abcde", true),
            ("*b*d*", "adcbe", false),
            ("a*?", "a", false),
            ("abc", "abcd", false),
            ("x-*-id", "x-shop-id", true),
            ("x-*-id", "x-id", false),
        ] {
            assert_eq!(matches(glob.as_bytes(), name.as_bytes()), wanted, "{glob} {name}");
        }
        // Stars are tried one after the other, not all at once.
        assert!(!matches("*a".repeat(100).as_bytes(), "a".repeat(99).as_bytes()));
    }

    #[test]
    fn what_is_captured_is_bounded() {
        let names: Vec<String> = (0..200).map(|at| format!("x-{at}")).collect();
        let mut headers = HeaderMap::new();
        for name in names.iter().chain([&"x-many".to_owned(); 100]) {
            headers.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_static("v"));
        }
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        assert_eq!(captured(&names, &headers).len(), MAX_HEADERS);
        assert_eq!(captured(&["x-*"], &headers).len(), MAX_HEADERS);
        assert_eq!(captured(&["x-1", "x-*"], &headers).len(), MAX_HEADERS);
        assert_eq!(captured(&["x-many"], &headers)[0].1.len(), MAX_VALUES);
        for name in ["x-0", "x-1", "x-2", "x-3"] {
            headers.insert(name, HeaderValue::try_from("v".repeat(MAX_BYTES / 3)).unwrap());
        }
        assert_eq!(shown(&["x-0", "x-1", "x-2", "x-3", "x-4"], &headers).replace("vv", ""), "x-0=v x-1=v x-4=v");
    }

    #[test]
    fn keys_name_the_kind_of_message() {
        let headers = headers(&[("etag", "a")]);
        for name in ["ETag", "e*"] {
            CapturedHeaders::response([name]).unwrap().each(&headers, |key, values| {
                assert_eq!((key.as_str(), values), ("http.response.header.etag", &[&b"a"[..]][..]));
            });
        }
    }

    #[test]
    fn bytes_are_handed_on_as_they_are() {
        let mut headers = HeaderMap::new();
        headers.insert("x-raw", HeaderValue::from_bytes(b"\xff\xfe").unwrap());
        CapturedHeaders::request(["x-raw"]).unwrap().each(&headers, |_, values| assert_eq!(values, [b"\xff\xfe"]));
    }
}
