//! The route that the harness posts to.

use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use bytes::Bytes;
use http::StatusCode;
use serde_json::{Value, json};
use throughline::Telemetry;
use throughline::tower::InvalidHost;

use crate::calls::{Call, Caller};

/// `POST /test`: makes the calls of the body, one after the other, and answers 200 with what became of each.
///
/// The body is a JSON list of `{"url": …, "arguments": …}`; `null` is an empty list.
///
/// # Errors
///
/// None: the hosts that may read baggage are constants.
pub fn router(telemetry: &Telemetry) -> Result<Router, InvalidHost> {
    let caller = Caller::new(telemetry)?;
    Ok(Router::new().route("/test", post(test)).with_state(caller).layer(telemetry.axum_server()))
}

/// Takes bytes, not `Json`: whoever tries it by hand need not declare the content type.
async fn test(State(caller): State<Caller>, body: Bytes) -> (StatusCode, Json<Value>) {
    let calls = match serde_json::from_slice::<Option<Vec<Call>>>(&body) {
        Ok(calls) => calls.unwrap_or_default(),
        Err(error) => return (StatusCode::BAD_REQUEST, Json(json!({ "error": error.to_string() }))),
    };
    let mut results = Vec::with_capacity(calls.len());
    for call in calls {
        results.push(match caller.call(call).await {
            Ok(status) => json!({ "status": status.as_u16() }),
            Err(error) => json!({ "error": crate::describe(&*error) }),
        });
    }
    (StatusCode::OK, Json(Value::Array(results)))
}
