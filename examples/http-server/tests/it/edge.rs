//! Whose traces are continued.

use http_server::Edge;

use crate::Server;
use crate::client::raw;

#[tokio::test]
async fn a_trusted_edge_continues_the_trace() {
    let server = Server::start_at(Edge::Trusted).await;
    raw(server.address, REQUEST).await;
    let span = server.span().await;
    assert_eq!(span.span_context.trace_id().to_string(), TRACE_ID);
    assert_eq!(span.parent_span_id.unwrap().to_string(), SPAN_ID);
    assert!(span.links.is_empty());
}

#[tokio::test]
async fn a_public_edge_begins_a_trace_and_links_to_what_it_was_sent() {
    let server = Server::start_at(Edge::Public).await;
    raw(server.address, REQUEST).await;
    let span = server.span().await;
    assert_ne!(span.span_context.trace_id().to_string(), TRACE_ID);
    assert_eq!(span.parent_span_id, None);
    let [link] = &*span.links else { panic!("{span:?}") };
    assert_eq!(link.span_context.trace_id().to_string(), TRACE_ID);
    assert_eq!(link.span_context.span_id().to_string(), SPAN_ID);
}

const TRACE_ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN_ID: &str = "00f067aa0ba902b7";
const REQUEST: &str =
    "GET /users/1 HTTP/1.0\r\ntraceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n\r\n";
