//! The suite of clients.

use std::pin::Pin;

use bytes::Bytes;
use http::{Request, Response};
use throughline_core::{AlwaysOff, Context, ContextExt as _, SpanData, SpanKind, Tracer};

use crate::conformance::Report;
use crate::conformance::report::Checks;
use crate::{BoxError, MemorySink, tree};

use super::backend::{Backend, Play};
use super::tally::Tally;
use super::{DEADLINE, Wire, in_time};

mod attributes;
mod ends;
mod propagation;

/// What every HTTP client's adapter must do; says what the one under test cannot do.
///
/// See the [module's documentation](super).
#[must_use = "a suite does nothing unless it is run"]
#[derive(Clone, Debug)]
pub struct ClientSuite {
    wires: Vec<Wire>,
    body_end: bool,
    connects: bool,
    absolute: bool,
    resends: bool,
}

/// A request that a client under test is to send, and how.
///
/// The client is made anew for each call, so that its connection is, too. Requests to [`SKIPPED`](super::SKIPPED) are to
/// be skipped.
#[derive(Debug)]
#[non_exhaustive]
pub struct Call {
    /// The tracer that the adapter is to use.
    pub tracer: Tracer,
    /// The version of HTTP to speak; HTTP/2 with prior knowledge.
    pub wire: Wire,
    /// What to send. The target is absolute.
    pub request: Request<Bytes>,
    /// What to read of the response.
    pub read: Read,
    /// The span is to end at the body's end, not at the head.
    pub end_at_body: bool,
    /// How many of the adapter's layers are to be around each other: two where one must keep quiet inside the other.
    pub layers: usize,
    /// How often to send it, whatever the answers: as a retry does whose attempts the adapter counts. The last answer is
    /// the call's.
    pub attempts: u32,
}

/// What a [`Call`] wants to be read of the response.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Read {
    /// All of it.
    All,
    /// The head; the response is dropped with its body unread.
    Head,
}

/// One tracer, and what its client did.
struct Rig<'a> {
    wire: Wire,
    tracer: Tracer,
    spans: MemorySink,
    tally: Tally,
    layers: usize,
    end_at_body: bool,
    attempts: u32,
    send: &'a dyn Fn(Call) -> Sending<'a>,
    checks: Checks,
}

struct Case {
    name: &'static str,
    sampled: bool,
    layers: usize,
    end_at_body: bool,
    attempts: u32,
    needs: Option<Need>,
    run: for<'r, 'a> fn(&'r mut Rig<'a>) -> Running<'r>,
}

/// What not every client has.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Need {
    /// It opens its own connections.
    Connects,
    /// Its layer sees absolute targets.
    Absolute,
}

type Sending<'a> = Pin<Box<dyn Future<Output = Result<Response<Bytes>, BoxError>> + 'a>>;
type Running<'a> = Pin<Box<dyn Future<Output = Result<(), String>> + 'a>>;

// === impl ClientSuite ===

impl ClientSuite {
    /// For a client that speaks HTTP/1.1 and HTTP/2, opens its own connections, can end spans at the body's end, and
    /// counts its attempts.
    pub fn new() -> Self {
        Self { wires: Wire::ALL.to_vec(), body_end: true, connects: true, absolute: true, resends: true }
    }

    /// It speaks HTTP/1.1 only.
    pub fn http1_only(mut self) -> Self {
        self.wires = vec![Wire::Http1];
        self
    }

    /// Its spans always end at the head.
    pub fn ends_at_the_head(mut self) -> Self {
        self.body_end = false;
        self
    }

    /// It is given a connection, so that it never fails to get one.
    pub fn connected(mut self) -> Self {
        self.connects = false;
        self
    }

    /// Its layer sees targets without host, and the `Host` header.
    pub fn origin_form(mut self) -> Self {
        self.absolute = false;
        self
    }

    /// It cannot be called more than once: [`Call::attempts`] is always 1.
    pub fn without_resends(mut self) -> Self {
        self.resends = false;
        self
    }

    /// Runs all cases.
    ///
    /// The closure sends a [`Call`] through the adapter and gives the response, whose body is empty unless all was to be
    /// read. An error of the body is an error. It must do so in the future that it returns, which is dropped to cancel.
    pub async fn run(self, send: impl AsyncFn(Call) -> Result<Response<Bytes>, BoxError>) -> Report {
        let mut report = Report::default();
        let send = |call| -> Sending<'_> { Box::pin(send(call)) };
        for case in attributes::CASES.iter().chain(ends::CASES).chain(propagation::CASES) {
            for wire in Wire::ALL {
                let name = format!("client, {wire:?}: {}", case.name);
                match self.cannot(case, wire) {
                    Some(why) => report.skip(name, why),
                    None => report.ran(name, self.check(case, wire, &send).await),
                }
            }
        }
        report
    }

