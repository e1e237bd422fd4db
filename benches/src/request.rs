//! The request that every row gets.

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Uri, header};

use crate::workload::{Wire, Workload};

pub const TRACE_ID: u128 = 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736;
pub const PARENT_ID: u64 = 0x00f0_67aa_0ba9_02b7;
pub const SAMPLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
pub const PATH: &str = "/users/42";

const UNSAMPLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";
const TRACESTATE: &str = "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE";

/// Makes one request after another.
pub struct Template {
    headers: HeaderMap,
    uri: Uri,
}

pub fn headers(workload: Workload) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(8);
    headers.insert(header::HOST, shared("api.example.com:8080"));
    headers.insert(header::USER_AGENT, shared("peers-bench/1.0"));
    headers.insert(header::ACCEPT, shared("*/*"));
    if let Some(wire) = workload.wire() {
        headers.insert(header::ACCEPT_ENCODING, shared("gzip"));
        headers.insert(header::CONTENT_LENGTH, shared("0"));
        let of_wire: &[(&'static str, &str)] = match wire {
            Wire::B3 => &[("b3", "4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1")],
            Wire::B3Multi => &[
                ("x-b3-traceid", "4bf92f3577b34da6a3ce929d0e0e4736"),
                ("x-b3-spanid", "00f067aa0ba902b7"),
                ("x-b3-sampled", "1"),
            ],
            Wire::Jaeger => &[("uber-trace-id", "4bf92f3577b34da6a3ce929d0e0e4736:00f067aa0ba902b7:0:1")],
            Wire::XRay => {
                &[("x-amzn-trace-id", "Root=1-4bf92f35-77b34da6a3ce929d0e0e4736;Parent=00f067aa0ba902b7;Sampled=1")]
            }
            Wire::None | Wire::NoneW3c => &[],
        };
        for (name, value) in of_wire {
            headers.insert(*name, shared(value));
        }
    } else if workload != Workload::W3 {
        headers.insert("traceparent", shared(if workload == Workload::W2 { UNSAMPLED } else { SAMPLED }));
        headers.insert("tracestate", shared(TRACESTATE));
    }
    headers
}

/// Shared bytes, as hyper hands them out: a clone is one atomic increment.
fn shared(text: &str) -> HeaderValue {
    let value = HeaderValue::from_maybe_shared(Bytes::copy_from_slice(text.as_bytes())).expect("a valid value");
    let _promoted = value.clone();
    value
}

// === impl Template ===

impl Template {
    pub fn new(workload: Workload) -> Self {
        let uri = Uri::from_maybe_shared(Bytes::copy_from_slice(PATH.as_bytes())).expect("a valid path");
        let _promoted = uri.clone();
        Self { headers: headers(workload), uri }
    }

    #[inline]
    pub fn request(&self) -> Request<Body> {
        let mut request = Request::new(Body::empty());
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = self.headers.clone();
        request
    }
}
