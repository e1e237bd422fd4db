//! HTTP metrics by the semantic conventions, as listeners.

mod active;
mod chosen;

use std::fmt;
use std::sync::Arc;

use throughline_core::metrics::{DURATION_BUCKETS, Histogram, Instrument, Meter, UpDownCounter};
use throughline_core::{End, Listener, Scope, SemanticKey, Start};

pub use self::active::ActiveRequests;
use self::chosen::{Choice, Chosen};

/// Measures HTTP requests by the semantic conventions: a [`Listener`] that writes to the instruments of a
/// [`Meter`].
///
/// | instrument | unit | attributes |
/// |---|---|---|
/// | `http.server.request.duration` | `s` | `http.request.method`, `url.scheme`, `http.route`, `http.response.status_code`, `error.type`, `network.protocol.version` |
/// | `http.client.request.duration` | `s` | `http.request.method`, `server.address`, `server.port`, `http.response.status_code`, `error.type`, `network.protocol.version` |
/// | `http.server.active_requests` | `{request}` | `http.request.method`, `url.scheme` |
/// | `http.client.active_requests` | `{request}` | `http.request.method`, `server.address`, `server.port` |
/// | `http.{server,client}.{request,response}.body.size`, if asked for ([`body_sizes`](HttpMetricsBuilder::body_sizes)) | `By` | as the duration |
///
/// Each attribute has the span's value and is left out if the span has none. What is opt-in on spans is here where it is
/// there: `url.template` and `url.scheme` on clients, `user_agent.synthetic.type` on servers, `network.protocol.name` on
/// the durations of both. A server's address is whatever the request claims, and is left out unless asked for
/// ([`server_address`](HttpMetricsBuilder::server_address)).
///
/// ```
/// use throughline_core::Tracer;
/// use throughline_testing::MemoryMeter;
/// use throughline_tower::HttpMetrics;
///
/// let meter = MemoryMeter::new();
/// let tracer = Tracer::builder().listener(HttpMetrics::new(&meter)).build();
/// # let _ = tracer;
/// ```
///
/// # Guarantees
///
/// * Every request that has a span is measured, sampled or not; its duration exactly once, however it ended: completed,
///   failed, cancelled, panicked.
/// * A gauge goes down with the attributes that it went up with, whatever the application made of them meanwhile.
/// * It allocates nothing, unless the texts of one request's attributes exceed 512 bytes; the meter is the one who may.
/// * How many series there can be is up to what requests may say: methods that are not known are `_OTHER`, routes are
///   templates. The hosts that a client calls are the application's.
pub struct HttpMetrics {
    server: Side,
    client: Side,
}

/// Says what [`HttpMetrics`] measure; made by [`HttpMetrics::builder`].
#[derive(Clone, Copy, Debug, Default)]
#[must_use]
pub struct HttpMetricsBuilder {
    body_sizes: bool,
    server_address: bool,
}

// === impl HttpMetrics ===

impl HttpMetrics {
    /// Durations and active requests of both sides, without body sizes.
    #[must_use]
    pub fn new(meter: &dyn Meter) -> Self {
        Self::builder().build(meter)
    }

    /// Chooses what is measured beyond that.
    pub fn builder() -> HttpMetricsBuilder {
        HttpMetricsBuilder::default()
    }

    fn side(&self, key: Option<SemanticKey>) -> Option<&Side> {
        match key {
            Some(SemanticKey::HttpServer) => Some(&self.server),
            Some(SemanticKey::HttpClient) => Some(&self.client),
            _ => None,
        }
    }
}

impl Listener for HttpMetrics {
    fn start(&self, start: &Start<'_>) {
        let Some(side) = self.side(start.semantic_key) else { return };
        let mut chosen = Chosen::new(side.of_active);
        start.attributes.visit(&mut chosen);
        chosen.show(|attributes| side.active.add(1, attributes));
    }

