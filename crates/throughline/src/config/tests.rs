//! Each variable, good and bad.

use std::collections::HashMap;
use std::time::Duration;

use throughline_core::propagation::{
    Allow, Composite, Extracted, Extractor, Field, FieldValue, Format, Injector, Policy, Propagator,
};
use throughline_core::{Baggage, BaggageField, Context, SamplingState, SpanContext, SpanLimits};

use super::{Batch, Before, Config, NamedFormat, Propagators, SamplerKind};
use crate::ConfigError;

const BEFORE: Before<'static> = Before {
    limits: SpanLimits::DEFAULT,
    batch: Batch {
        max_queue_size: None,
        max_queue_bytes: None,
        max_export_batch_size: None,
        schedule_delay: None,
        export_timeout: None,
    },
    has_exporter: true,
    has_meter: false,
    formats: &[],
};

fn read(variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    read_before(variables, BEFORE)
}

fn read_before(variables: &[(&str, &str)], before: Before<'_>) -> Result<Config, ConfigError> {
    let lookup = |name: &str| variables.iter().find_map(|(known, value)| (*known == name).then(|| (*value).to_owned()));
    Config::read(&lookup, before)
}

#[test]
fn nothing_set_changes_nothing() {
    for variables in [&[][..], &[("OTEL_PROPAGATORS", ""), ("OTEL_TRACES_SAMPLER", " "), ("OTEL_SDK_DISABLED", "")]] {
        let config = read(variables).unwrap();
        assert!(!config.disabled);
        assert!(config.sampler.is_none() && config.exporters.is_none());
        assert!(matches!(
            config.propagators,
            Propagators { extract: None, inject: None, messages: None, policy: None }
        ));
        assert!(config.resource.is_empty());
        assert_eq!((config.limits, config.batch), (BEFORE.limits, BEFORE.batch));
    }
}

#[test]
fn resources() {
    for (attributes, name, expected, why) in [
        ("a=1, b=2", "", &[("a", "1"), ("b", "2")][..], "a list"),
        ("a=1%2C2%3D3", "", &[("a", "1,2=3")], "percent-encoding"),
        ("caf%C3%A9=a b", "", &[("café", "a b")], "keys are decoded, blanks kept"),
        ("a=,,b=x=y,", "", &[("a", ""), ("b", "x=y")], "empty values, empty entries, further equals signs"),
        ("service.name=x", "orders", &[("service.name", "x"), ("service.name", "orders")], "the name's variable wins"),
        ("", " orders ", &[("service.name", "orders")], "blanks around it are no part"),
    ] {
        let config = read(&[("OTEL_RESOURCE_ATTRIBUTES", attributes), ("OTEL_SERVICE_NAME", name)]).unwrap();
        let found: Vec<_> = config.resource.iter().map(|(key, value)| (&**key, &**value)).collect();
        assert_eq!(found, expected, "{why}");
    }
}

