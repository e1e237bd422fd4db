//! JSON lines, byte for byte.

#![expect(clippy::unwrap_used, reason = "a helper of tests may unwrap as tests do")]

mod common;

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use throughline_core::{
    Clock, IdGenerator, Key, ManualClock, Resource, SpanContext, SpanEnd, SpanId, SpanKind, Status, TextList,
    TraceFlags, TraceId, Tracer, Value,
};
use throughline_export::{Batch, JsonLines, Pipeline};

use common::{By, LONG, end, quiet};

struct Numbers(AtomicU64);

impl IdGenerator for Numbers {
    fn trace_id(&self) -> TraceId {
        TraceId::from_u128(0xabc).unwrap()
    }

    fn span_id(&self) -> SpanId {
        SpanId::from_u64(self.0.fetch_add(1, Ordering::SeqCst)).unwrap()
    }
}

struct Rig {
    lines: JsonLines<Vec<u8>>,
    pipeline: Pipeline,
    tracer: Tracer,
    clock: Arc<ManualClock>,
}

impl Rig {
    fn new(service: &str) -> Self {
        let (lines, clock, service) = (JsonLines::new(Vec::new()), ManualClock::new(), Resource::new(service));
        let pipeline = quiet(lines.clone()).resource(service.clone()).build().unwrap();
        let tracer = Tracer::builder().sink(pipeline.sink()).resource(service);
        let tracer = tracer.clock(Clock::manual(&clock)).ids(Numbers(AtomicU64::new(1))).build();
        Self { lines, pipeline, tracer, clock }
    }

    fn text(&self) -> String {
        self.pipeline.flush(LONG).wait().unwrap();
        self.lines.with_writer(|text| String::from_utf8(std::mem::take(text)).unwrap())
    }

    /// The wall clock at the manual clock's time, as the spans say it.
    fn wall(&self) -> u128 {
        let (sender, receiver) = std::sync::mpsc::channel();
        let pipeline = quiet(By(move |batch: &Batch<'_>| {
            sender.send(batch.spans().next().unwrap().start_time()).unwrap();
            Ok(())
        }));
        let pipeline = pipeline.build().unwrap();
        let tracer = Tracer::builder().sink(pipeline.sink()).clock(Clock::manual(&self.clock)).build();
        end(&tracer, "now");
        pipeline.flush(LONG).wait().unwrap();
        receiver.recv().unwrap().duration_since(UNIX_EPOCH).unwrap().as_nanos()
    }
}

#[test]
fn a_span_is_one_line_with_every_key() {
    let rig = Rig::new("orders");
    let start = rig.wall();
    let root = rig.tracer.span("GET /orders/{id}").kind(SpanKind::Server).start();
    rig.clock.advance(Duration::from_micros(5));
    let child = rig.tracer.span("charge").kind(SpanKind::Client).parent(&root.context()).start_with(|span| {
        span.push("amount", 12.5);
        span.push("count", 3);
        span.push("retry", false);
        let other = SpanContext::new(TraceId::from_u128(7).unwrap(), SpanId::from_u64(8).unwrap(), TraceFlags::NONE);
        span.link(other, &[(Key::new("why"), Value::Str("batch"))]);
    });
    child.record(|span| {
        span.event_at("sent", rig.clock_now(), &[(Key::new("bytes"), Value::Int(40))]);
        span.set_error("timeout");
    });
    rig.clock.advance(Duration::from_nanos(77));
    child.end(SpanEnd::Failed);
    root.end_with(SpanEnd::Completed, |span| span.set_status(&Status::Ok));
    let (second, text) = (start + 5000, rig.text());
    let trace = "00000000000000000000000000000abc";
    let expected = format!(
        concat!(
            r#"{{"trace_id":"{trace}","span_id":"0000000000000002","parent_span_id":"0000000000000001","#,
            r#""service":"orders","name":"charge","kind":"client","start_unix_nano":{second},"duration_ns":77,"#,
            r#""status":"error","error_type":"timeout","#,
            r#""attributes":{{"amount":12.5,"count":3,"retry":false,"error.type":"timeout"}},"#,
            r#""events":[{{"name":"sent","time_unix_nano":{second},"attributes":{{"bytes":40}}}}],"#,
            r#""links":[{{"trace_id":"00000000000000000000000000000007","span_id":"0000000000000008","#,
            r#""attributes":{{"why":"batch"}}}}]}}"#,
            "\n",
            r#"{{"trace_id":"{trace}","span_id":"0000000000000001","parent_span_id":null,"#,
            r#""service":"orders","name":"GET /orders/{{id}}","kind":"server","start_unix_nano":{start},"#,
            r#""duration_ns":5077,"status":"ok","error_type":null,"attributes":{{}},"events":[],"links":[]}}"#,
            "\n",
        ),
        trace = trace,
        start = start,
        second = second
    );
    assert_eq!(text, expected);
}

