//! The waterfall behind real pipelines.

#![expect(clippy::unwrap_used, reason = "a helper of tests may unwrap as tests do")]

mod common;

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use throughline_core::{Context, FinishedSpan, Resource, SpanBuffer, SpanEnd, SpanKind, SpanSink, Tracer};
use throughline_export::{Batch, Exporter, Pipeline, Waterfall, WaterfallExporter};

use common::{LONG, quiet};

#[derive(Clone, Default)]
struct Screen(Arc<(Mutex<String>, Condvar)>);

impl Write for Screen {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.0.0.lock().unwrap().push_str(std::str::from_utf8(text).unwrap());
        self.0.1.notify_all();
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Screen {
    fn text(&self) -> String {
        self.0.0.lock().unwrap().clone()
    }

    fn wait_for(&self, part: &str) {
        let text = self.0.0.lock().unwrap();
        let (text, _) = self.0.1.wait_timeout_while(text, LONG, |text| !text.contains(part)).unwrap();
        assert!(text.contains(part), "{text}");
    }
}

fn service(waterfall: &Waterfall, name: &str) -> (Pipeline, Tracer) {
    let resource = Resource::new(name);
    let pipeline = quiet(waterfall.exporter()).resource(resource.clone()).build().unwrap();
    let tracer = Tracer::builder().resource(resource).sink(pipeline.sink()).build();
    (pipeline, tracer)
}

/// One trace over two services: the caller and the one who answers.
fn call(shop: &Tracer, orders: &Tracer) {
    let root = shop.span("buy").kind(SpanKind::Client).root().start();
    let sent = Context::ROOT.with_span_context(root.span_context().unwrap().with_remote(true));
    orders.span("POST /orders").kind(SpanKind::Server).parent(&sent).start().end(SpanEnd::Completed);
    root.end(SpanEnd::Completed);
}

#[test]
fn services_that_share_a_waterfall_are_one_tree() {
    let screen = Screen::default();
    let waterfall = Waterfall::to(screen.clone());
    let ((first, shop), (second, orders)) = (service(&waterfall, "shop"), service(&waterfall, "orders"));
    call(&shop, &orders);
    // The one who answered is exported first; neither its flush nor its shutdown draws a part of the tree.
    second.flush(LONG).wait().unwrap();
    second.shutdown(LONG).wait().unwrap();
    assert_eq!(screen.text(), "");
    first.shutdown(LONG).wait().unwrap();
    let text = screen.text();
    assert_eq!(text.matches("trace ").count(), 1, "{text}");
    assert!(text.contains("2 spans  shop, orders\nbuy"), "{text}");
    assert!(text.contains("\n└─ POST /orders  orders  server"), "{text}");
    assert!(text.ends_with("\n\n") && !text.contains('\u{1b}'), "{text:?}");
}

#[test]
fn the_only_pipeline_draws_when_it_is_flushed() {
    let screen = Screen::default();
    let (pipeline, tracer) = service(&Waterfall::to(screen.clone()), "shop");
    call(&tracer, &tracer);
    pipeline.flush(LONG).wait().unwrap();
    assert_eq!(screen.text().matches("trace ").count(), 1);
}

#[test]
fn a_trace_is_drawn_by_itself_after_the_quiet_time() {
    let screen = Screen::default();
    let waterfall = Waterfall::builder(screen.clone()).quiet(Duration::from_millis(5)).build();
    let resource = Resource::new("shop");
    let pipeline = Pipeline::builder(waterfall.exporter()).schedule_delay(Duration::from_millis(5)).resource(resource);
    let pipeline = pipeline.build().unwrap();
    common::end(&common::tracer(&pipeline), "by itself");
    screen.wait_for("by itself");
}

#[test]
fn everything_can_be_drawn_by_hand() {
    let screen = Screen::default();
    let waterfall = Waterfall::builder(screen.clone()).colour(true).width(60).build();
    let ((first, shop), (second, orders)) = (service(&waterfall, "shop"), service(&waterfall, "orders"));
    call(&shop, &orders);
    first.flush(LONG).wait().unwrap();
    second.flush(LONG).wait().unwrap();
    assert_eq!(screen.text(), "");
    waterfall.draw_all().unwrap();
    assert!(screen.text().starts_with("\u{1b}[1mtrace "), "{:?}", screen.text());
    assert_eq!(waterfall.dropped(), 0);
}

#[derive(Default)]
struct Sink(Mutex<SpanBuffer>);

impl SpanSink for Sink {
    fn on_end(&self, span: &FinishedSpan<'_>) {
        self.0.lock().unwrap().push(span);
    }
}

/// The exporters are driven by hand: while one's neighbour in its fanout is slow, the rest of the trace waits behind it.
#[test]
fn a_slow_exporter_beside_the_waterfall_does_not_tear_the_tree() {
    let screen = Screen::default();
    let waterfall = Waterfall::to(screen.clone());
    let sink = Arc::new(Sink::default());
    let tracer = Tracer::builder().sink(Arc::clone(&sink)).build();
    let shop = Resource::new("shop");
    let export = |exporter: &mut WaterfallExporter| {
        let mut spans = sink.0.lock().unwrap();
        exporter.export(&Batch::new(&spans, &shop)).unwrap();
        spans.clear();
    };
    let (mut slow, mut quick) = (waterfall.exporter(), waterfall.exporter());
    let root = tracer.span("root").root().start();
    let late = tracer.span("late").parent(&root.context()).start();
    root.end(SpanEnd::Completed);
    export(&mut slow);
    late.end(SpanEnd::Completed);

    let mut now = Instant::now() + Duration::from_secs(1);
    quick.tick(now);
    slow.tick(now);
    assert_eq!(screen.text(), "", "the quiet time has passed, but in an export");
    export(&mut slow);
    slow.tick(now);
    now += Duration::from_secs(1);
    quick.tick(now);
    let text = screen.text();
    assert!(text.matches("trace ").count() == 1 && text.contains("2 spans"), "{text}");
}

#[test]
fn an_exporter_that_is_dropped_in_an_export_holds_nothing_back() {
    let screen = Screen::default();
    let waterfall = Waterfall::to(screen.clone());
    let sink = Arc::new(Sink::default());
    common::end(&Tracer::builder().sink(Arc::clone(&sink)).build(), "left");
    let (mut first, mut second) = (waterfall.exporter(), waterfall.exporter());
    first.export(&Batch::new(&sink.0.lock().unwrap(), &Resource::new("shop"))).unwrap();
    drop(first);
    second.tick(Instant::now() + Duration::from_secs(1));
    assert!(screen.text().contains("\nleft"), "{}", screen.text());
}

/// The exporters are driven by hand: nobody flushes them.
#[test]
fn the_last_exporter_that_goes_draws_what_is_left() {
    let screen = Screen::default();
    let waterfall = Waterfall::to(screen.clone());
    let sink = Arc::new(Sink::default());
    common::end(&Tracer::builder().sink(Arc::clone(&sink)).build(), "left");
    let (mut first, second) = (waterfall.exporter(), waterfall.exporter());
    first.export(&Batch::new(&sink.0.lock().unwrap(), &Resource::new("shop"))).unwrap();
    first.shutdown();
    drop(first);
    assert_eq!(screen.text(), "");
    drop(second);
    assert!(screen.text().contains("\nleft"), "{}", screen.text());
}

#[test]
fn a_terminal_that_is_gone_fails_the_flush() {
    struct Gone;
    impl Write for Gone {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let (pipeline, tracer) = service(&Waterfall::to(Gone), "shop");
    common::end(&tracer, "unseen");
    assert!(pipeline.flush(LONG).wait().is_err());
    pipeline.shutdown(LONG).wait().unwrap();
}
