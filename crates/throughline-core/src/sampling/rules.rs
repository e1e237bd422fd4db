//! Samplers by what a span is about.

use std::fmt;

use super::{ParentBased, Sampler, SamplingDecision, SamplingInput};
use crate::attribute::{Key, Value};
use crate::{AlwaysOn, SpanKind};

/// Asks the sampler of the first rule that matches, and another one where none does.
///
/// ```
/// use throughline_core::{AlwaysOff, AlwaysOn, Match, ParentBased, Probability, RateLimiting, Rules, SpanKind};
///
/// let sampler = Rules::new()
///     .rule(Match::any().kind(SpanKind::Server).route("/healthz"), AlwaysOff)
///     .rule(Match::any().method("POST").route("/orders"), RateLimiting::per_second(50))
///     .rule(Match::any().destination("audit"), AlwaysOn)
///     .otherwise(Probability::new(0.01));
/// let sampler = ParentBased::new(sampler); // asked where a trace begins
/// # let _ = sampler;
/// ```
///
/// By itself it decides on every span, whatever the parent did. The attributes of a span to be are looked at once,
/// however many rules there are, and only if a rule asks for one.
pub struct Rules {
    rules: Vec<Rule>,
    conditions: Vec<Condition>,
    otherwise: Box<dyn Sampler>,
}

/// What a span must be for a [rule](Rules::rule) to match: everything that is said here. Texts are compared exactly.
#[derive(Clone, Debug, Default)]
pub struct Match {
    kind: Option<SpanKind>,
    conditions: Vec<Condition>,
}

struct Rule {
    kind: Option<SpanKind>,
    /// Its conditions, among those of all rules.
    conditions: std::ops::Range<usize>,
    sampler: Box<dyn Sampler>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Condition {
    Method(Box<str>),
    Route(Box<str>),
    Service(Box<str>),
    Destination(Box<str>),
    Attribute(Box<str>, Box<str>),
}

// === impl Match ===

impl Match {
    /// Every span.
    #[must_use]
    pub fn any() -> Self {
        Self::default()
    }

    /// Spans of this kind.
    #[must_use]
    pub fn kind(mut self, kind: SpanKind) -> Self {
        self.kind = Some(kind);
        self
    }

    /// Requests of this method: `http.request.method`, or the last part of `rpc.method`.
    #[must_use]
    pub fn method(self, method: &str) -> Self {
        self.with(Condition::Method(method.into()))
    }

    /// Requests whose route begins so, or whose path does where the route is not known yet: `/api/` is all that is below
    /// it, `/api` is `/apiary`, too.
    #[must_use]
    pub fn route(self, prefix: &str) -> Self {
        self.with(Condition::Route(prefix.into()))
    }

    /// Calls of this service: `rpc.service`, the first part of `rpc.method`, or `service.peer.name`.
    #[must_use]
    pub fn service(self, name: &str) -> Self {
        self.with(Condition::Service(name.into()))
    }

    /// Messages to or from this destination: `messaging.destination.name`.
    #[must_use]
    pub fn destination(self, name: &str) -> Self {
        self.with(Condition::Destination(name.into()))
    }

    /// Spans that have this attribute with this value, as text.
    #[must_use]
    pub fn attribute(self, key: &str, value: &str) -> Self {
        self.with(Condition::Attribute(key.into(), value.into()))
    }

    fn with(mut self, condition: Condition) -> Self {
        self.conditions.push(condition);
        self
    }
}

// === impl Rules ===

impl Rules {
    /// No rules yet; where none matches, what the parent decided, and every trace without one.
    #[must_use]
    pub fn new() -> Self {
        Self { rules: Vec::new(), conditions: Vec::new(), otherwise: Box::new(ParentBased::<AlwaysOn>::default()) }
    }

