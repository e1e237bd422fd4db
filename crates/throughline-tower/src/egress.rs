//! What may be told to which host.

use throughline_core::propagation::Allow;
use throughline_core::{Context, Diagnostic, Tracer};

/// The hosts that baggage may be sent to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Egress {
    hosts: Vec<String>,
}

impl Egress {
    pub(crate) fn new<H: AsRef<str>>(hosts: impl IntoIterator<Item = H>) -> Self {
        // Hosts are compared without the brackets that a URL puts around IPv6 addresses.
        let bare = |host: &str| host.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        Self { hosts: hosts.into_iter().map(|host| bare(host.as_ref())).collect() }
    }

    /// What this host may be told.
    #[inline]
    pub(crate) fn allow(&self, host: &[u8], context: &Context, tracer: &Tracer) -> Allow {
        if self.hosts.iter().any(|allowed| matches(allowed.as_bytes(), host)) {
            return Allow::ALL;
        }
        if context.has_baggage() {
            withheld(tracer);
        }
        Allow::TRACE
    }
}

/// The host itself, or by `*.example.com` every host below it.
fn matches(allowed: &[u8], host: &[u8]) -> bool {
    match allowed.strip_prefix(b"*") {
        Some(suffix @ [b'.', ..]) => {
            host.len() > suffix.len() && host[host.len() - suffix.len()..].eq_ignore_ascii_case(suffix)
        }
        _ => host.eq_ignore_ascii_case(allowed),
    }
}

#[cold]
fn withheld(tracer: &Tracer) {
    static WITHHELD: Diagnostic = Diagnostic::new();
    tracer.count_baggage_withheld();
    WITHHELD.warn(|| {
        "baggage was not sent to a host that is not named in `baggage_to`; name the hosts that may read it".to_owned()
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_match_exactly_or_below_a_star() {
        for (allowed, host, wanted) in [
            ("inventory", "inventory", true),
            ("inventory", "Inventory", true),
            ("inventory", "inventory.evil.example", false),
            ("*.internal", "a.internal", true),
            ("*.internal", "a.b.internal", true),
            ("*.internal", "internal", false),
            ("*.internal", ".internal", false),
            ("*.internal", "evilinternal", false),
            ("*", "anything", false),
            ("", "", true),
        ] {
            assert_eq!(matches(allowed.as_bytes(), host.as_bytes()), wanted, "{allowed:?} {host:?}");
        }
    }
}
