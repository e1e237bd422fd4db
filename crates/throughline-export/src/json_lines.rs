//! Spans as JSON, one object a line.

use std::fmt;
use std::io::{self, Stdout, Write};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use throughline_core::{FinishedSpan, Key, Value};

use crate::{Batch, ExportError, Exporter, lock};

/// Writes spans as JSON, one object a line: for files, pipes and machines.
///
/// Every line has these keys in this order: `trace_id`, `span_id`, `parent_span_id` (or `null`), `service`, `name`, `kind`
/// (`internal`, `server`, `client`, `producer`, `consumer`), `start_unix_nano`, `duration_ns`, `status` (`unset`, `ok`,
/// `error`), `error_type` (or `null`), `attributes` (an object), `events` (a list of `name`, `time_unix_nano`,
/// `attributes`), `links` (a list of `trace_id`, `span_id`, `attributes`). Numbers that JSON does not have are the texts
/// `NaN`, `Infinity` and `-Infinity`.
///
/// A clone writes to the same place, so that several pipelines may share one.
///
/// ```
/// use throughline_export::{JsonLines, Pipeline};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let lines = JsonLines::stdout();
/// let orders = Pipeline::builder(lines.clone()).build()?;
/// let payments = Pipeline::builder(lines).build()?;
/// # let _ = (orders, payments);
/// # Ok(()) }
/// ```
///
/// # Guarantees
///
/// A batch is written in one piece and flushed; lines of several pipelines never mix. A writer that fails, a broken pipe for
/// one, fails the batch; what it left of a line is ended before the next batch is written.
pub struct JsonLines<W>(Arc<Mutex<Output<W>>>);

struct Output<W> {
    writer: W,
    text: Vec<u8>,
    /// The writer failed within a line.
    torn: bool,
}

// === impl JsonLines ===

impl<W: Write + Send + 'static> JsonLines<W> {
    /// Writes to this writer.
    pub fn new(writer: W) -> Self {
        Self(Arc::new(Mutex::new(Output { writer, text: Vec::new(), torn: false })))
    }

    /// Lends the writer, for a look at what was written to it.
    pub fn with_writer<R>(&self, look: impl FnOnce(&mut W) -> R) -> R {
        look(&mut lock(&self.0).writer)
    }
}

impl JsonLines<Stdout> {
    /// Writes to the standard output.
    #[must_use]
    pub fn stdout() -> Self {
        Self::new(io::stdout())
    }
}

impl<W: Write + Send + 'static> Exporter for JsonLines<W> {
    fn export(&mut self, batch: &Batch<'_>) -> Result<(), ExportError> {
        let mut output = lock(&self.0);
        let Output { text, torn, .. } = &mut *output;
        text.clear();
        if *torn {
            text.push(b'\n');
        }
        for span in batch.spans() {
            write_span(text, &span);
            text.push(b'\n');
        }
        output.write().map_err(ExportError::new)
    }

    fn flush(&mut self) -> Result<(), ExportError> {
        lock(&self.0).writer.flush().map_err(ExportError::new)
    }

    fn name(&self) -> &str {
        "JSON lines"
    }
}

impl<W> Clone for JsonLines<W> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<W> fmt::Debug for JsonLines<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JsonLines").finish_non_exhaustive()
    }
}

// === impl Output ===

impl<W: Write> Output<W> {
    fn write(&mut self) -> io::Result<()> {
        let mut written = 0;
        let mut result = Ok(());
        while written < self.text.len() {
            match self.writer.write(&self.text[written..]) {
                Ok(0) => result = Err(io::ErrorKind::WriteZero.into()),
                Ok(more) => written += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => result = Err(error),
            }
            if result.is_err() {
                break;
            }
        }
        if let Some(last) = self.text[..written].last() {
            self.torn = *last != b'\n';
        }
        self.text.shrink_to(KEPT_TEXT);
        result.and_then(|()| self.writer.flush())
    }
}