    fn end(&self, end: &End<'_>) {
        let Some(side) = self.side(end.semantic_key) else { return };
        let mut started = Chosen::new(side.of_active);
        end.start_attributes.visit(&mut started);
        started.show(|attributes| side.active.add(-1, attributes));

        let mut chosen = Chosen::new(side.of_duration);
        end.attributes.visit(&mut chosen);
        chosen.show(|attributes| {
            side.duration.record(end.duration.as_secs_f64(), attributes, end.span_context);
            if let Some((request, response)) = &side.body_sizes {
                for (size, histogram) in [(chosen.request_size(), request), (chosen.response_size(), response)] {
                    if let Some(bytes) = size {
                        histogram.record(bytes, attributes, end.span_context);
                    }
                }
            }
        });
    }
}

impl fmt::Debug for HttpMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpMetrics").field("body_sizes", &self.server.body_sizes.is_some()).finish_non_exhaustive()
    }
}

// === impl HttpMetricsBuilder ===

impl HttpMetricsBuilder {
    /// Measures the bodies of requests and responses, too: of spans that have their sizes as `http.request.body.size` and
    /// `http.response.body.size`.
    pub fn body_sizes(mut self) -> Self {
        self.body_sizes = true;
        self
    }

    /// Tells the series of a server apart by `server.address` and `server.port`, too. Whoever sends requests chooses
    /// these, and so how many series there are: behind a proxy that checks the host only.
    pub fn server_address(mut self) -> Self {
        self.server_address = true;
        self
    }

    /// Makes the instruments.
    #[must_use]
    pub fn build(self, meter: &dyn Meter) -> HttpMetrics {
        let Self { body_sizes, server_address } = self;
        let sizes = |[request, response]: &[Instrument; 2]| (meter.histogram(request), meter.histogram(response));
        let address = if server_address { Choice::ADDRESS } else { Choice::NONE };
        HttpMetrics {
            server: Side {
                duration: meter.histogram(&SERVER_DURATION),
                active: meter.up_down_counter(&SERVER_ACTIVE),
                body_sizes: body_sizes.then(|| sizes(&SERVER_SIZES)),
                of_duration: Choice::SERVER_DURATION.and(address),
                of_active: Choice::SERVER_ACTIVE.and(address),
            },
            client: Side {
                duration: meter.histogram(&CLIENT_DURATION),
                active: meter.up_down_counter(&CLIENT_ACTIVE),
                body_sizes: body_sizes.then(|| sizes(&CLIENT_SIZES)),
                of_duration: Choice::CLIENT_DURATION,
                of_active: Choice::CLIENT_ACTIVE,
            },
        }
    }
}

/// The instruments of one end of the wire, and which attributes they have.
struct Side {
    duration: Arc<dyn Histogram>,
    active: Arc<dyn UpDownCounter>,
    body_sizes: Option<(Arc<dyn Histogram>, Arc<dyn Histogram>)>,
    of_duration: Choice,
    of_active: Choice,
}

static SCOPE: Scope = Scope { name: env!("CARGO_PKG_NAME"), version: env!("CARGO_PKG_VERSION") };

const fn duration(name: &'static str, description: &'static str) -> Instrument {
    Instrument::new(&SCOPE, name, "s", description).with_buckets(&DURATION_BUCKETS)
}

const fn active(name: &'static str, description: &'static str) -> Instrument {
    Instrument::new(&SCOPE, name, "{request}", description)
}

const fn size(name: &'static str, description: &'static str) -> Instrument {
    Instrument::new(&SCOPE, name, "By", description)
}

static SERVER_DURATION: Instrument = duration("http.server.request.duration", "Duration of HTTP server requests.");
static CLIENT_DURATION: Instrument = duration("http.client.request.duration", "Duration of HTTP client requests.");
static SERVER_ACTIVE: Instrument = active("http.server.active_requests", "Number of active HTTP server requests.");
static CLIENT_ACTIVE: Instrument = active("http.client.active_requests", "Number of active HTTP requests.");
static SERVER_SIZES: [Instrument; 2] = [
    size("http.server.request.body.size", "Size of HTTP server request bodies."),
    size("http.server.response.body.size", "Size of HTTP server response bodies."),
];
static CLIENT_SIZES: [Instrument; 2] = [
    size("http.client.request.body.size", "Size of HTTP client request bodies."),
    size("http.client.response.body.size", "Size of HTTP client response bodies."),
];
