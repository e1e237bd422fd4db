//! Answers that are there at once.

use axum::extract::Path;
use axum::http::{HeaderName, StatusCode, header};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::app::Shared;

pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/users/{id}", get(user))
        .nest("/nested", Router::new().route("/a/{x}", get(nested)))
        .route("/empty", get(StatusCode::NO_CONTENT))
        .route("/not-modified", get(StatusCode::NOT_MODIFIED))
        .route("/redirect", get(redirect))
        .route("/status/{code}", get(status))
}

async fn user(Path(id): Path<String>) -> Json<Value> {
    Json(json!({ "id": id }))
}

async fn nested(Path(x): Path<String>) -> String {
    x
}

async fn redirect() -> (StatusCode, [(HeaderName, &'static str); 1]) {
    (StatusCode::FOUND, [(header::LOCATION, "/users/1")])
}

async fn status(Path(code): Path<u16>) -> StatusCode {
    let status = StatusCode::from_u16(code).ok();
    // An informational status is no answer: another one would have to follow.
    status.filter(|status| !status.is_informational()).unwrap_or(StatusCode::BAD_REQUEST)
}
