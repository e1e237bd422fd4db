//! The OpenTelemetry API by hand: extract, start a span, carry the context.

use std::future::Future;
use std::hint::black_box;
use std::pin::Pin;
use std::sync::LazyLock;
use std::task::{self, Poll, ready};

use axum::Router;
use axum::extract::MatchedPath;
use axum::routing::get;
use http::{HeaderMap, Request, Response, header};
use opentelemetry::context::{FutureExt as _, WithContext};
use opentelemetry::trace::{SpanKind, TraceContextExt as _, Tracer as _, TracerProvider as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::SdkTracer;
use pin_project_lite::pin_project;
use tower::{Service, layer::layer_fn};

use super::{ROUTE, otel, outgoing, user};
use crate::check;
use crate::peer::{Peer, Spawns, Yields, drive, one_span_per_request, trivial};
use crate::workload::{CHILDREN, Handler, Workload};

pub(super) struct OtelHand;

#[derive(Clone)]
struct Server<S>(S);

pin_project! {
    struct ResponseFuture<F> {
        #[pin]
        inner: F,
    }
}

// === impl OtelHand ===

impl Peer for OtelHand {
    fn name(&self) -> &'static str {
        "otel-hand"
    }

    fn about(&self) -> &'static str {
        "OpenTelemetry's API and SDK by hand: TraceContextPropagator, a tracer, with_context"
    }

    fn runs(&self, workload: Workload) -> bool {
        workload.wire().is_none()
    }

    fn setup(&self) {
        LazyLock::force(&TRACER);
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
        Router::new().route(ROUTE, handler).layer(layer_fn(Server))
    }

    fn extract(&self, _: Workload, headers: &HeaderMap, times: u64) -> u64 {
        let mut sum = 0;
        for _ in 0..times {
            let context = otel::extract(black_box(headers));
            sum ^= u64::from_be_bytes(context.span().span_context().span_id().to_bytes());
        }
        sum
    }

    fn inject(&self, _: Workload, headers: &mut HeaderMap, times: u64) {
        let context = otel::extract(headers);
        for _ in 0..times {
            otel::inject(black_box(&context), headers);
        }
    }

    fn polls(&self, tasks: u64) {
        for _ in 0..tasks {
            let span = TRACER.start("task");
            drive(Yields::new().with_context(Context::current_with_span(span)));
        }
    }

    fn spawns(&self, tasks: u64) -> Spawns {
        let span = TRACER.start("parent");
        let parent = async move {
            for _ in 0..tasks {
                tokio::spawn(trivial().with_current_context()).await.expect("no panic");
            }
        };
        Box::pin(parent.with_context(Context::current_with_span(span)))
    }
}

async fn children() -> &'static str {
    for number in 0..CHILDREN / 2 {
        let _outer = child(2 * number).attach();
        let _inner = child(2 * number + 1).attach();
    }
    user().await
}

fn child(number: u64) -> Context {
    let span = TRACER
        .span_builder("child")
        .with_attributes([KeyValue::new("child.kind", "cache"), KeyValue::new("child.index", number as i64)])
        .start(&*TRACER);
    Context::current_with_span(span)
}

async fn client() -> &'static str {
    let span = TRACER
        .span_builder("GET")
        .with_kind(SpanKind::Client)
        .with_attributes([
            KeyValue::new("http.request.method", "GET"),
            KeyValue::new("server.address", "db.example.com"),
            KeyValue::new("url.full", format!("http://db.example.com/rows/{}", 42)),
        ])
        .start(&*TRACER);
    let context = Context::current_with_span(span);
    let mut headers = outgoing();
    otel::inject(&context, &mut headers);
    check::sent(&headers);
    context.span().set_attribute(KeyValue::new("http.response.status_code", 200));
    user().await
}

// === impl Server ===

impl<S, B, R> Service<Request<B>> for Server<S>
where
    S: Service<Request<B>, Response = Response<R>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = WithContext<ResponseFuture<S::Future>>;

    fn poll_ready(&mut self, cx: &mut task::Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let context = start(&request);
        ResponseFuture { inner: self.0.call(request) }.with_context(context)
    }
}

fn start<B>(request: &Request<B>) -> Context {
    let parent = otel::extract(request.headers());
    let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    let name = match route {
        Some(route) => format!("{} {route}", request.method()),
        None => request.method().to_string(),
    };
    let text = |name| Some(request.headers().get(name)?.to_str().ok()?.to_owned());
    let mut attributes = Vec::with_capacity(8);
    attributes.push(KeyValue::new("http.request.method", request.method().as_str().to_owned()));
    attributes.push(KeyValue::new("url.path", request.uri().path().to_owned()));
    attributes.push(KeyValue::new("url.scheme", "http"));
    attributes.push(KeyValue::new("network.protocol.version", "1.1"));
    if let Some(route) = route {
        attributes.push(KeyValue::new("http.route", route.to_owned()));
    }
    if let Some(host) = text(header::HOST) {
        attributes.push(KeyValue::new("server.address", host));
    }
    if let Some(agent) = text(header::USER_AGENT) {
        attributes.push(KeyValue::new("user_agent.original", agent));
    }
    let span = TRACER
        .span_builder(name)
        .with_kind(SpanKind::Server)
        .with_attributes(attributes)
        .start_with_context(&*TRACER, &parent);
    parent.with_span(span)
}

impl<F, R, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<F::Output> {
        let result = ready!(self.project().inner.poll(cx));
        if let Ok(response) = &result {
            let status = i64::from(response.status().as_u16());
            Context::map_current(|context| {
                context.span().set_attribute(KeyValue::new("http.response.status_code", status));
            });
        }
        Poll::Ready(result)
    }
}

static TRACER: LazyLock<SdkTracer> = LazyLock::new(|| otel::PROVIDER.tracer("by-hand"));
