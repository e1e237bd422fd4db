//! tokio's task-local scope as the carrier of a context.

use std::sync::Arc;

use crate::peer::{Peer, Spawns, Yields, drive, trivial};
use crate::workload::Workload;

pub(super) struct TaskLocal;

tokio::task_local! {
    static CONTEXT: Arc<[u64; 4]>;
}

impl Peer for TaskLocal {
    fn name(&self) -> &'static str {
        "task-local"
    }

    fn about(&self) -> &'static str {
        "the scope of a tokio::task_local! with an Arc in it; no spans"
    }

    fn runs(&self, workload: Workload) -> bool {
        matches!(workload, Workload::W5 | Workload::W6)
    }

    fn expected(&self, _: Workload, _: u64) -> u64 {
        0
    }

    fn polls(&self, tasks: u64) {
        for _ in 0..tasks {
            drive(CONTEXT.scope(Arc::new([1; 4]), Yields::new()));
        }
    }

    fn spawns(&self, tasks: u64) -> Spawns {
        Box::pin(CONTEXT.scope(Arc::new([1; 4]), async move {
            for _ in 0..tasks {
                tokio::spawn(CONTEXT.scope(CONTEXT.get(), trivial())).await.expect("no panic");
            }
        }))
    }
}