    fn cannot(&self, case: &Case, wire: Wire) -> Option<&'static str> {
        match case {
            _ if !self.wires.contains(&wire) => Some("the client does not speak it"),
            Case { end_at_body: true, .. } if !self.body_end => Some("the client's spans end at the head"),
            Case { attempts: 2.., .. } if !self.resends => Some("the client is called once"),
            Case { needs: Some(Need::Connects), .. } if !self.connects => Some("the client is given its connections"),
            Case { needs: Some(Need::Absolute), .. } if !self.absolute => Some("the layer sees no absolute target"),
            _ => None,
        }
    }

    async fn check<'a>(&self, case: &Case, wire: Wire, send: &'a dyn Fn(Call) -> Sending<'a>) -> Checks {
        let (spans, tally) = (MemorySink::new(), Tally::new(SpanKind::Client));
        let tracer = Tracer::builder().sink(spans.clone()).listener(tally.clone());
        let tracer = if case.sampled { tracer.build() } else { tracer.sampler(AlwaysOff).build() };
        let Case { layers, end_at_body, attempts, .. } = *case;
        let mut rig =
            Rig { wire, tracer, spans, tally, layers, end_at_body, attempts, send, checks: Checks::default() };
        if let Err(why) = (case.run)(&mut rig).await {
            rig.checks.fail(why);
        }
        rig.settle().await;
        rig.checks
    }
}

impl Default for ClientSuite {
    fn default() -> Self {
        Self::new()
    }
}

// === impl Case ===

impl Case {
    const fn new(name: &'static str, run: for<'r, 'a> fn(&'r mut Rig<'a>) -> Running<'r>) -> Self {
        Self { name, sampled: true, layers: 1, end_at_body: false, attempts: 1, needs: None, run }
    }

    const fn unsampled(self) -> Self {
        Self { sampled: false, ..self }
    }

    const fn layers(self, layers: usize) -> Self {
        Self { layers, ..self }
    }

    const fn end_at_body(self) -> Self {
        Self { end_at_body: true, ..self }
    }

    const fn attempts(self, attempts: u32) -> Self {
        Self { attempts, ..self }
    }

    const fn needs(self, need: Need) -> Self {
        Self { needs: Some(need), ..self }
    }
}

// === impl Rig ===

impl<'a> Rig<'a> {
    async fn backend(&self, play: Play) -> Result<Backend, String> {
        Backend::start(self.wire, play).await
    }

    /// Sends a request below this context.
    async fn send(&self, context: &Context, request: Request<Bytes>, read: Read) -> Result<Response<Bytes>, BoxError> {
        in_time("the response", self.sending(context, request, read)).await?
    }

    fn sending(
        &self,
        context: &Context,
        request: Request<Bytes>,
        read: Read,
    ) -> impl Future<Output = Result<Response<Bytes>, BoxError>> + use<'a> {
        let Self { wire, layers, end_at_body, attempts, send, .. } = *self;
        let call = Call { tracer: self.tracer.clone(), wire, request, read, end_at_body, layers, attempts };
        // The client is made and called in the context, too.
        let sending = async move { send(call).await };
        sending.with_context(context.clone())
    }

    /// Sends a GET to a backend of its own and gives the one span that ends.
    async fn get(&self, play: Play) -> Result<(Result<Response<Bytes>, BoxError>, SpanData), String> {
        let backend = self.backend(play).await?;
        let response = self.send(&Context::ROOT, get(&format!("http://{}/there", backend.address)), Read::All).await;
        Ok((response, self.one().await?))
    }

    /// The one span that ends, now or soon.
    async fn one(&self) -> Result<SpanData, String> {
        self.spans.wait_for(1, DEADLINE).await.map_err(|error| error.to_string())?;
        let mut ended = self.spans.take();
        if ended.len() > 1 {
            return Err(format!("{} spans ended instead of one:\n{}", ended.len(), tree(&ended)));
        }
        ended.pop().ok_or_else(|| "somebody else has taken the span".to_owned())
    }

    fn text(&mut self, span: &SpanData, why: &str, key: &str, wanted: Option<&str>) {
        let actual = span.attribute(key).map(ToString::to_string);
        self.checks.equal(format_args!("{why}: `{key}`"), actual.as_deref(), wanted);
    }

    /// Whatever the case did: all that started has ended, once, and nothing was left behind.
    async fn settle(&mut self) {
        if let Err(why) = self.tally.ended(self.tally.now().started).await {
            self.checks.fail(why);
        }
        let counts = self.tally.now();
        self.checks.equal("the number of operations that ended", counts.ended, counts.started);
        let left = self.spans.take();
        self.checks.holds(left.is_empty(), || format!("nobody asked for these spans:\n{}", tree(&left)));
        let stats = self.tracer.stats();
        self.checks.equal("the number of spans that nobody ended", stats.abandoned, 0);
        self.checks.equal("the number of panics in hooks", stats.hook_panics, 0);
        let current = Context::current_span_context();
        self.checks.equal("the context after it", current, None);
    }
}

fn get(uri: &str) -> Request<Bytes> {
    request("GET", uri)
}

/// The cases' own methods and URIs are valid.
fn request(method: &str, uri: &str) -> Request<Bytes> {
    Request::builder().method(method).uri(uri).body(Bytes::new()).unwrap_or_default()
}
