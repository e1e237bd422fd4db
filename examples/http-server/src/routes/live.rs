//! Answers that go on: server-sent events and WebSockets.

use std::convert::Infallible;

use axum::Router;
use axum::extract::Query;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::response::{IntoResponse, Sse, sse};
use axum::routing::get;
use futures_util::{StreamExt as _, stream};
use serde::Deserialize;

use crate::app::Shared;
use crate::bounds::Count;

pub(super) fn routes() -> Router<Shared> {
    Router::new().route("/sse", get(events)).route("/ws", get(upgrade))
}

#[derive(Deserialize)]
#[serde(default)]
struct Events {
    events: Count,
}

async fn events(Query(Events { events }): Query<Events>) -> impl IntoResponse {
    let numbers = stream::iter(1..=events.get());
    Sse::new(numbers.map(|number| {
        let event = sse::Event::default().id(number.to_string()).data(format!("event {number}"));
        Ok::<_, Infallible>(event)
    }))
}

/// The request ends with its 101; what comes after is no answer any more.
async fn upgrade(upgrade: WebSocketUpgrade) -> impl IntoResponse {
    upgrade.max_message_size(MAX_MESSAGE).max_frame_size(MAX_MESSAGE).on_upgrade(echo)
}

/// Pings and the closing handshake are answered below.
async fn echo(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        if matches!(message, Message::Text(_) | Message::Binary(_)) && socket.send(message).await.is_err() {
            return;
        }
    }
}

impl Default for Events {
    fn default() -> Self {
        Self { events: Count::of::<3>() }
    }
}

const MAX_MESSAGE: usize = 1 << 20;
