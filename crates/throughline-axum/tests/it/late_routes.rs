//! Routes that the server layer cannot see: nested services, fallbacks, middleware that answers early.

use axum::Router;
use axum::extract::{Path, Request};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get as on_get, post};
use http::StatusCode;
use throughline_axum::{HttpServerLayer, RouteLayer};
use throughline_core::Tracer;
use throughline_testing::{MemorySink, tracer};
use throughline_tower::{RouteSource, set_route};
use tower::ServiceExt as _;

use crate::{get, one, text};

async fn ok() {}

fn users(tracer: Option<&Tracer>) -> Router {
    let users = Router::new().route("/users/{id}", on_get(ok)).route("/", on_get(ok));
    match tracer {
        None => users,
        Some(tracer) => users.layer(HttpServerLayer::new(tracer)),
    }
}

/// Status and name of the answer to a request; `http.route` says the same as the name.
#[track_caller]
fn named(status: StatusCode, spans: &MemorySink, why: &str) -> (u16, String) {
    let span = one(spans);
    let route = text(&span, "http.route");
    assert_eq!(span.name, route.map_or("GET".to_owned(), |route| format!("GET {route}")), "{why}");
    (status.as_u16(), span.name)
}

async fn status_of<S>(app: S, path: &str) -> StatusCode
where
    S: tower::Service<Request, Response = Response, Error = std::convert::Infallible>,
{
    app.oneshot(get(path)).await.unwrap().status()
}

#[tokio::test]
async fn of_nested_services_are_known_to_a_route_layer_inside() {
    let (tracer, spans) = tracer();
    let server = HttpServerLayer::new(&tracer);
    let hidden = Router::new().nest_service("/api/{v}", users(None)).layer(server.clone());
    let told = Router::new().nest_service("/api/{v}", users(None).layer(RouteLayer::new())).layer(server.clone());
    let deep = Router::new().nest_service("/in", users(None).layer(RouteLayer::new())).layer(RouteLayer::new());
    let deep = Router::new().nest_service("/api/{v}", deep).layer(server.clone());
    let fallback = Router::new().route("/own/{id}", on_get(ok)).fallback_service(users(None).layer(RouteLayer::new()));
    let fallback = fallback.layer(server);
    for (why, app, path, wanted) in [
        ("without", &hidden, "/api/1/users/7", (200, "GET")),
        ("without, nothing found", &hidden, "/api/1/nowhere", (404, "GET")),
        ("with", &told, "/api/1/users/7", (200, "GET /api/{v}/users/{id}")),
        ("with, its root", &told, "/api/1/", (200, "GET /api/{v}/")),
        ("with, nothing found", &told, "/api/1/nowhere", (404, "GET")),
        ("with, its root without a slash", &told, "/api/1", (200, "GET /api/{v}/")),
        ("twice", &deep, "/api/1/in/users/7", (200, "GET /api/{v}/in/users/{id}")),
        ("a router behind the fallback", &fallback, "/users/7", (200, "GET /users/{id}")),
        ("beside it", &fallback, "/own/7", (200, "GET /own/{id}")),
        ("nothing found behind the fallback", &fallback, "/nowhere", (404, "GET")),
    ] {
        let found = named(status_of(app.clone(), path).await, &spans, why);
        assert_eq!(found, (wanted.0, wanted.1.to_owned()), "{why}");
    }
}

#[tokio::test]
async fn of_an_app_within_the_layer_are_known_to_a_route_layer_inside() {
    let (tracer, spans) = tracer();
    let server = HttpServerLayer::new(&tracer);
    for (why, app, path, wanted) in [
        ("without", users(None), "/users/7", (200, "GET")),
        ("with", users(None).layer(RouteLayer::new()), "/users/7", (200, "GET /users/{id}")),
        ("with, as a route layer", users(None).route_layer(RouteLayer::new()), "/users/7", (200, "GET /users/{id}")),
        (
            "nested",
            Router::new().nest("/a", users(None)).layer(RouteLayer::new()),
            "/a/users/7",
            (200, "GET /a/users/{id}"),
        ),
        ("nothing found", users(None).layer(RouteLayer::new()), "/nowhere", (404, "GET")),
    ] {
        let found = named(status_of(server.layer(app), path).await, &spans, why);
        assert_eq!(found, (wanted.0, wanted.1.to_owned()), "{why}");
    }
}

