//! Baggage that the application has declared: what travels, what stays in the process, and what changes on the way.

use std::collections::BTreeMap;

use throughline::propagation::{Allow, Composite};
use throughline::{BaggageField, Context, SpanEnd, Telemetry, Tracer};

use crate::BoxError;

/// Travels with the request.
static TENANT: BaggageField = BaggageField::remote("tenant");
/// Stays here, for whoever asks.
static PLAN: BaggageField = BaggageField::local("plan");

pub(crate) fn show() -> Result<String, BoxError> {
    let propagator = Composite::w3c().baggage_fields([&TENANT, &PLAN]);
    let (telemetry, _) = Telemetry::builder().propagator(propagator).test();
    let tracer = telemetry.tracer();

    let headers = BTreeMap::from([("baggage".to_owned(), "tenant=guest,card=4111,plan=free".to_owned())]);
    let caller = tracer.propagator().extract_from(&headers).to_context(&Context::ROOT);
    let request = tracer.span("request").parent(&caller).start();
    let received = row("received, with two others", tracer, &request.context());

    // Somewhere below, who the caller is becomes known.
    let login = tracer.span("log in").parent(&request.context()).start();
    login.context().scope(|| {
        TENANT.update("7")?;
        PLAN.update("gold")
    })?;
    login.end(SpanEnd::Completed);
    let updated = row("updated by a child", tracer, &request.context());

    // What nobody declared can be set, and does not leave.
    let debugged = request.context().with_baggage(request.context().baggage().with("debug", "yes")?);
    let undeclared = row("with `debug`, undeclared", tracer, &debugged);
    request.end(SpanEnd::Completed);

    let head = line("", "tenant", "plan", "the next service is told");
    Ok([head, received, updated, undeclared].concat())
}

/// What the application reads, and what leaves the process.
fn row(title: &str, tracer: &Tracer, context: &Context) -> String {
    let mut headers = BTreeMap::new();
    tracer.propagator().inject_into(context, Allow::ALL, &mut headers);
    let value = |field: &BaggageField| field.value_in(context).unwrap_or_else(|| "-".to_owned());
    let told = headers.get("baggage").map_or("-", |baggage: &String| baggage);
    line(title, &value(&TENANT), &value(&PLAN), told)
}

fn line(title: &str, tenant: &str, plan: &str, told: &str) -> String {
    format!("{title:<27}{tenant:<8}{plan:<6}{told}\n")
}