#[test]
fn propagators() {
    const W3C: &[&str] = &["baggage", "traceparent"];
    const B3_MULTI: &[&str] = &["X-B3-Sampled", "X-B3-SpanId", "X-B3-TraceId"];
    const ALL: (&str, &str) = ("OTEL_PROPAGATORS", "b3multi");
    const IN: &str = "THROUGHLINE_PROPAGATORS_EXTRACT";
    const OUT: &str = "THROUGHLINE_PROPAGATORS_INJECT";
    const MESSAGES: &str = "THROUGHLINE_PROPAGATORS_INJECT_MESSAGES";
    for (variables, reads, writes, to_messages, why) in [
        (&[][..], &["tracecontext"][..], W3C, W3C, "the program's"),
        (&[("OTEL_PROPAGATORS", "tracecontext")], &["tracecontext"], &["traceparent"], &["traceparent"], "one format"),
        (&[("OTEL_PROPAGATORS", "Baggage")], &[], &["baggage"], &["baggage"], "in any case"),
        (&[("OTEL_PROPAGATORS", "baggage, tracecontext,baggage,")], &["tracecontext"], W3C, W3C, "each once"),
        (&[("OTEL_PROPAGATORS", "none")], &[], &[], &[], "none"),
        (&[("OTEL_PROPAGATORS", "b3")], &["b3", "b3multi"], &["b3"], &["b3"], "both ways are read"),
        (&[ALL], &["b3", "b3multi"], B3_MULTI, B3_MULTI, "one is written"),
        (&[("OTEL_PROPAGATORS", "xray")], &["xray"], &["X-Amzn-Trace-Id"], &["X-Amzn-Trace-Id"], "X-Ray"),
        (&[("OTEL_PROPAGATORS", "xray-lambda")], &["xray"], &["X-Amzn-Trace-Id"], &["X-Amzn-Trace-Id"], "in Lambda"),
        (&[("OTEL_PROPAGATORS", "jaeger")], &["jaeger"], JAEGER, JAEGER, "Jaeger"),
        (&[("OTEL_PROPAGATORS", "ottrace")], &["ottrace"], OT_TRACE, OT_TRACE, "OpenTracing"),
        (&[("OTEL_PROPAGATORS", "acme")], &["acme"], &["x-acme"], &["x-acme"], "the program's own"),
        (
            &[("OTEL_PROPAGATORS", "Acme,b3")],
            &["b3", "b3multi", "acme"],
            &["b3", "x-acme"],
            &["b3", "x-acme"],
            "a list",
        ),
        (&[ALL, (IN, "tracecontext,b3")], &["tracecontext", "b3", "b3multi"], B3_MULTI, B3_MULTI, "inwards"),
        (&[ALL, (OUT, "tracecontext,baggage")], &["b3", "b3multi"], W3C, W3C, "outwards, messages as well"),
        (&[ALL, (MESSAGES, "b3")], &["b3", "b3multi"], B3_MULTI, &["b3"], "to messages"),
        (&[ALL, (OUT, "none"), (MESSAGES, "b3")], &["b3", "b3multi"], &[], &["b3"], "to messages alone"),
        (&[ALL, (IN, "none")], &[], B3_MULTI, B3_MULTI, "nobody is believed"),
        (&[(IN, "jaeger")], &["jaeger"], W3C, W3C, "the program's stay where nothing is said"),
        (&[("OTEL_SDK_DISABLED", "true"), ALL, (OUT, "b3")], &["b3", "b3multi"], &["b3"], &["b3"], "switched off"),
    ] {
        let acme = [NamedFormat::new("Acme", Format::custom(Acme), &[]).unwrap()];
        let config = read_before(variables, Before { formats: &acme, ..BEFORE }).unwrap();
        let composite = config.propagators.apply(Composite::w3c());
        assert_eq!(read_by(&composite), reads, "{why}: {variables:?}");
        let context = context();
        let (mut request, mut message) = (HashMap::new(), HashMap::new());
        composite.inject_into(&context, Allow::ALL, &mut request);
        composite.inject_message(&context, Allow::ALL, &mut message);
        assert_eq!(names(&request), writes, "{why}: {variables:?}");
        assert_eq!(names(&message), to_messages, "{why}: {variables:?}");
    }
}

#[test]
fn variables_replace_the_formats_of_the_programs_propagator_and_nothing_else() {
    static TENANT: BaggageField = BaggageField::remote("tenant");
    let messages = [Format::TraceContext];
    let program =
        || Composite::w3c().baggage_fields([&TENANT]).policy(Policy::FirstWins).injecting_messages(messages.clone());
    let carrier =
        HashMap::from([ONE_OF_EACH[0], ONE_OF_EACH[1]].map(|(_, name, value)| (name.to_owned(), value.to_owned())));
    let context = context().with_baggage(Baggage::parse(b"tenant=7,card=4111"));
    for (policy, first, why) in [("", true, "the program's"), ("First", true, "the same"), ("last", false, "the other")]
    {
        let variables = [("OTEL_PROPAGATORS", "tracecontext,b3,jaeger"), ("THROUGHLINE_PROPAGATORS_POLICY", policy)];
        let composite = read(&variables).unwrap().propagators.apply(program());
        let found = composite.extract_from(&carrier).span_context().map(|span| span.trace_id().to_u128());
        assert_eq!(found, Some(if first { 1 } else { 2 }), "{why}");
        let mut headers = HashMap::new();
        composite.inject_into(&context, Allow::ALL, &mut headers);
        let pairs = names(&headers).into_iter().filter(|name| name.starts_with("uberctx-")).collect::<Vec<_>>();
        assert_eq!(pairs, ["uberctx-tenant"], "fields of baggage stay");
        let mut message = HashMap::new();
        composite.inject_message(&context, Allow::ALL, &mut message);
        assert_eq!(names(&message), names(&headers), "formats of messages are formats");
    }
}

