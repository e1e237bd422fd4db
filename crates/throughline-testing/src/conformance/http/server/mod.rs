//! The suite of servers.

use std::net::SocketAddr;
use std::pin::Pin;

use throughline_core::{AlwaysOff, SpanData, SpanKind, Tracer};

use crate::conformance::Report;
use crate::conformance::report::Checks;
use crate::{MemorySink, tree};

use super::site::{Scene, Script, Site};
use super::tally::Tally;
use super::visitor::{Answer, Ask, Connection, Leave};
use super::{DEADLINE, Wire, in_time};

mod attributes;
mod context;
mod ends;
mod faults;

/// What every HTTP server's adapter must do; says what the one under test cannot have.
///
/// See the [module's documentation](super) for an example.
#[must_use = "a suite does nothing unless it is run"]
#[derive(Clone, Debug)]
pub struct ServerSuite {
    wires: Vec<Wire>,
    routes: bool,
    peer: bool,
}

/// What a server under test is to be made of: the [`Site`] behind the adapter's layer.
///
/// Requests to [`SKIPPED`](super::SKIPPED) are to be skipped.
#[derive(Clone, Debug)]
pub struct Setup {
    tracer: Tracer,
    site: Site,
    layers: usize,
}

/// One server, and what is seen of it.
struct Rig {
    suite: ServerSuite,
    wire: Wire,
    site: Site,
    address: SocketAddr,
    tracer: Tracer,
    spans: MemorySink,
    tally: Tally,
    spy: attributes::Spy,
    checks: Checks,
}

struct Case {
    name: &'static str,
    sampling: Sampling,
    layers: usize,
    only: Option<Wire>,
    needs_peer: bool,
    run: for<'a> fn(&'a mut Rig) -> Running<'a>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Sampling {
    ByParent,
    Nothing,
    /// By the parent, and notes what there is to see.
    Spied,
}

type Running<'a> = Pin<Box<dyn Future<Output = Result<(), String>> + 'a>>;

// === impl ServerSuite ===

impl ServerSuite {
    /// For a server that speaks HTTP/1.1 and HTTP/2 on the same port, routes, and knows its peers.
    pub fn new() -> Self {
        Self { wires: Wire::ALL.to_vec(), routes: true, peer: true }
    }

    /// It speaks HTTP/1.1 only.
    pub fn http1_only(mut self) -> Self {
        self.wires = vec![Wire::Http1];
        self
    }

    /// It has no router: spans have no `http.route`.
    pub fn without_routes(mut self) -> Self {
        self.routes = false;
        self
    }

    /// It does not know the socket's other end.
    pub fn without_peer(mut self) -> Self {
        self.peer = false;
        self
    }

    /// Runs all cases, each on a server of its own.
    ///
    /// The closure starts a server as the [`Setup`] says and gives its address. It must serve until the runtime ends.
    pub async fn run(self, start: impl AsyncFn(Setup) -> SocketAddr) -> Report {
        let mut report = Report::default();
        for case in attributes::CASES.iter().chain(ends::CASES).chain(faults::CASES).chain(context::CASES) {
            for wire in Wire::ALL {
                let name = format!("server, {wire:?}: {}", case.name);
                match self.cannot(case, wire) {
                    Some(why) => report.skip(name, why),
                    None => report.ran(name, self.check(case, wire, &start).await),
                }
            }
        }
        report
    }

    fn cannot(&self, case: &Case, wire: Wire) -> Option<&'static str> {
        match case {
            _ if !self.wires.contains(&wire) => Some("the server does not speak it"),
            Case { only: Some(only), .. } if *only != wire => Some("this version of HTTP has no such thing"),
            Case { needs_peer: true, .. } if !self.peer => Some("the server does not know its peers"),
            _ => None,
        }
    }

    async fn check(&self, case: &Case, wire: Wire, start: &impl AsyncFn(Setup) -> SocketAddr) -> Checks {
        let (spans, tally, spy) = (MemorySink::new(), Tally::new(SpanKind::Server), attributes::Spy::default());
        let tracer = Tracer::builder().sink(spans.clone()).listener(tally.clone());
        let tracer = match case.sampling {
            Sampling::ByParent => tracer.build(),
            Sampling::Nothing => tracer.sampler(AlwaysOff).build(),
            Sampling::Spied => tracer.sampler(spy.clone()).build(),
        };
        let site = Site::new(&tracer);
        let setup = Setup { tracer: tracer.clone(), site: site.clone(), layers: case.layers };
        let address = start(setup).await;
        let (suite, checks) = (self.clone(), Checks::default());
        let mut rig = Rig { suite, wire, site, address, tracer, spans, tally, spy, checks };
        if let Err(why) = (case.run)(&mut rig).await {
            rig.checks.fail(why);
        }
        rig.settle().await;
        rig.checks
    }
}

impl Default for ServerSuite {
    fn default() -> Self {
        Self::new()
    }
}

// === impl Setup ===

impl Setup {
    /// The tracer that the adapter's layer is to use.
    #[must_use]
    pub fn tracer(&self) -> &Tracer {
        &self.tracer
    }

    /// What the server is to serve, at [`Site::ROUTE`] and at [`SKIPPED`](super::SKIPPED) where there is a router.
    #[must_use]
    pub fn site(&self) -> Site {
        self.site.clone()
    }

    /// How many of the adapter's layers are to be around it: two where one must keep quiet inside the other.
    #[must_use]
    pub fn layers(&self) -> usize {
        self.layers
    }
}

// === impl Case ===

impl Case {
    const fn new(name: &'static str, run: for<'a> fn(&'a mut Rig) -> Running<'a>) -> Self {
        Self { name, sampling: Sampling::ByParent, layers: 1, only: None, needs_peer: false, run }
    }

    const fn only(self, wire: Wire) -> Self {
        Self { only: Some(wire), ..self }
    }

    const fn needs_peer(self) -> Self {
        Self { needs_peer: true, ..self }
    }

    const fn sampling(self, sampling: Sampling) -> Self {
        Self { sampling, ..self }
    }

    const fn layers(self, layers: usize) -> Self {
        Self { layers, ..self }
    }
}

// === impl Rig ===

impl Rig {
    async fn connect(&self) -> Result<Connection, String> {
        self.connect_to_leave(Leave::Close).await
    }

    async fn connect_to_leave(&self, leave: Leave) -> Result<Connection, String> {
        let opened = in_time("a connection", Connection::open(self.address, self.wire, leave)).await?;
        opened.map_err(|error| format!("no connection: {error}"))
    }

    /// The whole answer to a request on a connection of its own.
    async fn fetch(&self, ask: &Ask) -> Result<Answer, String> {
        let mut connection = self.connect().await?;
        let answer = in_time("the answer", connection.fetch(ask)).await?;
        answer.map_err(|error| format!("{} {} is not answered: {error}", ask.method, ask.target))
    }

    /// Puts the script somewhere, asks for it and gives the one span that ends.
    async fn visit(
        &self,
        script: Script,
        ask: impl FnOnce(String) -> Ask,
    ) -> Result<(Scene, Answer, SpanData), String> {
        let scene = self.site.scene(script);
        let answer = self.fetch(&ask(scene.path.clone())).await?;
        Ok((scene, answer, self.one().await?))
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

    /// The name of a span, given the method in it.
    fn name(&self, method: &str) -> String {
        if self.suite.routes { format!("{method} {}", Site::ROUTE) } else { method.to_owned() }
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
    }
}
