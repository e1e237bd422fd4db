use throughline_core::{Key, SpanEnd, SpanKind, Status, Value};

use super::super::rig::{Rig, child, elsewhere, sent};
use super::*;

fn plain(width: usize) -> RenderOptions {
    RenderOptions::default().width(width)
}

/// shop → orders → (load cart, charge → payment, publish).
fn purchase(rig: &Rig) -> Vec<SpanData> {
    let (shop, orders, payment) = (rig.service("shop"), rig.service("orders"), rig.service("payment"));
    let root = shop.span("GET /checkout").kind(SpanKind::Client).root().start();
    rig.millis(2);
    let order = child(&orders, "POST /orders", SpanKind::Server, &sent(&root));
    let load = child(&orders, "load cart", SpanKind::Internal, &order.context());
    rig.millis(12);
    load.end(SpanEnd::Completed);
    let charge = child(&orders, "POST", SpanKind::Client, &order.context());
    rig.micros(400);
    let card = child(&payment, "POST /charge", SpanKind::Server, &sent(&charge));
    rig.millis(80);
    card.end_with(SpanEnd::Failed, |span| {
        span.set_error("402");
        span.set_status(&Status::Error { description: "card declined".into() });
    });
    charge.end_with(SpanEnd::Cancelled, |_| {});
    rig.micros(900);
    let publish = child(&orders, "order.placed publish", SpanKind::Producer, &order.context());
    publish.record(|span| span.link(elsewhere(0xabcd << 112, 0x1234 << 48), &[(Key::new("x"), Value::Int(1))]));
    rig.micros(30);
    publish.end_with(SpanEnd::Completed, |span| span.set_status(&Status::Ok));
    rig.millis(20);
    order.end(SpanEnd::Completed);
    rig.millis(10);
    root.end(SpanEnd::Completed);
    rig.ended()
}

#[track_caller]
fn assert_drawn(drawn: &str, expected: &str) {
    let expected: String = expected.trim_start_matches('\n').to_owned();
    assert!(drawn == expected, "\n--- drawn\n{drawn}\n--- expected\n{expected}");
}

#[test]
fn a_trace_over_three_services() {
    assert_drawn(
        &render(&purchase(&Rig::new()), &plain(100)),
        r#"
trace 4bf92f3577b34da6a3ce929d0e0e0001  125ms  6 spans  1 error  shop, orders, payment
GET /checkout               shop     client     125ms   ████████████████████████████████████████████
└─ POST /orders             orders   server     113ms   ████████████████████████████████████████▌
   ├─ load cart             orders   internal  12.0ms   █████
   ├─ POST                  orders   client    80.4ms ⊘     █████████████████████████████▎
   │  │  cancelled
   │  └─ POST /charge       payment  server    80.0ms ✗      ████████████████████████████▎
   │        402 · card declined
   └─ order.placed publish  orders   producer  30.0µs ✓                                  ▏
         ⇢ abcd0000/12340000
"#,
    );
}

#[test]
fn a_narrow_terminal_does_without_columns() {
    let trace = purchase(&Rig::new());
    assert_drawn(
        &render(&trace, &plain(60)),
        r#"
trace 4bf92f3577b34da6a3ce929d0e0e0001  125ms  6 spans  1 e…
GET /checkout               shop      125ms   ██████████████
└─ POST /orders             orders    113ms   █████████████
   ├─ load cart             orders   12.0ms   █▋
   ├─ POST                  orders   80.4ms ⊘  █████████▋
   │  │  cancelled
   │  └─ POST /charge       payment  80.0ms ✗  █████████▋
   │        402 · card declined
   └─ order.placed publish  orders   30.0µs ✓           ▏
         ⇢ abcd0000/12340000
"#,
    );
}

