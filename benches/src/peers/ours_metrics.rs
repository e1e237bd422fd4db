//! throughline, with HTTP metrics through OpenTelemetry's SDK.

use std::sync::LazyLock;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use throughline::Telemetry;
use throughline::otel::MetricsPipeline;

use super::ours::{self, Looking};
use super::{ROUTE, user};
use crate::peer::{Peer, one_span_per_request};
use crate::workload::{Handler, Workload};

pub(super) struct OursMetrics;

impl Peer for OursMetrics {
    fn name(&self) -> &'static str {
        "ours-metrics"
    }

    fn about(&self) -> &'static str {
        "as ours, and the durations and active requests of the conventions, measured by OpenTelemetry's SDK"
    }

    fn runs(&self, workload: Workload) -> bool {
        matches!(workload, Workload::W1 | Workload::W2 | Workload::W3)
    }

    fn setup(&self) {
        LazyLock::force(&TELEMETRY);
    }

    fn flush(&self) {
        TELEMETRY.flush(Duration::from_secs(5)).wait().expect("this exporter takes everything");
    }

    fn exported(&self) -> u64 {
        ours::exported()
    }

    fn expected(&self, workload: Workload, iterations: u64) -> u64 {
        one_span_per_request(workload, iterations)
    }

    fn router(&self, _: Handler) -> Router {
        Router::new().route(ROUTE, get(user)).layer(TELEMETRY.axum_server())
    }
}

static TELEMETRY: LazyLock<Telemetry> = LazyLock::new(|| {
    // Nobody collects meanwhile.
    let metrics = MetricsPipeline::builder().interval(Duration::from_secs(3600)).build().expect("valid settings");
    let builder = Telemetry::builder().service_name("bench").exporter(Looking).metrics(metrics);
    builder.build().expect("valid settings")
});
