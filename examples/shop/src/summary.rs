//! The last lines: what was sent, and what became of the spans.

use std::fmt::Display;
use std::io::{self, Write as _};

use crate::driver::Tally;
use crate::telemetry::Services;

/// Prints what every service counted.
pub(crate) fn print(services: &Services, tally: &Tally) {
    let mut text = row("service", "spans", "dropped", "failed");
    let (mut spans, mut dropped, mut failed, mut malformed) = (0, 0, 0, 0);
    for (name, telemetry) in services.all() {
        let stats = telemetry.stats();
        let pipeline = stats.pipeline;
        text.push_str(&row(name, pipeline.exported, pipeline.dropped(), pipeline.failed));
        spans += pipeline.exported;
        dropped += pipeline.dropped();
        failed += pipeline.failed;
        malformed += stats.tracer.malformed_parents;
    }
    text.push_str(&row("all", spans, dropped, failed));
    let Tally { requests, unsampled } = tally;
    text.push_str(&format!(
        "\n{requests} requests: {} traces, {unsampled} unsampled. {malformed} malformed traceparent, ignored.\n",
        requests - unsampled
    ));
    // Whoever has closed the output does not want to know.
    let _ = io::stdout().write_all(text.as_bytes());
}

fn row<T: Display>(name: &str, spans: T, dropped: T, failed: T) -> String {
    format!("{name:<10}{spans:>7}{dropped:>9}{failed:>8}\n")
}