#[test]
fn the_narrowest_terminal_has_forty_columns() {
    let trace = purchase(&Rig::new());
    assert_drawn(
        &render(&trace, &plain(1)),
        r#"
trace 4bf92f3577b34da6a3ce929d0e0e0001
GET /checkout          125ms   █████████
└─ POST /orders        113ms   ████████▍
   ├─ load cart       12.0ms   ▉
   ├─ POST            80.4ms ⊘  █████▉
   │  │  cancelled
   │  └─ POST /char…  80.0ms ✗  █████▉
   │        402 · card declined
   └─ order.placed …  30.0µs ✓       ▏
         ⇢ abcd0000/12340000
"#,
    );
}

#[test]
fn no_line_is_wider_than_the_terminal() {
    let rig = Rig::new();
    let mut trace = purchase(&rig);
    let long = rig.service(&"service ".repeat(50));
    let mut parent = long.span(&"name ".repeat(100)).root().start();
    for _ in 0..40 {
        let next = child(&long, &"漢字 ".repeat(30), SpanKind::Internal, &parent.context());
        next.record(|span| span.set_error(Value::Str(&"error ".repeat(40))));
        (0..20).for_each(|n| next.record(|span| span.link(elsewhere(n + 1, 1), &[])).unwrap());
        std::mem::replace(&mut parent, next).end(SpanEnd::Cancelled);
    }
    parent.end(SpanEnd::Panicked);
    trace.extend(rig.ended());
    for width in 40..200 {
        let drawn = render(&trace, &plain(width));
        for line in drawn.lines() {
            assert!(columns(line) <= width, "{width}: {line}");
            assert_eq!(line, line.trim_end());
        }
        assert!(drawn.lines().count() >= trace.len());
    }
}

#[test]
fn colours_change_nothing_but_colours() {
    let rig = Rig::new();
    let trace = purchase(&rig);
    let coloured = render(&trace, &plain(100).colour(true));
    let mut stripped = String::new();
    for (at, part) in coloured.split('\u{1b}').enumerate() {
        stripped.push_str(if at == 0 { part } else { part.split_once('m').unwrap().1 });
    }
    assert_eq!(stripped, render(&trace, &plain(100)));
    let lines: Vec<_> = coloured.lines().collect();
    assert_eq!(
        lines[0],
        "\u{1b}[1mtrace 4bf92f3577b34da6a3ce929d0e0e0001\u{1b}[0m  125ms  6 spans  \u{1b}[31m1 error\u{1b}[0m  \
         \u{1b}[36mshop\u{1b}[0m, \u{1b}[35morders\u{1b}[0m, \u{1b}[34mpayment\u{1b}[0m"
    );
    assert_eq!(
        lines[6],
        "\u{1b}[2m   │  └─ \u{1b}[0m\u{1b}[31mPOST /charge\u{1b}[0m       \u{1b}[34mpayment\u{1b}[0m  \
         \u{1b}[2mserver\u{1b}[0m    80.0ms \u{1b}[31m✗\u{1b}[0m \u{1b}[34m     ████████████████████████████▎\u{1b}[0m"
    );
    assert_eq!(lines[7], "\u{1b}[2m   │        \u{1b}[0m\u{1b}[31m402 · card declined\u{1b}[0m");
}

#[test]
fn text_from_the_network_does_not_reach_the_terminal_as_it_is() {
    let rig = Rig::new();
    let service = rig.service("sh\u{1b}]0;op\u{7}");
    let span = service.span("GET /\u{1b}[2J\u{202e}/..\n/x").root().start();
    rig.millis(1);
    span.end_with(SpanEnd::Failed, |span| {
        span.set_error("\u{9b}31m\r");
        span.set_status(&Status::Error { description: "a\u{200b}b\tc".into() });
    });
    assert_drawn(
        &render(&rig.ended(), &plain(120)),
        r#"
trace 4bf92f3577b34da6a3ce929d0e0e0001  1.00ms  1 span  1 error  sh\x1b]0;op\x07
GET /\x1b[2J\u{202e}/..\x0a/x  sh\x1b]0;op\x07  internal  1.00ms ✗ █████████████████████████████████████████████████████
   \x9b31m\x0d · a\u{200b}b\x09c
"#,
    );
}

