//! Where the other libraries fail: the "beat list" (`reference/lessons.md` §1), each item over real sockets.
//!
//! | item | shown by |
//! |---|---|
//! | 1 W3C trace context, 41 of 41, with duplicates, lines of tracestate and the random flag | `trace_context::conformance::every_case_of_the_w3c_suite_and_some_of_ours` |
//! | 2 trailers that say how it went end the span, and come through; their status is the gRPC layer's to record | `streams::a_stream_ends_with_its_trailers` |
//! | 3 the body's end by EOS, error, drop, declared length, HEAD, 204, 304: the right status, once | `responses`, `aborts`, `conformance::servers` |
//! | 4 cancellation, panic and timeout told apart, the gauge back at 0 | [`gauge`]; in numbers: `parity`, `soak` |
//! | 5 a span's end is not that of its context's last clone | `shapes::shape_4_work_that_outlives_its_request` |
//! | 6 spawned tasks, sets of them, blocking ones | `shapes::shape_4_work_that_outlives_its_request` |
//! | 8 the sampler before anything is copied | [`sampler`] |
//! | 9 nested client spans are suppressed by what they are about | [`suppression`] |
//! | 10 baggage stays in the zone that is trusted | `clients::baggage_crosses_to_named_hosts`, `trace_context::spans::baggage_goes_to_loopback_and_to_no_other_host` |
//! | 11 a stranger's context is a new root with a link | [`ingress`] |
//! | 12 durations are monotonic, children start after their parents | [`clock`] |

mod clock;
mod gauge;
mod ingress;
mod sampler;
mod suppression;
