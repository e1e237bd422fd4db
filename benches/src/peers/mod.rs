//! The rows, and what their handlers share.

mod bare;
mod fastrace;
mod noop_layer;
mod otel;
mod otel_formats;
mod otel_hand;
mod ours;
mod ours_metrics;
mod remote;
mod task_local;
mod tower_http;

use http::{HeaderMap, HeaderValue, header};

use crate::peer::Peer;

/// All rows, in the order of the tables. The first that runs a workload is what the others are compared with.
pub fn all() -> Vec<&'static dyn Peer> {
    vec![
        &bare::Bare,
        &bare::BareClient,
        &noop_layer::NoopLayer,
        &task_local::TaskLocal,
        &ours::Ours,
        &ours::OursPlain,
        &ours_metrics::OursMetrics,
        &ours::OursText,
        &ours::OursHand,
        &fastrace::FastraceTower,
        &fastrace::FastraceAxum,
        &otel_hand::OtelHand,
        &otel_formats::OtelFormats,
        &tower_http::TowerHttp,
    ]
}

pub fn find(name: &str) -> Option<&'static dyn Peer> {
    all().into_iter().find(|peer| peer.name() == name)
}

const ROUTE: &str = "/users/{id}";

/// Every row's handler of [`ROUTE`].
async fn user() -> &'static str {
    r#"{"id":42,"name":"Ada Lovelace"}"#
}

/// The headers of W9's outgoing request before anything is injected.
fn outgoing() -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(8);
    headers.insert(header::HOST, HeaderValue::from_static("db.example.com"));
    headers.insert(header::ACCEPT, HeaderValue::from_static("*/*"));
    headers
}
