//! OTLP over HTTP/protobuf.

mod client;
mod metrics;
mod tls;
mod variables;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use opentelemetry_otlp::{Compression, Protocol, SpanExporter, WithExportConfig, WithHttpConfig};

use crate::error::{BoxError, Reason};
use crate::{BuildError, OtelExporter};

pub use self::metrics::{OtlpMetricsConfig, OtlpMetricsExporter};

/// Spans by OTLP over HTTP/protobuf: where to, with which headers, for how long.
///
/// | variable (`OTEL_EXPORTER_OTLP_TRACES_…` wins over `OTEL_EXPORTER_OTLP_…`) | default | accepted |
/// |---|---|---|
/// | `ENDPOINT` | `http://localhost:4318` | a `http` or `https` URL; `v1/traces` is appended to the general one, the one of traces is used as it is |
/// | `PROTOCOL` | `http/protobuf` | `http/protobuf` |
/// | `HEADERS` | none | `name=value,name=value`, values percent-encoded |
/// | `TIMEOUT` | `10000` | milliseconds, at least 1 |
/// | `COMPRESSION` | `none` | `gzip`, `none` |
/// | `CERTIFICATE` | the machine's | a PEM file with the certificates to trust instead |
/// | `CLIENT_CERTIFICATE`, `CLIENT_KEY` | none | PEM files, both or neither |
///
/// An empty variable counts as unset. What is set here wins over the variables, whoever else reads them.
///
/// ```
/// use std::time::Duration;
/// use throughline_otel::OtlpConfig;
///
/// let variables = |name: &str| match name {
///     "OTEL_EXPORTER_OTLP_ENDPOINT" => Some("http://collector:4318".to_owned()),
///     "OTEL_EXPORTER_OTLP_HEADERS" => Some("api-key=secret".to_owned()),
///     _ => None,
/// };
/// let config = OtlpConfig::from_lookup(variables)?.timeout(Duration::from_secs(3));
/// assert_eq!(config.url(), "http://collector:4318/v1/traces");
/// assert!(!format!("{config:?}").contains("secret"));
/// let exporter = config.exporter()?;
/// # drop(exporter);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # What it does with failures
///
/// Answers 429, 502, 503 and 504 and broken connections are retried up to three times with growing pauses, as long as
/// the timeout allows; `Retry-After` is honoured. What then still fails is an error of that batch, which names the host and
/// the reason. How many spans of a batch a collector refused is said at most once a minute (target `throughline`). Proxies are not supported, nor is following
/// a redirect.
#[derive(Clone)]
pub struct OtlpConfig {
    endpoint: Uri,
    headers: HeaderMap,
    timeout: Duration,
    gzip: bool,
    certificate: Option<File>,
    client: Option<(File, File)>,
}

/// An exporter that speaks OTLP; made by [`OtlpConfig::exporter`].
pub type OtlpExporter = OtelExporter<SpanExporter>;

/// A setting of [`OtlpConfig`] that cannot be used: names it and says what is accepted, never showing a header's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidVariable {
    variable: &'static str,
    problem: String,
}

