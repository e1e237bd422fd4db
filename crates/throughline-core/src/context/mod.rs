//! The current trace context: what it is, and how it is attached.

mod extras;
pub(crate) mod node;
mod wrap;

use std::any::Any;
use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;
use std::mem::{self, ManuallyDrop};
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

pub(crate) use self::extras::Extras;
use self::node::Node;
#[cfg(debug_assertions)]
use crate::Diagnostic;
use crate::kind::Suppression;
use crate::{Baggage, BaggageUpdateError, SamplingState, SemanticKey, SpanContext, SpanRef, TraceState, Tracer};

/// What a piece of work belongs to: trace ids, sampling, tracestate, baggage, typed values, and the span that is
/// being recorded.
///
/// Immutable and one word: a clone is one refcount, the root context (no trace, no baggage) is free. `with_*` make new
/// contexts. Every thread has one current context; attaching swaps one word.
///
/// | to attach it | use |
/// |---|---|
/// | to a future, stream or sink | [`ContextExt::with_context`](crate::ContextExt::with_context), [`WithContext::new`](crate::WithContext::new) |
/// | to a closure that runs here and now | [`scope`](Self::scope) |
/// | to a closure that runs later, perhaps elsewhere | [`wrap`](Self::wrap) |
/// | to the rest of a block, without `.await` in it | [`attach`](Self::attach) |
///
/// ```
/// use throughline_core::{Baggage, Context};
///
/// let context = Context::current().with_baggage(Baggage::new().with("tenant", "7")?);
/// let seen = context.scope(|| Context::current().baggage().get("tenant").map(str::to_owned));
/// assert_eq!(seen.as_deref(), Some("7"));
/// assert!(Context::current().is_root());
/// # Ok::<(), throughline_core::InvalidBaggage>(())
/// ```
///
/// # Guarantees
///
/// * What was current before is current again afterwards, on panic too.
/// * Attaching takes no lock, reads no clock, allocates nothing and touches no refcount.
/// * Holding a context does not keep its span open.
pub struct Context(Option<Arc<Node>>);

/// Restores on drop what was current before [`Context::attach`].
///
/// Not `Send`: a spawned task that holds it across an `.await` does not compile. Elsewhere (`block_on`, `LocalSet`)
/// use [`Context::scope`] or wrap the future; a guard that is dropped out of order is reported and counted in
/// [`misplaced_guards`].
#[must_use = "the context is detached when the guard is dropped"]
#[derive(Debug)]
pub struct ContextGuard {
    previous: ManuallyDrop<Context>,
    depth: u32,
    location: &'static Location<'static>,
    _not_send: PhantomData<*const ()>,
}

/// A borrowed context that is current until this is dropped; made by [`Context::enter`].
#[must_use = "the context is detached when this is dropped"]
#[derive(Debug)]
pub struct Entered<'a> {
    slot: &'a mut Context,
    #[cfg(debug_assertions)]
    entered: usize,
    _not_send: PhantomData<*const ()>,
}

/// How often a guard was found where it should not be: dropped out of order, forgotten, or held across an `.await` of a
/// future that does not move between threads. The second and third are only seen with debug assertions, and then a
/// diagnostic is written when the next guard is made.
#[must_use]
pub fn misplaced_guards() -> u64 {
    MISPLACED.load(Ordering::Relaxed)
}

// === impl Context ===

impl Context {
    /// No trace, no baggage, nothing.
    pub const ROOT: Self = Self(None);

    /// The context of whatever runs on this thread now; the root context if nothing was attached.
    #[inline]
    #[must_use]
    pub fn current() -> Self {
        Self::peek(Self::clone)
    }

    /// The identity of the current span, without touching a refcount.
    #[inline]
    #[must_use]
    pub fn current_span_context() -> Option<SpanContext> {
        Self::peek(Self::span_context)
    }

    /// Lets `look` at the current context. Inside, the root context is current: only code that calls nobody
    /// else's may run there.
    #[inline]
    pub(crate) fn peek<R>(look: impl FnOnce(&Self) -> R) -> R {
        let current = CURRENT.take();
        let result = look(&current);
        CURRENT.set(current);
        result
    }