#[test]
fn names_of_propagators_are_words_that_nothing_else_has() {
    let known = [NamedFormat::new("acme", Format::custom(Acme), &[]).unwrap()];
    for (name, problem) in [
        ("", "it is empty"),
        ("None", "in a variable it stands for no format at all"),
        ("b3", "a built-in format is called so"),
        ("TraceContext", "a built-in format is called so"),
        ("ACME", "another propagator is called so"),
        ("a,b", "accepted are ASCII letters, digits, `-`, `_` and `.`"),
        (" acme", "accepted are ASCII letters, digits, `-`, `_` and `.`"),
        ("ácme", "accepted are ASCII letters, digits, `-`, `_` and `.`"),
    ] {
        let error = NamedFormat::new(name, Format::custom(Acme), &known).unwrap_err();
        assert_eq!(error.to_string(), format!("no propagator can be named {name:?}: {problem}"));
        assert_eq!(error.variable_name(), None);
    }
    assert!(NamedFormat::new("acme-v2", Format::custom(Acme), &known).is_ok());
    let error = read_before(&[("OTEL_PROPAGATORS", "acmee")], Before { formats: &known, ..BEFORE }).unwrap_err();
    assert!(error.to_string().ends_with("jaeger, ottrace, acme, none"), "{error}");
}

/// A format of the program's own: `x-acme: {traceparent}`.
struct Acme;

impl Propagator for Acme {
    fn inject(&self, context: &Context, allow: Allow, carrier: &mut dyn Injector) {
        if let Some(span) = context.span_context().filter(|_| allow.ids) {
            carrier.set(&X_ACME, &span.to_traceparent());
        }
    }

    fn extract<'a>(&self, carrier: &'a dyn Extractor) -> Extracted<'a> {
        let FieldValue::One(value) = carrier.get(&X_ACME) else { return Extracted::NOTHING };
        match SpanContext::from_traceparent(value) {
            Ok(parent) => Extracted::NOTHING.with_parent(parent, SamplingState::of_flag(parent.is_sampled())),
            Err(_) => Extracted::NOTHING.with_malformed(),
        }
    }

    fn fields(&self) -> &[Field] {
        std::slice::from_ref(&X_ACME)
    }
}

/// Which formats are read, of those that have an example.
fn read_by(composite: &Composite) -> Vec<&'static str> {
    let carrier = |name: &str, value: &str| HashMap::from([(name.to_owned(), value.to_owned())]);
    let is_read = |name, value| composite.extract_from(&carrier(name, value)).sampling_state() != SamplingState::Defer;
    ONE_OF_EACH.into_iter().filter(|(_, name, value)| is_read(name, value)).map(|(format, ..)| format).collect()
}

fn context() -> Context {
    let parent = SpanContext::from_traceparent(ONE_OF_EACH[0].2.as_bytes()).unwrap();
    Context::ROOT.with_span_context(parent).with_baggage(Baggage::parse(b"tenant=7"))
}

fn names(carrier: &HashMap<String, String>) -> Vec<&str> {
    let mut names: Vec<_> = carrier.keys().map(|name| &**name).collect();
    names.sort_unstable();
    names
}

const ONE_OF_EACH: [(&str, &str, &str); 7] = [
    ("tracecontext", "traceparent", "00-00000000000000000000000000000001-0000000000000001-01"),
    ("b3", "b3", "00000000000000000000000000000002-0000000000000002-1"),
    ("b3multi", "x-b3-sampled", "1"),
    ("xray", "x-amzn-trace-id", "Sampled=1"),
    ("jaeger", "uber-trace-id", "3:3:0:1"),
    ("ottrace", "ot-tracer-sampled", "true"),
    ("acme", "x-acme", "00-00000000000000000000000000000004-0000000000000004-01"),
];