impl Rig {
    fn clock_now(&self) -> std::time::Instant {
        Clock::manual(&self.clock).now()
    }
}

#[test]
fn hostile_text_stays_within_its_line_and_its_string() {
    let rig = Rig::new("or\"ders\n");
    for (text, why) in [
        ("\"},{\"x\":\"", "closes the string"),
        ("line\nfeed\r\u{2028}\u{2029}", "ends the line"),
        ("\u{1b}[2J\u{0}\u{7f}", "controls a terminal"),
        ("back\\slash", "escapes"),
        ("\u{202e}\u{1f600}", "beyond ASCII"),
    ] {
        let span = rig.tracer.span(text).root().start();
        span.set(&text.to_owned(), text);
        span.set("error.type", text);
        span.record(|span| span.event(Key::dynamic(text), &[]));
        span.end(SpanEnd::Completed);
        let written = rig.text();
        assert_eq!(written.matches('\n').count(), 1, "{why}: {written}");
        assert!(!written.contains('\u{1b}') && !written.contains('\u{0}'), "{why}: {written}");
        let value: serde_json::Value = serde_json::from_str(&written).unwrap();
        assert_eq!(value["name"], text, "{why}");
        assert_eq!(value["service"], "or\"ders\n");
        assert_eq!(value["attributes"][text], text, "{why}");
        assert_eq!(value["error_type"], text, "{why}");
        assert_eq!(value["events"][0]["name"], text, "{why}");
    }
}

#[test]
fn values_that_json_does_not_have() {
    let rig = Rig::new("orders");
    let span = rig.tracer.span("odd").start_with(|span| {
        span.push("nan", f64::NAN);
        span.push("inf", f64::INFINITY);
        span.push("-inf", f64::NEG_INFINITY);
        span.push("huge", 1e300);
        span.push("min", i64::MIN);
        span.push("bytes", Value::Bytes(b"a\xffb"));
        span.push("list", &["\"a\"", "b"]);
        span.push("none", TextList::from(&[] as &[&str]));
        span.push("twice", 1);
        span.push("twice", 2);
    });
    span.end(SpanEnd::Completed);
    let text = rig.text();
    assert!(text.contains(r#""nan":"NaN","inf":"Infinity","-inf":"-Infinity","huge":1e300,"#), "{text}");
    assert!(text.contains(r#""min":-9223372036854775808,"bytes":"#), "{text}");
    let lists = r#""list":["\"a\"","b"],"none":[]"#;
    assert!(text.contains(&format!("\"bytes\":\"a\u{fffd}b\",{lists},\"twice\":2}}")), "{text}");
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["attributes"]["huge"], 1e300);
}

/// Takes a few bytes at a time and then none for a while.
#[derive(Clone, Default)]
struct Pipe(Arc<Mutex<(Vec<u8>, usize)>>);

impl Write for Pipe {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        let (written, room) = &mut *self.0.lock().unwrap();
        let len = text.len().min(*room).min(100);
        *room -= len;
        written.extend_from_slice(&text[..len]);
        if len == 0 { Err(io::ErrorKind::BrokenPipe.into()) } else { Ok(len) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_broken_pipe_fails_the_batch_and_tears_no_later_line() {
    let pipe = Pipe::default();
    pipe.0.lock().unwrap().1 = 250;
    let pipeline = quiet(JsonLines::new(pipe.clone())).build().unwrap();
    let tracer = common::tracer(&pipeline);
    end(&tracer, "torn");
    let error = pipeline.flush(LONG).wait().unwrap_err();
    assert!(matches!(error, throughline_export::FlushError::Exporter { failed: 1, .. }), "{error:?}");
    pipe.0.lock().unwrap().1 = 10_000;
    end(&tracer, "whole");
    end(&tracer, "whole");
    pipeline.flush(LONG).wait().unwrap();
    let written = String::from_utf8(pipe.0.lock().unwrap().0.clone()).unwrap();
    let lines: Vec<_> = written.lines().collect();
    assert_eq!(lines.len(), 3, "{written}");
    assert!(lines[1..].iter().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()), "{written}");
    assert_eq!((pipeline.stats().failed, pipeline.stats().exported), (1, 2));
}

#[test]
fn pipelines_that_share_a_writer_do_not_mix_their_lines() {
    let lines = JsonLines::new(Vec::new());
    let pipelines: Vec<_> = (0..3).map(|_| quiet(lines.clone()).max_export_batch_size(3).build().unwrap()).collect();
    std::thread::scope(|scope| {
        for pipeline in &pipelines {
            scope.spawn(|| {
                common::end_many(&common::tracer(pipeline), 100);
                pipeline.flush(LONG).wait().unwrap();
            });
        }
    });
    let text = lines.with_writer(|text| String::from_utf8(text.clone()).unwrap());
    assert_eq!(text.lines().count(), 300);
    assert!(text.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()));
}
