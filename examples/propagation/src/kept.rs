//! What becomes of spans before they are exported: one processor takes out what nobody may read, another keeps the traces
//! that turned out to be worth it.

use std::sync::Arc;

use throughline::processor::{self, KeepIf, Verdict};
use throughline::{AlwaysOff, AlwaysRecord, Edit, ParentBased, SpanEnd, Telemetry, Tracer};

use crate::BoxError;

pub(crate) fn show() -> Result<String, BoxError> {
    let keep = Arc::new(KeepIf::failed());
    let redact = processor::on_end(|span| {
        span.record(|span| {
            span.edit(|key, _| match key.as_str() {
                "user.email" => Edit::Replace("[redacted]".into()),
                _ => Edit::Keep,
            });
        });
        Verdict::Pass
    });
    let (telemetry, spans) = Telemetry::builder()
        // A service would sample one in a hundred: `ParentBased::new(Probability::new(0.01))`.
        .sampler(AlwaysRecord::new(ParentBased::new(AlwaysOff)))
        // Essential: what it has not looked at is not exported.
        .processor(processor::essential(redact))
        // Last: what it keeps is what the others left.
        .processor(Arc::clone(&keep))
        .test();
    order(telemetry.tracer(), 7, SpanEnd::Completed);
    order(telemetry.tracer(), 8, SpanEnd::Failed);

    let shown: String = spans
        .spans()
        .iter()
        .map(|span| {
            let attributes = span.attributes.iter().map(|(key, value)| format!("  {key}: {value}\n"));
            format!("{}\n  sampled: {}\n{}", span.name, span.span_context.is_sampled(), attributes.collect::<String>())
        })
        .collect();
    let stats = keep.stats();
    let (kept, forgotten) = (stats.kept_spans, stats.forgotten_spans);
    Ok(format!("{shown}\n2 requests, none sampled: {kept} spans kept, {forgotten} forgotten, {} lost\n", stats.lost()))
}

/// A request of two spans.
fn order(tracer: &Tracer, id: u64, end: SpanEnd) {
    let request = tracer.span("GET /orders/{id}").start_with(|span| {
        span.push("order.id", id);
        span.push("user.email", "ada@example.com");
    });
    tracer.span("load order").parent(&request.context()).start().end(end);
    request.end(end);
}
