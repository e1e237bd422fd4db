//! Where a request enters: what its caller is believed.

use std::fmt;
use std::sync::Arc;

use throughline_core::propagation::Extracted;
use throughline_core::{SpanContext, TokenBucket, Tracer};

use super::Ingress;
use crate::RequestView;

type Predicate = Arc<dyn Fn(&RequestView<'_>) -> Ingress + Send + Sync>;

/// The policies of a server's layer.
#[derive(Clone, Default)]
pub(crate) struct Border {
    pub(crate) policy: Ingress,
    predicate: Option<Predicate>,
    limit: Option<Arc<TokenBucket>>,
}

impl Border {
    pub(crate) fn set_predicate(&mut self, policy: impl Fn(&RequestView<'_>) -> Ingress + Send + Sync + 'static) {
        self.predicate = Some(Arc::new(policy));
    }

    pub(crate) fn set_limit(&mut self, per_second: u32) {
        self.limit = Some(Arc::new(TokenBucket::per_second(per_second)));
    }

    /// Leaves of what came in what the caller is believed; a caller that may not be the parent is linked to.
    pub(crate) fn admit(
        &self,
        request: &RequestView<'_>,
        extracted: &mut Extracted<'_>,
        tracer: &Tracer,
    ) -> Option<SpanContext> {
        let policy = match &self.predicate {
            None => self.policy,
            // Whoever cannot be judged is not trusted.
            Some(predicate) => tracer.guarded(|| predicate(request)).unwrap_or(match self.policy {
                Ingress::Ignore => Ingress::Ignore,
                _ => Ingress::Link,
            }),
        };
        let caller = extracted.span_context();
        match policy {
            Ingress::Trust => self.limit_forced(extracted, tracer),
            Ingress::TrustIdsNotSampling => distrust_sampling(extracted),
            Ingress::Ignore => *extracted = Extracted::NOTHING,
            Ingress::Link => {
                *extracted = Extracted::NOTHING;
                return caller;
            }
        }
        None
    }

    fn limit_forced(&self, extracted: &mut Extracted<'_>, tracer: &Tracer) {
        let Some(limit) = self.limit.as_ref().filter(|_| extracted.sampling_state().is_sampled()) else { return };
        if !limit.take(tracer.clock().now()) {
            tracer.count_forced_sampling_limited();
            distrust_sampling(extracted);
        }
    }
}

fn distrust_sampling(extracted: &mut Extracted<'_>) {
    *extracted = std::mem::take(extracted).without_sampling();
}

impl fmt::Debug for Border {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Border").field("policy", &self.policy).finish_non_exhaustive()
    }
}