/// A file and the variable that named it.
type File = (&'static str, PathBuf);

// === impl OtlpConfig ===

impl OtlpConfig {
    /// What the process's environment variables say.
    ///
    /// # Errors
    ///
    /// The first variable whose value cannot be used.
    pub fn from_env() -> Result<Self, InvalidVariable> {
        Self::from_lookup(|name| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned()))
    }

    /// As [`from_env`](Self::from_env), from variables that are kept elsewhere.
    ///
    /// # Errors
    ///
    /// The first variable whose value cannot be used.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, InvalidVariable> {
        variables::parse(&variables::TRACES, &lookup)
    }

    fn to(endpoint: &'static str) -> Self {
        Self {
            endpoint: Uri::from_static(endpoint),
            headers: HeaderMap::new(),
            timeout: Duration::from_secs(10),
            gzip: false,
            certificate: None,
            client: None,
        }
    }

    /// The URL that batches are sent to, used as it is.
    ///
    /// # Errors
    ///
    /// Not a `http` or `https` URL.
    pub fn endpoint(mut self, url: &str) -> Result<Self, InvalidVariable> {
        self.endpoint = variables::url("endpoint", url)?;
        Ok(self)
    }

    /// One more header; an earlier one of that name is replaced.
    ///
    /// # Errors
    ///
    /// Not a header.
    pub fn header(mut self, name: &str, value: &str) -> Result<Self, InvalidVariable> {
        let (name, value) = variables::header("header", name, value.as_bytes())?;
        self.headers.insert(name, value);
        Ok(self)
    }

    /// How long one batch may take, retries included.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Whether batches are compressed.
    #[must_use]
    pub fn gzip(mut self, gzip: bool) -> Self {
        self.gzip = gzip;
        self
    }

    /// The URL that batches are sent to.
    #[must_use]
    pub fn url(&self) -> String {
        self.endpoint.to_string()
    }

    /// Builds the exporter, on a runtime of its own; nothing is sent yet.
    ///
    /// # Errors
    ///
    /// A certificate or key cannot be read, or there are no threads left.
    pub fn exporter(self) -> Result<OtlpExporter, BuildError> {
        let timeout = self.timeout.saturating_add(GRACE);
        let name = format!("OTLP to {}", host(&self.endpoint));
        let reason = Reason::default();
        let below = reason.clone();
        let exporter = OtelExporter::new(move || self.build(below))?;
        Ok(exporter.timeout(timeout).named(name).reason(reason))
    }

    fn build(self, reason: Reason) -> Result<SpanExporter, BoxError> {
        // The builder reads the environment for whatever it is not given. Headers it would even mix: ours are set by
        // the client, which takes out all others.
        let builder = SpanExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(self.endpoint.to_string())
            .with_timeout(self.timeout);
        let builder = if self.gzip { builder.with_compression(Compression::Gzip) } else { builder };
        Ok(builder.with_http_client(client::Client::new(self, reason, "spans")?).build()?)
    }
}

impl Default for OtlpConfig {
    /// What holds when no variable is set.
    fn default() -> Self {
        Self::to(variables::TRACES.default)
    }
}

impl fmt::Debug for OtlpConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { endpoint, headers, timeout, gzip, certificate, client } = self;
        f.debug_struct("OtlpConfig")
            .field("endpoint", &WithoutQuery(endpoint))
            .field("headers", &Names(headers))
            .field("timeout", timeout)
            .field("gzip", gzip)
            .field("certificate", certificate)
            .field("client", client)
            .finish()
    }
}

// === impl InvalidVariable ===

impl InvalidVariable {
    fn new(variable: &'static str, problem: impl Into<String>) -> Self {
        Self { variable, problem: problem.into() }
    }

    /// The variable, or the method that was called.
    #[must_use]
    pub fn variable(&self) -> &'static str {
        self.variable
    }

    /// What is wrong, and what is accepted.
    #[must_use]
    pub fn problem(&self) -> &str {
        &self.problem
    }
}

impl fmt::Display for InvalidVariable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "invalid {}: {}", self.variable, self.problem)
    }
}

impl std::error::Error for InvalidVariable {}

/// Headers without their values.
struct Names<'a>(&'a HeaderMap);

impl fmt::Debug for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.keys().map(HeaderName::as_str)).finish()
    }
}

/// A URL without its query, in which some backends want their key.
struct WithoutQuery<'a>(&'a Uri);

impl fmt::Display for WithoutQuery<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, host) = (self.0.scheme_str().unwrap_or_default(), self.0.authority());
        write!(f, "{scheme}://{}{}", host.map_or("", |host| host.as_str()), self.0.path())
    }
}

impl fmt::Debug for WithoutQuery<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Host and port, and nothing else: paths and queries may hold keys.
fn host(url: &Uri) -> String {
    let host = url.host().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// A header that nobody prints, compresses or logs.
fn sensitive(mut value: HeaderValue) -> HeaderValue {
    value.set_sensitive(true);
    value
}

/// The client's own timeout comes first, because it knows what it was waiting for.
const GRACE: Duration = Duration::from_millis(100);
