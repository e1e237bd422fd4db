//! Several formats as one propagator.

#[cfg(feature = "http")]
use super::carrier::{Batch, FormatScan, HeaderScan};
use super::carrier::{FieldSet, Fields};
use super::counters::Counters;
use super::outbound::{Lost, Outbound};
use super::wire::Wire as _;
use super::{Allow, Extracted, Extractor, Field, Format, Injector, Propagator, TraceContext, W3cBaggage, XRay};
use crate::{BaggageField, Context};

/// Several formats as one: each reads, each writes.
///
/// Before anything is written the fields of **every** format are cleared, those that are only read included, else a stale
/// field of one would outlive what another wrote. The built-in formats are called without indirection.
///
/// An estate that moves from B3 to W3C reads both and writes what everybody understands, until it need not:
///
/// ```
/// use throughline_core::propagation::{B3, Composite, Format, Policy};
///
/// let composite = Composite::new([Format::TraceContext, Format::Baggage, Format::B3(B3::Single)])
///     .policy(Policy::FirstWins)
///     .injecting([Format::TraceContext, Format::Baggage]);
/// # let _ = composite;
/// ```
///
/// # Limits
///
/// What comes in is bounded before it is taken apart: 8,192 bytes of baggage over all lines and fields, 32 members of
/// tracestate, 1 KiB of ids. What goes out is bounded by each format and by [`outbound_budget`](Self::outbound_budget).
/// What was ignored, cut or left out is counted in [`Stats`](crate::Stats), and never logged.
#[derive(Clone, Debug)]
pub struct Composite {
    reads: Vec<Format>,
    writes: Vec<Format>,
    messages: Option<Vec<Format>>,
    /// Of all formats, whichever way they go.
    fields: FieldSet,
    /// Whether a format may find something although no header is there.
    reads_elsewhere: bool,
    /// Of the formats that are read.
    read_fields: FieldSet,
    policy: Policy,
    /// The only keys of baggage that come in or leave, if there are such.
    keys: Option<Vec<Box<str>>>,
    budget: usize,
    /// Whether no injection can exceed the budget, by the formats' own limits.
    fits: bool,
    /// Exactly what most services use, read and written without looking at the lists.
    reads_w3c: bool,
    writes_w3c: bool,
    pub(crate) counters: Counters,
}

/// Whom a [`Composite`] believes where several formats have found something.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Policy {
    /// A later format's finding replaces an earlier one's, as in OpenTelemetry.
    #[default]
    LastWins,
    /// The first format that finds something is believed, and those behind it are not read, as in Sleuth. A trace and
    /// baggage are two findings.
    FirstWins,
}

// === impl Composite ===

impl Composite {
    /// The most bytes of names and values that are written by default, which is what some servers take of all headers.
    pub const OUTBOUND_BUDGET: usize = 16 * 1024;

    /// These formats, in this order, both ways; repeated built-in ones count once.
    #[must_use]
    pub fn new(formats: impl IntoIterator<Item = Format>) -> Self {
        let reads = unique(formats);
        let this = Self {
            writes: reads.clone(),
            reads,
            messages: None,
            fields: FieldSet::default(),
            reads_elsewhere: false,
            read_fields: FieldSet::default(),
            policy: Policy::default(),
            keys: None,
            budget: Self::OUTBOUND_BUDGET,
            fits: true,
            reads_w3c: false,
            writes_w3c: false,
            counters: Counters::default(),
        };
        this.settled()
    }

    /// The default: W3C trace context and W3C baggage.
    #[must_use]
    pub fn w3c() -> Self {
        Self::new([Format::TraceContext, Format::Baggage])
    }

    /// Nothing is read or written.
    #[must_use]
    pub fn none() -> Self {
        Self::new([])
    }

    /// Reads these formats, in place of those that were given before.
    #[must_use]
    pub fn extracting(mut self, formats: impl IntoIterator<Item = Format>) -> Self {
        self.reads = unique(formats);
        self.settled()
    }

    /// Writes these formats, in place of those that were given before.
    #[must_use]
    pub fn injecting(mut self, formats: impl IntoIterator<Item = Format>) -> Self {
        self.writes = unique(formats);
        self.settled()
    }

    /// Writes these formats to messages ([`inject_message`](Self::inject_message)), which brokers keep and whose headers
    /// are dearer than a request's; by default the same ones as to requests.
    ///
    /// ```
    /// use throughline_core::propagation::{B3, Composite, Format};
    ///
    /// // As Brave does: several headers for requests, one for messages.
    /// let brave = Composite::new([Format::B3(B3::Multi)]).injecting_messages([Format::B3(B3::Single)]);
    /// # let _ = brave;
    /// ```
    #[must_use]
    pub fn injecting_messages(mut self, formats: impl IntoIterator<Item = Format>) -> Self {
        self.messages = Some(unique(formats));
        self.settled()
    }

