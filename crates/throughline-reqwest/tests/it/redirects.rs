//! Redirects, which reqwest follows inside: one span, and headers that go wherever they lead.

use reqwest::redirect::Policy;
use throughline_core::{ContextExt as _, Tracer};
use throughline_reqwest::HttpClientLayer;
use throughline_testing::tracer;

use crate::rig::{Client, Server, client, header, one, text, traceparent, with_baggage};

/// The host is named: what is withheld is withheld because of redirects.
fn named(tracer: &Tracer) -> HttpClientLayer {
    throughline_tower::HttpClientLayer::new(tracer).baggage_to(["127.0.0.1"]).unwrap().into()
}

async fn asked(client: &Client, url: String) -> reqwest::Response {
    async { client.get(url).send().await.unwrap() }.with_context(with_baggage()).await
}

#[tokio::test]
async fn are_one_span_of_the_url_that_was_asked_for() {
    let (tracer, spans) = tracer();
    let (first, second) = (Server::start().await, Server::start().await);
    let path = format!("/to/{}/status/404", second.address);
    let response = asked(&client(named(&tracer)), first.url(&format!("{path}#top"))).await;
    assert_eq!(response.url().as_str(), second.url("/status/404"), "it was followed");
    let span = one(&spans);
    for (key, wanted) in [
        ("url.full", first.url(&format!("{path}#top"))),
        ("server.port", first.address.port().to_string()),
        ("http.response.status_code", "404".to_owned()),
        ("error.type", "404".to_owned()),
        ("network.peer.port", second.address.port().to_string()),
    ] {
        assert_eq!(text(&span, key), Some(wanted), "{key}");
    }
    let told = Some(traceparent(&span));
    assert_eq!([header(&first.one(), "traceparent"), header(&second.one(), "traceparent")], [told.clone(), told]);
}

#[tokio::test]
async fn take_no_baggage_along_unless_they_are_known_to_stay() {
    let (tracer, _) = tracer();
    let (first, second) = (Server::start().await, Server::start().await);
    let url = first.url(&format!("/to/{}/", second.address));
    let none = || reqwest::Client::builder().redirect(Policy::none()).build().unwrap();
    let unnamed = || HttpClientLayer::new(&tracer).redirects_stay_on_host();
    for (why, client, at_first, at_second) in [
        ("anywhere, as reqwest does by default", client(named(&tracer)), false, Some(false)),
        (
            "told to stay, which is then the teller's word",
            client(named(&tracer).redirects_stay_on_host()),
            true,
            Some(true),
        ),
        ("off", named(&tracer).redirects_stay_on_host().layer(none()), true, None),
        ("off, and the host is not named", unnamed().layer(none()), false, None),
        ("off, and nobody has said so", named(&tracer).layer(none()), false, None),
    ] {
        asked(&client, url.clone()).await;
        let baggage = |server: &Server| server.take().first().map(|request| header(request, "baggage").is_some());
        assert_eq!((baggage(&first), baggage(&second)), (Some(at_first), at_second), "{why}");
    }
    assert_eq!(tracer.stats().baggage_withheld, 3);
}

#[tokio::test]
async fn that_go_round_in_circles_are_an_error() {
    let (tracer, spans) = tracer();
    let server = Server::start().await;
    let error = client(named(&tracer)).get(server.url("/loop")).send().await.unwrap_err();
    assert!(error.is_redirect());
    assert_eq!(text(&one(&spans), "error.type").as_deref(), Some("redirect_error"));
    assert!(server.take().len() > 1);
}
