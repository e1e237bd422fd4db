//! A trace as text.

use std::time::{Duration, SystemTime};

use throughline_core::{SpanData, SpanEnd, Status};

use super::text::{columns, duration, escape, fit};
use super::tree::{Apart, Row, rows};

/// How [`render`] draws.
///
/// ```
/// use throughline_export::RenderOptions;
///
/// let options = RenderOptions::default().width(80).colour(true);
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct RenderOptions {
    width: usize,
    colour: bool,
    origin: Option<SystemTime>,
}

/// Draws a trace as a tree with bars to scale.
///
/// The first line has the trace's id, how long it took, how many spans and which services there are. Then, for each span,
/// its name below its parent's, the service, the kind, the duration, `✗` for an error, `⊘` for what was cancelled and `✓`
/// for an explicit *ok*, and the time it took as a bar. Below it stand `error.type` and the status's description, the
/// outcome if the work was cancelled or panicked, what it is linked to (`⇢` and the beginnings of both ids) and, if its parent
/// is not among the spans, that parent (`↑`).
///
/// Siblings are ordered by the time at which they started. No line is wider than the options say; what controls a
/// terminal is printed escaped.
#[must_use]
pub fn render(trace: &[SpanData], options: &RenderOptions) -> String {
    if trace.is_empty() {
        return String::new();
    }
    let scale = Scale::of(trace, options.origin);
    let services = services(trace);
    let mut paint = Paint { text: String::new(), colour: options.colour };
    header(&mut paint, trace, &services, scale, options);
    let mut layout = Layout::of(trace, options.width);
    let rows = rows(trace, layout.deepest());
    layout.fit_names(&rows);
    for row in &rows {
        layout.line(&mut paint, row, &services, scale);
        layout.details(&mut paint, row);
    }
    paint.text
}

/// The time that the bars' column stands for.
#[derive(Clone, Copy)]
struct Scale {
    origin: SystemTime,
    total: Duration,
}

/// The widths of the columns; a narrow terminal does without some.
struct Layout {
    width: usize,
    name: usize,
    service: Option<usize>,
    kind: Option<usize>,
    duration: usize,
    bar: usize,
}

struct Paint {
    text: String,
    colour: bool,
}

// === impl RenderOptions ===

impl RenderOptions {
    /// No line is wider than this, which is at least 40.
    pub fn width(self, columns: usize) -> Self {
        Self { width: columns.max(NARROWEST), ..self }
    }

    /// Whether to use colours.
    pub fn colour(self, colour: bool) -> Self {
        Self { colour, ..self }
    }

    /// These are late spans of a trace that began at this time and was drawn before.
    pub fn continued(self, origin: SystemTime) -> Self {
        Self { origin: Some(origin), ..self }
    }
}

impl Default for RenderOptions {
    /// A hundred columns without colour.
    fn default() -> Self {
        Self { width: 100, colour: false, origin: None }
    }
}

// === impl Scale ===

impl Scale {
    fn of(trace: &[SpanData], origin: Option<SystemTime>) -> Self {
        let starts = trace.iter().map(|span| span.start_time);
        let origin = origin.or_else(|| starts.min()).unwrap_or(SystemTime::UNIX_EPOCH);
        let ends = trace.iter().map(|span| since(origin, span.start_time).saturating_add(span.duration));
        Self { origin, total: ends.max().unwrap_or_default() }
    }

    /// The bar of a span in so many columns, in eighths of one where it ends.
    fn bar(self, span: &SpanData, room: usize) -> String {
        let total = self.total.as_nanos().max(1);
        let eighths = room as u128 * 8;
        let start = since(self.origin, span.start_time).as_nanos().min(total);
        let end = start.saturating_add(span.duration.as_nanos()).min(total);
        let first = (start * eighths / total / 8).min(room as u128 - 1);
        let own = ((end - start) * eighths).div_ceil(total);
        // Ends line up where there is room to see it; a short span is as short as it is, wherever in a column it began.
        let length = if own < 8 { own.max(1) } else { (end * eighths).div_ceil(total) - first * 8 } as usize;
        let mut bar = " ".repeat(first as usize);
        bar.push_str(&"█".repeat(length / 8));
        bar.push_str(["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"][length % 8]);
        bar
    }
}

/// Clocks that disagree make no negative times.
fn since(origin: SystemTime, time: SystemTime) -> Duration {
    time.duration_since(origin).unwrap_or_default()
}

// === impl Layout ===

