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

#[cfg(test)]
mod tests {
    use opentelemetry::metrics::MeterProvider as _;
    use opentelemetry_sdk::metrics::reader::MetricReader as _;
    use opentelemetry_sdk::metrics::{ManualReader, SdkMeterProvider};

    use super::super::collector::Reader;
    use super::*;

    #[test]
    fn a_line_per_series_and_nothing_that_a_terminal_obeys() {
        let reader = Reader(ManualReader::builder().build().into());
        let provider = SdkMeterProvider::builder().with_reader(reader.clone()).build();
        let meter = provider.meter("it");
        let duration = meter.f64_histogram("job.duration").with_unit("s").build();
        duration.record(0.5, &[KeyValue::new("job.name", "audit"), KeyValue::new("job.shard", 7)]);
        duration.record(1.5, &[KeyValue::new("job.name", "audit"), KeyValue::new("job.shard", 7)]);
        meter.i64_up_down_counter("job.active").with_unit("{job}").build().add(-3, &[]);
        meter.u64_gauge("job.age").build().record(2, &[KeyValue::new("job.name", "a\n\u{1b}[31m")]);
        let mut metrics = ResourceMetrics::default();
        reader.collect(&mut metrics).unwrap();
        let text = render(&metrics).unwrap();
        let mut lines: Vec<_> = text.lines().map(str::trim_end).collect();
        lines.sort_unstable();
        let expected = [
            "job.active{} -3 {job}",
            "job.age{job.name=a\\n\\u{1b}[31m} 2",
            "job.duration{job.name=audit,job.shard=7} count 2, sum 2 s, 0.5 to 1.5 s",
        ];
        assert_eq!(lines, expected);
    }
}
