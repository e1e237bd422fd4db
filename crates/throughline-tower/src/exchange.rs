//! One request and its response, as far as its span goes.

use std::fmt::Write as _;
use std::mem;
use std::sync::Arc;

use http::{HeaderMap, Method, Response, StatusCode, Version};
use throughline_core::{Context, Span, SpanEnd, TextList, Value};

use crate::attributes::{self, ResponseView};
use crate::captured_headers::CapturedHeaders;
use crate::error_type::error_type;
use crate::hooks::ErrorType;
use crate::scratch::with_scratch;
use crate::upgrade::UpgradeSlot;
use crate::{route, trace_response};

/// The context to attach and the span to end, on their way from the call through the future into the body.
#[doc(hidden)]
pub struct Exchange {
    pub(crate) context: Context,
    span: Span,
    options: Option<Arc<ResponseOptions>>,
    status: Option<StatusCode>,
    version: Option<Version>,
    pub(crate) side: Side,
    /// The response's body is never asked for.
    head_request: bool,
    /// What follows a good answer is a tunnel.
    connect: bool,
    /// A route was looked for in vain.
    pub(crate) unrouted: bool,
    /// Whoever takes up the connection after the answer may keep the span open.
    upgradable: bool,
}

/// What either side may be told about responses. Behind one word: every request carries the place for it, few a value.
#[derive(Clone, Default)]
pub(crate) struct ResponseOptions {
    pub(crate) error_type: Option<ErrorType>,
    pub(crate) headers: Option<CapturedHeaders>,
    pub(crate) body_sizes: bool,
    pub(crate) first_byte: bool,
    pub(crate) trace_response: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Server,
    /// The span ends at the response's head.
    ClientHead,
    /// The span ends at the response body's end.
    ClientBody,
}

/// How far a request came.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub enum Phase {
    Head,
    Body,
}

impl Exchange {
    #[inline]
    pub(crate) fn new(side: Side, span: Span, method: &Method, options: Option<&Arc<ResponseOptions>>) -> Self {
        Self {
            context: span.context(),
            span,
            options: options.cloned(),
            status: None,
            version: None,
            side,
            head_request: *method == Method::HEAD,
            connect: *method == Method::CONNECT,
            unrouted: false,
            upgradable: false,
        }
    }

    /// A request that has no span: its context is attached all the same.
    pub(crate) fn without_span(side: Side, context: Context) -> Self {
        Self {
            context,
            span: Span::NONE,
            options: None,
            status: None,
            version: None,
            side,
            head_request: false,
            connect: false,
            unrouted: false,
            upgradable: false,
        }
    }

    /// Lets whoever takes up the connection after the answer keep the span open.
    #[cold]
    pub(crate) fn offer_upgrade(&mut self) {
        self.context = UpgradeSlot::offer(&self.context);
        self.upgradable = true;
    }

    /// Nothing to end, and no context that anything further would need.
    pub(crate) fn is_idle(&self) -> bool {
        self.span.is_none() && self.context.is_root()
    }

    /// Whether the end of the body matters to somebody: the span is recorded.
    #[inline]
    pub(crate) fn is_recording(&self) -> bool {
        self.span.is_recording()
    }

    /// Whether the size of the response's body is recorded.
    pub(crate) fn measures_body(&self) -> bool {
        self.options.as_ref().is_some_and(|options| options.body_sizes)
    }

    /// Whether anybody wants to know when the first byte is handed on.
    pub(crate) fn wants_first_byte(&self) -> bool {
        self.options.as_ref().is_some_and(|options| options.first_byte)
    }

    pub(crate) fn first_byte(&self) {
        self.span.record(|span| span.event(FIRST_BYTE, &[]));
    }

    /// Runs the inner service's code in the context; a panic that passes through ends the span.
    #[inline]
    pub fn run<R>(&mut self, phase: Phase, work: impl FnOnce() -> R) -> R {
        let armed = Armed { exchange: self, phase };
        let result = {
            let _entered = armed.exchange.context.enter();
            work()
        };
        mem::forget(armed);
        result
    }

    /// Notes the response's head.
    #[inline]
    pub(crate) fn head<B>(&mut self, response: &mut Response<B>) {
        self.status = Some(response.status());
        self.version = Some(response.version());
        #[cfg(feature = "hyper")]
        if self.side != Side::Server && self.is_recording() && !response.extensions().is_empty() {
            if let Some(info) = response.extensions().get::<hyper_util::client::legacy::connect::HttpInfo>() {
                self.peer(info.remote_addr());
            }
        }
        if self.options.is_some() {
            self.optional_head(response.headers_mut());
        }
    }

    #[cold]
    fn optional_head(&self, headers: &mut HeaderMap) {
        let Some(options) = &self.options else { return };
        self.captured_head(headers);
        if let Some(span) = self.span.span_context().filter(|_| options.trace_response) {
            trace_response::write(&span, headers);
        }
    }

    /// Notes the head of a response that is no `http::Response`.
    pub fn foreign_head(&mut self, status: StatusCode, version: Version, headers: &HeaderMap) {
        self.status = Some(status);
        self.version = Some(version);
        self.captured_head(headers);
    }

    fn captured_head(&self, headers: &HeaderMap) {
        let captured = self.options.as_ref().and_then(|options| options.headers.as_ref());
        if let Some(captured) = captured.filter(|_| self.is_recording()) {
            self.span.record(|span| {
                captured.each(headers, |key, values| span.set(key, Value::List(TextList::from(values))));
            });
        }
    }

