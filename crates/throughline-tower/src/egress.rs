//! What may be told to which host.

use std::cmp::Reverse;
use std::fmt;

use throughline_core::propagation::Allow;
use throughline_core::{Context, Diagnostic, Tracer};

use crate::host;

/// What comes of the name of a host that is none.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InvalidHost {
    name: String,
}

/// The rules for hosts, the most specific first, and for the hosts that none of them names.
#[derive(Clone, Debug, Default)]
pub(crate) struct Egress {
    rules: Vec<Rule>,
    otherwise: Option<Allow>,
}

#[derive(Clone, Debug)]
struct Rule {
    hosts: Hosts,
    allow: Allow,
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct Hosts {
    /// Every host below this one, in place of itself.
    below: bool,
    name: String,
    port: Option<u16>,
}

// === impl Egress ===

impl Egress {
    /// Tells these hosts so much. An exact name goes before a suffix, a longer suffix before a shorter one, and of the same
    /// name the one with a port before the one without; a rule replaces an earlier one for the same hosts.
    pub(crate) fn rule<H: AsRef<str>>(
        mut self,
        hosts: impl IntoIterator<Item = H>,
        allow: Allow,
    ) -> Result<Self, InvalidHost> {
        for name in hosts {
            let name = name.as_ref().trim();
            let hosts = Hosts::parse(name).ok_or_else(|| InvalidHost { name: host::refused(name) })?;
            self.rules.retain(|rule| rule.hosts != hosts);
            self.rules.push(Rule { hosts, allow });
        }
        self.rules.sort_by_key(|Rule { hosts, .. }| Reverse((!hosts.below, hosts.name.len(), hosts.port.is_some())));
        Ok(self)
    }

    /// Tells every host that no rule names so much; by default ids and tracestate.
    pub(crate) fn otherwise(self, allow: Allow) -> Self {
        Self { otherwise: Some(allow), ..self }
    }

    /// What this host may be told, and no more than `limit`. A rule with a port holds where the port is known and the same.
    #[inline]
    pub(crate) fn allow(
        &self,
        host: &[u8],
        port: Option<u16>,
        limit: Allow,
        context: &Context,
        tracer: &Tracer,
    ) -> Allow {
        let chosen = match self.rules.iter().find(|rule| rule.hosts.include(host, port)) {
            Some(rule) => Some(rule.allow),
            None => self.otherwise,
        };
        let allow = both(chosen.unwrap_or(Allow::TRACE), limit);
        if !allow.baggage && context.has_remote_baggage() {
            withheld(chosen, tracer);
        }
        allow
    }
}

// === impl Hosts ===

impl Hosts {
    fn parse(name: &str) -> Option<Self> {
        let (below, rest) = match name.strip_prefix("*.") {
            Some(rest) => (true, rest),
            None => (false, name),
        };
        let (name, port) = host::parse(rest)?;
        // There is nothing below an address.
        let is_suffix_of_none = below && (name.contains(':') || name.parse::<std::net::Ipv4Addr>().is_ok());
        (!is_suffix_of_none).then_some(Self { below, name, port })
    }

    #[inline]
    fn include(&self, host: &[u8], port: Option<u16>) -> bool {
        if self.port.is_some() && self.port != port {
            return false;
        }
        if !self.below {
            return host::same(&self.name, host);
        }
        let host = host::full(host);
        let parts = host.len().checked_sub(self.name.len()).and_then(|at| host.split_at_checked(at));
        parts.is_some_and(|(before, end)| {
            matches!(before, [_, .., b'.']) && end.eq_ignore_ascii_case(self.name.as_bytes())
        })
    }
}

fn both(one: Allow, other: Allow) -> Allow {
    Allow {
        ids: one.ids && other.ids,
        tracestate: one.tracestate && other.tracestate,
        baggage: one.baggage && other.baggage,
    }
}

/// Who has written a rule that says so knows; who has written none, or one that says otherwise, may wonder.
#[cold]
fn withheld(chosen: Option<Allow>, tracer: &Tracer) {
    static UNNAMED: Diagnostic = Diagnostic::new();
    static LIMITED: Diagnostic = Diagnostic::new();
    tracer.count_baggage_withheld();
    match chosen {
        None => UNNAMED.warn(|| {
            "baggage was not sent to a host that is not named in `baggage_to`; name the hosts that may read it"
                .to_owned()
        }),
        Some(chosen) if chosen.baggage => LIMITED.warn(|| {
            "baggage was not sent to a host that may read it: a redirect could take it to another; if none does, \
             `redirects_stay_on_host` says so to the client's layer"
                .to_owned()
        }),
        Some(_) => {}
    }
}

// === impl InvalidHost ===

impl fmt::Display for InvalidHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "invalid host {:?}; accepted: a name or an address (inventory, 127.0.0.1, [::1]) or a suffix \
             (*.shop.internal), either with a port (inventory:8080), without scheme, path and user information",
            self.name
        )
    }
}

impl std::error::Error for InvalidHost {}

#[cfg(test)]
mod tests {
    use throughline_core::Baggage;

    use super::*;

    /// Told apart by what they allow.
    const RULES: [Allow; 4] = [
        Allow::ALL,
        Allow::NONE,
        Allow { ids: true, tracestate: false, baggage: false },
        Allow { ids: true, tracestate: false, baggage: true },
    ];

    fn allowed(egress: &Egress, host: &str, port: Option<u16>) -> Allow {
        let (tracer, _) = throughline_testing::tracer();
        egress.allow(host.as_bytes(), port, Allow::ALL, &Context::ROOT, &tracer)
    }

