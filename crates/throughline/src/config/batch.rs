//! `OTEL_BSP_*`: how spans wait for their export.

use std::time::Duration;

use throughline_export::PipelineBuilder;

use super::variables::Variables;
use crate::ConfigError;

/// The settings of a pipeline; what is `None` is the pipeline's default.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Batch {
    pub(crate) max_queue_size: Option<usize>,
    pub(crate) max_queue_bytes: Option<usize>,
    pub(crate) max_export_batch_size: Option<usize>,
    pub(crate) schedule_delay: Option<Duration>,
    pub(crate) export_timeout: Option<Duration>,
}

impl Batch {
    pub(crate) fn apply(self, mut pipeline: PipelineBuilder) -> PipelineBuilder {
        let Self { max_queue_size, max_queue_bytes, max_export_batch_size, schedule_delay, export_timeout } = self;
        // A small queue does not need to be told that its batches are small as well.
        let batch = max_export_batch_size.or_else(|| max_queue_size.map(|queue| queue.min(DEFAULT_BATCH)));
        if let Some(spans) = max_queue_size {
            pipeline = pipeline.max_queue_size(spans);
        }
        if let Some(bytes) = max_queue_bytes {
            pipeline = pipeline.max_queue_bytes(bytes);
        }
        if let Some(spans) = batch {
            pipeline = pipeline.max_export_batch_size(spans);
        }
        if let Some(delay) = schedule_delay {
            pipeline = pipeline.schedule_delay(delay);
        }
        if let Some(timeout) = export_timeout {
            pipeline = pipeline.export_timeout(timeout);
        }
        pipeline
    }
}

pub(super) fn read(variables: &Variables<'_>, before: Batch) -> Result<Batch, ConfigError> {
    let size = |name| Ok::<_, ConfigError>(variables.number(name, 1..=LARGEST)?.map(|size| size as usize));
    let time = |name, least| {
        let millis = variables.number(name, least..=LONGEST)?;
        Ok::<_, ConfigError>(millis.map(Duration::from_millis))
    };
    let batch = Batch {
        max_queue_size: size(QUEUE)?.or(before.max_queue_size),
        max_queue_bytes: before.max_queue_bytes,
        max_export_batch_size: size(BATCH)?.or(before.max_export_batch_size),
        schedule_delay: time("OTEL_BSP_SCHEDULE_DELAY", 1)?.or(before.schedule_delay),
        export_timeout: time("OTEL_BSP_EXPORT_TIMEOUT", 0)?.or(before.export_timeout),
    };
    let queue = batch.max_queue_size.unwrap_or(DEFAULT_QUEUE);
    match batch.max_export_batch_size {
        Some(size) if size > queue => {
            let problem = format!("{size} exceeds the queue; accepted: at most {QUEUE}, which is {queue}");
            Err(ConfigError::variable(BATCH, problem))
        }
        _ => Ok(batch),
    }
}

const QUEUE: &str = "OTEL_BSP_MAX_QUEUE_SIZE";
const BATCH: &str = "OTEL_BSP_MAX_EXPORT_BATCH_SIZE";
const DEFAULT_QUEUE: usize = 2048;
const DEFAULT_BATCH: usize = 512;
const LARGEST: u64 = 1 << 24;
/// Some days: what is longer is a mistake.
const LONGEST: u64 = u32::MAX as u64;
