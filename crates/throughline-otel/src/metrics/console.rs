//! Metrics on the standard output, for people.

use std::fmt::{self, Display, Write as _};
use std::io::{self, Write as _};
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, Metric, MetricData, ResourceMetrics, ScopeMetrics};
use throughline_export::ExportError;

use super::exporter::Destination;

/// Writes a line per series.
#[derive(Debug)]
pub(super) struct Console;

impl Destination for Console {
    fn export(&mut self, metrics: &ResourceMetrics, _: Duration) -> Result<(), ExportError> {
        let text = render(metrics).map_err(ExportError::new)?;
        io::stdout().lock().write_all(text.as_bytes()).map_err(ExportError::new)
    }

    fn shutdown(&mut self) {}

    fn temporality(&self) -> Temporality {
        Temporality::Cumulative
    }

    fn name(&self) -> &str {
        "the console"
    }
}

fn render(metrics: &ResourceMetrics) -> Result<String, fmt::Error> {
    let mut text = String::new();
    for metric in metrics.scope_metrics().flat_map(ScopeMetrics::metrics) {
        match metric.data() {
            AggregatedMetrics::F64(data) => lines(&mut text, metric, data)?,
            AggregatedMetrics::U64(data) => lines(&mut text, metric, data)?,
            AggregatedMetrics::I64(data) => lines(&mut text, metric, data)?,
        }
    }
    Ok(text)
}

fn lines<T: Copy + Display>(text: &mut String, metric: &Metric, data: &MetricData<T>) -> fmt::Result {
    let unit = metric.unit();
    match data {
        MetricData::Gauge(gauge) => gauge.data_points().try_for_each(|point| {
            head(text, metric, point.attributes())?;
            writeln!(text, "{} {unit}", point.value())
        }),
        MetricData::Sum(sum) => sum.data_points().try_for_each(|point| {
            head(text, metric, point.attributes())?;
            writeln!(text, "{} {unit}", point.value())
        }),
        MetricData::Histogram(histogram) => histogram.data_points().try_for_each(|point| {
            head(text, metric, point.attributes())?;
            tail(text, point.count(), point.sum(), [point.min(), point.max()], unit)
        }),
        MetricData::ExponentialHistogram(histogram) => histogram.data_points().try_for_each(|point| {
            head(text, metric, point.attributes())?;
            tail(text, point.count() as u64, point.sum(), [point.min(), point.max()], unit)
        }),
    }
}

fn head<'a>(text: &mut String, metric: &Metric, attributes: impl Iterator<Item = &'a KeyValue>) -> fmt::Result {
    // Escaped: a value may be what a request says, and nobody but us tells the terminal what to do.
    let label = |attribute: &KeyValue| format!("{}={}", attribute.key, attribute.value.as_str().escape_debug());
    let labels: Vec<_> = attributes.map(label).collect();
    write!(text, "{}{{{}}} ", metric.name(), labels.join(","))
}

fn tail<T: Copy + Display>(text: &mut String, count: u64, sum: T, range: [Option<T>; 2], unit: &str) -> fmt::Result {
    write!(text, "count {count}, sum {sum} {unit}")?;
    if let [Some(least), Some(most)] = range {
        write!(text, ", {least} to {most} {unit}")?;
    }
    writeln!(text)
}
