//! A job that is done later, perhaps by another process: the context waits beside it, as a line of text.

use std::fs;
use std::path::Path;

use throughline::{Baggage, Context, DurableContext, SpanEnd, Telemetry};

use crate::{BoxError, identity};

pub(crate) fn show() -> Result<String, BoxError> {
    let (telemetry, spans) = Telemetry::builder().service_name("shop").test();
    let jobs = std::env::temp_dir().join(format!("throughline-propagation-{}.jobs", std::process::id()));
    let shown = enqueue(&telemetry, &jobs).and_then(|()| work(&telemetry, &jobs));
    let removed = fs::remove_file(&jobs);
    let (stored, shown) = (shown?, spans.spans().iter().map(identity).collect::<Vec<_>>());
    removed?;
    Ok(format!("the file has\n  {stored}\n\n{}", shown.join("\n")))
}

/// A request that wants an invoice sent, but not now.
fn enqueue(telemetry: &Telemetry, jobs: &Path) -> Result<(), BoxError> {
    let context = Context::ROOT.with_baggage(Baggage::new().with("tenant", "7")?);
    let request = telemetry.tracer().span("POST /orders").parent(&context).start();
    fs::write(jobs, format!("{}\n", DurableContext::of(&request.context())))?;
    request.end(SpanEnd::Completed);
    Ok(())
}

/// The worker: the invoice is a trace of its own, with a link to the request that wanted it.
fn work(telemetry: &Telemetry, jobs: &Path) -> Result<String, BoxError> {
    let line = fs::read_to_string(jobs)?;
    let stored: DurableContext = line.parse()?;
    let job = telemetry.tracer().span("send invoice").resume(&stored).start();
    let tenant = job.context().baggage().get("tenant").map(str::to_owned);
    job.end(SpanEnd::Completed);
    match tenant.as_deref() {
        Some("7") => Ok(line.trim_end().to_owned()),
        other => Err(format!("the job belongs to {other:?}").into()),
    }
}
