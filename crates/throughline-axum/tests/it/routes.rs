//! Names by the route that matched, whatever the routers look like.

use axum::Router;
use axum::routing::{any, get as on_get, post};
use throughline_axum::HttpServerLayer;
use throughline_testing::{MemorySink, tracer};
use tower::ServiceExt as _;

use crate::{answer, get, one, text};

async fn ok() {}

async fn name_of(app: &Router, spans: &MemorySink, path: &str) -> (String, Option<String>) {
    answer(app, get(path)).await;
    let span = one(spans);
    (span.name.clone(), text(&span, "http.route"))
}

#[tokio::test]
async fn are_those_of_the_router() {
    let (tracer, spans) = tracer();
    let api = Router::new()
        .route("/users/{id}", on_get(ok).post(ok))
        .nest("/admin", Router::new().route("/", on_get(ok)).route("/jobs/{job}", any(ok)));
    let app = Router::new()
        .route("/", on_get(ok))
        .route("/orders", post(ok))
        .route("/files/{*path}", on_get(ok))
        .route_service("/service/{id}", on_get(ok))
        .nest("/api/{version}", api)
        .merge(Router::new().route("/merged/{id}", on_get(ok)))
        .layer(HttpServerLayer::new(&tracer));
    for (path, route, why) in [
        ("/", Some("/"), "the root"),
        ("/merged/1", Some("/merged/{id}"), "merged"),
        ("/api/v1/users/7", Some("/api/{version}/users/{id}"), "nested"),
        ("/api/v1/admin", Some("/api/{version}/admin"), "nested twice, its root"),
        ("/api/v1/admin/jobs/x", Some("/api/{version}/admin/jobs/{job}"), "nested twice"),
        ("/files/a/b/c", Some("/files/{*path}"), "the rest of the path"),
        ("/service/1", Some("/service/{id}"), "a service"),
        ("/orders", Some("/orders"), "the route is there, its method is not"),
        ("/nowhere/1", None, "the fallback"),
        ("/api/v1/nowhere", None, "the fallback below a nest"),
    ] {
        let wanted = route.map_or("GET".to_owned(), |route| format!("GET {route}"));
        assert_eq!(name_of(&app, &spans, path).await, (wanted, route.map(str::to_owned)), "{why}");
    }
}

#[tokio::test]
async fn a_layer_may_cover_less_than_the_app() {
    let (tracer, spans) = tracer();
    let layer = HttpServerLayer::new(&tracer);
    let nested = Router::new().route("/b/{id}", on_get(ok)).layer(layer.clone());
    let app = Router::new()
        .route("/routes/{id}", on_get(ok))
        .route_layer(layer.clone())
        .route("/later/{id}", on_get(ok))
        .route("/method/{id}", on_get(ok).layer(layer.clone()))
        .nest("/nested", nested);
    for (path, name) in [
        ("/routes/1", Some("GET /routes/{id}")),
        ("/method/1", Some("GET /method/{id}")),
        ("/nested/b/1", Some("GET /nested/b/{id}")),
        ("/later/1", None),
        ("/nowhere", None),
    ] {
        answer(&app, get(path)).await;
        let names: Vec<_> = spans.take().into_iter().map(|span| span.name).collect();
        assert_eq!(names, Vec::from_iter(name), "{path}");
    }
}

#[tokio::test]
async fn two_layers_make_one_span() {
    let (tracer, spans) = tracer();
    let layer = HttpServerLayer::new(&tracer);
    let nested = Router::new().route("/b/{id}", on_get(ok)).layer(layer.clone());
    let app = Router::new().nest("/a", nested).layer(layer);
    assert_eq!(name_of(&app, &spans, "/a/b/1").await.0, "GET /a/b/{id}");
    assert_eq!(tracer.stats().suppressed, 1);
}

#[tokio::test]
async fn outside_the_router_nothing_is_known_of_them() {
    let (tracer, spans) = tracer();
    let app = Router::new().route("/a/{id}", on_get(ok));
    HttpServerLayer::new(&tracer).layer(app).oneshot(get("/a/1")).await.unwrap();
    let span = one(&spans);
    assert_eq!((span.name.as_str(), text(&span, "http.route")), ("GET", None), "never the path");
}

#[tokio::test]
async fn another_source_may_be_named() {
    let (tracer, spans) = tracer();
    let layer = HttpServerLayer::new(&tracer).route(|_| Some("/own"));
    let app = Router::new().route("/a/{id}", on_get(ok)).layer(layer);
    assert_eq!(name_of(&app, &spans, "/a/1").await, ("GET /own".to_owned(), Some("/own".to_owned())));
}

#[tokio::test]
async fn requests_may_be_skipped_and_be_https() {
    let (tracer, spans) = tracer();
    let layer = HttpServerLayer::new(&tracer).skip(|request| request.path() == "/healthz").https();
    let app = Router::new().route("/healthz", on_get(ok)).route("/a", on_get(ok)).layer(layer);
    answer(&app, get("/healthz")).await;
    assert!(spans.is_empty());
    answer(&app, get("/a")).await;
    assert_eq!(text(&one(&spans), "url.scheme").as_deref(), Some("https"));
}