#[tokio::test]
async fn where_the_server_layer_sees_them_a_route_layer_changes_nothing() {
    let (tracer, spans) = tracer();
    let app = users(None).layer(RouteLayer::new()).layer(HttpServerLayer::new(&tracer));
    let found = named(status_of(app, "/users/7").await, &spans, "both");
    assert_eq!(found, (200, "GET /users/{id}".to_owned()));
    assert_eq!(status_of(users(None).layer(RouteLayer::new()), "/users/7").await, 200, "no server layer at all");
}

#[tokio::test]
async fn without_a_handler_there_is_none_or_the_one_that_matched() {
    let (tracer, spans) = tracer();
    let app = Router::new()
        .route("/orders/{id}", post(ok))
        .nest("/nested", Router::new().route("/a", on_get(ok)).fallback(async || StatusCode::GONE))
        .fallback(async || StatusCode::IM_A_TEAPOT)
        .layer(HttpServerLayer::new(&tracer));
    for (why, path, wanted) in [
        ("the method is not allowed", "/orders/7", (405, "GET /orders/{id}")),
        ("the fallback", "/nowhere/7", (418, "GET")),
        ("the fallback of a nested router", "/nested/nowhere", (410, "GET")),
    ] {
        let found = named(status_of(app.clone(), path).await, &spans, why);
        assert_eq!(found, (wanted.0, wanted.1.to_owned()), "{why}");
    }
}

#[tokio::test]
async fn middleware_that_answers_early_has_the_route_if_it_is_inside_the_router() {
    async fn forbid(_: Request, _: Next) -> Response {
        StatusCode::FORBIDDEN.into_response()
    }
    let (tracer, spans) = tracer();
    let server = HttpServerLayer::new(&tracer);
    let forbidding = from_fn(forbid);
    let inside = users(None).layer(forbidding.clone()).layer(server.clone());
    let of_a_route = Router::new().route("/users/{id}", on_get(ok).layer(forbidding.clone())).layer(server.clone());
    let before_route_layer = users(None).layer(RouteLayer::new()).layer(forbidding.clone());
    let behind_route_layer = users(None).layer(forbidding).layer(RouteLayer::new());
    let mut found = Vec::new();
    found.push(("inside", named(status_of(inside, "/users/7").await, &spans, "inside")));
    found.push(("of a route", named(status_of(of_a_route, "/users/7").await, &spans, "of a route")));
    let status = status_of(server.layer(before_route_layer), "/users/7").await;
    found.push(("before a route layer", named(status, &spans, "before a route layer")));
    let status = status_of(server.layer(behind_route_layer), "/users/7").await;
    found.push(("behind a route layer", named(status, &spans, "behind a route layer")));
    let wanted = ["GET /users/{id}", "GET /users/{id}", "GET", "GET /users/{id}"];
    for ((why, found), wanted) in found.into_iter().zip(wanted) {
        assert_eq!(found, (403, wanted.to_owned()), "{why}");
    }
}

#[tokio::test]
async fn a_handler_knows_better_and_a_filter_does_not() {
    async fn handler(Path(source): Path<u8>) {
        let (source, route) = match source {
            1 => (RouteSource::Filter, "/a/filter/that/is/long"),
            2 => (RouteSource::Server, "/a/server/that/is/long"),
            3 => (RouteSource::Controller, "/c"),
            _ => (RouteSource::NestedController, "/n"),
        };
        set_route(source, route);
    }
    let (tracer, spans) = tracer();
    let app = || Router::new().route("/by/{source}", on_get(handler));
    let seen = app().layer(HttpServerLayer::new(&tracer));
    let told = app().layer(RouteLayer::new()).layer(HttpServerLayer::new(&tracer));
    for (source, by_layer, by_route_layer) in [
        (1, "GET /by/{source}", "GET /by/{source}"),
        (2, "GET /by/{source}", "GET /by/{source}"),
        (3, "GET /c", "GET /by/{source}"),
        (4, "GET /n", "GET /by/{source}"),
    ] {
        for (app, wanted) in [(&seen, by_layer), (&told, by_route_layer)] {
            let found = named(status_of(app.clone(), &format!("/by/{source}")).await, &spans, "a handler");
            assert_eq!(found, (200, wanted.to_owned()), "{source}");
        }
    }
}

#[tokio::test]
async fn a_server_layer_on_a_nested_router_is_enough() {
    let (tracer, spans) = tracer();
    let app = Router::new().nest_service("/api", users(Some(&tracer)));
    let found = named(status_of(app, "/api/users/7").await, &spans, "inside a service");
    assert_eq!(found, (200, "GET /api/users/{id}".to_owned()));
}
