//! Setting up, flushing, shutting down.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use throughline::export::{Batch, ExportError, Exporter};
use throughline::propagation::{Composite, Format};
use throughline::{
    AlreadyInstalled, AlwaysOff, ConfigError, Context, Resource, SpanContext, SpanEnd, SpanLimits, Telemetry,
    TelemetryBuilder, Tracer,
};

/// Keeps the names and the service of what it was given.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<(String, String)>>>);

impl Exporter for Kept {
    fn export(&mut self, batch: &Batch<'_>) -> Result<(), ExportError> {
        let spans = batch.spans().map(|span| (span.name().to_string(), span.resource().service_name().to_owned()));
        self.0.lock().unwrap().extend(spans);
        Ok(())
    }
}

impl Kept {
    fn names(&self) -> Vec<String> {
        self.0.lock().unwrap().iter().map(|(name, _)| name.clone()).collect()
    }
}

const DEADLINE: Duration = Duration::from_secs(60);

fn with(variables: &[(&str, &str)]) -> Result<TelemetryBuilder, ConfigError> {
    given(Telemetry::builder().service_name("code"), variables)
}

fn given(builder: TelemetryBuilder, variables: &[(&str, &str)]) -> Result<TelemetryBuilder, ConfigError> {
    builder.env_from(|name| variables.iter().find_map(|(known, value)| (*known == name).then(|| (*value).to_owned())))
}

fn work(tracer: &Tracer, name: &str) {
    tracer.span(name).start().end(SpanEnd::Completed);
}

#[test]
fn spans_go_to_every_exporter() {
    let (one, other) = (Kept::default(), Kept::default());
    let builder = Telemetry::builder().service_name("orders").exporter(one.clone()).exporter(other.clone());
    let telemetry = builder.build().unwrap();
    work(telemetry.tracer(), "first");
    telemetry.flush(DEADLINE).wait().unwrap();
    assert_eq!(*one.0.lock().unwrap(), [("first".to_owned(), "orders".to_owned())]);
    assert_eq!(other.names(), ["first"]);

    work(telemetry.tracer(), "second");
    telemetry.shutdown(DEADLINE).wait().unwrap();
    assert_eq!(one.names(), ["first", "second"]);
    work(telemetry.tracer(), "too late");
    let stats = telemetry.stats();
    assert_eq!((stats.pipeline.exported, stats.pipeline.dropped_after_shutdown), (2, 1));
    telemetry.shutdown(DEADLINE).wait().unwrap();
}

#[tokio::test(flavor = "current_thread")]
async fn flush_and_shutdown_can_be_awaited_on_one_thread() {
    let kept = Kept::default();
    let telemetry = Telemetry::builder().exporter(kept.clone()).build().unwrap();
    work(telemetry.tracer(), "work");
    telemetry.flush(DEADLINE).await.unwrap();
    assert_eq!(kept.names(), ["work"]);
    telemetry.shutdown(DEADLINE).await.unwrap();

    let without = Telemetry::builder().build().unwrap();
    without.flush(DEADLINE).await.unwrap();
    without.shutdown(DEADLINE).await.unwrap();
    assert_eq!(without.stats(), throughline::TelemetryStats::default());
}

#[test]
fn the_last_handle_exports_what_waits() {
    let kept = Kept::default();
    let telemetry = Telemetry::builder().exporter(kept.clone()).build().unwrap();
    let tracer = telemetry.tracer().clone();
    let clone = telemetry.clone();
    drop(telemetry);
    work(&tracer, "work");
    drop(clone);
    assert_eq!(kept.names(), ["work"]);
    work(&tracer, "after");
    assert!(Context::ROOT.is_root(), "nothing panicked");
}

#[test]
fn a_sink_and_an_exporter_get_the_same_spans() {
    let kept = Kept::default();
    let memory = throughline::testing::MemorySink::new();
    let telemetry = Telemetry::builder().sink(memory.clone()).exporter(kept.clone()).build().unwrap();
    work(telemetry.tracer(), "work");
    telemetry.flush(DEADLINE).wait().unwrap();
    assert_eq!((kept.names(), memory.len()), (vec!["work".to_owned()], 1));
}

#[test]
fn the_resource_says_who_the_service_is() {
    for (variables, name, why) in [
        (&[][..], "code", "the program's name"),
        (&[("OTEL_RESOURCE_ATTRIBUTES", "service.name=attribute")], "attribute", "wins over the program's"),
        (
            &[("OTEL_RESOURCE_ATTRIBUTES", "service.name=attribute"), ("OTEL_SERVICE_NAME", "name")],
            "name",
            "wins over both",
        ),
    ] {
        let (telemetry, _) = with(variables).unwrap().test();
        assert_eq!(telemetry.tracer().resource().service_name(), name, "{why}");
    }
    let (telemetry, spans) = with(&[("OTEL_RESOURCE_ATTRIBUTES", "host.name=a1")]).unwrap().test();
    work(telemetry.tracer(), "work");
    let resource = &spans.spans()[0].resource;
    let text = |key| resource.get(key).and_then(|value| value.as_str());
    assert_eq!(text("host.name"), Some("a1"));
    assert_eq!(text("telemetry.sdk.name"), Some("throughline"));
    assert_eq!(text("telemetry.sdk.language"), Some("rust"));
    assert_eq!(text("telemetry.sdk.version"), Some(env!("CARGO_PKG_VERSION")));
    assert!(text("service.instance.id").is_some());
}