    /// Whom to believe where several formats have found something; by default the last.
    #[must_use]
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self.settled()
    }

    /// The application's fields of baggage, and no others: what else comes in is dropped unread, what else is set in the
    /// process does not leave it. Local fields do neither. By default all baggage travels.
    ///
    /// With fields the baggage of every local trace can be [updated](BaggageField::update).
    #[must_use]
    pub fn baggage_fields<'a>(mut self, fields: impl IntoIterator<Item = &'a BaggageField>) -> Self {
        let remote = fields.into_iter().filter(|field| !field.is_local());
        self.keys = Some(remote.map(|field| field.key().into()).collect());
        self.settled()
    }

    /// At most so many bytes of names and values are written by one injection; by default
    /// [`OUTBOUND_BUDGET`](Self::OUTBOUND_BUDGET).
    ///
    /// Ids and sampling are always written; what formats of one's own write is neither counted nor limited. What there is
    /// no room for is left out member by member, and counted: first baggage, from its end; then tracestate, members of more
    /// than 128 bytes before the right-most.
    #[must_use]
    pub fn outbound_budget(mut self, bytes: usize) -> Self {
        self.budget = bytes;
        self.settled()
    }

    fn settled(mut self) -> Self {
        (self.fields, self.read_fields) = (FieldSet::default(), FieldSet::default());
        for format in &self.reads {
            format.add_fields(&mut self.read_fields);
        }
        self.reads_elsewhere =
            self.reads.iter().any(|format| matches!(format, Format::XRay(XRay::Lambda) | Format::Custom(_)));
        for format in self.reads.iter().chain(&self.writes).chain(self.messages.iter().flatten()) {
            format.add_fields(&mut self.fields);
        }
        let most = |formats: &[Format]| formats.iter().map(Format::most_bytes).sum::<usize>();
        self.fits = most(&self.writes).max(self.messages.as_deref().map_or(0, most)) <= self.budget;
        let w3c = |formats: &[Format]| matches!(formats, [Format::TraceContext, Format::Baggage]);
        self.reads_w3c = w3c(&self.reads) && self.keys.is_none();
        self.writes_w3c = w3c(&self.writes) && self.keys.is_none() && self.fields.fields().len() == 3 && self.fits;
        self
    }

    /// Whether baggage fields were declared, which may be updated in every local trace.
    #[inline]
    pub(crate) fn has_baggage_fields(&self) -> bool {
        self.keys.is_some()
    }

    /// As [`Propagator::extract`], without indirection if the carrier's type is known.
    #[inline]
    pub fn extract_from<'a, E: Extractor>(&self, carrier: &'a E) -> Extracted<'a> {
        self.read(&carrier)
    }

    /// Reads from headers in one pass, whatever the formats: cheaper than looking each field up, as long as there are not
    /// very many.
    #[cfg(feature = "http")]
    #[inline]
    #[must_use]
    pub fn extract_headers<'a>(&self, headers: &'a http::HeaderMap) -> Extracted<'a> {
        match (self.reads_w3c, headers.len() > MANY_HEADERS) {
            (true, true) => self.read(&headers),
            (true, false) => self.read(&&HeaderScan::new(headers)),
            (false, _) => self.read_scanned(headers),
        }
    }

    /// Reads from headers that were looked through before.
    #[cfg(feature = "http")]
    #[inline(always)]
    #[must_use]
    pub fn extract_scanned<'a>(&self, scan: &HeaderScan<'a>) -> Extracted<'a> {
        if self.reads_w3c { self.read(&scan) } else { self.read_scanned(scan.headers()) }
    }

    #[cfg(feature = "http")]
    #[inline(never)]
    fn read_scanned<'a>(&self, headers: &'a http::HeaderMap) -> Extracted<'a> {
        if let [Format::B3(super::B3::Single)] | [Format::XRay(_)] = self.reads[..] {
            // One field says everything, if it is there.
            return self.read(&headers);
        }
        let scan = FormatScan::new(headers, &self.read_fields);
        // Lambda's variable is in no header, and what one's own format reads nobody knows.
        if scan.is_empty() && !self.reads_elsewhere && !self.has_baggage_fields() {
            Extracted::NOTHING
        } else {
            self.read(&scan)
        }
    }

    /// Writes to headers: as [`inject_into`](Self::inject_into), with one pass over the headers that are there.
    #[cfg(feature = "http")]
    #[inline]
    pub fn inject_headers(&self, context: &Context, allow: Allow, headers: &mut http::HeaderMap) {
        if self.writes_w3c && headers.len() <= MANY_HEADERS {
            super::w3c::inject_headers(context, allow, headers, &self.counters);
        } else {
            self.inject_batch(context, allow, headers);
        }
    }

    #[cfg(feature = "http")]
    #[inline(never)]
    fn inject_batch(&self, context: &Context, allow: Allow, headers: &mut http::HeaderMap) {
        let mut batch = Batch::new(&self.fields);
        let lost = self.write(&self.writes, context, allow, &mut batch);
        if batch.write(headers) {
            self.count_lost(lost);
        } else {
            self.inject_into(context, allow, headers);
        }
    }

    // Inlined by force: what is found is a hundred bytes, and they stay where the caller wants them.
    #[inline(always)]
    fn read<'a>(&self, carrier: &impl Fields<'a>) -> Extracted<'a> {
        let mut found = Extracted::NOTHING;
        if self.reads_w3c {
            TraceContext.read_trace(carrier, &mut found);
            W3cBaggage.read_baggage(carrier, &mut found);
        } else {
            self.read_formats(carrier, &mut found);
        }
        found.shares_baggage = self.has_baggage_fields();
        if found.malformed || found.oversized {
            self.counters.extracted(&found);
        }
        found
    }

    #[inline(never)]
    fn read_formats<'a>(&self, carrier: &impl Fields<'a>, found: &mut Extracted<'a>) {
        for format in &self.reads {
            let all = self.policy == Policy::LastWins;
            let (trace, baggage) = (all || !found.has_trace(), all || found.baggage.is_empty());
            format.read(carrier, trace, baggage, found, &self.counters);
        }
        if let Some(keys) = self.keys.as_ref().filter(|_| !found.baggage.is_empty()) {
            found.keep_baggage(keys);
        }
    }

    /// As [`Propagator::inject`], without indirection if the carrier's type is known.
    #[inline]
    pub fn inject_into<I: Injector>(&self, context: &Context, allow: Allow, carrier: &mut I) {
        self.count_lost(self.write(&self.writes, context, allow, carrier));
    }

    /// Writes the formats that messages have ([`injecting_messages`](Self::injecting_messages)).
    #[inline]
    pub fn inject_message<I: Injector>(&self, context: &Context, allow: Allow, carrier: &mut I) {
        let formats = self.messages.as_deref().unwrap_or(&self.writes);
        self.count_lost(self.write(formats, context, allow, carrier));
    }

    #[inline]
    fn write<I: Injector>(&self, formats: &[Format], context: &Context, allow: Allow, carrier: &mut I) -> Lost {
        carrier.clear(&self.fields);
        let mut out = Outbound::new(context, allow).only(self.keys.as_deref());
        if !self.fits {
            let ids: usize = formats.iter().map(Format::id_bytes).sum();
            let tracestate = formats.iter().any(|format| matches!(format, Format::TraceContext));
            out = out.within(self.budget.saturating_sub(ids), tracestate);
        }
        for format in formats {
            format.write(&mut out, carrier, &self.counters);
        }
        out.lost
    }

    #[inline]
    fn count_lost(&self, lost: Lost) {
        if lost.tracestate + lost.baggage > 0 {
            self.counters.lost(lost);
        }
    }
}

impl Default for Composite {
    fn default() -> Self {
        Self::w3c()
    }
}

impl Propagator for Composite {
    fn inject(&self, context: &Context, allow: Allow, mut carrier: &mut dyn Injector) {
        self.inject_into(context, allow, &mut carrier);
    }

    fn extract<'a>(&self, carrier: &'a dyn Extractor) -> Extracted<'a> {
        self.read(&carrier)
    }

    fn fields(&self) -> &[Field] {
        self.fields.fields()
    }

    fn prefixes(&self) -> &[&'static str] {
        self.fields.prefixes()
    }
}

fn unique(formats: impl IntoIterator<Item = Format>) -> Vec<Format> {
    let mut unique: Vec<Format> = Vec::new();
    for format in formats {
        if !unique.iter().any(|known| known.is_same_built_in(&format)) {
            unique.push(format);
        }
    }
    unique
}

/// From so many headers on, hashed look-ups are cheaper than a pass.
#[cfg(feature = "http")]
const MANY_HEADERS: usize = 20;
