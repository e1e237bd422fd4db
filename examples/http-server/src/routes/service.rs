//! What a service has beside its business.

use std::time::Duration;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use throughline::task::{self, traced};

use crate::app::Shared;

pub(super) fn routes() -> Router<Shared> {
    Router::new().route("/healthz", get("ok\n")).route("/spawn", get(spawn)).route("/stats", get(stats))
}

/// A task that is not waited for: its span is a child of the request's, and ends later.
async fn spawn(State(shared): State<Shared>) -> &'static str {
    let work = traced("background work", tokio::time::sleep(BACKGROUND_WORK));
    task::spawn(shared.tasks.track_future(work));
    "spawned\n"
}

/// The request itself is one of the active ones.
async fn stats(State(shared): State<Shared>) -> Json<Value> {
    let stats = shared.telemetry.stats();
    let (tracer, pipeline, metrics) = (stats.tracer, stats.pipeline, stats.metrics);
    Json(json!({
        "active": shared.active.server(),
        "malformed_parents": tracer.malformed_parents,
        "suppressed": tracer.suppressed,
        "late_writes": tracer.late_writes,
        "abandoned": tracer.abandoned,
        "hook_panics": tracer.hook_panics,
        "baggage_withheld": tracer.baggage_withheld,
        "forced_sampling_limited": tracer.forced_sampling_limited,
        "waiting": pipeline.waiting,
        "exported": pipeline.exported,
        "failed": pipeline.failed,
        "dropped": pipeline.dropped(),
        "dropped_queue_full": pipeline.dropped_queue_full,
        "dropped_queue_bytes": pipeline.dropped_queue_bytes,
        "dropped_after_shutdown": pipeline.dropped_after_shutdown,
        "dropped_at_shutdown": pipeline.dropped_at_shutdown,
        "dropped_timed_out": pipeline.dropped_timed_out,
        "dropped_exporter_gone": pipeline.dropped_exporter_gone,
        "exports": pipeline.exports,
        "exporter_panics": pipeline.exporter_panics,
        "metrics_collections": metrics.collections,
        "metrics_exported": metrics.exported,
        "metrics_failed": metrics.failed,
        "metrics_panics": metrics.panics,
    }))
}

const BACKGROUND_WORK: Duration = Duration::from_millis(100);