#[test]
fn variables_replace_what_was_set_before_and_not_what_is_set_after() {
    let variables = [("OTEL_TRACES_SAMPLER", "always_off"), ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "1")];
    let (telemetry, spans) = with(&variables).unwrap().test();
    work(telemetry.tracer(), "work");
    assert!(spans.is_empty());
    assert_eq!(telemetry.tracer().limits().attributes, 1);

    let insisting = with(&variables).unwrap().sampler(throughline::AlwaysOn).limits(SpanLimits::DEFAULT);
    let (telemetry, spans) = insisting.test();
    work(telemetry.tracer(), "work");
    assert_eq!(spans.len(), 1);
    assert_eq!(telemetry.tracer().limits(), &SpanLimits::DEFAULT);

    let kept = Kept::default();
    let builder = || Telemetry::builder().exporter(kept.clone());
    for (variables, exported, why) in [
        (&[][..], 1, "the program's exporter stays"),
        (&[("OTEL_TRACES_EXPORTER", "none")], 0, "the operator wants none"),
    ] {
        let telemetry = given(builder(), variables).unwrap().build().unwrap();
        work(telemetry.tracer(), "work");
        telemetry.shutdown(DEADLINE).wait().unwrap();
        assert_eq!(telemetry.stats().pipeline.exported, exported, "{why}");
    }
}

#[test]
fn what_is_switched_off_makes_no_spans_and_propagates() {
    let kept = Kept::default();
    let variables = [("OTEL_SDK_DISABLED", "true"), ("OTEL_PROPAGATORS", "tracecontext")];
    let telemetry = given(Telemetry::builder().exporter(kept.clone()), &variables).unwrap().build().unwrap();
    let tracer = telemetry.tracer();
    assert!(!tracer.is_enabled());
    let parent = SpanContext::from_traceparent(b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01").unwrap();
    let span = tracer.span("by hand").parent(&Context::ROOT.with_span_context(parent)).start();
    assert!(span.context().is_sampled(), "what the parent decided goes on");
    span.end(SpanEnd::Completed);
    work(tracer, "root");
    telemetry.shutdown(DEADLINE).wait().unwrap();
    assert!(kept.names().is_empty());
    assert_eq!(telemetry.stats().pipeline, throughline::export::PipelineStats::default());
    assert_eq!(throughline::propagation::Propagator::fields(tracer.propagator()).len(), 2);
}

#[test]
fn the_console_draws_a_waterfall() {
    const INSIDE: &str = "THROUGHLINE_TEST_INSIDE";
    if std::env::var_os(INSIDE).is_some() {
        let telemetry = Telemetry::from_env("code").unwrap();
        work(telemetry.tracer(), "rebuild index");
        return telemetry.shutdown(DEADLINE).wait().unwrap();
    }
    // A process of its own: its variables and its standard output are nobody else's.
    let name = concat!(module_path!(), "::the_console_draws_a_waterfall");
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args([name.split_once("::").unwrap().1, "--exact", "--nocapture"])
        .env(INSIDE, "1")
        .env("OTEL_TRACES_EXPORTER", "console")
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && text.contains("rebuild index"), "{text}");
}

#[test]
fn sizes_that_make_no_sense_are_errors() {
    let builder = || Telemetry::builder().exporter(Kept::default());
    assert!(matches!(builder().max_queue_size(0).build(), Err(ConfigError::Pipeline(_))));
    let larger = builder().max_queue_size(10).max_export_batch_size(11).build();
    assert!(matches!(larger, Err(ConfigError::Pipeline(_))));
    assert!(builder().max_queue_size(10).build().is_ok(), "the default batch fits into any queue");
}

#[test]
fn the_first_global_tracer_stays() {
    let telemetry = Telemetry::builder()
        .resource(Resource::new("global"))
        .sampler(AlwaysOff)
        .propagator(Composite::new([Format::TraceContext]))
        .build()
        .unwrap();
    assert_eq!(telemetry.install_global(), Ok(()));
    assert_eq!(Tracer::global().resource().service_name(), "global");
    let error: AlreadyInstalled = Telemetry::builder().build().unwrap().install_global().unwrap_err();
    assert_eq!(error.to_string(), "a global tracer was installed before");
}

#[test]
fn debug_says_who_it_is() {
    let (telemetry, _) = Telemetry::test();
    let text = format!("{telemetry:?} {:?}", Telemetry::builder());
    assert!(text.contains("service.name") && text.contains("TelemetryBuilder"), "{text}");
}
