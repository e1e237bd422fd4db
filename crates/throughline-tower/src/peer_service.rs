//! What the services behind hosts are called.

use std::fmt;
use std::sync::Arc;

use crate::host;

/// What comes of an entry that names no host, or no service.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InvalidPeer {
    entry: String,
    reason: &'static str,
}

/// Names of services by `host[:port][/path]`, the most specific entry first. A clone shares them.
#[derive(Clone, Debug)]
pub(crate) struct PeerServices(Arc<[Entry]>);

#[derive(Debug)]
struct Entry {
    host: String,
    port: Option<u16>,
    /// Without the slash at the end: empty for every path.
    path: String,
    service: String,
}

// === impl PeerServices ===

impl PeerServices {
    /// Of entries for the same place the last one holds.
    pub(crate) fn new<P: AsRef<str>, N: Into<String>>(
        services: impl IntoIterator<Item = (P, N)>,
    ) -> Result<Self, InvalidPeer> {
        let mut entries: Vec<Entry> = Vec::new();
        for (place, service) in services {
            let place = place.as_ref();
            let entry = Entry::new(place, service.into())
                .map_err(|reason| InvalidPeer { entry: host::refused(place), reason })?;
            entries.retain(|other| other.place() != entry.place());
            entries.push(entry);
        }
        entries.sort_by_key(|entry| std::cmp::Reverse((entry.path.len(), entry.port.is_some())));
        Ok(Self(entries.into()))
    }

    /// The service of the entry with the longest path, among those with the same path of one that names the port.
    pub(crate) fn find(&self, host: &[u8], port: u16, path: &str) -> Option<&str> {
        let found = self.0.iter().find(|entry| {
            host::same(&entry.host, host) && entry.port.is_none_or(|only| only == port) && is_below(path, &entry.path)
        });
        found.map(|entry| entry.service.as_str())
    }
}

// === impl Entry ===

impl Entry {
    fn new(place: &str, service: String) -> Result<Self, &'static str> {
        let (name, path) = place.split_at(place.find('/').unwrap_or(place.len()));
        let (host, port) = host::parse(name).ok_or("it names no host")?;
        let is_path = path.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'?' | b'#'));
        match (is_path, service.is_empty()) {
            (false, _) => Err("its path is none"),
            (true, true) => Err("the service has no name"),
            (true, false) => Ok(Self { host, port, path: path.trim_end_matches('/').to_owned(), service }),
        }
    }

    fn place(&self) -> (&str, Option<u16>, &str) {
        (&self.host, self.port, &self.path)
    }
}

/// Whole segments only: `/api` is not above `/apis`.
fn is_below(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || prefix.is_empty())
}

// === impl InvalidPeer ===

impl fmt::Display for InvalidPeer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { entry, reason } = self;
        write!(f, "invalid peer service {entry:?}: {reason}; accepted: a named host[:port][/path] without a scheme")
    }
}

impl std::error::Error for InvalidPeer {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_specific_entry_counts() {
        let services = PeerServices::new([
            ("api.internal", "any"),
            ("api.internal:8080", "port"),
            ("API.internal/users/", "users"),
            ("api.internal:8080/users", "users on a port"),
            ("api.internal/users/admin", "admin"),
            ("[::1]:81", "six"),
            ("127.0.0.1/", "four"),
            ("twice", "first"),
            ("TWICE/", "second"),
        ])
        .unwrap();
        for (host, port, path, wanted, why) in [
            ("api.internal", 80, "/", Some("any"), "the host alone"),
            ("Api.Internal.", 80, "/", Some("any"), "in any case, as a full name"),
            ("api.internal", 8080, "/x", Some("port"), "the port beats none"),
            ("api.internal", 80, "/users", Some("users"), "the path itself"),
            ("api.internal", 80, "/users/7", Some("users"), "below the path"),
            ("api.internal", 80, "/users7", Some("any"), "not below it"),
            ("api.internal", 80, "/Users", Some("any"), "paths have case"),
            ("api.internal", 8080, "/users/7", Some("users on a port"), "of the same path the port"),
            ("api.internal", 8080, "/users/admin/x", Some("admin"), "the longer path beats the port"),
            ("x.api.internal", 80, "/", None, "another host"),
            ("::1", 81, "/", Some("six"), "IPv6"),
            ("::1", 80, "/", None, "another port"),
            ("127.0.0.1", 80, "*", Some("four"), "no path at all"),
            ("twice", 80, "/", Some("second"), "the later call"),
            ("", 80, "/", None, "no host"),
        ] {
            assert_eq!(services.find(host.as_bytes(), port, path), wanted, "{why}");
        }
        let none: [(&str, &str); 0] = [];
        assert_eq!(PeerServices::new(none).unwrap().find(b"a", 80, "/"), None);
    }

    #[test]
    fn nonsense_is_refused() {
        for (place, service, reason) in [
            ("", "x", "no host"),
            ("/path", "x", "no host"),
            ("http://a", "x", "no host"),
            ("a:99999", "x", "no host"),
            ("*.a", "x", "no host"),
            ("a/b c", "x", "path is none"),
            ("a/b?c", "x", "path is none"),
            ("a/b#c", "x", "path is none"),
            ("a", "", "no name"),
        ] {
            let error = PeerServices::new([("fine", "x"), (place, service)]).unwrap_err().to_string();
            assert!(error.contains(reason) && error.contains(&format!("{place:?}")), "{error}");
        }
        let error = PeerServices::new([("user:secret@a", "x")]).unwrap_err();
        assert!(error.to_string().contains("\"REDACTED@a\"") && !format!("{error:?}").contains("secret"), "{error:?}");
    }
}