fn write_span(to: &mut Vec<u8>, span: &FinishedSpan<'_>) {
    let ids = span.span_context();
    let error_type = span.attribute("error.type").map(|value| value.to_string());
    field(to, b"{\"trace_id\":", ids.trace_id());
    field(to, b",\"span_id\":", ids.span_id());
    to.extend_from_slice(b",\"parent_span_id\":");
    match span.parent_span_id() {
        Some(parent) => field(to, b"", parent),
        None => to.extend_from_slice(b"null"),
    }
    text(to, b",\"service\":", span.resource().service_name());
    text(to, b",\"name\":", &span.name().to_text());
    text(to, b",\"kind\":", span.kind().as_str());
    number(to, b",\"start_unix_nano\":", unix_nanos(span.start_time()));
    number(to, b",\"duration_ns\":", span.duration().as_nanos());
    text(to, b",\"status\":", span.status().as_str());
    to.extend_from_slice(b",\"error_type\":");
    match error_type {
        Some(error_type) => text(to, b"", &error_type),
        None => to.extend_from_slice(b"null"),
    }
    attributes(to, span.attributes());
    to.extend_from_slice(b",\"events\":[");
    for (at, event) in span.events().enumerate() {
        text(to, if at == 0 { b"{\"name\":" } else { b",{\"name\":" }, event.name());
        number(to, b",\"time_unix_nano\":", unix_nanos(event.time()));
        attributes(to, event.attributes());
        to.push(b'}');
    }
    to.extend_from_slice(b"],\"links\":[");
    for (at, link) in span.links().enumerate() {
        field(to, if at == 0 { b"{\"trace_id\":" } else { b",{\"trace_id\":" }, link.span_context().trace_id());
        field(to, b",\"span_id\":", link.span_context().span_id());
        attributes(to, link.attributes());
        to.push(b'}');
    }
    to.extend_from_slice(b"]}");
}

/// An object has each key once: of several attributes of one key the last is written.
fn attributes<'a>(to: &mut Vec<u8>, attributes: impl Iterator<Item = (Key<'a>, Value<'a>)>) {
    let attributes: Vec<_> = attributes.collect();
    to.extend_from_slice(b",\"attributes\":{");
    let mut first = true;
    for (at, (key, value)) in attributes.iter().enumerate() {
        if attributes[at + 1..].iter().any(|(later, _)| later.as_str() == key.as_str()) {
            continue;
        }
        text(to, if first { b"" } else { b"," }, key.as_str());
        first = false;
        to.push(b':');
        match *value {
            Value::F64(value) if value.is_nan() => text(to, b"", "NaN"),
            Value::F64(value) if value.is_infinite() => {
                text(to, b"", if value > 0.0 { "Infinity" } else { "-Infinity" });
            }
            // Rust's `Debug` of finite numbers is JSON.
            Value::F64(value) => append(to, format_args!("{value:?}")),
            Value::Bool(value) => append(to, format_args!("{value}")),
            Value::Int(value) => append(to, format_args!("{value}")),
            Value::List(list) => {
                to.push(b'[');
                for (at, element) in list.texts().enumerate() {
                    text(to, if at == 0 { b"" } else { b"," }, &element);
                }
                to.push(b']');
            }
            other => text(to, b"", &other.to_string()),
        }
    }
    to.push(b'}');
}

/// Something whose text needs no escaping.
fn field(to: &mut Vec<u8>, key: &[u8], value: impl fmt::Display) {
    to.extend_from_slice(key);
    to.push(b'"');
    append(to, format_args!("{value}"));
    to.push(b'"');
}

fn number(to: &mut Vec<u8>, key: &[u8], value: u128) {
    to.extend_from_slice(key);
    append(to, format_args!("{value}"));
}

fn text(to: &mut Vec<u8>, key: &[u8], value: &str) {
    to.extend_from_slice(key);
    // Memory takes everything, and every text has a form in JSON.
    let _ = serde_json::to_writer(to, value);
}

fn append(to: &mut Vec<u8>, text: fmt::Arguments<'_>) {
    // Memory takes everything.
    let _ = to.write_fmt(text);
}

fn unix_nanos(time: SystemTime) -> u128 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos())
}

/// Room for the text of a usual batch is kept.
const KEPT_TEXT: usize = 1 << 20;
