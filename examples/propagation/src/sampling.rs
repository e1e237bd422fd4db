//! Who is sampled, by rules; and other rules, while the process runs.

use throughline::{
    AlwaysOff, AlwaysOn, Key, Match, ParentBased, Reloadable, Rules, Sampler, SpanKind, Telemetry, Tracer, Value,
};

use crate::BoxError;

pub(crate) fn show() -> Result<String, BoxError> {
    let (sampler, handle) = Reloadable::new(rules(AlwaysOff));
    let (telemetry, _) = Telemetry::builder().sampler(sampler).test();
    let ask = || REQUESTS.map(|(method, route)| is_sampled(telemetry.tracer(), method, route));
    let before = ask();
    // An administrator wants to see everything for a while.
    handle.set(rules(AlwaysOn));
    let after = ask();

    let rows = REQUESTS.iter().zip(before).zip(after).map(|((request, before), after)| (request, before, after));
    let word = |sampled| if sampled { "sampled" } else { "-" };
    let row = |((method, route), before, after): (&(&str, &str), bool, bool)| {
        format!("{:<16}{:<10}{}\n", format!("{method} {route}"), word(before), word(after))
    };
    Ok(format!("{:<16}{:<10}after\n{}", "", "before", rows.map(row).collect::<String>()))
}

/// Orders always, health checks never, the rest as this one says; and whoever has a parent as that decided.
fn rules(otherwise: impl Sampler) -> impl Sampler {
    let rules = Rules::new()
        .rule(Match::any().kind(SpanKind::Server).route("/healthz"), AlwaysOff)
        .rule(Match::any().method("POST").route("/orders"), AlwaysOn)
        .otherwise(otherwise);
    ParentBased::new(rules)
}

/// As the HTTP layer asks, which shows samplers a request's attributes before anything of it is copied.
fn is_sampled(tracer: &Tracer, method: &str, route: &str) -> bool {
    let attributes =
        [(Key::new("http.request.method"), Value::Str(method)), (Key::new("http.route"), Value::Str(route))];
    let request = tracer.span(route).kind(SpanKind::Server).attributes(&attributes).start();
    request.context().is_sampled()
}

const REQUESTS: [(&str, &str); 4] =
    [("GET", "/healthz"), ("POST", "/orders"), ("GET", "/orders"), ("GET", "/stock/{id}")];
