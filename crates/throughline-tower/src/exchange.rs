//! One request and its response, as far as its span goes.

use std::mem;

use http::{Method, StatusCode, Version};
use throughline_core::{Context, Operation as _, Span, SpanEnd};

use crate::attributes::{HttpClientOperation, HttpServerOperation, ResponseView};
use crate::error_type::error_type;
use crate::hooks::ErrorType;

/// The context to attach and the span to end, on their way from the call through the future into the body.
pub(crate) struct Exchange {
    pub(crate) context: Context,
    span: Span,
    error_type: Option<ErrorType>,
    status: Option<StatusCode>,
    version: Option<Version>,
    pub(crate) side: Side,
    /// The response's body is never asked for.
    head_request: bool,
    /// What follows a good answer is a tunnel.
    connect: bool,
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
#[derive(Clone, Copy)]
pub(crate) enum Phase {
    Head,
    Body,
}

impl Exchange {
    #[inline]
    pub(crate) fn new(side: Side, span: Span, method: &Method, error_type: Option<&ErrorType>) -> Self {
        Self {
            context: span.context(),
            span,
            error_type: error_type.cloned(),
            status: None,
            version: None,
            side,
            head_request: *method == Method::HEAD,
            connect: *method == Method::CONNECT,
        }
    }

    /// A request that has no span: its context is attached all the same.
    pub(crate) fn without_span(side: Side, context: Context) -> Self {
        Self {
            context,
            span: Span::NONE,
            error_type: None,
            status: None,
            version: None,
            side,
            head_request: false,
            connect: false,
        }
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

    /// Runs the inner service's code in the context; a panic that passes through ends the span.
    #[inline]
    pub(crate) fn run<R>(&mut self, phase: Phase, work: impl FnOnce() -> R) -> R {
        let armed = Armed { exchange: self, phase };
        let result = {
            let _entered = armed.exchange.context.enter();
            work()
        };
        mem::forget(armed);
        result
    }

    #[inline]
    pub(crate) fn head(&mut self, status: StatusCode, version: Version) {
        self.status = Some(status);
        self.version = Some(version);
    }

    /// RFC 9110 §6.4.1, and §9.3.6 of CONNECT: no server sends, and no client reads, a body of these; nobody polls it.
    #[inline]
    pub(crate) fn has_no_body(&self) -> bool {
        self.head_request
            || self.status.is_some_and(|status| {
                status.is_informational()
                    || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
                    || (self.connect && status.is_success())
            })
    }

    #[inline]
    pub(crate) fn complete(&mut self) {
        self.end(SpanEnd::Completed, None, None);
    }

    #[cold]
    pub(crate) fn fail<E: 'static>(&mut self, error: &E) {
        let named = |name: &ErrorType| self.context.tracer()?.guarded(|| name(error))?;
        let own = self.error_type.as_ref().and_then(named);
        self.end(SpanEnd::Failed, Some(own.unwrap_or_else(|| error_type(error))), None);
    }

    /// Whoever waited has gone. For a server that is an error, for a client the caller's decision.
    #[cold]
    pub(crate) fn cancel(&mut self, phase: Phase) {
        let error_type = (self.side == Side::Server).then_some("cancelled");
        self.end(SpanEnd::Cancelled, error_type, Some(phase));
    }

    #[inline]
    fn end(&mut self, end: SpanEnd, error_type: Option<&str>, phase: Option<Phase>) {
        if self.span.is_none() {
            return;
        }
        let span = mem::replace(&mut self.span, Span::NONE);
        // Before the span: it is then the last to hold the node, needs no lock and gives the node back.
        drop(mem::take(&mut self.context));
        self.end_span(span, end, error_type, phase);
    }

    #[inline]
    fn end_span(&self, span: Span, end: SpanEnd, error_type: Option<&str>, phase: Option<Phase>) {
        let phase: Option<&'static &'static str> = match phase {
            None => None,
            Some(Phase::Head) => Some(&"head"),
            Some(Phase::Body) => Some(&"body"),
        };
        let response = ResponseView { status: self.status, version: self.version, error_type, phase };
        span.end_with(end, |span| match self.side {
            Side::Server => HttpServerOperation.end(&response, span),
            Side::ClientHead | Side::ClientBody => HttpClientOperation.end(&response, span),
        });
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
            self.exchange.end_span(span, SpanEnd::Panicked, Some("panic"), Some(self.phase));
        }
    }
}

impl std::fmt::Debug for Exchange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exchange").field("span", &self.span).finish_non_exhaustive()
    }
}