static X_ACME: Field = Field::new("x-acme");
const JAEGER: &[&str] = &["uber-trace-id", "uberctx-tenant"];
const OT_TRACE: &[&str] = &["ot-baggage-tenant", "ot-tracer-sampled", "ot-tracer-spanid", "ot-tracer-traceid"];

#[test]
fn samplers() {
    for (sampler, argument, expected) in [
        ("always_on", "", SamplerKind::AlwaysOn),
        ("always_off", "nonsense, but it has no argument", SamplerKind::AlwaysOff),
        ("traceidratio", "", SamplerKind::Ratio(1.0)),
        ("TraceIdRatio", "0.25", SamplerKind::Ratio(0.25)),
        ("parentbased_always_on", "", SamplerKind::ParentBasedAlwaysOn),
        ("parentbased_always_off", "", SamplerKind::ParentBasedAlwaysOff),
        ("parentbased_traceidratio", "1e-3", SamplerKind::ParentBasedRatio(0.001)),
    ] {
        let config = read(&[("OTEL_TRACES_SAMPLER", sampler), ("OTEL_TRACES_SAMPLER_ARG", argument)]).unwrap();
        assert_eq!(config.sampler, Some(expected), "{sampler} {argument}");
        let _ = expected.build();
    }
    let alone = read(&[("OTEL_TRACES_SAMPLER_ARG", "nonsense")]).unwrap();
    assert_eq!(alone.sampler, None, "an argument of nothing");
}

