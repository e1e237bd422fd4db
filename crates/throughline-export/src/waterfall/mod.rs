//! The console waterfall: traces drawn as trees with bars to scale.

mod render;
#[cfg(test)]
mod rig;
mod store;
mod text;
mod tree;

use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use terminal_size::terminal_size_of;

pub use self::render::{RenderOptions, render};
use self::store::Store;
use crate::{Batch, ExportError, Exporter, lock};

/// Draws each trace on the console when it is complete: a tree of its spans with bars to scale.
///
/// ```text
/// trace 4bf92f3577b34da6a3ce929d0e0e4736  125ms  4 spans  1 error  shop, orders, payment
/// GET /checkout       shop     client   125ms   ████████████████████████████████████████
/// └─ POST /orders     orders   server   120ms    ██████████████████████████████████████▎
///    ├─ load cart     orders   internal  12ms    ████▎
///    └─ charge        payment  client    80ms ✗        █████████████████████████▋
///         timeout
/// ```
///
/// It is a cloneable handle: several pipelines of one process may share it, each through an
/// [`exporter`](Self::exporter) of its own, and then a trace is one tree over all their services.
///
/// A trace is drawn when its root has ended and nothing of it arrived for 300 ms. The root is a span without a parent, or one
/// whose parent is remote and not among the spans: then the trace began elsewhere. While several exporters share the
/// waterfall, that parent may still come, and the trace waits for 3 s instead. While a pipeline is in the middle of an
/// export, what has ended meanwhile waits behind it, so that time does not count, but for no more than 3 s either: in a
/// [`Fanout`](crate::Fanout), put the waterfall before what is slow. What arrives later is drawn as a continuation. A flush draws everything, unless others share the waterfall and may hold parts of it; the last exporter
/// that is shut down draws all that is left. What is drawn at the same time is ordered by the time at which it started.
///
/// ```
/// use std::time::Duration;
/// use throughline_export::{Pipeline, Waterfall};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let waterfall = Waterfall::stderr();
/// let delay = Duration::from_millis(100); // a person waits for it
/// let shop = Pipeline::builder(waterfall.exporter()).schedule_delay(delay).build()?;
/// let orders = Pipeline::builder(waterfall.exporter()).schedule_delay(delay).build()?;
/// # let _ = (shop, orders);
/// # Ok(()) }
/// ```
///
/// # Guarantees
///
/// * **Bounds.** No more than 4,096 spans and 4 MiB are kept, or what the builder was told; when more come, the traces that
///   began to arrive first are dropped, counted ([`dropped`](Self::dropped)) and mentioned.
/// * **Output.** No line is wider than the terminal, or than 100 columns where there is none. Colours are used on a terminal
///   only, and not if `NO_COLOR` is set. Control characters are printed escaped.
/// * Nothing is lost without a word: spans whose parent is missing are drawn, and say so.
#[derive(Clone)]
pub struct Waterfall(Arc<Mutex<State>>);

/// Sets up a [`Waterfall`]; made by [`Waterfall::builder`], [`WaterfallBuilder::stdout`] and [`WaterfallBuilder::stderr`].
#[must_use]
pub struct WaterfallBuilder {
    screen: Screen,
    width: Option<usize>,
    colour: Option<bool>,
    quiet: Duration,
    max_spans: usize,
    max_bytes: usize,
}

/// Takes the spans of one pipeline to a [`Waterfall`]; made by [`Waterfall::exporter`].
pub struct WaterfallExporter {
    waterfall: Waterfall,
    open: bool,
    /// From the first batch of the pipeline's cycle to its end: others in the same fanout may take their time meanwhile.
    in_export: bool,
}

struct State {
    screen: Screen,
    width: Option<usize>,
    colour: bool,
    store: Store,
    /// Exporters that may still bring spans.
    exporters: usize,
}

enum Screen {
    Stdout,
    Stderr,
    Other(Box<dyn Write + Send>),
}

// === impl Waterfall ===

impl Waterfall {
    /// Draws to the standard output.
    #[must_use]
    pub fn stdout() -> Self {
        WaterfallBuilder::new(Screen::Stdout).build()
    }

    /// Draws to the standard error, which leaves the standard output to the program.
    #[must_use]
    pub fn stderr() -> Self {
        WaterfallBuilder::new(Screen::Stderr).build()
    }

    /// Draws to this writer.
    #[must_use]
    pub fn to(writer: impl Write + Send + 'static) -> Self {
        Self::builder(writer).build()
    }

    /// Sets up a waterfall that draws to this writer.
    pub fn builder(writer: impl Write + Send + 'static) -> WaterfallBuilder {
        WaterfallBuilder::new(Screen::Other(Box::new(writer)))
    }

    /// An exporter for one more pipeline.
    #[must_use]
    pub fn exporter(&self) -> WaterfallExporter {
        lock(&self.0).exporters += 1;
        WaterfallExporter { waterfall: self.clone(), open: true, in_export: false }
    }

    /// Draws everything that has arrived, complete or not.
    ///
    /// # Errors
    ///
    /// It could not be written.
    pub fn draw_all(&self) -> io::Result<()> {
        lock(&self.0).draw_all()
    }

    /// Spans that were dropped because the store was full.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        lock(&self.0).store.dropped()
    }
}

impl fmt::Debug for Waterfall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waterfall").finish_non_exhaustive()
    }
}

// === impl WaterfallBuilder ===

impl WaterfallBuilder {
    fn new(screen: Screen) -> Self {
        Self { screen, width: None, colour: None, quiet: QUIET, max_spans: MAX_SPANS, max_bytes: MAX_BYTES }
    }

