//! What the tests share: polls by hand, requests, and the one span that ended.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Poll;

use http::response::Builder;
use http::{Method, Request, Response};
use http_body::{Body, Frame};
use http_body_util::BodyExt as _;
use throughline_core::{Context, SpanContext, SpanData};
use throughline_testing::{BodyError, MemorySink, ScriptedBody, ScriptedService};
use tokio_test::task;
use tower::{Layer, Service};

pub(crate) type Scripted<B = ScriptedBody> = ScriptedService<Request<()>, Response<B>, BodyError>;

pub(crate) type FrameResult<B> = Result<Frame<<B as Body>::Data>, <B as Body>::Error>;

pub(crate) const T: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
pub(crate) const P: &str = "00f067aa0ba902b7";
pub(crate) const SAMPLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
pub(crate) const UNSAMPLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";

pub(crate) fn get(uri: &str) -> Request<()> {
    request(Method::GET, uri, [])
}

pub(crate) fn request<const N: usize>(method: Method, uri: &str, headers: [(&str, &[u8]); N]) -> Request<()> {
    let mut request = Request::builder().method(method).uri(uri);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    request.body(()).expect("the test's own request is valid")
}

pub(crate) fn status(status: u16) -> Builder {
    Response::builder().status(status)
}

pub(crate) fn remote(traceparent: &str) -> SpanContext {
    SpanContext::from_traceparent(traceparent.as_bytes()).expect("the test's own traceparent is valid")
}

/// The value of a header that is there once.
#[track_caller]
pub(crate) fn header(request: &Request<()>, name: &str) -> Option<String> {
    let mut values = request.headers().get_all(name).iter();
    let value = values.next()?;
    assert!(values.next().is_none(), "`{name}` is there twice");
    Some(value.to_str().expect("a header that throughline wrote").to_owned())
}

/// The output of a future that waits for nobody.
#[track_caller]
pub(crate) fn ready<F: Future>(future: F) -> F::Output {
    match task::spawn(future).poll_until_idle() {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("the future waits for something"),
    }
}

/// What the layer makes of one answer to one request.
#[track_caller]
pub(crate) fn exchange<L, B, R>(layer: &L, request: Request<()>, answer: Response<B>) -> Response<R>
where
    L: Layer<Scripted<B>>,
    L::Service: Service<Request<()>, Response = Response<R>, Error = BodyError>,
{
    ready(layer.layer(Scripted::new().respond(answer)).call(request)).expect("the answer is a response")
}

/// The next frame of a body that waits for nobody.
#[track_caller]
pub(crate) fn frame<B: Body + Unpin>(body: &mut B) -> Option<FrameResult<B>> {
    ready(body.frame())
}

/// One poll of a body, whose waker nobody waits for.
pub(crate) fn poll_frame<B: Body>(body: &mut task::Spawn<B>) -> Poll<Option<FrameResult<B>>> {
    body.enter(|cx, body| body.poll_frame(cx))
}

/// Polls until the body has ended or failed; how many frames there were.
#[track_caller]
pub(crate) fn drain<B: Body + Unpin>(body: &mut B) -> Result<usize, B::Error> {
    let mut frames = 0;
    while let Some(frame) = frame(body) {
        frame?;
        frames += 1;
    }
    Ok(frames)
}

/// The only span that ended since the last look.
#[track_caller]
pub(crate) fn one(spans: &MemorySink) -> SpanData {
    let mut ended = spans.take();
    assert_eq!(ended.len(), 1, "exactly one span ends:\n{}", throughline_testing::tree(&ended));
    ended.remove(0)
}

/// The text of an attribute; numbers as they are written.
pub(crate) fn text(span: &SpanData, key: &str) -> Option<String> {
    span.attribute(key).map(ToString::to_string)
}

/// Runs what panics by the script: its panic came through, and nothing stayed attached.
#[track_caller]
pub(crate) fn panics<R>(work: impl FnOnce() -> R) {
    let payload = catch_unwind(AssertUnwindSafe(work)).err().expect("the panic passes through");
    assert_eq!(payload.downcast_ref(), Some(&"scripted panic"), "it is the handler's own panic");
    assert!(Context::current().is_root(), "the context is restored");
}

/// What the handler of a layer sees of its own context, answering 200.
#[track_caller]
pub(crate) fn seen_by_handler<L, R>(layer: &L, request: Request<()>) -> Context
where
    L: Layer<LookAround>,
    L::Service: Service<Request<()>, Response = Response<R>, Error = BodyError>,
{
    let seen = LookAround::default();
    drop(ready(layer.layer(seen.clone()).call(request)).expect("the handler answers"));
    let context = seen.0.lock().unwrap().take();
    context.expect("the handler was called")
}

/// A handler that keeps the context that it is called in.
#[derive(Clone, Default)]
pub(crate) struct LookAround(std::sync::Arc<std::sync::Mutex<Option<Context>>>);

impl Service<Request<()>> for LookAround {
    type Response = Response<ScriptedBody>;
    type Error = BodyError;
    type Future = std::future::Ready<Result<Self::Response, BodyError>>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> Poll<Result<(), BodyError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        *self.0.lock().unwrap() = Some(Context::current());
        std::future::ready(Ok(Response::new(ScriptedBody::new())))
    }
}
