//! Several processors in a row, and what becomes of those that panic.

use std::any::type_name;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use super::span::local_root;
use super::{EndingSpan, SpanProcessor, StartingSpan, Verdict};
use crate::context::Extras;
use crate::context::node::Node;
use crate::record::Record;
use crate::stats::count;
use crate::{Diagnostic, Tracer};

/// The processors of a tracer, in their order.
pub(crate) struct Processors {
    links: Vec<Link>,
    max_panics: u32,
    /// Whether one was disabled and nobody has been told yet: spans end in `Drop`, where nothing may be logged.
    news: AtomicBool,
}

struct Link {
    processor: Box<dyn SpanProcessor>,
    essential: bool,
    name: &'static str,
    panics: AtomicU32,
}

// === impl Processors ===

impl Processors {
    pub(crate) const fn new() -> Self {
        Self { links: Vec::new(), max_panics: MAX_PANICS, news: AtomicBool::new(false) }
    }

    pub(crate) fn add<P: SpanProcessor>(&mut self, processor: P) {
        let (essential, name) = (processor.is_essential(), type_name::<P>());
        self.links.push(Link { processor: Box::new(processor), essential, name, panics: AtomicU32::new(0) });
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.links.is_empty()
    }

    pub(crate) fn set_max_panics(&mut self, max: u32) {
        self.max_panics = max.max(1);
    }

    /// Shows a span that has started.
    #[cold]
    pub(crate) fn start(
        &self,
        tracer: &Tracer,
        record: &mut Record,
        extras: Option<&Extras>,
        root: Option<&Arc<Node>>,
    ) {
        if self.news.load(Ordering::Relaxed) {
            self.tell(tracer);
        }
        record.condemned = false;
        let local_root = local_root(record, root);
        let mut span = StartingSpan { record, tracer, extras, local_root };
        for link in &self.links {
            if self.guarded(tracer, link, || link.processor.on_start(&mut span)).is_none() && link.essential {
                span.record.condemned = true;
            }
        }
    }

    /// Shows a span that has ended; whether the sink gets it.
    #[cold]
    pub(crate) fn end(
        &self,
        tracer: &Tracer,
        record: &mut Record,
        tracestate: &[u8],
        root: Option<&Arc<Node>>,
    ) -> bool {
        let mut wanted = record.head.flags.is_sampled();
        let (mut dropped, local_root) = (record.condemned, local_root(record, root));
        let mut span = EndingSpan { record, tracer, tracestate, local_root };
        for link in &self.links {
            if dropped {
                break;
            }
            match self.guarded(tracer, link, || link.processor.on_end(&mut span)) {
                Some(Verdict::Pass) => {}
                Some(Verdict::Keep) => wanted = true,
                Some(Verdict::Drop) => dropped = true,
                None => dropped = link.essential,
            }
        }
        if dropped {
            count(&tracer.inner().counters.spans_dropped_by_processors);
        }
        wanted && !dropped
    }

    /// Calls a processor's hook, unless it is disabled; nothing if it was or if it panicked.
    fn guarded<R>(&self, tracer: &Tracer, link: &Link, hook: impl FnOnce() -> R) -> Option<R> {
        if link.panics.load(Ordering::Relaxed) >= self.max_panics {
            return None;
        }
        let done = tracer.guarded(hook);
        if done.is_none() && link.panics.fetch_add(1, Ordering::Relaxed) + 1 == self.max_panics {
            count(&tracer.inner().counters.processors_disabled);
            self.news.store(true, Ordering::Relaxed);
        }
        done
    }

    #[cold]
    fn tell(&self, tracer: &Tracer) {
        static DISABLED: Diagnostic = Diagnostic::new();
        if self.news.swap(false, Ordering::Relaxed) {
            tracer.guarded(|| DISABLED.warn(|| self.obituary()));
        }
    }

    fn obituary(&self) -> String {
        let disabled = self.links.iter().filter(|link| link.panics.load(Ordering::Relaxed) >= self.max_panics);
        let names = disabled.map(|link| {
            let lost = if link.essential { " (spans are dropped without it)" } else { "" };
            format!("{}{lost}", link.name)
        });
        let names = names.collect::<Vec<_>>().join(", ");
        format!("span processors panicked {} times and are not called again: {names}", self.max_panics)
    }
}

const MAX_PANICS: u32 = 10;
