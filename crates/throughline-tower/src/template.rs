//! Templates of paths: what many URLs have in common.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// The template of a request's path: an extension that names the span of the request and becomes `url.template`.
///
/// ```
/// use http::Request;
/// use throughline_tower::UrlTemplate;
///
/// let mut request = Request::get("http://users.internal/users/7").body(())?;
/// request.extensions_mut().insert(UrlTemplate::new("/users/{id}"));
/// # Ok::<(), http::Error>(())
/// ```
///
/// It is taken as it is. Low cardinality, please: what differs from request to request belongs in braces.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct UrlTemplate(Cow<'static, str>);

/// What comes of a path pattern that is none.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InvalidTemplate {
    pattern: String,
    reason: &'static str,
}

/// Path patterns, in the order in which they are tried. A clone shares them.
#[derive(Clone, Debug)]
pub(crate) struct Templates(Arc<[String]>);

// === impl UrlTemplate ===

impl UrlTemplate {
    /// The template of this text.
    pub fn new(template: impl Into<Cow<'static, str>>) -> Self {
        Self(template.into())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

// === impl Templates ===

impl Templates {
    pub(crate) fn new<T: AsRef<str>>(patterns: impl IntoIterator<Item = T>) -> Result<Self, InvalidTemplate> {
        let checked = |pattern: T| {
            let pattern = pattern.as_ref();
            check(pattern).map_err(|reason| InvalidTemplate { pattern: pattern.to_owned(), reason })?;
            Ok(pattern.to_owned())
        };
        patterns.into_iter().map(checked).collect::<Result<_, _>>().map(Self)
    }

    /// The first pattern that matches the whole path. Segments are compared as they are on the wire.
    pub(crate) fn find(&self, path: &str) -> Option<&str> {
        self.0.iter().map(String::as_str).find(|pattern| matches(pattern, path))
    }
}

fn check(pattern: &str) -> Result<(), &'static str> {
    let Some(segments) = pattern.strip_prefix('/') else { return Err("it begins with no slash") };
    let mut segments = segments.split('/').peekable();
    while let Some(segment) = segments.next() {
        let Some(parameter) = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) else {
            if segment.contains(['{', '}']) {
                return Err("a parameter is not closed, or not all of its segment");
            }
            continue;
        };
        let name = parameter.strip_prefix('*').unwrap_or(parameter);
        if name.is_empty() || name.contains(['{', '}', '*']) {
            return Err("a parameter has no name");
        }
        if name != parameter && segments.peek().is_some() {
            return Err("there is more after the parameter that takes the rest");
        }
    }
    Ok(())
}

fn matches(pattern: &str, path: &str) -> bool {
    let mut rest = Some(path);
    for wanted in pattern.split('/') {
        let Some(text) = rest else { return false };
        if wanted.starts_with("{*") {
            return !text.is_empty();
        }
        let (segment, after) = match text.split_once('/') {
            Some((segment, after)) => (segment, Some(after)),
            None => (text, None),
        };
        let same = if wanted.starts_with('{') { !segment.is_empty() } else { segment == wanted };
        if !same {
            return false;
        }
        rest = after;
    }
    rest.is_none()
}

// === impl InvalidTemplate ===

impl fmt::Display for InvalidTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pattern, reason } = self;
        write!(f, "invalid path pattern {pattern:?}: {reason}; accepted: one like /users/{{id}} or /files/{{*path}}")
    }
}

impl std::error::Error for InvalidTemplate {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_paths() {
        for (pattern, path, wanted) in [
            ("/", "/", true),
            ("/", "", false),
            ("/", "/users", false),
            ("/users", "/users", true),
            ("/users", "/users/", false),
            ("/users", "/Users", false),
            ("/users/", "/users/", true),
            ("/users/{id}", "/users/7", true),
            ("/users/{id}", "/users/%2F", true),
            ("/users/{id}", "/users/", false),
            ("/users/{id}", "/users", false),
            ("/users/{id}", "/users/7/", false),
            ("/users/{id}", "/users/7/orders", false),
            ("/users/{id}/orders", "/users/7/orders", true),
            ("/{a}/{b}", "/x/y", true),
            ("/{a}/{b}", "//y", false),
            ("/files/{*path}", "/files/a", true),
            ("/files/{*path}", "/files/a/b/", true),
            ("/files/{*path}", "/files/", false),
            ("/files/{*path}", "/files", false),
            ("/{*path}", "/", false),
            ("/{*path}", "*", false),
        ] {
            assert_eq!(Templates::new([pattern]).unwrap().find(path), wanted.then_some(pattern), "{pattern} {path}");
        }
    }

    #[test]
    fn the_first_that_matches_is_taken() {
        let templates = Templates::new(["/users/me", "/users/{id}", "/{*rest}", "/never"]).unwrap();
        for (path, wanted) in [
            ("/users/me", "/users/me"),
            ("/users/7", "/users/{id}"),
            ("/users/7/x", "/{*rest}"),
            ("/never", "/{*rest}"),
        ] {
            assert_eq!(templates.find(path), Some(wanted));
        }
        assert_eq!(Templates::new([""; 0]).unwrap().find("/"), None);
    }

    #[test]
    fn other_patterns_are_refused() {
        for (pattern, reason) in [
            ("", "begins with no slash"),
            ("users/{id}", "begins with no slash"),
            ("http://h/x", "begins with no slash"),
            ("/users/{id", "not closed"),
            ("/users/id}", "not closed"),
            ("/users/{id}.json", "not all of its segment"),
            ("/users/v{id}", "not all of its segment"),
            ("/users/{}", "no name"),
            ("/users/{a}{b}", "no name"),
            ("/files/{*}", "no name"),
            ("/files/{**rest}", "no name"),
            ("/files/{*path}/x", "more after"),
            ("/files/{*path}/", "more after"),
        ] {
            let error = Templates::new(["/fine", pattern]).unwrap_err().to_string();
            assert!(error.contains(reason) && error.contains(&format!("{pattern:?}")), "{pattern}: {error}");
        }
    }
}
