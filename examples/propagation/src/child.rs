//! A process that another one has started goes on with its trace: the context is in its environment.

use std::process::{Command, Stdio};

use throughline::propagation::Allow;
use throughline::propagation::carrier::{EnvExtractor, EnvInjector};
use throughline::{Context, SpanEnd, Telemetry};

use crate::{BoxError, identity, print};

/// The parent: a span around the process, and the process told of it.
pub(crate) fn show() -> Result<String, BoxError> {
    let (telemetry, spans) = Telemetry::builder().service_name("album").test();
    let tracer = telemetry.tracer();
    let span = tracer.span("convert pictures").start();

    let mut command = Command::new(std::env::current_exe()?);
    command.arg("--child").stdin(Stdio::null()).stderr(Stdio::inherit());
    // Of a program that is not ours: `Allow::TRACE`, which keeps baggage here.
    tracer.propagator().inject_into(&span.context(), Allow::ALL, &mut EnvInjector::new(&mut command));
    let output = command.output()?;
    span.end(if output.status.success() { SpanEnd::Completed } else { SpanEnd::Failed });

    if !output.status.success() {
        return Err(format!("the child failed: {}", output.status).into());
    }
    let child = String::from_utf8(output.stdout)?;
    let parent: String = spans.spans().iter().map(identity).collect();
    Ok(format!("the parent recorded\n{parent}\nthe child recorded\n{child}"))
}

/// The child: what it does is below the span that its environment names.
pub(crate) fn run() -> Result<(), BoxError> {
    let (telemetry, spans) = Telemetry::builder().service_name("converter").test();
    let tracer = telemetry.tracer();
    let parent = tracer.propagator().extract_from(&EnvExtractor::process()).to_context(&Context::ROOT);
    tracer.span("convert picture").parent(&parent).start().end(SpanEnd::Completed);
    print(&spans.spans().iter().map(identity).collect::<String>())
}
