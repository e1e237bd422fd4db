//! Which route a request took, however late that is known.

use std::sync::atomic::{AtomicBool, Ordering};

use throughline_core::{Context, Diagnostic, Key, Recording, Span, SpanKind, SpanRef};

/// Where a route became known; a later source knows better.
///
/// A route replaces that of an earlier source. Of one source the first stays, but for [`Filter`](Self::Filter) and
/// [`NestedController`](Self::NestedController), where a longer one replaces a shorter.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum RouteSource {
    /// Something before the router: a filter, a gateway's prefix.
    Filter = 1,
    /// The router, as the server's layer sees it: [`HttpServerLayer::route`](crate::HttpServerLayer::route).
    Server = 2,
    /// What the router calls: a layer on one route, a framework.
    Controller = 3,
    /// The handler itself, or a router inside it.
    NestedController = 4,
}

/// Says which route the current request took, such as `/users/{id}`: for routers that no layer can look into, and handlers
/// that know better.
///
/// The server span of the request is renamed and gets `http.route`, wherever below it this is called; nothing happens if
/// there is none, it is not recorded or has ended. The route must be a template, never the path: a path of every user makes
/// a time series of every user.
///
/// ```
/// use throughline_tower::{RouteSource, set_route};
///
/// set_route(RouteSource::NestedController, "/users/{id}");
/// ```
pub fn set_route(source: RouteSource, route: &str) {
    let context = Context::current();
    let current = context.span();
    // A server below other work of this process is not the local root: where it is current it is found all the same.
    if !(current.is_recording() && update(&current, source, route)) {
        update(&context.local_root_span(), source, route);
    }
}

/// Whether the span is a server's.
fn update(span: &SpanRef, source: RouteSource, route: &str) -> bool {
    let is_server = span.record(|span| {
        let is_server = span.kind() == SpanKind::Server;
        if is_server && !route.is_empty() && is_better(span, source, route) {
            span.set(HTTP_ROUTE, route);
            // A name that somebody chose as a whole stays.
            if span.name_rank() < u8::MAX {
                span.set_target(route, source as u8);
            }
        }
        is_server
    });
    is_server == Some(true)
}

fn is_better(span: &Recording<'_>, source: RouteSource, route: &str) -> bool {
    let Some(known) = span.attribute(HTTP_ROUTE.as_str()) else { return true };
    let rank = match span.name_rank() {
        0 => RouteSource::Server as u8,
        rank => rank,
    };
    let grows = matches!(source, RouteSource::Filter | RouteSource::NestedController);
    source as u8 > rank
        || (source as u8 == rank && grows && known.as_text().is_some_and(|known| route.len() > known.len()))
}

/// Says once that requests are answered whose route nobody knows.
pub(crate) fn report_missing(span: &Span) {
    static MISSING: Diagnostic = Diagnostic::new();
    static SAID: AtomicBool = AtomicBool::new(false);
    if span.record(|span| span.has(HTTP_ROUTE.as_str())) == Some(false) && !SAID.swap(true, Ordering::Relaxed) {
        MISSING.warn(|| {
            "a request was answered whose route is not known: put the server layer on the router that has the routes, or \
             a `RouteLayer` inside it"
                .to_owned()
        });
    }
}

pub(crate) const HTTP_ROUTE: Key<'static> = Key::new("http.route");
