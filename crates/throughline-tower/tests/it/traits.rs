//! What the types are: small, and free to move between threads.

use std::mem::size_of;

use throughline_tower::{
    ActiveRequests, Capture, CaptureLayer, HttpClient, HttpClientLayer, HttpServer, HttpServerLayer, Ingress, Redact,
    Resend, ResendLayer, ResponseBody, ResponseFuture, RouteSource, UpgradeSpan, UrlTemplate,
};

fn shared<T: Clone + Send + Sync + Unpin + 'static>() {}
fn sent<T: Send + Sync + 'static>() {}

#[test]
fn layers_and_services_are_clone_send_and_sync() {
    shared::<HttpServerLayer>();
    shared::<HttpClientLayer>();
    shared::<CaptureLayer>();
    shared::<ResendLayer>();
    shared::<HttpServer<()>>();
    shared::<HttpClient<()>>();
    shared::<Capture<()>>();
    shared::<Resend<()>>();
    shared::<Ingress>();
    shared::<Redact>();
    shared::<RouteSource>();
    shared::<UrlTemplate>();
    shared::<ActiveRequests>();
}

#[test]
fn futures_and_bodies_are_send_and_sync_if_what_is_in_them_is() {
    sent::<ResponseFuture<()>>();
    sent::<ResponseBody<()>>();
    sent::<UpgradeSpan>();
    sent::<throughline_tower::Held<()>>();
}

/// Every layer of a stack, and every task, holds one of these.
#[test]
fn what_a_request_carries_is_small() {
    assert!(size_of::<ResponseFuture<()>>() <= 128, "{}", size_of::<ResponseFuture<()>>());
    assert!(size_of::<ResponseBody<()>>() <= 128, "{}", size_of::<ResponseBody<()>>());
    assert_eq!(size_of::<HttpServer<()>>(), size_of::<usize>(), "a layer is one word");
    assert_eq!(size_of::<HttpClient<()>>(), size_of::<usize>(), "a layer is one word");
}
