//! Ids that X-Ray's back end takes.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::random::{IdGenerator, RandomIds};
use crate::{SpanId, TraceId};

/// An [`IdGenerator`] whose trace ids begin with the time, as the back end of AWS X-Ray wants them: the seconds since
/// 1970 in the first four bytes, and twelve random ones.
///
/// ```
/// use throughline_core::{Tracer, XRayIds};
///
/// let tracer = Tracer::builder().ids(XRayIds).build();
/// # let _ = tracer;
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct XRayIds;

impl IdGenerator for XRayIds {
    #[expect(clippy::disallowed_methods, reason = "the id is to have the wall time, and a generator has no clock")]
    fn trace_id(&self) -> TraceId {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let seconds = since.as_secs() as u32;
        let random = RandomIds.trace_id().to_u128() & (u128::MAX >> 32);
        TraceId::from_u128((u128::from(seconds) << 96) | random).unwrap_or_else(|| RandomIds.trace_id())
    }

    fn span_id(&self) -> SpanId {
        RandomIds.span_id()
    }

    /// The right-most seven bytes are.
    fn is_random(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trace_ids_begin_with_the_seconds_and_do_not_repeat() {
        let ids: Vec<_> = (0..1000).map(|_| XRayIds.trace_id().to_u128()).collect();
        let seconds = |id: u128| UNIX_EPOCH + std::time::Duration::from_secs((id >> 96) as u64);
        let age = |id: u128| seconds(id).elapsed().expect("not of the future");
        assert!(ids.iter().all(|id| age(*id).as_secs() < 600));
        let unique: std::collections::HashSet<_> = ids.iter().map(|id| *id as u64).collect();
        assert_eq!(unique.len(), ids.len());
    }
}
