//! The tree notation.

/// Asserts the shape of all spans of a [`MemorySink`](crate::MemorySink), a slice or a vector.
///
/// The first argument is what the spans are read from, the rest is a tree as [`shape!`](crate::shape) has it. All spans
/// must be in the tree; siblings may have started in any order and are paired so that as little as possible is wrong.
///
/// ```
/// use throughline_core::SpanEnd;
/// use throughline_testing::{assert_trace, tracer};
///
/// let (tracer, spans) = tracer();
/// tracer.span("rebuild index").start().end(SpanEnd::Completed);
/// assert_trace!(spans, internal "rebuild index");
/// ```
///
/// # Panics
///
/// If a span is missing, too many or different. Both trees are printed side by side, and the first difference is
/// marked:
///
/// ```text
/// the trace is not as expected
///
///    expected                                         actual
///    server "GET /a/{id}"                             server "GET /a/{id}"
///    ├─ client "GET"                                  ├─ client "GET"
/// >≠ │  └─ server "GET /b"                            │  └─ server "GET /c"
///  - └─ client "GET" ["http.request.resend_count" = 1]
///  +                                                  └─ internal "work" [end = Cancelled]
///
/// first difference (>): the name is "GET /c" instead of "GET /b"
/// lines that differ as well (≠ differs, - is missing, + is not expected): 2
/// ```
#[macro_export]
macro_rules! assert_trace {
    ($spans:expr $(,)?) => {
        $crate::Shape::new().assert(&$spans)
    };
    ($spans:expr, $($shape:tt)+) => {
        $crate::shape!($($shape)+).assert(&$spans)
    };
}

/// Writes a [`Shape`](crate::Shape) as a tree.
///
/// A span is `kind "name"`, where the kind is one of `internal`, `server`, `client`, `producer` and `consumer`, and then
/// in this order, each if there is something to say:
///
/// | | |
/// |---|---|
/// | `["key" = 200, "key", !"key"]` | attributes: of this value, of any value, absent |
/// | `[end = Cancelled]` | how it ended: `Completed`, `Failed`, `Cancelled`, `Panicked` |
/// | `[status = Error]` | the status: `Unset`, `Ok`, `Error` with any description, `Error("description")` |
/// | `[service = "orders"]` | the service that made it |
/// | `[event = "retry"]` | an event |
/// | `[ordered]` | the children started in this order |
/// | `[open]` | there may be more children than these |
/// | `=> link "name" ["key" = 1]` | a link to a span of that name, with its attributes; may be repeated |
/// | `=> link remote` | a link to a span that is not among these |
/// | `{ … }` | the children: exactly these |
///
/// A span without a parent, or whose parent is not among the spans, is a root; there may be several. `trace { … }`
/// around roots says that they are of one trace, and that all others are not. Names and keys are literals or names of
/// constants; another expression stands in parentheses.
///
/// ```
/// use throughline_testing::shape;
///
/// const STATUS: &str = "http.response.status_code";
/// let shape = shape!(
///     trace {
///         server "GET /a/{id}" [STATUS = 200, !"error.type"] {
///             client "GET" { server "GET /b" }
///             client "GET" ["http.request.resend_count" = 1] { server "GET /b" }
///             producer (format!("send {}", "T"))
///         }
///     }
///     trace {
///         consumer "process T" [end = Panicked, status = Error] => link "send T" ["messaging.kafka.offset" = 3]
///     }
/// );
/// # let _ = shape;
/// ```
#[macro_export]
macro_rules! shape {
    ($(
        $kind:ident $name:tt
        $([$($note:tt)*])?
        $(=> link $to:tt $([$($link_note:tt)*])?)*
        $({$($child:tt)*})?
        $(,)?
    )*) => {
        $crate::Shape::new()$(.part($crate::__part!(
            $kind $name [$($($note)*)?] [$(($to [$($($link_note)*)?]))*] {$($($child)*)?}
        )))*
    };
}

/// One span, or one trace.
#[doc(hidden)]
#[macro_export]
macro_rules! __part {
    (trace {$($shape:tt)*} [] [] {}) => {
        $crate::shape!($($shape)*)
    };
    ($kind:ident $name:tt [$($note:tt)*] [$(($to:tt [$($link_note:tt)*]))*] {$($child:tt)*}) => {{
        let span = $crate::__notes!($crate::ExpectedSpan::$kind($name); $($note)*);
        $(let span = span.link($crate::__notes!($crate::__link!($to); $($link_note)*));)*
        $crate::__children!(span; $($child)*)
    }};
}

#[doc(hidden)]
#[macro_export]
macro_rules! __children {
    ($span:ident; $(
        $kind:ident $name:tt
        $([$($note:tt)*])?
        $(=> link $to:tt $([$($link_note:tt)*])?)*
        $({$($child:tt)*})?
        $(,)?
    )*) => {
        $span$(.child($crate::__part!(
            $kind $name [$($($note)*)?] [$(($to [$($($link_note)*)?]))*] {$($($child)*)?}
        )))*
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __link {
    (remote) => {
        $crate::ExpectedLink::remote()
    };
    ($to:tt) => {
        $crate::ExpectedLink::to($to)
    };
}

/// What stands in brackets.
#[doc(hidden)]
#[macro_export]
macro_rules! __notes {
    ($span:expr;) => { $span };
    ($span:expr; end = $end:ident $(, $($rest:tt)*)?) => {
        $crate::__notes!($span.end($crate::__core::SpanEnd::$end); $($($rest)*)?)
    };
    ($span:expr; status = Error ($description:expr) $(, $($rest:tt)*)?) => {
        $crate::__notes!(
            $span.status($crate::__core::Status::Error { description: $description.into() });
            $($($rest)*)?
        )
    };
    ($span:expr; status = Error $(, $($rest:tt)*)?) => {
        $crate::__notes!($span.status($crate::__core::Status::error()); $($($rest)*)?)
    };
    ($span:expr; status = $status:ident $(, $($rest:tt)*)?) => {
        $crate::__notes!($span.status($crate::__core::Status::$status); $($($rest)*)?)
    };
    ($span:expr; service = $name:expr $(, $($rest:tt)*)?) => {
        $crate::__notes!($span.service($name); $($($rest)*)?)
    };
    ($span:expr; event = $name:expr $(, $($rest:tt)*)?) => {
        $crate::__notes!($span.event($name); $($($rest)*)?)
    };
    ($span:expr; ordered $(, $($rest:tt)*)?) => {
        $crate::__notes!($span.ordered(); $($($rest)*)?)
    };
    ($span:expr; open $(, $($rest:tt)*)?) => {
        $crate::__notes!($span.open(); $($($rest)*)?)
    };
    ($span:expr; ! $key:tt $(, $($rest:tt)*)?) => {
        $crate::__notes!($span.without($key); $($($rest)*)?)
    };
    ($span:expr; $key:tt = $value:expr $(, $($rest:tt)*)?) => {
        $crate::__notes!($span.attribute($key, $value); $($($rest)*)?)
    };
    ($span:expr; $key:tt $(, $($rest:tt)*)?) => {
        $crate::__notes!($span.with($key); $($($rest)*)?)
    };
}