impl Layout {
    /// Names get all that bars can spare, until it is known how much they need.
    fn of(trace: &[SpanData], width: usize) -> Self {
        let widest = |column: fn(&SpanData) -> usize| trace.iter().map(column).max().unwrap_or_default();
        let service = (width >= 50).then(|| widest(|span| columns(&escape(span.service()))).min(width / 6));
        let kind = (width >= 64).then(|| widest(|span| span.kind.as_str().len()));
        let duration = widest(|span| columns(&duration(span.duration)));
        let besides = GAP + service.map_or(0, |w| w + GAP) + kind.map_or(0, |w| w + GAP) + duration + MARK;
        let left = width - besides;
        let bar = (left / 3).min(WIDEST_BAR);
        Self { width, name: left - bar, service, kind, duration, bar }
    }

    /// How deep the tree may be drawn: the deepest row has room for its connector and for the beginning of a name.
    fn deepest(&self) -> usize {
        (self.name.saturating_sub(SHORTEST_NAME + 2) / 3).min(DEEPEST)
    }

    /// Gives the bars what the names leave.
    fn fit_names(&mut self, rows: &[Row<'_>]) {
        let left = self.name + self.bar;
        let longest = rows.iter().map(|row| columns(&row.indent) + columns(&escape(&row.span.name))).max();
        self.name = self.name.min(longest.unwrap_or_default()).max(1);
        self.bar = (left - self.name).min(WIDEST_BAR);
    }

    fn line(&self, paint: &mut Paint, row: &Row<'_>, services: &[&str], scale: Scale) {
        let span = row.span;
        let hue = hue(services, span.service());
        paint.with(DIM, &row.indent);
        let room = self.name.saturating_sub(columns(&row.indent));
        let name = escape(&span.name);
        let name = fit(&name, room);
        paint.with(if is_error(span) { RED } else { BOLD }, &name);
        paint.space(room - columns(&name) + GAP);
        if let Some(room) = self.service {
            let service = escape(span.service());
            let service = fit(&service, room);
            paint.with(hue, &service);
            paint.space(room - columns(&service) + GAP);
        }
        if let Some(room) = self.kind {
            let kind = span.kind.as_str();
            paint.with(DIM, kind);
            paint.space(room - kind.len() + GAP);
        }
        let taken = duration(span.duration);
        paint.space(self.duration - columns(&taken));
        paint.plain(&taken);
        let (mark, style) = mark(span);
        paint.plain(" ");
        paint.with(style, mark);
        paint.plain(" ");
        paint.with(hue, &scale.bar(span, self.bar));
        paint.end_line();
    }

    fn details(&self, paint: &mut Paint, row: &Row<'_>) {
        let span = row.span;
        let mut details = Vec::new();
        if let Some(what) = what_happened(span) {
            details.push((if is_error(span) { RED } else { DIM }, what));
        }
        for link in span.links.iter().take(MOST_LINKS) {
            let (trace, id) = (link.span_context.trace_id().to_string(), link.span_context.span_id().to_string());
            details.push((DIM, format!("⇢ {}/{}", &trace[..SHORT], &id[..SHORT])));
        }
        if span.links.len() > MOST_LINKS {
            details.push((DIM, format!("⇢ {} more", span.links.len() - MOST_LINKS)));
        }
        if let Some(apart) = &row.apart {
            let (parent, what) = match apart {
                Apart::Circle(parent) => (parent, "is below it"),
                Apart::Missing(parent) if span.parent_is_remote => (parent, "remote parent"),
                Apart::Missing(parent) => (parent, "parent not seen"),
            };
            details.push((DIM, format!("↑ {} {what}", &parent.to_string()[..SHORT])));
        }
        let below = fit(&row.below, self.width / 2);
        let room = self.width - columns(&below);
        let mut used = 0;
        for (style, detail) in details {
            let detail = fit(&detail, room);
            let more = columns(&detail);
            if used > 0 && used + GAP + more <= room {
                paint.space(GAP);
                used += GAP + more;
            } else {
                if used > 0 {
                    paint.end_line();
                }
                paint.with(DIM, &below);
                used = more;
            }
            paint.with(style, &detail);
        }
        if used > 0 {
            paint.end_line();
        }
    }
}

// === impl Paint ===

impl Paint {
    fn plain(&mut self, text: &str) {
        self.text.push_str(text);
    }

    fn with(&mut self, style: &str, text: &str) {
        if self.colour && !style.is_empty() && !text.trim().is_empty() {
            self.text.extend(["\u{1b}[", style, "m", text, "\u{1b}[0m"]);
        } else {
            self.text.push_str(text);
        }
    }