#[test]
fn wide_characters_keep_the_columns() {
    let rig = Rig::new();
    let service = rig.service("注文");
    let root = service.span("注文を確定する").root().start();
    rig.millis(1);
    let inner = child(&service, "größe", SpanKind::Internal, &root.context());
    rig.millis(1);
    inner.end(SpanEnd::Completed);
    root.end(SpanEnd::Completed);
    assert_drawn(
        &render(&rig.ended(), &plain(70)),
        r#"
trace 4bf92f3577b34da6a3ce929d0e0e0001  2.00ms  2 spans  注文
注文を確定する  注文  internal  2.00ms   █████████████████████████████
└─ größe        注文  internal  1.00ms                 ███████████████
"#,
    );
}

#[test]
fn spans_without_their_parents_say_so() {
    let rig = Rig::new();
    let service = rig.service("orders");
    let root = service.span("never ends").root().start();
    let child_of_root = child(&service, "local", SpanKind::Internal, &root.context());
    let remote = child(&service, "GET /", SpanKind::Server, &sent(&root));
    rig.millis(3);
    remote.end(SpanEnd::Completed);
    child_of_root.end(SpanEnd::Panicked);
    let trace = rig.ended();
    assert_drawn(
        &render(&trace, &plain(80)),
        r#"
trace 4bf92f3577b34da6a3ce929d0e0e0001  3.00ms  2 spans  1 error  orders
GET /  orders  server    3.00ms   ██████████████████████████████████████████████
   ↑ 00f067aa remote parent
local  orders  internal  3.00ms ✗ ██████████████████████████████████████████████
   panicked  ↑ 00f067aa parent not seen
"#,
    );
    let origin = trace[0].start_time - std::time::Duration::from_millis(1);
    assert_drawn(
        &render(&trace[..1], &plain(80).continued(origin)),
        r#"
trace 4bf92f3577b34da6a3ce929d0e0e0001  continued  4.00ms  1 span  orders
GET /  orders  server  3.00ms               ████████████████████████████████████
   ↑ 00f067aa remote parent
"#,
    );
    root.end(SpanEnd::Completed);
}

#[test]
fn circles_and_repeated_ids_are_drawn_once() {
    let rig = Rig::new();
    let service = rig.service("s");
    for name in ["alpha", "beta", "gamma", "itself"] {
        service.span(name).root().start().end(SpanEnd::Completed);
    }
    let mut trace = rig.ended();
    let ids: Vec<_> = trace.iter().map(|span| span.span_context.span_id()).collect();
    // a → b → c → a, and one that is its own parent; then everything a second time.
    for (at, parent) in [(0, 2), (1, 0), (2, 1), (3, 3)] {
        trace[at].parent_span_id = Some(ids[parent]);
    }
    trace.extend(trace.clone());
    let drawn = render(&trace, &plain(60));
    for name in ["alpha", "beta", "gamma", "itself"] {
        assert_eq!(drawn.matches(name).count(), 2, "{name}\n{drawn}");
    }
    assert_drawn(
        &render(&trace[..4], &plain(60)),
        r#"
trace 4bf92f3577b34da6a3ce929d0e0e0001  0ns  4 spans  s
itself       s  0ns   ▏
   ↑ 00f067aa is below it
alpha        s  0ns   ▏
│  ↑ 00f067aa is below it
└─ beta      s  0ns   ▏
   └─ gamma  s  0ns   ▏
"#,
    );
}

