//! Runs iterations of one workload for one row.

use std::future::poll_fn;
use std::hint::black_box;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use http::{HeaderMap, Request};
use http_body_util::BodyExt as _;
use tokio::runtime::Runtime;
use tower::Service;

use crate::peer::Peer;
use crate::process::cpu_time;
use crate::request::{Template, headers};
use crate::workload::Workload;

pub struct Job<'a> {
    peer: &'a dyn Peer,
    workload: Workload,
    router: Option<Router>,
    template: Template,
    headers: HeaderMap,
}

/// What some iterations took: the wall time without the flushes, and the CPU time of all threads with them.
pub struct Took {
    pub wall: Duration,
    pub cpu: Duration,
}

pub fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// One request through a router, its body read to the end.
#[inline]
pub async fn request(router: &mut Router, template: &Template) {
    let request = template.request();
    let ready = poll_fn(|cx| Service::<Request<Body>>::poll_ready(router, cx)).await;
    ready.unwrap_or_else(|never| match never {});
    let response = router.call(request).await.unwrap_or_else(|never| match never {});
    debug_assert_eq!(response.status(), 200);
    black_box(response.into_body().collect().await.expect("a body that does not fail").to_bytes());
}

// === impl Job ===

impl<'a> Job<'a> {
    pub fn new(peer: &'a dyn Peer, workload: Workload) -> Self {
        // `with_state`, as `axum::serve` does: handlers become routes once, not per request.
        let router = workload.is_server().then(|| peer.router(workload.handler()).with_state(()));
        Self { peer, workload, router, template: Template::new(workload), headers: headers(workload) }
    }

    /// Runs iterations, and flushes nothing.
    #[inline(never)]
    pub fn iterate(&mut self, runtime: &Runtime, times: u64) {
        match (self.workload, &mut self.router) {
            (workload, _) if workload.is_extract() => {
                black_box(self.peer.extract(workload, &self.headers, times));
            }
            (workload, _) if workload.is_inject() => self.peer.inject(workload, &mut self.headers, times),
            (Workload::W5, _) => self.peer.polls(times),
            (Workload::W6, _) => runtime.block_on(self.peer.spawns(times)),
            (_, Some(router)) => runtime.block_on(async {
                for _ in 0..times {
                    request(router, &self.template).await;
                }
            }),
            (_, None) => unreachable!("every other workload is a server's"),
        }
    }

    /// Runs iterations in chunks, with a flush after each.
    ///
    /// # Panics
    ///
    /// If the exporter has not seen every span that it had to.
    pub fn measure(&mut self, runtime: &Runtime, times: u64) -> Took {
        let before = self.peer.exported();
        let cpu = cpu_time();
        let mut wall = Duration::ZERO;
        let mut expected = 0;
        let mut left = times;
        while left > 0 {
            let chunk = left.min(self.workload.chunk());
            let start = Instant::now();
            self.iterate(runtime, chunk);
            wall += start.elapsed();
            self.peer.flush();
            expected += self.peer.expected(self.workload, chunk);
            left -= chunk;
        }
        let cpu = cpu_time() - cpu;
        let seen = self.peer.exported() - before;
        let (name, workload) = (self.peer.name(), self.workload);
        assert_eq!(seen, expected, "{name} {workload:?}: spans exported and expected in {times} iterations");
        Took { wall, cpu }
    }
}
