//! What a user may hook into either layer.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use throughline_core::Tracer;

use crate::RequestView;

/// What a user calls an error's type; nothing for what throughline calls it.
///
/// Behind one word: every request carries the place for it, few a value.
pub(crate) type ErrorType = Arc<Box<dyn Fn(&dyn Any) -> Option<&'static str> + Send + Sync>>;

type Predicate = Arc<dyn Fn(&RequestView<'_>) -> bool + Send + Sync>;

/// Hooks are called only where they are set.
#[derive(Clone, Default)]
pub(crate) struct Hooks {
    skip: Option<Predicate>,
    error_type: Option<ErrorType>,
}

impl Hooks {
    pub(crate) fn set_skip(&mut self, predicate: impl Fn(&RequestView<'_>) -> bool + Send + Sync + 'static) {
        self.skip = Some(Arc::new(predicate));
    }

    pub(crate) fn set_error_type<E: 'static>(
        &mut self,
        name: impl Fn(&E) -> Option<&'static str> + Send + Sync + 'static,
    ) {
        let before = self.error_type.take();
        self.error_type = Some(Arc::new(Box::new(move |error: &dyn Any| {
            error.downcast_ref().and_then(&name).or_else(|| before.as_ref()?(error))
        })));
    }

    /// Whether the request is to have no span. A predicate that panics has said nothing.
    #[inline]
    pub(crate) fn skips(&self, request: &RequestView<'_>, tracer: &Tracer) -> bool {
        self.skip.as_ref().is_some_and(|skip| tracer.guarded(|| skip(request)).unwrap_or(false))
    }

    #[inline]
    pub(crate) fn error_type(&self) -> Option<&ErrorType> {
        self.error_type.as_ref()
    }
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks")
            .field("skip", &self.skip.is_some())
            .field("error_type", &self.error_type.is_some())
            .finish()
    }
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

pub(crate) use inner_service;
