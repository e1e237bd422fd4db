//! The table: what is called with which headers, and what is to be read from them.

use throughline::SamplingState;
use throughline::SamplingState::{Accept, Debug, Defer, Deny};
use throughline::propagation::{Composite, Format};

use crate::facts::{Facts, word};

/// One row, played with each peer.
#[derive(Clone)]
pub(crate) struct Case {
    pub(crate) format: &'static str,
    pub(crate) name: &'static str,
    pub(crate) begins: Begins,
    /// What the first who reads is to find.
    pub(crate) facts: Facts,
}

/// Who starts, and how.
#[derive(Clone)]
pub(crate) enum Begins {
    /// Somebody calls us with these lines; we call the peer, and it calls back.
    Headers(Vec<(&'static str, String)>),
    /// The peer starts a trace and calls us; the id of its CLIENT span, where that matters.
    Peer(Option<&'static str>),
}

/// The formats that are played, each with the baggage that goes with it, and the propagator of each.
pub(crate) fn formats() -> Vec<(&'static str, Composite)> {
    FORMATS
        .iter()
        .map(|names| (names[0], Composite::new(names.iter().filter_map(|name| Format::by_name(name)))))
        .collect()
}

pub(crate) fn cases() -> Vec<Case> {
    let rows = [trace_context(), baggage(), b3_single(), b3_multi(), xray(), jaeger(), ot_trace()];
    rows.into_iter().flatten().collect()
}

fn trace_context() -> Vec<Case> {
    let of = |name| called("tracecontext", name);
    let with = |name, flags| of(name).line("traceparent", format!("00-{T}-{P}-{flags}"));
    let many = (0..32).map(|at| format!("k{at}={at}")).collect::<Vec<_>>();
    vec![
        with("sampled", "01").ids(T, P).sampling(Accept),
        with("not sampled", "00").ids(T, P).sampling(Deny),
        with("sampled and random", "03").ids(T, P).sampling(Accept),
        with("random alone", "02").ids(T, P).sampling(Deny),
        with("flags of the future", "ff").ids(T, P).sampling(Accept),
        of("version of the future").line("traceparent", format!("cc-{T}-{P}-01-x")).ids(T, P).sampling(Accept),
        of("upper case is no id").line("traceparent", format!("00-{}-{P}-01", T.to_uppercase())),
        of("two parents are none")
            .line("traceparent", format!("00-{T}-{P}-01"))
            .line("traceparent", format!("00-{T}-{Q}-01")),
        of("nothing: a new trace"),
        of("tracestate without a parent is nothing").line("tracestate", "foo=1"),
        with("tracestate of three", "01")
            .line("tracestate", "foo=1,bar=a b:c,baz@v=t61rcWkgMzE")
            .ids(T, P)
            .sampling(Accept)
            .tracestate("foo=1,bar=a b:c,baz@v=t61rcWkgMzE"),
        with("tracestate with blanks and holes", "00")
            .line("tracestate", "foo=1 \t , \t bar=2,,baz=3,")
            .ids(T, P)
            .sampling(Deny)
            .tracestate("foo=1,bar=2,baz=3"),
        with("tracestate in two lines", "01")
            .line("tracestate", "foo=1")
            .line("tracestate", "bar=2,baz=3")
            .ids(T, P)
            .sampling(Accept)
            .tracestate("foo=1,bar=2,baz=3"),
        with("tracestate of 32", "01")
            .line("tracestate", many.join(","))
            .ids(T, P)
            .sampling(Accept)
            .tracestate(&many.join(",")),
        with("tracestate with a bad member is none", "01").line("tracestate", "foo=1,BAR=2").ids(T, P).sampling(Accept),
        started("tracecontext", "peer's own, sampled").sampling(Accept),
        started("tracecontext", "peer's own, not sampled").sampling(Deny),
        started("tracecontext", "peer's own, tracestate").sampling(Accept).tracestate("foo=1,bar=2"),
        started("tracecontext", "peer's own, leading zeros").sampling(Accept).client(ZEROS),
    ]
}

fn baggage() -> Vec<Case> {
    let of = |name, text: &str| {
        let line = format!("00-{T}-{P}-01");
        called("tracecontext", name).line("traceparent", line).line("baggage", text).ids(T, P).sampling(Accept)
    };
    let many = (10..74).map(|at| format!("k{at}={at}")).collect::<Vec<_>>();
    let mut rows = vec![
        of("baggage", "tenant=gold,user=7").baggage(&["tenant=gold", "user=7"]),
        of("baggage with blanks", "tenant = gold , user =  7").baggage(&["tenant=gold", "user=7"]),
        of("baggage of coded characters", "k=a%2C%3B%25%22%5C").baggage(&["k=a,;%\"\\"]),
        of("baggage with a coded space", "k=a%20b").baggage(&["k=a b"]),
        of("baggage of Unicode", "city=Z%C3%BCrich,euro=%E2%82%AC,face=%F0%9F%99%82").baggage(&[
            "city=Zürich",
            "euro=€",
            "face=🙂",
        ]),
        of("baggage with equals signs", "k=a=b=c").baggage(&["k=a=b=c"]),
        of("baggage with a plus", "k=a+b").baggage(&["k=a+b"]),
        of("baggage with properties", "k=v;p;q=1").baggage(&["k=v;p;q=1"]),
        of("baggage without a value", "k=,l=1").baggage(&["k=", "l=1"]),
        of("baggage of 64", &many.join(",")).baggage(&many.iter().map(|pair| &**pair).collect::<Vec<_>>()),
        of("baggage in two lines", "k=v").line("baggage", "l=w").baggage(&["k=v", "l=w"]),
        called("tracecontext", "baggage without a trace").line("baggage", "k=v").baggage(&["k=v"]),
    ];
    for (name, pair) in [
        ("peer's baggage", "k=v"),
        ("peer's baggage with a space", "k=a b"),
        ("peer's baggage with a comma", "k=a,b"),
        ("peer's baggage with a semicolon", "k=a;b=c"),
        ("peer's baggage with a percent sign", "k=100%"),
        ("peer's baggage with a plus", "k=a+b"),
        ("peer's baggage of quotes", "k=\"a\\b'"),
        ("peer's baggage of Unicode", "k=Zürich€🙂"),
        ("peer's baggage without a value", "k="),
    ] {
        rows.push(started("tracecontext", name).sampling(Accept).baggage(&[pair]));
    }
    rows
}

fn b3_single() -> Vec<Case> {
    let of = |name, text: &str| called("b3", name).line("b3", text);
    vec![
        of("sampled", &format!("{T}-{P}-1")).ids(T, P).sampling(Accept),
        of("not sampled", &format!("{T}-{P}-0")).ids(T, P).sampling(Deny),
        of("debug", &format!("{T}-{P}-d")).ids(T, P).sampling(Debug),
        of("undecided", &format!("{T}-{P}")).ids(T, P),
        of("with a parent", &format!("{T}-{P}-1-{Q}")).ids(T, P).sampling(Accept),
        of("undecided, with a parent", &format!("{T}-{P}-{Q}")).ids(T, P),
        of("64-bit trace id", &format!("{T64}-{P}-1")).ids(PADDED, P).sampling(Accept),
        of("deny without ids", "0").sampling(Deny),
        of("accept without ids", "1").sampling(Accept),
        of("debug without ids", "d").sampling(Debug),
        of("malformed: a new trace", &format!("{T}-{P}-x")),
        of("malformed, and several headers", "no").multi(T, P).line("x-b3-sampled", "1").ids(T, P).sampling(Accept),
        called("b3", "several headers").multi(T, P).line("x-b3-sampled", "0").ids(T, P).sampling(Deny),
        called("b3", "nothing: a new trace"),
        of("baggage", &format!("{T}-{P}-1")).line("baggage", "k=v").ids(T, P).sampling(Accept).baggage(&["k=v"]),
        started("b3", "peer's own, sampled").sampling(Accept),
        started("b3", "peer's own, not sampled").sampling(Deny),
        started("b3", "peer's own, leading zeros").sampling(Accept).client(ZEROS),
        started("b3", "peer's own, baggage").sampling(Accept).baggage(&["k=v"]),
    ]
}

fn b3_multi() -> Vec<Case> {
    let of = |name| called("b3multi", name);
    let ids = |name| of(name).multi(T, P).ids(T, P);
    vec![
        ids("sampled").line("x-b3-sampled", "1").sampling(Accept),
        ids("sampled, in a word").line("x-b3-sampled", "true").sampling(Accept),
        ids("not sampled").line("x-b3-sampled", "0").sampling(Deny),
        ids("debug").line("x-b3-flags", "1").sampling(Debug),
        ids("debug against not sampled").line("x-b3-flags", "1").line("x-b3-sampled", "0").sampling(Debug),
        ids("undecided"),
        ids("with a parent").line("x-b3-parentspanid", Q).line("x-b3-sampled", "1").sampling(Accept),
        of("64-bit trace id").multi(T64, P).line("x-b3-sampled", "1").ids(PADDED, P).sampling(Accept),
        of("deny without ids").line("x-b3-sampled", "0").sampling(Deny),
        of("accept without ids").line("x-b3-sampled", "1").sampling(Accept),
        of("debug without ids").line("x-b3-flags", "1").sampling(Debug),
        of("one header").line("b3", format!("{T}-{P}-1")).ids(T, P).sampling(Accept),
        of("nothing: a new trace"),
        ids("baggage").line("x-b3-sampled", "1").line("baggage", "k=v").sampling(Accept).baggage(&["k=v"]),
        started("b3multi", "peer's own, sampled").sampling(Accept),
        started("b3multi", "peer's own, not sampled").sampling(Deny),
        started("b3multi", "peer's own, leading zeros").sampling(Accept).client(ZEROS),
        started("b3multi", "peer's own, baggage").sampling(Accept).baggage(&["k=v"]),
    ]
}

fn xray() -> Vec<Case> {
    let of = |name, text: &str| called("xray", name).line("x-amzn-trace-id", text);
    let ids = |name, sampled: &str| of(name, &format!("Root=1-{EPOCH}-{UNIQUE};Parent={P}{sampled}")).ids(T, P);
    vec![
        ids("sampled", ";Sampled=1").sampling(Accept),
        ids("not sampled", ";Sampled=0").sampling(Deny),
        ids("undecided, in a word", ";Sampled=?"),
        ids("undecided", ""),
        of("in another order", &format!("Sampled=1; Parent={P} ;Root=1-{EPOCH}-{UNIQUE}")).ids(T, P).sampling(Accept),
        of(
            "with other fields",
            &format!("Self=1-{EPOCH}-{UNIQUE};Root=1-{EPOCH}-{UNIQUE};Parent={P};Sampled=1;Lineage=1:abc:0"),
        )
        .ids(T, P)
        .sampling(Accept),
        of("malformed: a new trace", &format!("Root=2-{EPOCH}-{UNIQUE};Parent={P};Sampled=1")),
        called("xray", "nothing: a new trace"),
        ids("baggage", ";Sampled=1").line("baggage", "k=v").sampling(Accept).baggage(&["k=v"]),
        started("xray", "peer's own, sampled").sampling(Accept),
        started("xray", "peer's own, not sampled").sampling(Deny),
        started("xray", "peer's own, leading zeros").sampling(Accept).client(ZEROS),
        started("xray", "peer's own, baggage").sampling(Accept).baggage(&["k=v"]),
    ]
}

fn jaeger() -> Vec<Case> {
    let of = |name, text: &str| called("jaeger", name).line("uber-trace-id", text);
    let own = |name| started("jaeger", name).sampling(Accept);
    vec![
        of("sampled", &format!("{T}:{P}:0:1")).ids(T, P).sampling(Accept),
        of("sampled, in two digits", &format!("{T}:{P}:0:01")).ids(T, P).sampling(Accept),
        of("not sampled", &format!("{T}:{P}:0:0")).ids(T, P).sampling(Deny),
        of("debug", &format!("{T}:{P}:0:3")).ids(T, P).sampling(Debug),
        of("with a parent", &format!("{T}:{P}:{Q}:1")).ids(T, P).sampling(Accept),
        of("short ids", "4bf92:f067:0:1").ids("0000000000000000000000000004bf92", "000000000000f067").sampling(Accept),
        of("with coded colons", &format!("{T}%3A{P}%3A0%3A1")).ids(T, P).sampling(Accept),
        of("malformed: a new trace", &format!("{T}:{P}:1")),
        called("jaeger", "nothing: a new trace"),
        of("baggage", &format!("{T}:{P}:0:1"))
            .line("uberctx-tenant", "gold")
            .line("uberctx-city", "Z%C3%BCrich%20%E2%82%AC")
            .ids(T, P)
            .sampling(Accept)
            .baggage(&["tenant=gold", "city=Zürich €"]),
        of("baggage with a plus", &format!("{T}:{P}:0:1"))
            .line("uberctx-k", "a%2Bb")
            .ids(T, P)
            .sampling(Accept)
            .baggage(&["k=a+b"]),
        own("peer's own, sampled"),
        started("jaeger", "peer's own, not sampled").sampling(Deny),
        own("peer's own, leading zeros").client(ZEROS),
        own("peer's own, baggage").baggage(&["k=v", "city=Zürich €🙂"]),
        own("peer's own, baggage of odd characters").baggage(&["k=a b,c;d=e%+\"\\/"]),
    ]
}

fn ot_trace() -> Vec<Case> {
    let of = |name, trace: &str, sampled: &str| {
        called("ottrace", name)
            .line("ot-tracer-traceid", trace)
            .line("ot-tracer-spanid", P)
            .line("ot-tracer-sampled", sampled)
    };
    let own = |name| started("ottrace", name).sampling(Accept);
    vec![
        of("sampled", T64, "true").ids(PADDED, P).sampling(Accept),
        of("not sampled", T64, "false").ids(PADDED, P).sampling(Deny),
        of("128-bit trace id", T, "true").ids(T, P).sampling(Accept),
        called("ottrace", "nothing: a new trace"),
        of("baggage", T64, "true")
            .line("ot-baggage-tenant", "gold")
            .line("ot-baggage-k", "a b,c")
            .ids(PADDED, P)
            .sampling(Accept)
            .baggage(&["tenant=gold", "k=a b,c"]),
        own("peer's own, sampled"),
        started("ottrace", "peer's own, not sampled").sampling(Deny),
        own("peer's own, leading zeros").client(ZEROS),
        own("peer's own, baggage").baggage(&["k=v", "l=a b,c;d=e%+\"\\/"]),
    ]
}

// === impl Case ===

impl Case {
    fn line(mut self, name: &'static str, value: impl Into<String>) -> Self {
        if let Begins::Headers(lines) = &mut self.begins {
            lines.push((name, value.into()));
        }
        self
    }

    fn multi(self, trace: &str, span: &str) -> Self {
        self.line("x-b3-traceid", trace).line("x-b3-spanid", span)
    }

    fn client(mut self, span: &'static str) -> Self {
        self.begins = Begins::Peer(Some(span));
        self
    }

    fn ids(mut self, trace: &str, span: &str) -> Self {
        (self.facts.trace_id, self.facts.span_id) = (trace.to_owned(), span.to_owned());
        self
    }

    fn sampling(mut self, state: SamplingState) -> Self {
        self.facts.sampling = word(state).to_owned();
        self
    }

    fn tracestate(mut self, text: &str) -> Self {
        self.facts.tracestate = text.to_owned();
        self
    }

    fn baggage(mut self, pairs: &[&str]) -> Self {
        self.facts.baggage = pairs.iter().map(|pair| (*pair).to_owned()).collect();
        self
    }
}

fn called(format: &'static str, name: &'static str) -> Case {
    let facts = Facts { sampling: word(Defer).to_owned(), ..Facts::default() };
    Case { format, name, begins: Begins::Headers(Vec::new()), facts }
}

fn started(format: &'static str, name: &'static str) -> Case {
    Case { begins: Begins::Peer(None), ..called(format, name) }
}

/// By OpenTelemetry's names; Jaeger's and OpenTracing's have baggage of their own.
const FORMATS: [&[&str]; 6] = [
    &["tracecontext", "baggage"],
    &["b3", "baggage"],
    &["b3multi", "baggage"],
    &["xray", "baggage"],
    &["jaeger"],
    &["ottrace"],
];

const T: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
/// The same in X-Ray's two parts.
const EPOCH: &str = "4bf92f35";
const UNIQUE: &str = "77b34da6a3ce929d0e0e4736";
const T64: &str = "64fe8b2a57d3eff7";
const PADDED: &str = "000000000000000064fe8b2a57d3eff7";
const P: &str = "00f067aa0ba902b7";
const Q: &str = "05e3ac9a4f6e3b90";
const ZEROS: &str = "00000000000000b1";
