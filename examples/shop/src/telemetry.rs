//! Setting up tracing: one [`Telemetry`] per service.

use std::io::Stdout;
use std::time::Duration;

use throughline::export::{JsonLines, Waterfall, WaterfallBuilder};
use throughline::otel::OtlpConfig;
use throughline::{ParentBased, Sampler, SamplingDecision, SamplingInput, Telemetry, TelemetryBuilder};

use crate::args::Args;
use crate::{BoxError, chain};

/// What four processes would have one of each.
pub(crate) struct Services {
    pub(crate) driver: Telemetry,
    pub(crate) gateway: Telemetry,
    pub(crate) orders: Telemetry,
    pub(crate) inventory: Telemetry,
}

/// Where the spans of all services go. Both are handles: their exporters share one place.
enum Output {
    Waterfalls(Waterfall),
    Json(JsonLines<Stdout>),
}

/// Samples everything but what says that it is not worth it.
#[derive(Debug)]
struct UnlessBoring;

/// The attribute that [`UnlessBoring`] looks at.
pub(crate) const BORING: &str = "shop.boring";

// === impl Services ===

impl Services {
    pub(crate) fn set_up(args: &Args) -> Result<Self, BoxError> {
        let output = Output::of(args);
        Ok(Self {
            // Who begins a trace decides whether it is sampled; by default the others do as they are told.
            driver: output.add_to(Telemetry::builder().sampler(ParentBased::new(UnlessBoring)), "driver")?,
            gateway: output.add_to(Telemetry::builder(), "gateway")?,
            orders: output.add_to(Telemetry::builder(), "orders")?,
            inventory: output.add_to(Telemetry::builder(), "inventory")?,
        })
    }

    pub(crate) fn all(&self) -> [(&'static str, &Telemetry); 4] {
        let Self { driver, gateway, orders, inventory } = self;
        [("driver", driver), ("gateway", gateway), ("orders", orders), ("inventory", inventory)]
    }

    /// Exports what is waiting, and ends the exporters; the last one to go lets the waterfall draw.
    pub(crate) fn shut_down(&self) -> Result<(), BoxError> {
        let mut result = Ok(());
        // A shutdown begins with the call: one that hangs does not delay the others.
        for (name, shutdown) in self.all().map(|(name, telemetry)| (name, telemetry.shutdown(DEADLINE))) {
            result = result.and(shutdown.wait().map_err(|error| format!("{name}: {}", chain(&error))));
        }
        Ok(result?)
    }
}

// === impl Output ===

impl Output {
    fn of(args: &Args) -> Self {
        if args.json {
            return Self::Json(JsonLines::stdout());
        }
        // A trace is drawn when nothing of it has come for a while. This program knows when all is there: at the end.
        Self::Waterfalls(WaterfallBuilder::stdout().quiet(AGES).build())
    }

    fn add_to(&self, mut builder: TelemetryBuilder, service: &str) -> Result<Telemetry, BoxError> {
        builder = builder.service_name(service);
        builder = match self {
            Self::Waterfalls(waterfall) => builder.exporter(waterfall.exporter()),
            Self::Json(lines) => builder.exporter(lines.clone()),
        };
        // `Telemetry::from_env` would export over OTLP by default; a demo asks first.
        if std::env::var_os("OTEL_EXPORTER_OTLP_ENDPOINT").is_some_and(|endpoint| !endpoint.is_empty()) {
            builder = builder.exporter(OtlpConfig::from_env()?.exporter()?);
        }
        Ok(builder.build()?)
    }
}

// === impl UnlessBoring ===

impl Sampler for UnlessBoring {
    fn sample(&self, input: &SamplingInput<'_>) -> SamplingDecision {
        match input.attribute(BORING).as_deref() {
            Some("true") => SamplingDecision::DROP,
            _ => SamplingDecision::SAMPLE,
        }
    }
}

/// How long a service waits for its last export.
const DEADLINE: Duration = Duration::from_secs(5);
const AGES: Duration = Duration::from_secs(3600);