    /// Makes this the current context until the guard is dropped.
    #[track_caller]
    #[inline]
    pub fn attach(self) -> ContextGuard {
        #[cfg(debug_assertions)]
        report_misplaced();
        let previous = CURRENT.replace(ManuallyDrop::new(self));
        let depth = DEPTH.get() + 1;
        DEPTH.set(depth);
        ContextGuard { previous, depth, location: Location::caller(), _not_send: PhantomData }
    }

    /// Runs `work` with this as the current context.
    ///
    /// ```
    /// use throughline_core::Context;
    ///
    /// let context = Context::ROOT.with_value(42_u32);
    /// assert_eq!(context.scope(|| Context::current().value::<u32>().copied()), Some(42));
    /// ```
    #[inline]
    pub fn scope<R>(&self, work: impl FnOnce() -> R) -> R {
        let mut slot = self.clone();
        let _entered = slot.enter();
        work()
    }

    /// Makes this the current context for as long as it is borrowed; what was current lies in its place meanwhile.
    ///
    /// The cheapest way to attach, for wrappers that own a context and attach it again and again: two words swapped.
    #[inline(always)]
    pub fn enter(&mut self) -> Entered<'_> {
        #[cfg(debug_assertions)]
        let entered = self.address();
        swap(self);
        Entered {
            slot: self,
            #[cfg(debug_assertions)]
            entered,
            _not_send: PhantomData,
        }
    }

    /// Whether nothing was ever attached: no trace, no baggage, no value.
    #[must_use]
    pub const fn is_root(&self) -> bool {
        self.0.is_none()
    }

    /// The identity of the span that new spans will be children of.
    #[inline]
    #[must_use]
    pub fn span_context(&self) -> Option<SpanContext> {
        self.0.as_ref().and_then(|node| node.span_context)
    }

    /// Whether the trace is recorded.
    #[inline]
    #[must_use]
    pub fn is_sampled(&self) -> bool {
        self.span_context().is_some_and(|span| span.is_sampled())
    }

    /// What is known about sampling; it may be known without ids.
    #[must_use]
    pub fn sampling_state(&self) -> SamplingState {
        self.0.as_ref().map_or(SamplingState::Defer, |node| node.state.sampling)
    }

    /// The span that is being recorded, for writing attributes and events to it. It may have ended.
    #[must_use]
    pub fn span(&self) -> SpanRef {
        SpanRef::new(self.0.clone())
    }

    /// The first span of the trace in this process: its parent is remote, or it has none. It may have ended.
    ///
    /// What is learnt below it belongs to it: the route of a request, a decision to keep the trace. Every local span
    /// below it knows it, in spawned tasks too; it is this context's own span if that is the local root. There is none to
    /// write to where it is not recorded or where another library recorded it. A child that is alive keeps the cell of
    /// its local root from being used again, not the root from ending.
    ///
    /// ```
    /// use throughline_core::{Context, Tracer};
    ///
    /// let tracer = Tracer::builder().build();
    /// let request = tracer.span("GET").start();
    /// let child = request.context().scope(|| tracer.span("find handler").start());
    /// let found = child.context().scope(|| Context::current().local_root_span());
    /// assert_eq!(found.span_context(), request.span_context());
    /// ```
    #[must_use]
    pub fn local_root_span(&self) -> SpanRef {
        SpanRef::new(self.0.as_ref().and_then(Node::local_root).cloned())
    }

    /// The tracer of the span that the context came from.
    #[must_use]
    pub fn tracer(&self) -> Option<&Tracer> {
        self.0.as_ref().and_then(|node| node.tracer.as_ref())
    }

    /// The vendors' entries that travel with the trace. They are checked at the first call.
    #[must_use]
    pub fn tracestate(&self) -> Option<&TraceState> {
        self.0.as_ref().and_then(|node| node.tracestate())
    }

    /// The application's pairs that travel with the request, as they are now: a [`BaggageField`](crate::BaggageField) may
    /// be updated. They are parsed at the first call.
    #[must_use]
    pub fn baggage(&self) -> Baggage {
        self.extras().map(|extras| extras.baggage.get()).unwrap_or_default()
    }

    /// Whether there may be baggage; does not parse it.
    #[inline]
    #[must_use]
    pub fn has_baggage(&self) -> bool {
        self.extras().is_some_and(|extras| !extras.baggage.is_empty())
    }

    /// Whether there may be baggage that travels with the request; does not parse it.
    #[inline]
    #[must_use]
    pub fn has_remote_baggage(&self) -> bool {
        self.extras().is_some_and(|extras| extras.baggage.has_remote())
    }

    /// The baggage as it came, if nobody has changed it and it may be sent on as it is.
    pub(crate) fn unread_baggage(&self) -> Option<&[u8]> {
        self.extras()?.baggage.unread()
    }

    /// Changes the baggage for all that share it.
    pub(crate) fn update_baggage(
        &self,
        change: impl FnOnce(&Baggage) -> Result<Baggage, BaggageUpdateError>,
    ) -> Result<(), BaggageUpdateError> {
        self.extras().ok_or(BaggageUpdateError::NotShared)?.baggage.update(change)
    }

    #[inline]
    fn extras(&self) -> Option<&Extras> {
        self.0.as_ref().and_then(|node| node.extras.as_deref())
    }

    /// A value that was put into the context or one above it.
    #[must_use]
    pub fn value<T: Any + Send + Sync>(&self) -> Option<&T> {
        self.extras()?.value()
    }

    /// The same context with a value; one of the same type is replaced. Use a type of your own: a newtype cannot
    /// collide with anybody else's.
    #[must_use]
    pub fn with_value<T: Any + Send + Sync>(&self, value: T) -> Self {
        self.with_extras(|extras| extras.set_value(value))
    }

    /// The same context with other baggage.
    #[must_use]
    pub fn with_baggage(&self, baggage: Baggage) -> Self {
        self.with_extras(|extras| extras.baggage.set(baggage))
    }

    /// The same context with another tracestate.
    #[must_use]
    pub fn with_tracestate(&self, tracestate: Option<TraceState>) -> Self {
        self.with_extras(|extras| extras.tracestate.set(tracestate))
    }

    /// The same context below a span that somebody else records: a remote parent, a span of another library. The
    /// tracestate of the old parent is gone.
    #[must_use]
    pub fn with_span_context(&self, span: SpanContext) -> Self {
        let mut node = self.derived();
        node.span_context = Some(span);
        node.state.sampling = SamplingState::of_flag(span.is_sampled());
        node.origin = None;
        node.leave_local_root();
        Self(Some(Arc::new(node))).with_tracestate(None)
    }

    /// The same context with a decision on sampling but without ids: what B3's `b3: 0` says.
    #[must_use]
    pub fn with_sampling_state(&self, state: SamplingState) -> Self {
        let mut node = self.derived();
        node.state.sampling = state;
        node.span_context = node.span_context.filter(|span| span.is_sampled() == state.is_sampled());
        if node.span_context.is_none() {
            node.origin = None;
            node.leave_local_root();
            node.drop_tracestate();
        }
        Self(Some(Arc::new(node)))
    }

    /// The same context in which no instrumentation starts a span: what an exporter makes its own calls under.
    #[must_use]
    pub fn with_instrumentation_suppressed(&self) -> Self {
        let mut node = self.derived();
        node.state.suppression = Suppression::ALL;
        Self(Some(Arc::new(node)))
    }

    /// Whether an instrumentation of this kind should stay quiet here.
    #[inline]
    #[must_use]
    pub fn is_suppressed(&self, key: SemanticKey) -> bool {
        self.0.as_ref().is_some_and(|node| node.state.suppression.has(key))
    }

    /// Whether every instrumentation should stay quiet here.
    #[inline]
    #[must_use]
    pub fn is_instrumentation_suppressed(&self) -> bool {
        self.0.as_ref().is_some_and(|node| node.state.suppression.is_all())
    }

    fn derived(&self) -> Node {
        self.0.as_ref().map_or_else(Node::fresh, Node::derive)
    }

    /// The same context with the baggage that came over the wire.
    pub(crate) fn with_received_baggage(&self, text: &[u8]) -> Self {
        self.with_extras(|extras| extras.baggage.fill(text))
    }

    fn with_extras(&self, change: impl FnOnce(&mut Extras)) -> Self {
        let mut node = self.derived();
        node.change_extras(change);
        Self(Some(Arc::new(node)))
    }

    #[inline]
    pub(crate) fn of(node: Arc<Node>) -> Self {
        Self(Some(node))
    }

    #[inline]
    pub(crate) fn take_node(&mut self) -> Option<Arc<Node>> {
        self.0.take()
    }

    #[inline]
    pub(crate) fn node(&self) -> Option<&Arc<Node>> {
        self.0.as_ref()
    }

    #[cfg(debug_assertions)]
    fn address(&self) -> usize {
        self.0.as_ref().map_or(0, |node| Arc::as_ptr(node).addr())
    }
}

