//! The orders: axum, and everything that loses a context where nobody takes care.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::routing::{get, post};
use axum::serve::ListenerExt as _;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use throughline::axum::CurrentSpan;
use throughline::task::{self, JoinSetExt as _, traced};
use throughline::tower::{Resend, ResendLayer};
use throughline::{Context, SpanEnd, Telemetry, Tracer};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::retry::{Policy, Retry, RetryLayer};
use tower::{ServiceBuilder, ServiceExt as _};
use tower_http::catch_panic::CatchPanicLayer;

use crate::client::{Client, request, traced_client};
use crate::{BoxError, inventory};

#[derive(Clone)]
struct Orders {
    stock: Resend<Retry<Attempts, Client>>,
    inventory: SocketAddr,
    clerk: mpsc::Sender<Envelope>,
    background: TaskTracker,
}

/// A job for the clerk, in the context of whoever sends it. A channel does not carry contexts: the message does.
type Envelope = (Context, Invoice);

struct Invoice {
    books: usize,
    number: oneshot::Sender<u32>,
}

/// Asks again while the inventory is unavailable.
#[derive(Clone)]
struct Attempts {
    left: u32,
}

pub(crate) async fn serve(
    listener: TcpListener,
    telemetry: Telemetry,
    inventory: SocketAddr,
    closing: CancellationToken,
) -> Result<(), BoxError> {
    // Outside the retry the counter, inside it the layer that makes spans: each attempt is a span, and is numbered.
    let stock = ServiceBuilder::new()
        .layer(ResendLayer::new())
        .layer(RetryLayer::new(Attempts { left: 2 }))
        .service(traced_client(&telemetry)?);
    let (clerk, desk) = mpsc::channel(8);
    let background = TaskTracker::new();
    background.spawn(work(desk));
    let orders = Orders { stock, inventory, clerk, background: background.clone() };
    let app = Router::new()
        .route("/orders", post(place))
        .route("/orders/{id}", get(read))
        .route("/orders/{id}/log", get(log))
        .route("/orders/{id}/live", get(live))
        .layer(telemetry.axum_server())
        // Outside the layer above: the span sees the panic, the client gets a 500, the connection lives on.
        .layer(CatchPanicLayer::new())
        .with_state(orders);
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
    let listener = listener.tap_io(|socket| drop(socket.set_nodelay(true)));
    axum::serve(listener, app).with_graceful_shutdown(closing.cancelled_owned()).await?;
    background.close();
    background.wait().await;
    Ok(())
}

/// Takes an order for some books: a fan-out, a thread, a channel and a task that nobody waits for.
async fn place(State(orders): State<Orders>, span: CurrentSpan, list: String) -> Result<Response<Body>, StatusCode> {
    let books: Vec<String> = list.split_whitespace().map(str::to_owned).collect();
    span.set("order.books", books.len());

    // Fan-out: each task has the context of this request, so that its HTTP call is a child of this request's span.
    let mut stock = JoinSet::new();
    for book in books.clone() {
        let orders = orders.clone();
        stock.spawn_in_context(async move { orders.stock(&book).await });
    }
    while let Some(answer) = stock.join_next().await {
        answer.map_err(internal)??;
    }

    // A thread where blocking is fine: the closure has the context, and makes a span in it.
    let sum = task::spawn_blocking(move || checksum(&list));
    span.set("order.checksum", sum.await.map_err(internal)?);

    // A channel: the context travels in the envelope.
    let (number, answer) = oneshot::channel();
    let envelope = (Context::current(), Invoice { books: books.len(), number });
    orders.clerk.send(envelope).await.map_err(internal)?;
    let number = answer.await.map_err(internal)?;

    // A detached task: its span is a child of this request's, although it begins when that one has ended.
    let (answered, until_answered) = oneshot::channel::<Infallible>();
    let receipt = async move {
        let _ = until_answered.await;
        traced("send receipt", tokio::time::sleep(Duration::from_millis(3))).await;
    };
    task::spawn(orders.background.track_future(receipt));

    let text = Full::from(format!("invoice {number}\n"));
    // Dropped with the body, when that was sent. A real shop would not care when it writes a receipt.
    let body = text.map_frame(move |frame| {
        let _until_sent = &answered;
        frame
    });
    Ok(Response::new(Body::new(body)))
}

/// A span made by hand, for code that is no future.
fn checksum(list: &str) -> u32 {
    let span = Tracer::current().span("checksum").start();
    let sum = list.bytes().fold(0_u32, |sum, byte| sum.rotate_left(5) ^ u32::from(byte));
    span.end(SpanEnd::Completed);
    sum
}

