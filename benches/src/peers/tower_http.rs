//! tower-http's `TraceLayer` over tracing-opentelemetry.
//!
//! As shipped it knows no traceparent. This is how services use it: `make_span_with` names the fields of the semantic
//! conventions and sets the parent. The subscriber is a registry, the OpenTelemetry layer and a level filter that is
//! static per callsite.

use std::sync::Once;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::MatchedPath;
use axum::routing::get;
use http::{HeaderName, Request, Response, header};
use opentelemetry::global::get_text_map_propagator;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_http::{HeaderExtractor, HeaderInjector};
use tower_http::trace::TraceLayer;
use tracing::field::Empty;
use tracing::level_filters::LevelFilter;
use tracing::{Instrument as _, Span, info_span};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::Registry;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;

use super::{ROUTE, otel, outgoing, user};
use crate::check;
use crate::peer::{Peer, Spawns, Yields, drive, one_span_per_request, trivial};
use crate::workload::{CHILDREN, Handler, Workload};

pub(super) struct TowerHttp;

impl Peer for TowerHttp {
    fn name(&self) -> &'static str {
        "tower-http"
    }

    fn about(&self) -> &'static str {
        "tower-http's TraceLayer with a span of the semantic conventions, tracing's Instrumented, tracing-opentelemetry"
    }

    fn runs(&self, workload: Workload) -> bool {
        !workload.is_extract() && !workload.is_inject()
    }

    fn setup(&self) {
        static ONCE: Once = Once::new();
        ONCE.call_once(|| {
            let targets = Targets::new()
                .with_default(LevelFilter::INFO)
                .with_target("otel::tracing", LevelFilter::TRACE)
                .with_target("tower_http", LevelFilter::DEBUG);
            let layer = tracing_opentelemetry::layer().with_tracer(otel::PROVIDER.tracer("tracing"));
            let subscriber = Registry::default().with(layer).with(targets);
            tracing::subscriber::set_global_default(subscriber).expect("there is no other subscriber");
        });
    }

    fn flush(&self) {
        otel::flush();
    }

    fn exported(&self) -> u64 {
        otel::exported()
    }

    fn expected(&self, workload: Workload, iterations: u64) -> u64 {
        match workload {
            Workload::W5 => iterations,
            Workload::W6 => 1,
            _ => one_span_per_request(workload, iterations),
        }
    }

    fn router(&self, handler: Handler) -> Router {
        let handler = match handler {
            Handler::Plain => get(user),
            Handler::Children => get(children),
            Handler::Outgoing => get(client),
        };
        let layer = TraceLayer::new_for_http()
            .make_span_with(make_span)
            .on_request(())
            .on_response(on_response)
            .on_body_chunk(())
            .on_eos(())
            .on_failure(());
        Router::new().route(ROUTE, handler).layer(layer)
    }

    fn polls(&self, tasks: u64) {
        for _ in 0..tasks {
            drive(Yields::new().instrument(info_span!("task")));
        }
    }

    fn spawns(&self, tasks: u64) -> Spawns {
        let parent = async move {
            for _ in 0..tasks {
                tokio::spawn(trivial().in_current_span()).await.expect("no panic");
            }
        };
        Box::pin(parent.instrument(info_span!("parent")))
    }
}

fn make_span(request: &Request<Body>) -> Span {
    let route = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
    let text = |name: HeaderName| request.headers().get(name).and_then(|value| value.to_str().ok());
    let span = info_span!(
        "HTTP request",
        otel.name = %format_args!("{} {route}", request.method()),
        otel.kind = "server",
        http.request.method = request.method().as_str(),
        http.route = route,
        url.path = request.uri().path(),
        url.scheme = "http",
        network.protocol.version = "1.1",
        server.address = text(header::HOST),
        user_agent.original = text(header::USER_AGENT),
        http.response.status_code = Empty,
    );
    let parent = get_text_map_propagator(|propagator| propagator.extract(&HeaderExtractor(request.headers())));
    span.set_parent(parent).expect("the span is new");
    span
}

fn on_response<B>(response: &Response<B>, _: Duration, span: &Span) {
    span.record("http.response.status_code", i64::from(response.status().as_u16()));
}

async fn children() -> &'static str {
    for number in 0..CHILDREN / 2 {
        let _outer = info_span!("child", child.kind = "cache", child.index = 2 * number as i64).entered();
        let _inner = info_span!("child", child.kind = "cache", child.index = 2 * number as i64 + 1).entered();
    }
    user().await
}

async fn client() -> &'static str {
    let span = info_span!(
        "GET",
        otel.kind = "client",
        http.request.method = "GET",
        server.address = "db.example.com",
        url.full = %format_args!("http://db.example.com/rows/{}", 42),
        http.response.status_code = Empty,
    );
    let mut headers = outgoing();
    get_text_map_propagator(|propagator| {
        propagator.inject_context(&span.context(), &mut HeaderInjector(&mut headers));
    });
    check::sent(&headers);
    span.record("http.response.status_code", 200);
    drop(span);
    user().await
}