    /// One more rule, behind those that there are.
    #[must_use]
    pub fn rule(mut self, when: Match, sampler: impl Sampler) -> Self {
        let from = self.conditions.len();
        self.conditions.extend(when.conditions);
        let conditions = from..self.conditions.len();
        self.rules.push(Rule { kind: when.kind, conditions, sampler: Box::new(sampler) });
        self
    }

    /// The sampler to ask where no rule matches.
    #[must_use]
    pub fn otherwise(mut self, sampler: impl Sampler) -> Self {
        self.otherwise = Box::new(sampler);
        self
    }

    fn decide(&self, input: &SamplingInput<'_>, met: &mut [u64]) -> SamplingDecision {
        let is = |met: &[u64], at: usize| met[at / 64] & (1 << (at % 64)) != 0;
        let of_kind = |rule: &&Rule| rule.kind.is_none_or(|kind| kind == input.kind());
        // A rule of its kind alone may be first, and then nothing is looked at.
        let mut looked = false;
        for rule in self.rules.iter().filter(of_kind) {
            if !rule.conditions.is_empty() && !looked {
                looked = true;
                self.look(input, met);
            }
            if rule.conditions.clone().all(|at| is(met, at)) {
                return rule.sampler.sample(input);
            }
        }
        self.otherwise.sample(input)
    }

    /// Notes which conditions are met, by one visit of all attributes.
    fn look(&self, input: &SamplingInput<'_>, met: &mut [u64]) {
        let mut routed = false;
        input.attributes().visit(&mut |key: Key<'_>, value: Value<'_>| {
            let key = key.as_str();
            if key == "http.route" && !routed {
                // It says more than the path, which may have been seen before.
                routed = true;
                for (at, _) in self.conditions.iter().enumerate().filter(|(_, c)| matches!(c, Condition::Route(_))) {
                    met[at / 64] &= !(1 << (at % 64));
                }
            }
            if key == "url.path" && routed {
                return;
            }
            for (at, condition) in self.conditions.iter().enumerate() {
                if condition.is_met(key, &value) {
                    met[at / 64] |= 1 << (at % 64);
                }
            }
        });
    }
}

impl Default for Rules {
    fn default() -> Self {
        Self::new()
    }
}

impl Sampler for Rules {
    fn sample(&self, input: &SamplingInput<'_>) -> SamplingDecision {
        let words = self.conditions.len().div_ceil(64);
        match words {
            0..=FEW => self.decide(input, &mut [0; FEW][..words]),
            _ => self.decide(input, &mut vec![0; words]),
        }
    }
}

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut list = f.debug_list();
        for rule in &self.rules {
            list.entry(&(rule.kind, &self.conditions[rule.conditions.clone()], &rule.sampler));
        }
        list.entry(&("otherwise", &self.otherwise)).finish()
    }
}

// === impl Condition ===

impl Condition {
    fn is_met(&self, key: &str, value: &Value<'_>) -> bool {
        let is = |wanted: &str| match value {
            Value::Str(text) => *text == wanted,
            Value::Static(text) => **text == wanted,
            Value::Bytes(bytes) => *bytes == wanted.as_bytes(),
            other => other.to_string() == wanted,
        };
        let text = || value.as_text().unwrap_or_default();
        match (self, key) {
            (Self::Method(wanted), "http.request.method") => is(wanted),
            (Self::Method(wanted), "rpc.method") => text().rsplit('/').next() == Some(wanted),
            (Self::Route(prefix), "http.route" | "url.path") => text().starts_with(&**prefix),
            (Self::Service(wanted), "rpc.service" | "service.peer.name") => is(wanted),
            (Self::Service(wanted), "rpc.method") => text().rsplit_once('/').is_some_and(|(name, _)| name == &**wanted),
            (Self::Destination(wanted), "messaging.destination.name") => is(wanted),
            (Self::Attribute(known, wanted), key) => &**known == key && is(wanted),
            _ => false,
        }
    }
}

/// So many words of conditions need no allocation.
const FEW: usize = 4;
