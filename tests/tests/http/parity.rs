//! One start and one end per request, whatever mix of answers, panics, failures and aborts goes on at the same time.

use std::sync::Arc;

use http::Method;
use http_body_util::BodyExt as _;
use throughline_core::SpanEnd;
use tokio::task::JoinSet;

use crate::rig::{Connection, HOUSES, Server, WIRES, Wire};
use crate::routes::LONG;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Visit {
    /// Reads to the end.
    Reads(&'static str),
    /// Asks for nothing but the head.
    Heads(&'static str),
    /// Leaves as soon as the handler has the request.
    LeavesBeforeTheHead,
    /// Leaves after the first frame.
    LeavesAfterAFrame(&'static str),
    /// Leaves with the head.
    LeavesAfterTheHead(&'static str),
}

const VISITS: [Visit; 12] = [
    Visit::Reads("/known"),
    Visit::Reads("/streamed"),
    Visit::Reads("/no-content"),
    Visit::Reads("/failed"),
    Visit::Reads("/broken"),
    Visit::Reads("/panic"),
    Visit::Reads("/panic-body"),
    Visit::Heads("/streamed"),
    Visit::LeavesBeforeTheHead,
    Visit::LeavesAfterAFrame("/stuck"),
    Visit::LeavesAfterAFrame("/fed"),
    Visit::LeavesAfterTheHead("/fed"),
];

async fn visit(server: Arc<Server>, wire: Wire, visit: Visit, id: u32) {
    let mut connection = Connection::open(server.address, wire).await;
    match visit {
        Visit::Reads(path) => drop(connection.fetch(Method::GET, path).await),
        Visit::Heads(path) => drop(connection.fetch(Method::HEAD, path).await.unwrap()),
        Visit::LeavesBeforeTheHead => {
            let (arrived, path) = (server.arrivals.expect(id), format!("/never/{id}"));
            tokio::select! {
                _ = connection.send(Method::GET, &path) => panic!("there is no response"),
                () = arrived => {}
            }
        }
        Visit::LeavesAfterAFrame(path) => {
            let mut response = connection.send(Method::GET, &format!("{path}/{id}")).await.unwrap();
            assert!(response.frame().await.unwrap().is_ok());
        }
        Visit::LeavesAfterTheHead(path) => drop(connection.send(Method::GET, &format!("{path}/{id}")).await.unwrap()),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whatever_goes_on_at_the_same_time() {
    const ROUNDS: usize = 4;
    for house in HOUSES {
        let server = Arc::new(Server::start(house).await);
        let mut visitors = JoinSet::new();
        for _ in 0..ROUNDS {
            for what in VISITS {
                for wire in WIRES {
                    let id = visitors.len() as u32;
                    visitors.spawn(visit(Arc::clone(&server), wire, what, id));
                }
            }
        }
        let requests = visitors.len();
        visitors.join_all().await;
        server.spans.wait_for(requests, LONG).await.unwrap();
        let ended = server.spans.take();
        let count = |end| ended.iter().filter(|span| span.end == end).count() / (ROUNDS * WIRES.len());
        let counts = [SpanEnd::Completed, SpanEnd::Failed, SpanEnd::Cancelled, SpanEnd::Panicked].map(count);
        assert_eq!(counts, [5, 1, 4, 2], "{house:?}");
        server.assert_idle(requests);
    }
}