    #[test]
    fn hosts_match_exactly_or_below_a_star() {
        for (name, host, port, wanted) in [
            ("inventory", "inventory", None, true),
            ("inventory", "Inventory", Some(80), true),
            ("Inventory", "inventory.", None, true),
            ("inventory.", "inventory", None, true),
            ("inventory", "inventory.evil.example", None, false),
            ("inventory", "x.inventory", None, false),
            ("inventory:80", "inventory", Some(80), true),
            ("inventory:80", "inventory", Some(81), false),
            ("inventory:80", "inventory", None, false),
            ("127.0.0.1", "127.0.0.1", None, true),
            ("[::1]", "::1", Some(80), true),
            ("[::1]:81", "::1", Some(80), false),
            ("::1", "::1", None, true),
            ("*.internal", "a.internal", None, true),
            ("*.internal", "a.B.Internal.", Some(8080), true),
            ("*.internal", "internal", None, false),
            ("*.internal", ".internal", None, false),
            ("*.internal", "evilinternal", None, false),
            ("*.internal", "a.internal.evil.example", None, false),
            ("*.internal", "", None, false),
            ("*.internal:80", "a.internal", Some(80), true),
            ("*.internal:80", "a.internal", Some(81), false),
        ] {
            let egress = Egress::default().rule([name], Allow::ALL).unwrap();
            let expected = if wanted { Allow::ALL } else { Allow::TRACE };
            assert_eq!(allowed(&egress, host, port), expected, "{name} {host} {port:?}");
        }
    }

    #[test]
    fn the_most_specific_rule_holds_in_whatever_order_they_are_given() {
        let rules = ["*.internal", "*.shop.internal", "a.shop.internal", "a.shop.internal:81"];
        for order in [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]] {
            let egress =
                order.into_iter().fold(Egress::default(), |egress, at| egress.rule([rules[at]], RULES[at]).unwrap());
            for (host, port, rule) in [
                ("x.internal", 80, 0),
                ("x.shop.internal", 80, 1),
                ("a.shop.internal", 80, 2),
                ("a.shop.internal", 81, 3),
                ("shop.internal", 81, 0),
            ] {
                assert_eq!(allowed(&egress, host, Some(port)), RULES[rule], "{order:?} {host}:{port}");
            }
        }
    }

    #[test]
    fn later_rules_replace_earlier_ones_for_the_same_hosts() {
        let egress =
            Egress::default().rule(["a", "*.b", "A"], Allow::ALL).unwrap().rule(["A.", "*.B"], Allow::NONE).unwrap();
        assert_eq!((allowed(&egress, "a", None), allowed(&egress, "x.b", None)), (Allow::NONE, Allow::NONE));
        assert_eq!(egress.rules.len(), 2);
    }

    #[test]
    fn the_others_are_told_what_is_said_of_them() {
        assert_eq!(allowed(&Egress::default(), "a", None), Allow::TRACE);
        let egress = Egress::default().otherwise(Allow::NONE).rule(["a"], Allow::ALL).unwrap();
        assert_eq!((allowed(&egress, "a", None), allowed(&egress, "b", None)), (Allow::ALL, Allow::NONE));
        assert_eq!(allowed(&egress.otherwise(Allow::ALL), "b", None), Allow::ALL);
    }

    #[test]
    fn nothing_goes_beyond_the_limit() {
        let (tracer, _) = throughline_testing::tracer();
        let egress = Egress::default().rule(["a"], Allow::ALL).unwrap();
        for (host, limit, wanted) in [
            ("a", Allow::ALL, Allow::ALL),
            ("a", Allow::TRACE, Allow::TRACE),
            ("a", Allow::NONE, Allow::NONE),
            ("b", RULES[3], RULES[2]),
        ] {
            assert_eq!(egress.allow(host.as_bytes(), None, limit, &Context::ROOT, &tracer), wanted);
        }
    }

    #[test]
    fn baggage_that_is_withheld_is_counted() {
        let (tracer, _) = throughline_testing::tracer();
        let context = Context::ROOT.with_baggage(Baggage::new().with("tenant", "a").unwrap());
        let egress = Egress::default().rule(["a"], Allow::ALL).unwrap().rule(["b"], Allow::TRACE).unwrap();
        for (host, limit, context, wanted, why) in [
            ("a", Allow::ALL, &context, 0, "sent"),
            ("c", Allow::ALL, &Context::ROOT, 0, "there is none"),
            ("c", Allow::ALL, &context, 1, "not named"),
            ("b", Allow::ALL, &context, 2, "named, but not for baggage"),
            ("a", Allow::TRACE, &context, 3, "beyond the limit"),
        ] {
            egress.allow(host.as_bytes(), None, limit, context, &tracer);
            assert_eq!(tracer.stats().baggage_withheld, wanted, "{why}");
        }
    }

    #[test]
    fn wrong_names_are_refused() {
        for (name, why) in [
            ("", "empty"),
            ("*", "every host: that is `otherwise`"),
            ("*.", "nothing below"),
            ("**.a", "two stars"),
            ("a.*", "a prefix"),
            ("*a", "no dot"),
            (".internal", "a suffix without a star"),
            ("http://a", "a scheme"),
            ("a/x", "a path"),
            ("a b", "a blank"),
            ("a:x", "a port's name"),
            ("*.127.0.0.1", "below an address"),
            ("*.::1", "below an address"),
            ("*.[::1]", "below an address"),
        ] {
            let error = Egress::default().rule(["fine", name], Allow::ALL).unwrap_err().to_string();
            assert!(error.contains(&format!("{name:?}")), "{why}: {error}");
        }
        let error = Egress::default().rule(["http://user:secret@a"], Allow::ALL).unwrap_err();
        assert!(error.to_string().contains("\"REDACTED@a\"") && !format!("{error:?}").contains("secret"), "{error:?}");
    }
}
