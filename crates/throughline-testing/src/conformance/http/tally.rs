//! Counts what starts and what ends.

use std::time::Duration;

use throughline_core::{End, Listener, SpanKind, Start};
use tokio::sync::watch;

use super::in_time;

/// Counts operations of one kind, recorded or not.
#[derive(Clone, Debug)]
pub(crate) struct Tally {
    kind: SpanKind,
    counts: watch::Sender<Counts>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) started: usize,
    pub(crate) ended: usize,
    /// Of all that ended.
    pub(crate) duration: Duration,
}

impl Tally {
    pub(crate) fn new(kind: SpanKind) -> Self {
        Self { kind, counts: watch::Sender::new(Counts::default()) }
    }

    pub(crate) fn now(&self) -> Counts {
        *self.counts.borrow()
    }

    pub(crate) async fn ended(&self, count: usize) -> Result<Counts, String> {
        let mut counts = self.counts.subscribe();
        let ended = counts.wait_for(|counts| counts.ended >= count);
        match in_time("the end of every operation that started", ended).await {
            Ok(Ok(counts)) => Ok(*counts),
            Ok(Err(_)) => Err("nobody counts any more".to_owned()),
            Err(why) => Err(format!("{why}: {:?}", self.now())),
        }
    }
}

impl Listener for Tally {
    fn start(&self, start: &Start<'_>) {
        if start.kind == self.kind {
            self.counts.send_modify(|counts| counts.started += 1);
        }
    }

    fn end(&self, end: &End<'_>) {
        if end.kind == self.kind {
            self.counts.send_modify(|counts| {
                counts.ended += 1;
                counts.duration += end.duration;
            });
        }
    }
}