    /// Notes the socket's other end.
    pub fn peer(&self, peer: std::net::SocketAddr) {
        self.span.record(|span| {
            with_scratch(|text| {
                let _ = write!(text, "{}", peer.ip().to_canonical());
                span.push(attributes::PEER_ADDRESS, &**text);
            });
            span.push(attributes::PEER_PORT, peer.port());
        });
    }

    /// RFC 9110 §6.4.1, and §9.3.6 of CONNECT: no server sends, and no client reads, a body of these; nobody polls it.
    #[inline]
    pub(crate) fn has_no_body(&self) -> bool {
        self.head_request
            || self.status.is_some_and(|status| {
                status.is_informational() || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
            })
            || self.is_tunnel()
    }

    /// Whether what follows the head is another protocol.
    fn is_tunnel(&self) -> bool {
        self.status
            .is_some_and(|status| status == StatusCode::SWITCHING_PROTOCOLS || (self.connect && status.is_success()))
    }

    /// The span's end, or that of the connection that follows.
    #[inline]
    pub(crate) fn complete_at_head(mut self) {
        if self.upgradable && self.is_tunnel() {
            return UpgradeSlot::fill(self);
        }
        self.complete(Some(0));
    }

    #[inline]
    pub fn complete(&mut self, sent: Option<u64>) {
        if self.unrouted {
            self.look_for_route();
        }
        self.end(SpanEnd::Completed, None, None, sent);
    }

    #[cold]
    pub fn fail<E: 'static>(&mut self, error: &E, sent: Option<u64>) {
        self.fail_as(error, error_type, sent);
    }

    /// With the adapter's own name for an error that the user has not named.
    #[cold]
    pub fn fail_as<E: 'static>(&mut self, error: &E, name: impl FnOnce(&E) -> &'static str, sent: Option<u64>) {
        let named = |own: &ErrorType| self.context.tracer()?.guarded(|| own(error))?;
        let own = self.options.as_ref().and_then(|options| options.error_type.as_ref()).and_then(named);
        self.end(SpanEnd::Failed, Some(own.unwrap_or_else(|| name(error))), None, sent);
    }

    /// Whoever waited has gone. For a server that is an error, for a client the caller's decision.
    #[cold]
    pub fn cancel(&mut self, phase: Phase, sent: Option<u64>) {
        let error_type = (self.side == Side::Server).then_some("cancelled");
        self.end(SpanEnd::Cancelled, error_type, Some(phase), sent);
    }

    /// The body ended before its declared length.
    #[cold]
    pub(crate) fn fall_short(&mut self, sent: u64) {
        self.end(SpanEnd::Failed, Some("incomplete_body"), None, Some(sent));
    }

    pub(crate) fn panicked(&mut self) {
        self.end(SpanEnd::Panicked, Some("panic"), Some(Phase::Body), None);
    }

    /// Takes the context out of which the span may be held, which would hold itself.
    pub(crate) fn leave_slot(&mut self) {
        self.context = self.span.context();
        // From here on it may end in a `drop`, which says nothing.
        self.unrouted = false;
    }

    #[inline]
    fn end(&mut self, end: SpanEnd, error_type: Option<&str>, phase: Option<Phase>, sent: Option<u64>) {
        if self.span.is_none() {
            return;
        }
        let span = mem::replace(&mut self.span, Span::NONE);
        // Before the span: it is then the last to hold the node, needs no lock and gives the node back.
        drop(mem::take(&mut self.context));
        self.end_span(span, end, error_type, phase, sent);
    }

    #[inline]
    fn end_span(&self, span: Span, end: SpanEnd, error_type: Option<&str>, phase: Option<Phase>, sent: Option<u64>) {
        let phase: Option<&'static &'static str> = match phase {
            None => None,
            Some(Phase::Head) => Some(&"head"),
            Some(Phase::Body) => Some(&"body"),
        };
        let body_size = sent.filter(|_| self.measures_body());
        let response = ResponseView { status: self.status, version: self.version, error_type, phase, body_size };
        span.end_with(end, |span| match self.side {
            Side::Server => attributes::end_server(&response, span),
            Side::ClientHead | Side::ClientBody => attributes::end_client(&response, span),
        });
    }

    #[cold]
    fn look_for_route(&self) {
        if self.status.is_some_and(|status| status.as_u16() < 400) {
            route::report_missing(&self.span);
        }
    }
}

/// Notes a panic while it unwinds through: `Drop` alone could not tell it from a cancellation.
struct Armed<'a> {
    exchange: &'a mut Exchange,
    phase: Phase,
}

impl Drop for Armed<'_> {
    #[cold]
    fn drop(&mut self) {
        // The context stays: what is dropped because of the panic still belongs to the request.
        let span = mem::replace(&mut self.exchange.span, Span::NONE);
        if !span.is_none() {
            self.exchange.end_span(span, SpanEnd::Panicked, Some("panic"), Some(self.phase), None);
        }
    }
}

impl std::fmt::Debug for Exchange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exchange").field("span", &self.span).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for ResponseOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ResponseOptions").field("headers", &self.headers).finish_non_exhaustive()
    }
}

const FIRST_BYTE: &str = "http.response.first_byte";
