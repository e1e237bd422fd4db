//! The formats of the `opentelemetry` crates: `-zipkin`, `-jaeger-propagator`, `-aws`, each with the release of
//! OpenTelemetry that it is made for.

#![expect(deprecated, reason = "their makers call the formats deprecated, and they are spoken all the same")]

use std::hint::black_box;

use http::HeaderMap;
use opentelemetry_aws::trace::XrayPropagator;
use opentelemetry_jaeger_propagator::Propagator as Jaeger;
use opentelemetry_zipkin::{B3Encoding, Propagator as B3};

use crate::peer::Peer;
use crate::workload::{Wire, Workload};

pub(super) struct OtelFormats;

impl Peer for OtelFormats {
    fn name(&self) -> &'static str {
        "otel-formats"
    }

    fn about(&self) -> &'static str {
        "opentelemetry-zipkin, opentelemetry-jaeger-propagator, opentelemetry-aws"
    }

    fn runs(&self, workload: Workload) -> bool {
        workload.wire().is_some_and(|wire| !matches!(wire, Wire::None | Wire::NoneW3c))
    }

    fn expected(&self, _: Workload, _: u64) -> u64 {
        0
    }

    fn extract(&self, workload: Workload, headers: &HeaderMap, times: u64) -> u64 {
        match workload.wire() {
            Some(Wire::Jaeger) => release_032::extract(&Jaeger::new(), headers, times),
            Some(Wire::XRay) => release_033::extract(&XrayPropagator::new(), headers, times),
            wire => release_033::extract(&b3(wire), headers, times),
        }
    }

    fn inject(&self, workload: Workload, headers: &mut HeaderMap, times: u64) {
        match workload.wire() {
            Some(Wire::Jaeger) => release_032::inject(&Jaeger::new(), headers, times),
            Some(Wire::XRay) => release_033::inject(&XrayPropagator::new(), headers, times),
            wire => release_033::inject(&b3(wire), headers, times),
        }
    }
}

fn b3(wire: Option<Wire>) -> B3 {
    B3::with_encoding(if wire == Some(Wire::B3) { B3Encoding::SingleHeader } else { B3Encoding::MultipleHeader })
}

/// The same work with the types of one release.
macro_rules! release {
    ($name:ident, $api:ident, $http:ident) => {
        mod $name {
            use $api::propagation::TextMapPropagator;
            use $api::trace::TraceContextExt as _;
            use $http::{HeaderExtractor, HeaderInjector};

            use super::*;

            pub(super) fn extract(propagator: &dyn TextMapPropagator, headers: &HeaderMap, times: u64) -> u64 {
                let mut sum = 0;
                for _ in 0..times {
                    let context = propagator.extract(&HeaderExtractor(black_box(headers)));
                    let id = context.span().span_context().span_id();
                    assert_ne!(id, $api::trace::SpanId::INVALID, "it reads what ours reads");
                    sum ^= u64::from_be_bytes(id.to_bytes());
                    black_box(&context);
                }
                sum
            }

            pub(super) fn inject(propagator: &dyn TextMapPropagator, headers: &mut HeaderMap, times: u64) {
                let context = propagator.extract(&HeaderExtractor(headers));
                for _ in 0..times {
                    propagator.inject_context(black_box(&context), &mut HeaderInjector(headers));
                }
            }
        }
    };
}

release!(release_033, opentelemetry, opentelemetry_http);
release!(release_032, opentelemetry_032, opentelemetry_http_032);