#[test]
fn limits() {
    let limits = |variables: &[(&str, &str)]| read(variables).unwrap().limits;
    let all = limits(&[("OTEL_ATTRIBUTE_COUNT_LIMIT", "7"), ("OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", "3")]);
    assert_eq!((all.attributes, all.event_attributes, all.link_attributes), (7, 7, 3), "the special one wins");
    let each = limits(&[
        ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "1"),
        ("OTEL_SPAN_EVENT_COUNT_LIMIT", "2"),
        ("OTEL_SPAN_LINK_COUNT_LIMIT", "0"),
        ("OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", "4"),
    ]);
    assert_eq!((each.attributes, each.events, each.links, each.event_attributes), (1, 2, 0, 4));
    let lengths = [("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "10"), ("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "20")];
    assert_eq!(limits(&lengths).value_length, 20, "the special one wins");
    assert_eq!(limits(&lengths[..1]).text_length, SpanLimits::DEFAULT.text_length);
    let long = limits(&[("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "100000")]);
    assert_eq!((long.value_length, long.text_length), (100_000, 100_000), "a value fits into its span");
}

#[test]
fn batches() {
    let batch = |variables: &[(&str, &str)]| read(variables).unwrap().batch;
    let all = batch(&[
        ("OTEL_BSP_SCHEDULE_DELAY", "200"),
        ("OTEL_BSP_EXPORT_TIMEOUT", "0"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "100"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "100"),
    ]);
    assert_eq!(all.schedule_delay, Some(Duration::from_millis(200)));
    assert_eq!(all.export_timeout, Some(Duration::ZERO));
    assert_eq!((all.max_queue_size, all.max_export_batch_size), (Some(100), Some(100)));

    let before = Before { batch: Batch { max_queue_size: Some(10), ..BEFORE.batch }, ..BEFORE };
    let kept = read_before(&[("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "5")], before).unwrap().batch;
    assert_eq!((kept.max_queue_size, kept.max_export_batch_size), (Some(10), Some(5)), "the program's stays");
}

#[test]
fn exporters() {
    let shown = |variables: &[(&str, &str)]| format!("{:?}", read(variables).unwrap().exporters);
    assert_eq!(shown(&[("OTEL_TRACES_EXPORTER", "none")]), "Some([])");
    assert_eq!(shown(&[("OTEL_TRACES_EXPORTER", "Console,console")]), "Some([Console])");
    assert_eq!(shown(&[]), "None", "the program's stay");
    let nowhere = read_before(&[], Before { has_exporter: false, ..BEFORE }).unwrap().exporters.unwrap();
    assert_eq!(nowhere.len(), usize::from(cfg!(feature = "otlp")));
}

#[cfg(feature = "otlp")]
#[test]
fn otlp_is_set_up_by_its_own_variables() {
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318");
    let config = read(&[("OTEL_TRACES_EXPORTER", "otlp,console"), endpoint]).unwrap();
    let text = format!("{:?}", config.exporters);
    assert!(text.contains("http://collector:4318/v1/traces") && text.contains("Console"), "{text}");

    let protocol = ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
    let error = read(&[("OTEL_TRACES_EXPORTER", "otlp"), protocol]).unwrap_err();
    assert_eq!(error.variable_name(), Some("OTEL_EXPORTER_OTLP_PROTOCOL"));
    assert_eq!(
        error.to_string(),
        r#"invalid OTEL_EXPORTER_OTLP_PROTOCOL: "grpc" is not supported by this version; accepted: http/protobuf"#
    );
    assert!(read(&[("OTEL_TRACES_EXPORTER", "console"), protocol]).is_ok(), "not read if not asked for");
}

#[cfg(feature = "otlp")]
#[test]
fn metrics_go_where_variables_or_a_collector_are() {
    const COLLECTOR: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318");
    const OF_METRICS: (&str, &str) = ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://m:4318/");
    const TO_NOBODY: Before<'static> = Before { has_exporter: false, ..BEFORE };
    let by_hand = Before { has_meter: true, ..BEFORE };
    for (variables, before, shown, why) in [
        (&[][..], TO_NOBODY, "http://localhost:4318/v1/metrics", "the default, as for spans"),
        (&[COLLECTOR], TO_NOBODY, "http://c:4318/v1/metrics", "below the base"),
        (&[OF_METRICS, COLLECTOR], TO_NOBODY, "http://m:4318/", "the special one wins"),
        (&[("OTEL_TRACES_EXPORTER", "console")], TO_NOBODY, "exporters: []", "nobody said there is a collector"),
        (&[("OTEL_TRACES_EXPORTER", "none")], TO_NOBODY, "exporters: []", "nobody said there is a collector"),
        (&[("OTEL_TRACES_EXPORTER", "none"), COLLECTOR], TO_NOBODY, "Otlp", "now somebody has"),
        (&[("OTEL_TRACES_EXPORTER", "otlp,console")], TO_NOBODY, "Otlp", "with the spans"),
        (&[], BEFORE, "exporters: []", "the program's exporters say nothing of metrics"),
        (&[OF_METRICS], BEFORE, "http://m:4318/", "the operator does"),
        (&[("OTEL_METRICS_EXPORTER", "none"), COLLECTOR], TO_NOBODY, "exporters: []", "none"),
        (&[("OTEL_METRICS_EXPORTER", "Console,otlp,console")], BEFORE, "[Console, Otlp(", "a list"),
        (&[("OTEL_METRICS_EXPORTER", "otlp"), ("OTEL_TRACES_EXPORTER", "none")], BEFORE, "Otlp", "metrics alone"),
        (&[COLLECTOR], by_hand, "None", "the program's meter stays"),
        (&[("OTEL_METRICS_EXPORTER", "none")], by_hand, "exporters: []", "the operator wants none"),
        (&[("OTEL_METRIC_EXPORT_INTERVAL", "50")], TO_NOBODY, "interval: Some(50ms), timeout: None", "how often"),
        (&[("OTEL_METRIC_EXPORT_TIMEOUT", "0")], TO_NOBODY, "interval: None, timeout: Some(0ns)", "how long"),
        (&[("OTEL_METRICS_EXEMPLAR_FILTER", "Always_Off")], TO_NOBODY, "Otlp", "accepted, without effect"),
        (&[("OTEL_SDK_DISABLED", "true"), ("OTEL_METRICS_EXPORTER", "x")], TO_NOBODY, "None", "switched off"),
    ] {
        let text = format!("{:?}", read_before(variables, before).unwrap().metrics);
        assert!(text.contains(shown), "{why}: {text}");
    }
    let broken = ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "sometimes");
    assert_eq!(read_before(&[broken], TO_NOBODY).unwrap_err().variable_name(), Some(broken.0));
}

#[cfg(not(feature = "otlp"))]
#[test]
fn metrics_without_their_feature_name_it() {
    for (name, value, feature) in [
        ("OTEL_METRICS_EXPORTER", "otlp", "otlp"),
        ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://c", "otlp"),
        #[cfg(not(feature = "metrics"))]
        ("OTEL_METRICS_EXPORTER", "console", "metrics"),
    ] {
        let error = read(&[(name, value)]).unwrap_err();
        assert_eq!(error.variable_name(), Some(name));
        let text = error.to_string();
        assert!(text.ends_with(&format!("needs the cargo feature `{feature}` of the crate `throughline`")), "{text}");
    }
    assert!(read(&[("OTEL_METRICS_EXPORTER", "none")]).is_ok());
}

#[cfg(not(feature = "otlp"))]
#[test]
fn otlp_without_its_feature_names_both() {
    let error = read(&[("OTEL_TRACES_EXPORTER", "console,otlp")]).unwrap_err();
    assert_eq!(error.variable_name(), Some("OTEL_TRACES_EXPORTER"));
    assert_eq!(
        error.to_string(),
        "OTEL_TRACES_EXPORTER=otlp needs the cargo feature `otlp` of the crate `throughline`"
    );
}

#[test]
fn what_is_switched_off_propagates_and_is_not_checked_further() {
    let broken = [("OTEL_SDK_DISABLED", "TRUE"), ("OTEL_TRACES_SAMPLER", "?"), ("OTEL_PROPAGATORS", "baggage")];
    let config = read(&broken).unwrap();
    assert!(config.disabled && config.propagators.inject.is_some());
    let broken = [("OTEL_SDK_DISABLED", "true"), ("THROUGHLINE_PROPAGATORS_POLICY", "?")];
    assert!(read(&broken).is_err(), "what flows all the same is checked");
    assert!(!read(&[("OTEL_SDK_DISABLED", "false")]).unwrap().disabled);
}

#[test]
fn bad_values_are_named_with_what_is_accepted() {
    const SAMPLERS: &str = "always_on, always_off, traceidratio, parentbased_always_on, parentbased_always_off, \
                            parentbased_traceidratio";
    const FORMATS: &str = "tracecontext, baggage, b3, b3multi, xray, xray-lambda, xray-sqs, jaeger, ottrace, none";
    const PAIRS: &str = "accepted: key=value,key=value";
    const COUNTS: &str = "is not accepted; accepted: whole numbers, 0 to 65535";
    let one = |name, value, problem: String| (vec![(name, value)], name, problem);
    for (variables, name, problem) in [
        one("OTEL_SDK_DISABLED", "yes", r#"unknown value "yes"; accepted: true, false"#.to_owned()),
        one("OTEL_RESOURCE_ATTRIBUTES", "a=1,b", format!(r#"entry 2, "b", has no `=`; {PAIRS}"#)),
        one("OTEL_RESOURCE_ATTRIBUTES", "=1", format!(r#"entry 1, "=1", has no key; {PAIRS}"#)),
        one("OTEL_RESOURCE_ATTRIBUTES", "a=%4", format!(r#"entry 1, "a=%4", is not percent-encoded UTF-8; {PAIRS}"#)),
        one("OTEL_RESOURCE_ATTRIBUTES", "a=%zz", format!(r#"entry 1, "a=%zz", is not percent-encoded UTF-8; {PAIRS}"#)),
        one("OTEL_RESOURCE_ATTRIBUTES", "a=%ff", format!(r#"entry 1, "a=%ff", is not percent-encoded UTF-8; {PAIRS}"#)),
        one("OTEL_PROPAGATORS", "w3c", format!(r#"unknown value "w3c"; accepted: {FORMATS}"#)),
        one("OTEL_PROPAGATORS", "b3,B4", format!(r#"unknown value "b4"; accepted: {FORMATS}"#)),
        one("THROUGHLINE_PROPAGATORS_EXTRACT", "b4", format!(r#"unknown value "b4"; accepted: {FORMATS}"#)),
        one("THROUGHLINE_PROPAGATORS_INJECT", "b4", format!(r#"unknown value "b4"; accepted: {FORMATS}"#)),
        one("THROUGHLINE_PROPAGATORS_INJECT_MESSAGES", "b4", format!(r#"unknown value "b4"; accepted: {FORMATS}"#)),
        one("THROUGHLINE_PROPAGATORS_POLICY", "any", r#"unknown value "any"; accepted: last, first"#.to_owned()),
        one(
            "OTEL_PROPAGATORS",
            "none,baggage",
            r#""none,baggage" says both `none` and something; `none` stands alone"#.to_owned(),
        ),
        one("OTEL_TRACES_SAMPLER", "sometimes", format!(r#"unknown value "sometimes"; accepted: {SAMPLERS}"#)),
        one(
            "OTEL_TRACES_SAMPLER",
            "parentbased_jaeger_remote",
            format!(r#""parentbased_jaeger_remote" is not supported by this version; accepted: {SAMPLERS}"#),
        ),
        one(
            "OTEL_TRACES_EXPORTER",
            "zipkin",
            r#""zipkin" is not supported by this version; accepted: otlp, console, none"#.to_owned(),
        ),
        one("OTEL_TRACES_EXPORTER", "stdout", r#"unknown value "stdout"; accepted: otlp, console, none"#.to_owned()),
        one("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "many", format!(r#""many" {COUNTS}"#)),
        one("OTEL_SPAN_EVENT_COUNT_LIMIT", "-1", format!(r#""-1" {COUNTS}"#)),
        one("OTEL_SPAN_LINK_COUNT_LIMIT", "65536", format!(r#""65536" {COUNTS}"#)),
        one("OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", "+1", format!(r#""+1" {COUNTS}"#)),
        one("OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", "1.5", format!(r#""1.5" {COUNTS}"#)),
        one("OTEL_ATTRIBUTE_COUNT_LIMIT", "99999999999999999999", format!(r#""99999999999999999999" {COUNTS}"#)),
        one(
            "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT",
            "1k",
            r#""1k" is not accepted; accepted: whole numbers, 0 to 16777216"#.to_owned(),
        ),
        one(
            "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT",
            "x",
            r#""x" is not accepted; accepted: whole numbers, 0 to 16777216"#.to_owned(),
        ),
        one(
            "OTEL_BSP_SCHEDULE_DELAY",
            "5s",
            r#""5s" is not accepted; accepted: whole numbers, 1 to 4294967295"#.to_owned(),
        ),
        one(
            "OTEL_BSP_EXPORT_TIMEOUT",
            "x",
            r#""x" is not accepted; accepted: whole numbers, 0 to 4294967295"#.to_owned(),
        ),
        one(
            "OTEL_BSP_MAX_QUEUE_SIZE",
            "0",
            r#""0" is not accepted; accepted: whole numbers, 1 to 16777216"#.to_owned(),
        ),
        one(
            "OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
            "4096",
            "4096 exceeds the queue; accepted: at most OTEL_BSP_MAX_QUEUE_SIZE, which is 2048".to_owned(),
        ),
        one(
            "OTEL_METRICS_EXPORTER",
            "prometheus",
            r#""prometheus" is not supported by this version; accepted: otlp, console, none"#.to_owned(),
        ),
        one("OTEL_METRICS_EXPORTER", "stdout", r#"unknown value "stdout"; accepted: otlp, console, none"#.to_owned()),
        one(
            "OTEL_METRICS_EXEMPLAR_FILTER",
            "some",
            r#"unknown value "some"; accepted: trace_based, always_on, always_off"#.to_owned(),
        ),
        #[cfg(feature = "metrics")]
        one(
            "OTEL_METRIC_EXPORT_INTERVAL",
            "0",
            r#""0" is not accepted; accepted: whole numbers, 1 to 4294967295"#.to_owned(),
        ),
        #[cfg(feature = "metrics")]
        one(
            "OTEL_METRIC_EXPORT_TIMEOUT",
            "30s",
            r#""30s" is not accepted; accepted: whole numbers, 0 to 4294967295"#.to_owned(),
        ),
        (
            vec![("OTEL_TRACES_SAMPLER", "traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", "1.5")],
            "OTEL_TRACES_SAMPLER_ARG",
            r#""1.5" is no ratio; accepted: 0.0 to 1.0"#.to_owned(),
        ),
        (
            vec![("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", "NaN")],
            "OTEL_TRACES_SAMPLER_ARG",
            r#""NaN" is no ratio; accepted: 0.0 to 1.0"#.to_owned(),
        ),
    ] {
        let error = read(&variables).unwrap_err();
        assert_eq!(error.to_string(), format!("invalid {name}: {problem}"));
        assert_eq!(error.variable_name(), Some(name));
    }
}
