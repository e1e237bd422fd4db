//! Client spans inside one another: one if they are about the same, both if not.

use http::Method;
use throughline_core::{
    AttributeVisitor, ContextExt as _, Instrumenter, Operation, Recording, Scope, SemanticKey, SpanEnd, SpanKind,
    SpanName,
};
use throughline_testing::{assert_trace, tracer};
use throughline_tower::HttpClientLayer;
use tower::{ServiceBuilder, ServiceExt as _};

use crate::clients::{ask, pooled};
use crate::rig::{HOUSES, Server, Wire};
use crate::routes::LONG;

/// A client of something that speaks HTTP: a database, or HTTP itself under another name.
struct Sdk(SemanticKey);

impl Operation for Sdk {
    type Request<'a> = ();
    type Response<'a> = ();

    fn kind(&self) -> SpanKind {
        SpanKind::Client
    }

    fn semantic_key(&self) -> Option<SemanticKey> {
        Some(self.0)
    }

    fn scope(&self) -> &'static Scope {
        &Scope { name: "sdk", version: "1.0.0" }
    }

    fn name<'r>(&self, (): &'r ()) -> SpanName<'r> {
        SpanName::Static(&"sdk")
    }

    fn start_attributes<V: AttributeVisitor + ?Sized>(&self, (): &(), _: &mut V) {}

    fn end(&self, (): &(), _: &mut Recording<'_>) {}
}

#[tokio::test]
async fn one_span_for_one_thing_and_two_for_two() {
    let server = Server::start(HOUSES[0]).await;
    for key in [SemanticKey::HttpClient, SemanticKey::DbClient, SemanticKey::RpcClient] {
        let (tracer, spans) = tracer();
        let sdk = Instrumenter::new(&tracer, Sdk(key)).start(&());
        let client = HttpClientLayer::new(&tracer).layer(pooled(Wire::Http1));
        let asked = client.oneshot(ask(Method::GET, server.address, "/known")).with_context(sdk.context());
        asked.await.unwrap();
        sdk.end(SpanEnd::Completed);
        if key == SemanticKey::HttpClient {
            assert_trace!(spans.wait_for(1, LONG).await.unwrap(), client "sdk");
        } else {
            assert_trace!(spans.wait_for(2, LONG).await.unwrap(), client "sdk" { client "GET" });
        }
        let sent = server.spans.wait_for(1, LONG).await.unwrap().remove(0).parent_span_id;
        server.spans.clear();
        let innermost = spans.spans().into_iter().next().map(|span| span.span_context.span_id());
        assert_eq!(sent, innermost, "{key:?}: the innermost span is the one on the wire");
    }
}

#[tokio::test]
async fn two_layers_are_one_span() {
    let server = Server::start(HOUSES[0]).await;
    let (tracer, spans) = tracer();
    let layer = HttpClientLayer::new(&tracer);
    let client = ServiceBuilder::new().layer(layer.clone()).layer(layer).service(pooled(Wire::Http1));
    client.oneshot(ask(Method::GET, server.address, "/known")).await.unwrap();
    let span = spans.wait_for(1, LONG).await.unwrap().remove(0);
    let sent = server.spans.wait_for(1, LONG).await.unwrap().remove(0).parent_span_id;
    assert_eq!((spans.len(), sent, tracer.stats().suppressed), (1, Some(span.span_context.span_id()), 1));
}