#[test]
fn a_chain_deeper_than_a_stack_is_drawn_with_bounded_indentation() {
    let rig = Rig::new();
    let service = rig.service("s");
    let mut parent = service.span("top").root().start();
    for _ in 0..20_000 {
        let next = child(&service, "deep", SpanKind::Internal, &parent.context());
        std::mem::replace(&mut parent, next).end(SpanEnd::Completed);
    }
    parent.end(SpanEnd::Completed);
    let trace = rig.ended();
    let drawn = render(&trace, &plain(80));
    assert_eq!(drawn.matches("deep").count(), 20_000);
    assert_eq!(drawn.lines().nth(20).unwrap(), drawn.lines().nth(19).unwrap());
    assert_drawn(
        &drawn.lines().skip(11).take(4).collect::<Vec<_>>().join("\n"),
        r#"
                           └─ deep    s  internal  0ns   ▏
                              ⋯ deep  s  internal  0ns   ▏
                              ⋯ deep  s  internal  0ns   ▏
                              ⋯ deep  s  internal  0ns   ▏"#,
    );
}

/// A deep row shows where it hangs and how its name begins, and bars keep a third of the room.
#[test]
fn the_deepest_row_keeps_its_connector() {
    let rig = Rig::new();
    let service = rig.service("inventory");
    let mut parent = service.span("GET /orders/{id}").kind(SpanKind::Producer).root().start();
    for _ in 0..20 {
        let next = child(&service, "GET /orders/{id}", SpanKind::Producer, &parent.context());
        rig.micros(100);
        std::mem::replace(&mut parent, next).end(SpanEnd::Completed);
    }
    parent.end(SpanEnd::Completed);
    let trace = rig.ended();
    for width in NARROWEST..200 {
        let drawn = render(&trace, &plain(width));
        for row in drawn.lines().skip(2) {
            let name = row.trim_start().strip_prefix("└─ ").or_else(|| row.trim_start().strip_prefix("⋯ "));
            assert!(
                name.is_some_and(|name| name.starts_with("GET /…") || name.starts_with("GET /o")),
                "{width}: {row}"
            );
        }
    }
}

#[test]
fn a_name_gets_the_room_that_bars_can_spare() {
    let rig = Rig::new();
    let service = rig.service("inventory");
    let name = "GET /customers/{id}/orders/{order}/log";
    service.span(name).kind(SpanKind::Producer).root().start().end(SpanEnd::Completed);
    assert!(render(&rig.ended(), &plain(100)).contains(name));
}

#[test]
fn siblings_are_ordered_by_their_start() {
    let rig = Rig::new();
    let service = rig.service("s");
    let root = service.span("root").root().start();
    let first = child(&service, "first", SpanKind::Internal, &root.context());
    rig.millis(1);
    let second = child(&service, "second", SpanKind::Internal, &root.context());
    rig.millis(1);
    second.end(SpanEnd::Completed);
    first.end(SpanEnd::Completed);
    root.end(SpanEnd::Completed);
    let drawn = render(&rig.ended(), &plain(60));
    assert!(drawn.find("first").unwrap() < drawn.find("second").unwrap(), "{drawn}");
}

#[test]
fn a_clock_that_ran_backwards_makes_no_negative_bar() {
    let rig = Rig::new();
    let service = rig.service("s");
    let root = service.span("root").root().start();
    child(&service, "inner", SpanKind::Internal, &root.context()).end(SpanEnd::Completed);
    rig.millis(4);
    root.end(SpanEnd::Completed);
    let mut trace = rig.ended();
    let origin = trace[1].start_time;
    trace[0].start_time = origin - std::time::Duration::from_secs(5);
    assert_drawn(
        &render(&trace, &plain(60).continued(origin)),
        r#"
trace 4bf92f3577b34da6a3ce929d0e0e0001  continued  4.00ms  …
root      s  4.00ms   ██████████████████████████████████████
└─ inner  s     0ns   ▏
"#,
    );
}

#[test]
fn nothing_draws_nothing() {
    assert_eq!(render(&[], &RenderOptions::default()), "");
}

#[test]
fn a_trace_that_took_no_time_has_bars_all_the_same() {
    let rig = Rig::new();
    let service = rig.service("s");
    service.span("instant").root().start().end(SpanEnd::Completed);
    assert_drawn(
        &render(&rig.ended(), &plain(60)),
        r#"
trace 4bf92f3577b34da6a3ce929d0e0e0001  0ns  1 span  s
instant  s  0ns   ▏
"#,
    );
}
