//! Nothing at all: axum without a layer.

use std::hint::black_box;

use axum::Router;
use axum::routing::get;

use super::remote::{Remote, fetch};
use super::{ROUTE, outgoing, user};
use crate::peer::{Peer, Spawns, Yields, drive, trivial};
use crate::workload::{CHILDREN, Handler, Workload};

pub(super) struct Bare;
pub(super) struct BareClient;

impl Peer for Bare {
    fn name(&self) -> &'static str {
        "bare"
    }

    fn about(&self) -> &'static str {
        "axum without any layer, the future itself, tokio::spawn"
    }

    fn runs(&self, workload: Workload) -> bool {
        !workload.is_extract() && !workload.is_inject()
    }

    fn expected(&self, _: Workload, _: u64) -> u64 {
        0
    }

    fn router(&self, handler: Handler) -> Router {
        let handler = match handler {
            Handler::Plain => get(user),
            Handler::Children => get(children),
            Handler::Outgoing => get(client),
        };
        Router::new().route(ROUTE, handler)
    }

    fn polls(&self, tasks: u64) {
        for _ in 0..tasks {
            drive(Yields::new());
        }
    }

    fn spawns(&self, tasks: u64) -> Spawns {
        Box::pin(async move {
            for _ in 0..tasks {
                tokio::spawn(trivial()).await.expect("no panic");
            }
        })
    }
}

impl Peer for BareClient {
    fn name(&self) -> &'static str {
        "bare-client"
    }

    fn about(&self) -> &'static str {
        "as bare, W9's headers in a request to a client that does nothing: the floor of `ours`"
    }

    fn runs(&self, workload: Workload) -> bool {
        workload == Workload::W9
    }

    fn expected(&self, _: Workload, _: u64) -> u64 {
        0
    }

    fn router(&self, _: Handler) -> Router {
        Router::new().route(ROUTE, get(request))
    }
}

async fn children() -> &'static str {
    for number in 0..CHILDREN {
        black_box(number);
    }
    user().await
}

async fn client() -> &'static str {
    black_box(outgoing());
    user().await
}

async fn request() -> &'static str {
    black_box(fetch(black_box(Remote)).await);
    user().await
}