impl Clone for Context {
    #[inline]
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl Drop for Context {
    #[inline(always)]
    fn drop(&mut self) {
        // The last one gives the node back: the next span or request takes it without allocating.
        if self.0.as_ref().is_some_and(|node| Arc::strong_count(node) == 1) {
            self.give_back();
        }
    }
}

impl Context {
    #[inline(never)]
    fn give_back(&mut self) {
        if let Some(node) = self.0.take() {
            node::put_back(node);
        }
    }
}

impl Default for Context {
    fn default() -> Self {
        Self::ROOT
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Context");
        if self.is_root() {
            return out.finish_non_exhaustive();
        }
        out.field("span", &self.span_context())
            .field("sampling", &self.sampling_state())
            .field("tracestate", &self.tracestate())
            // Baggage is the user's data: its keys say enough.
            .field("baggage", &self.baggage().iter().map(crate::baggage::Member::key).collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

// === impl ContextGuard, Entered ===

impl Drop for ContextGuard {
    #[inline]
    fn drop(&mut self) {
        let depth = DEPTH.get();
        if depth < self.depth {
            // One that is older was dropped before this and has restored what was current then: nothing is left to do.
            drop(ManuallyDrop::into_inner(mem::replace(&mut self.previous, ManuallyDrop::new(Context::ROOT))));
            MISPLACED.fetch_add(1, Ordering::Relaxed);
            return;
        }
        DEPTH.set(self.depth - 1);
        let previous = mem::replace(&mut self.previous, ManuallyDrop::new(Context::ROOT));
        // Detached first, dropped afterwards: what the context owns may run code that looks at the current one.
        drop(ManuallyDrop::into_inner(CURRENT.replace(previous)));
        if depth != self.depth {
            MISPLACED.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl ContextGuard {
    /// Where the context was attached.
    #[must_use]
    pub fn location(&self) -> &'static Location<'static> {
        self.location
    }
}

impl Drop for Entered<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        swap(self.slot);
        #[cfg(debug_assertions)]
        if self.slot.address() != self.entered {
            MISPLACED.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Says that guards were misplaced: not where that is noticed, which is in `drop`, but where the next one is made.
#[cfg(debug_assertions)]
fn report_misplaced() {
    static REPORTED: AtomicU64 = AtomicU64::new(0);
    static HELD: Diagnostic = Diagnostic::new();
    let count = misplaced_guards();
    if REPORTED.swap(count, Ordering::Relaxed) < count {
        HELD.warn(|| {
            format!(
                "{count} context guards so far were dropped out of order, forgotten, or held across an .await: wrap the \
                 future with `with_context` instead of holding a guard"
            )
        });
    }
}

/// Exchanges the slot's context and the current one.
#[inline(always)]
fn swap(slot: &mut Context) {
    let mine = mem::replace(slot, Context::ROOT);
    let theirs = CURRENT.replace(ManuallyDrop::new(mine));
    mem::forget(mem::replace(slot, ManuallyDrop::into_inner(theirs)));
}

thread_local! {
    // `ManuallyDrop`: no destructor to register, hence no state to check per access, and nothing to find destroyed when
    // other destructors of the thread run. Guards put back what they found; only a forgotten one leaks.
    static CURRENT: Cell<ManuallyDrop<Context>> = const { Cell::new(ManuallyDrop::new(Context::ROOT)) };
    /// How many guards are alive.
    static DEPTH: Cell<u32> = const { Cell::new(0) };
}

static MISPLACED: AtomicU64 = AtomicU64::new(0);