    fn space(&mut self, columns: usize) {
        self.text.extend(std::iter::repeat_n(' ', columns));
    }

    fn end_line(&mut self) {
        self.text.truncate(self.text.trim_end_matches(' ').len());
        self.text.push('\n');
    }
}

fn header(paint: &mut Paint, trace: &[SpanData], services: &[&str], scale: Scale, options: &RenderOptions) {
    let plural = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    let errors = trace.iter().filter(|span| is_error(span)).count();
    let mut parts = vec![(BOLD, format!("trace {}", trace[0].span_context.trace_id()))];
    if options.origin.is_some() {
        parts.push((DIM, "continued".to_owned()));
    }
    parts.push(("", duration(scale.total)));
    parts.push(("", plural(trace.len(), "span")));
    if errors > 0 {
        parts.push((RED, plural(errors, "error")));
    }
    let mut left = options.width;
    for (at, (style, part)) in parts.iter().enumerate() {
        let gap = if at == 0 { 0 } else { GAP };
        if left > gap {
            let part = fit(part, left - gap);
            paint.space(gap);
            paint.with(style, &part);
            left -= gap + columns(&part);
        }
    }
    for (at, service) in services.iter().enumerate() {
        let (before, gap) = if at == 0 { ("", GAP) } else { (",", 2) };
        if left <= gap + 1 {
            break;
        }
        let service = escape(service);
        // Room for the comma or the ellipsis that follows.
        let service = fit(&service, left - gap);
        paint.plain(before);
        paint.space(gap - before.len());
        paint.with(hue(services, services[at]), &service);
        left -= gap + columns(&service);
    }
    paint.end_line();
}

/// The services in the order in which their first spans started.
fn services(trace: &[SpanData]) -> Vec<&str> {
    let mut order: Vec<&SpanData> = trace.iter().collect();
    order.sort_by_key(|span| span.start_time);
    let mut services = Vec::new();
    for span in order {
        if !services.contains(&span.service()) {
            services.push(span.service());
        }
    }
    services
}

fn hue(services: &[&str], service: &str) -> &'static str {
    let at = services.iter().position(|known| *known == service).unwrap_or_default();
    HUES[at % HUES.len()]
}

fn is_error(span: &SpanData) -> bool {
    matches!(span.status, Status::Error { .. })
}

fn mark(span: &SpanData) -> (&'static str, &'static str) {
    match (&span.status, span.end) {
        (Status::Error { .. }, _) => ("✗", RED),
        (_, SpanEnd::Cancelled) => ("⊘", YELLOW),
        (_, SpanEnd::Panicked) => ("✗", RED),
        (Status::Ok, _) => ("✓", GREEN),
        (Status::Unset, _) => (" ", ""),
    }
}

/// `error.type`, the description and the outcome, each said once.
fn what_happened(span: &SpanData) -> Option<String> {
    let outcome = matches!(span.end, SpanEnd::Cancelled | SpanEnd::Panicked).then(|| span.end.as_str());
    let error_type = span.attribute("error.type").map(ToString::to_string);
    let error_type = error_type.filter(|said| match outcome {
        Some(outcome) => !outcome.starts_with(said.as_str()) || said.is_empty(),
        None => true,
    });
    let description = match &span.status {
        Status::Error { description } if !description.is_empty() => Some(description.to_string()),
        _ => None,
    };
    let description = description.filter(|said| Some(said) != error_type.as_ref());
    let parts = [error_type, description, outcome.map(str::to_owned)];
    let said: Vec<_> = parts.iter().flatten().map(|part| escape(part)).collect();
    (!said.is_empty()).then(|| said.join(" · "))
}

const NARROWEST: usize = 40;
const WIDEST_BAR: usize = 80;
const SHORTEST_NAME: usize = 6;
const DEEPEST: usize = 12;
const GAP: usize = 2;
/// The mark between two spaces.
const MARK: usize = 3;
/// So many digits of an id tell it apart for a reader.
const SHORT: usize = 8;
const MOST_LINKS: usize = 8;

const BOLD: &str = "1";
const DIM: &str = "2";
const RED: &str = "31";
const GREEN: &str = "32";
const YELLOW: &str = "33";
const HUES: [&str; 6] = ["36", "35", "34", "33", "32", "96"];

#[cfg(test)]
#[path = "render_tests.rs"]
mod tests;