/// The clerk, who writes one invoice after the other. The task belongs to no request.
async fn work(mut desk: mpsc::Receiver<Envelope>) {
    let mut last = 0;
    while let Some((context, Invoice { books, number })) = desk.recv().await {
        last += 1;
        // `traced` makes a child of the context that is current where it is called: here, the sender's.
        let written = context.scope(|| {
            traced("write invoice", tokio::time::sleep(Duration::from_millis(2))).attribute("invoice.books", books)
        });
        written.await;
        // Whoever asked may have gone.
        let _ = number.send(last);
    }
}

/// Reads one order. Some numbers are special.
async fn read(State(orders): State<Orders>, span: CurrentSpan, Path(id): Path<u32>) -> Result<String, StatusCode> {
    span.set("order.id", id);
    let book = match id {
        0 => panic!("{PLANNED_PANIC}"),
        7 => "dune",
        8 => inventory::HIGH_UP,
        500 => {
            // What the application says of the failure stands before the 500.
            span.event("record is damaged", &[("record.offset".into(), 4096.into())]);
            span.set_error("damaged_record");
            return Err(StatusCode::INTERNAL_SERVER_ERROR);
        }
        _ => return Err(StatusCode::NOT_FOUND),
    };
    let stock = orders.stock(book).await?;
    Ok(format!("order {id}: {stock}\n"))
}

/// Streams what happened to an order, as a task finds it out. The server's span ends with the stream.
async fn log(State(orders): State<Orders>) -> Body {
    let (chunks, body) = channel();
    let entries = async move {
        for entry in ["ordered\n", "packed\n", "delivered\n"] {
            tokio::time::sleep(Duration::from_millis(1)).await;
            if chunks.send(entry).await.is_err() {
                break;
            }
        }
    };
    task::spawn(orders.background.track_future(traced("read log", entries)));
    body
}

/// Streams what happens to an order until the client has enough.
async fn live(State(orders): State<Orders>) -> Body {
    let (chunks, body) = channel();
    let news = async move {
        let _ = chunks.send("packed\n").await;
        // There is no more news, but there could be: the stream ends when nobody listens.
        chunks.closed().await;
        Context::current().span().event("nobody listens any more", &[]);
    };
    task::spawn(orders.background.track_future(traced("watch order", news)));
    body
}

// === impl Orders ===

impl Orders {
    /// What the inventory says of a book.
    async fn stock(&self, book: &str) -> Result<String, StatusCode> {
        let request = request(Method::GET, self.inventory, &format!("/stock/{book}"), Bytes::new());
        let request = request.map_err(|_| StatusCode::BAD_REQUEST)?;
        let answer = self.stock.clone().oneshot(request).await.map_err(|_| StatusCode::BAD_GATEWAY)?;
        if !answer.status().is_success() {
            return Err(StatusCode::BAD_GATEWAY);
        }
        let body = answer.into_body().collect().await.map_err(|_| StatusCode::BAD_GATEWAY)?;
        Ok(String::from_utf8_lossy(&body.to_bytes()).into_owned())
    }
}

// === impl Attempts ===

impl<B: Clone, R, E> Policy<Request<B>, Response<R>, E> for Attempts {
    type Future = std::future::Ready<()>;

    fn retry(&mut self, _: &mut Request<B>, result: &mut Result<Response<R>, E>) -> Option<Self::Future> {
        let unavailable = matches!(result, Ok(response) if response.status() == StatusCode::SERVICE_UNAVAILABLE);
        self.left = self.left.checked_sub(1).filter(|_| unavailable)?;
        Some(std::future::ready(()))
    }

    fn clone_request(&mut self, request: &Request<B>) -> Option<Request<B>> {
        Some(request.clone())
    }
}

/// Details are nothing for the client.
fn internal<E>(_: E) -> StatusCode {
    StatusCode::INTERNAL_SERVER_ERROR
}

/// A body, and the sender of its chunks.
fn channel() -> (mpsc::Sender<&'static str>, Body) {
    let (sender, mut receiver) = mpsc::channel(1);
    let chunks = stream::poll_fn(move |cx| receiver.poll_recv(cx));
    (sender, Body::from_stream(chunks.map(Ok::<_, Infallible>)))
}

/// What the handler that panics says.
pub(crate) const PLANNED_PANIC: &str = "there is no order 0";
