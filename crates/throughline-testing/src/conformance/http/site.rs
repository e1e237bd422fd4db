//! What a server under test serves.

use std::collections::HashMap;
use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{self, Poll};

use bytes::{Buf as _, Bytes};
use http::{Request, Response};
use http_body::Body;
use throughline_core::{Context, SpanEnd, Tracer};
use tower_service::Service;

use crate::{ContextLog, Gate, Point, ScriptedBody};

/// The service behind the adapter: answers each request by the script that the running case has put at its path.
#[derive(Clone, Debug)]
pub struct Site(Arc<Shared>);

/// Future of [`Site`].
#[must_use = "futures do nothing unless polled"]
pub struct Acting {
    inner: Pin<Box<dyn Future<Output = Response<ScriptedBody<io::Error>>> + Send>>,
    log: ContextLog,
}

/// What is to happen at one path, and what did.
#[derive(Clone, Debug)]
pub(crate) struct Scene {
    pub(crate) path: String,
    /// Opened when the handler has the request.
    pub(crate) arrived: Gate,
    /// Which span was current in the handler, and in its body.
    pub(crate) log: ContextLog,
    pub(crate) seen: Arc<Mutex<Seen>>,
}

/// The rest of the handler's context.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) tracestate: Option<String>,
    pub(crate) baggage: Option<String>,
}

/// What a handler does.
#[derive(Debug)]
pub(crate) struct Script {
    act: Act,
    response: Response<ScriptedBody<io::Error>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Act {
    Answer,
    Never,
    Panic,
    PanicInCall,
    /// Reads the request's body first; 400 if that fails.
    Upload,
    /// Makes a span of its own first.
    Child,
}

#[derive(Debug)]
struct Shared {
    tracer: Tracer,
    next: AtomicU64,
    scenes: Mutex<HashMap<String, (Scene, Script)>>,
}

// === impl Site ===

impl Site {
    /// Where it belongs in a router, as axum writes routes; an adapter without a router serves it everywhere.
    pub const ROUTE: &str = "/conformance/{scene}";

    pub(crate) fn new(tracer: &Tracer) -> Self {
        let scenes = Mutex::new(HashMap::new());
        Self(Arc::new(Shared { tracer: tracer.clone(), next: AtomicU64::new(0), scenes }))
    }

    /// Puts a script at a path of its own.
    pub(crate) fn scene(&self, script: Script) -> Scene {
        let path = format!("/conformance/{}", self.0.next.fetch_add(1, Ordering::Relaxed));
        self.scene_at(&path, script)
    }

    pub(crate) fn scene_at(&self, path: &str, script: Script) -> Scene {
        let (arrived, log) = (Gate::new(), ContextLog::new());
        let scene = Scene { path: path.to_owned(), arrived, log, seen: Arc::default() };
        let mut scenes = self.0.scenes.lock().unwrap_or_else(PoisonError::into_inner);
        scenes.insert(path.to_owned(), (scene.clone(), script));
        scene
    }

    fn take(&self, path: &str) -> Option<(Scene, Script)> {
        self.0.scenes.lock().unwrap_or_else(PoisonError::into_inner).remove(path)
    }
}

impl<B> Service<Request<B>> for Site
where
    B: Body<Data: Send> + Send + 'static,
{
    type Response = Response<ScriptedBody<io::Error>>;
    type Error = Infallible;
    type Future = Acting;

    fn poll_ready(&mut self, _: &mut task::Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Acting {
        let Some((scene, mut script)) = self.take(request.uri().path()) else {
            let missing = Script::new().status(404).response;
            return Acting { inner: Box::pin(async { missing }), log: ContextLog::new() };
        };
        scene.log.note(Point::Call);
        *scene.seen.lock().unwrap_or_else(PoisonError::into_inner) = Seen::now();
        assert!(script.act != Act::PanicInCall, "a case panics in the handler's call");
        let Scene { arrived, log, .. } = scene;
        script.response = script.response.map(|body| body.observed_by(&log));
        let tracer = self.0.tracer.clone();
        let inner = Box::pin(async move {
            arrived.open();
            script.play(request.into_body(), &tracer).await
        });
        Acting { inner, log }
    }
}

// === impl Acting ===

impl Future for Acting {
    type Output = Result<Response<ScriptedBody<io::Error>>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Self::Output> {
        self.log.note(Point::Poll);
        self.inner.as_mut().poll(cx).map(Ok)
    }
}

impl Drop for Acting {
    fn drop(&mut self) {
        self.log.note(Point::Drop);
    }
}

impl fmt::Debug for Acting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acting").finish_non_exhaustive()
    }
}

// === impl Seen ===

impl Seen {
    fn now() -> Self {
        let context = Context::current();
        let baggage = context.has_baggage().then(|| context.baggage().to_string());
        Self { tracestate: context.tracestate().map(ToString::to_string), baggage }
    }
}

// === impl Script ===

impl Script {
    /// Answers 200 without a body.
    pub(crate) fn new() -> Self {
        Self { act: Act::Answer, response: Response::new(ScriptedBody::of()) }
    }

    pub(crate) fn body(body: ScriptedBody<io::Error>) -> Self {
        Self { act: Act::Answer, response: Response::new(body) }
    }

    /// Of a length that the head tells.
    pub(crate) fn text(text: &'static str) -> Self {
        Self::body(ScriptedBody::of().data(text).exact_size())
    }

    pub(crate) fn status(mut self, status: u16) -> Self {
        *self.response.status_mut() = http::StatusCode::from_u16(status).unwrap_or_default();
        self
    }

    pub(crate) fn header(mut self, name: &'static str, value: &'static str) -> Self {
        self.response.headers_mut().insert(name, http::HeaderValue::from_static(value));
        self
    }

    pub(crate) fn never() -> Self {
        Self { act: Act::Never, ..Self::new() }
    }

    pub(crate) fn panic() -> Self {
        Self { act: Act::Panic, ..Self::new() }
    }

    pub(crate) fn panic_in_call() -> Self {
        Self { act: Act::PanicInCall, ..Self::new() }
    }

    pub(crate) fn after_upload(self) -> Self {
        Self { act: Act::Upload, ..self }
    }

    pub(crate) fn after_a_child(self) -> Self {
        Self { act: Act::Child, ..self }
    }

    async fn play<B: Body>(self, body: B, tracer: &Tracer) -> Response<ScriptedBody<io::Error>> {
        match self.act {
            Act::Answer | Act::PanicInCall => self.response,
            Act::Never => std::future::pending().await,
            Act::Panic => panic!("a case panics in the handler"),
            Act::Upload => match drain(body).await {
                Some(_) => self.response,
                None => self.status(400).response,
            },
            Act::Child => {
                tracer.span("child").start().end(SpanEnd::Completed);
                self.response
            }
        }
    }
}

/// Reads a body to its end; how long it was, if it did not fail.
async fn drain<B: Body>(body: B) -> Option<usize> {
    let (mut body, mut len) = (pin!(body), 0);
    while let Some(frame) = std::future::poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
        len += frame.ok()?.into_data().map_or(0, |data| data.remaining());
    }
    Some(len)
}

/// A body of these frames that never says that it has ended before it is asked for more.
pub(crate) fn chunks<const N: usize>(chunks: [&'static str; N]) -> ScriptedBody<io::Error> {
    let frames = chunks.into_iter().map(|chunk| Bytes::from_static(chunk.as_bytes()));
    frames.fold(ScriptedBody::of(), ScriptedBody::data).end_stream(crate::EndStream::Never)
}