    /// Sets up a waterfall that draws to the standard output, as wide as the terminal there.
    pub fn stdout() -> Self {
        Self::new(Screen::Stdout)
    }

    /// Sets up a waterfall that draws to the standard error, as wide as the terminal there.
    pub fn stderr() -> Self {
        Self::new(Screen::Stderr)
    }

    /// How wide a line may be; by default as wide as the terminal, or 100 columns.
    pub fn width(mut self, columns: usize) -> Self {
        self.width = Some(columns);
        self
    }

    /// Whether to use colours; by default on a terminal, unless `NO_COLOR` is set.
    pub fn colour(mut self, colour: bool) -> Self {
        self.colour = Some(colour);
        self
    }

    /// How long nothing must have arrived before a trace is drawn; by default 300 ms.
    pub fn quiet(mut self, quiet: Duration) -> Self {
        self.quiet = quiet;
        self
    }

    /// How many spans are kept; by default 4,096.
    pub fn max_spans(mut self, spans: usize) -> Self {
        self.max_spans = spans;
        self
    }

    /// How many bytes of spans are kept; by default 4 MiB.
    pub fn max_bytes(mut self, bytes: usize) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// The waterfall.
    #[must_use]
    pub fn build(self) -> Waterfall {
        let Self { screen, width, colour, quiet, max_spans, max_bytes } = self;
        let colour = colour.unwrap_or_else(|| screen.is_terminal() && !no_color());
        let store = Store::new(quiet, max_spans, max_bytes);
        Waterfall(Arc::new(Mutex::new(State { screen, width, colour, store, exporters: 0 })))
    }
}

impl fmt::Debug for WaterfallBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaterfallBuilder").finish_non_exhaustive()
    }
}

// === impl WaterfallExporter ===

impl WaterfallExporter {
    /// The last one puts out the light.
    fn close(&mut self) {
        if std::mem::take(&mut self.open) {
            let mut state = lock(&self.waterfall.0);
            state.exporters -= 1;
            if std::mem::take(&mut self.in_export) {
                state.store.resume(Instant::now());
            }
            if state.exporters == 0 {
                // Nobody is left to be told.
                let _ = state.draw_all();
            }
        }
    }
}

impl Exporter for WaterfallExporter {
    fn export(&mut self, batch: &Batch<'_>) -> Result<(), ExportError> {
        let now = Instant::now();
        let mut state = lock(&self.waterfall.0);
        if !std::mem::replace(&mut self.in_export, true) {
            state.store.pause(now);
        }
        for span in batch.spans() {
            state.store.add(span.to_data(), now);
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), ExportError> {
        let mut state = lock(&self.waterfall.0);
        if state.exporters > 1 { Ok(()) } else { state.draw_all().map_err(ExportError::new) }
    }

    fn tick(&mut self, now: Instant) -> Option<Duration> {
        let mut state = lock(&self.waterfall.0);
        let shared = state.exporters > 1;
        if std::mem::take(&mut self.in_export) {
            state.store.resume(now);
        }
        while let Some(drawing) = state.store.due(now, shared) {
            // A terminal that is gone is no reason to keep the spans.
            let _ = state.draw(&drawing);
        }
        state.store.next_due(shared).map(|at| at.saturating_duration_since(now))
    }

    fn shutdown(&mut self) {
        self.close();
    }

    fn name(&self) -> &str {
        "waterfall"
    }
}

impl Drop for WaterfallExporter {
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Debug for WaterfallExporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaterfallExporter").finish_non_exhaustive()
    }
}

// === impl State ===

impl State {
    fn draw_all(&mut self) -> io::Result<()> {
        let mut result = Ok(());
        while let Some(drawing) = self.store.next() {
            let drawn = self.draw(&drawing);
            result = result.and(drawn);
        }
        result
    }

    fn draw(&mut self, drawing: &store::Drawing) -> io::Result<()> {
        let width = self.width.or_else(|| self.screen.width()).unwrap_or(DEFAULT_WIDTH);
        let mut options = RenderOptions::default().width(width).colour(self.colour);
        if let Some(origin) = drawing.continues {
            options = options.continued(origin);
        }
        let mut text = render(&drawing.spans, &options);
        if drawing.dropped > 0 {
            text.push_str(&format!("{} spans of older traces were dropped\n", drawing.dropped));
        }
        text.push('\n');
        self.screen.write(text.as_bytes())
    }
}

// === impl Screen ===

impl Screen {
    fn is_terminal(&self) -> bool {
        match self {
            Self::Stdout => io::stdout().is_terminal(),
            Self::Stderr => io::stderr().is_terminal(),
            Self::Other(_) => false,
        }
    }

    /// Asked for each trace: terminals change their size.
    fn width(&self) -> Option<usize> {
        let size = match self {
            Self::Stdout => terminal_size_of(io::stdout()),
            Self::Stderr => terminal_size_of(io::stderr()),
            Self::Other(_) => None,
        };
        size.map(|(width, _)| width.0.into())
    }

    fn write(&mut self, text: &[u8]) -> io::Result<()> {
        let writer: &mut dyn Write = match self {
            Self::Stdout => &mut io::stdout(),
            Self::Stderr => &mut io::stderr(),
            Self::Other(writer) => writer,
        };
        writer.write_all(text)?;
        writer.flush()
    }
}

/// <https://no-color.org>: set and not empty.
fn no_color() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
}

const QUIET: Duration = Duration::from_millis(300);
const MAX_SPANS: usize = 4096;
const MAX_BYTES: usize = 4 << 20;
const DEFAULT_WIDTH: usize = 100;
