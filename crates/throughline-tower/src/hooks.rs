//! What a user may set on either layer.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use throughline_core::Tracer;

use crate::RequestView;

/// What a user calls an error's type; nothing for what throughline calls it.
///
/// Behind one word: every request carries the place for it, few a value.
pub(crate) type ErrorType = Arc<dyn Fn(&dyn Any) -> Option<&'static str> + Send + Sync>;

/// Which requests are to have no span.
#[derive(Clone, Default)]
pub(crate) struct Skip(Option<Predicate>);

type Predicate = Arc<dyn Fn(&RequestView<'_>) -> bool + Send + Sync>;

impl Skip {
    pub(crate) fn new(predicate: impl Fn(&RequestView<'_>) -> bool + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(predicate)))
    }

    /// Whether the request is to have no span. A predicate that panics has said nothing.
    #[inline]
    pub(crate) fn skips(&self, request: &RequestView<'_>, tracer: &Tracer) -> bool {
        self.0.as_ref().is_some_and(|skip| tracer.guarded(|| skip(request)).unwrap_or(false))
    }
}

impl fmt::Debug for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Skip").field(&self.0.is_some()).finish()
    }
}

/// One more name for errors, before those that were given earlier.
pub(crate) fn naming<E: 'static>(
    before: Option<ErrorType>,
    name: impl Fn(&E) -> Option<&'static str> + Send + Sync + 'static,
) -> ErrorType {
    Arc::new(move |error: &dyn Any| {
        error.downcast_ref().and_then(&name).or_else(|| before.as_ref().and_then(|before| before(error)))
    })
}

/// The settings that both layers have. The layer has `with`, and what it shares an instrumenter and response options.
macro_rules! common_settings {
    () => {
        /// Makes no span for the requests that the predicate holds for. Their context is propagated all the same.
        ///
        /// The predicate is asked before anything is parsed.
        #[must_use]
        pub fn skip(self, predicate: impl Fn(&RequestView<'_>) -> bool + Send + Sync + 'static) -> Self {
            self.with(|shared| shared.skip = $crate::hooks::Skip::new(predicate))
        }

        /// What `error.type` errors of the type `E` get; nothing for what throughline calls them. Low cardinality, please.
        ///
        /// `E` is the service's or the body's error as it is, `BoxError` where they are boxed. Types of their own each may
        /// be set, one call after the other; of two calls for the same type the later is asked first.
        #[must_use]
        pub fn error_type<E: 'static>(self, name: impl Fn(&E) -> Option<&'static str> + Send + Sync + 'static) -> Self {
            self.with_response(|options| {
                options.error_type = Some($crate::hooks::naming(options.error_type.take(), name));
            })
        }

        /// The methods that spans and metrics name, in place of those of RFC 9110, PATCH and QUERY; others are `_OTHER`.
        /// Names are case-sensitive.
        #[must_use]
        pub fn known_methods<M: AsRef<str>>(self, methods: impl IntoIterator<Item = M>) -> Self {
            self.with_request(|options| options.methods = $crate::methods::Methods::new(methods))
        }

        /// Which query values are recorded as `REDACTED`; by default all of them. User information always is.
        #[must_use]
        pub fn redact(self, redact: $crate::Redact) -> Self {
            self.with_request(|options| options.redact = redact)
        }

        /// Records these request headers, as `http.request.header.<name>`: names or globs (`x-tenant`, `x-shop-*`), in any
        /// case. By default none.
        ///
        /// Refused even if they are named: `authorization`, `proxy-authorization`, `cookie`, `set-cookie`, `x-api-key`, and
        /// every value that is marked sensitive. Of one message no more than 64 headers and 16 KiB are recorded.
        #[must_use]
        pub fn capture_request_headers<N: AsRef<str>>(self, names: impl IntoIterator<Item = N>) -> Self {
            self.with_request(|options| options.headers = $crate::captured_headers::CapturedHeaders::request(names))
        }

        /// Records these response headers, as `http.response.header.<name>`; as
        /// [`capture_request_headers`](Self::capture_request_headers).
        #[must_use]
        pub fn capture_response_headers<N: AsRef<str>>(self, names: impl IntoIterator<Item = N>) -> Self {
            self.with_response(|options| options.headers = $crate::captured_headers::CapturedHeaders::response(names))
        }

        /// Records `http.request.body.size` and `http.response.body.size`, in bytes: what `Content-Length` declares, or
        /// what was counted where this layer sees the body to its end.
        #[must_use]
        pub fn body_sizes(self) -> Self {
            self.with_request(|options| options.body_sizes = true).with_response(|options| options.body_sizes = true)
        }

        fn with_request(self, change: impl FnOnce(&mut $crate::attributes::RequestOptions)) -> Self {
            self.with(|shared| change(&mut shared.instrumenter.operation_mut().options))
        }

        fn with_response(self, change: impl FnOnce(&mut $crate::exchange::ResponseOptions)) -> Self {
            self.with(|shared| change(std::sync::Arc::make_mut(shared.response.get_or_insert_default())))
        }

        fn with(mut self, change: impl FnOnce(&mut Shared)) -> Self {
            change(std::sync::Arc::make_mut(&mut self.shared));
            self
        }
    };
}

/// tower's usual ways to the inner service.
macro_rules! inner_service {
    ($service:ident) => {
        impl<S> $service<S> {
            /// The inner service.
            #[must_use]
            pub fn get_ref(&self) -> &S {
                &self.inner
            }

            /// The inner service.
            pub fn get_mut(&mut self) -> &mut S {
                &mut self.inner
            }

            /// The inner service.
            #[must_use]
            pub fn into_inner(self) -> S {
                self.inner
            }
        }
    };
}

pub(crate) use {common_settings, inner_service};
