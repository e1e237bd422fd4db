//! Takes finished throughline spans in batches to an exporter.

mod exporter;

pub use self::exporter::{Batch, ExportError, Exporter};
