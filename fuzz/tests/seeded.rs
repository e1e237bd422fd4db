//! More than a million inputs on stable, the same ones each time.

use throughline_fuzz::drive_from;
use throughline_fuzz::targets::{Target, all};

/// Long inputs find what lies around the limits of lists, short ones what lies in them.
#[track_caller]
fn drive(name: &str, longest: usize, inputs: usize) {
    let all = all();
    let Target { call, seeds, longest: usual, .. } = all.iter().find(|target| target.name == name).expect("a target");
    drive_from(inputs as u64, *call, seeds, longest, inputs / 2);
    drive_from(inputs as u64 + 1, *call, seeds, *usual, inputs / 2);
}

macro_rules! targets {
    ($($name:ident: $longest:literal, $inputs:literal;)*) => {$(
        #[test]
        fn $name() {
            drive(stringify!($name), $longest, $inputs);
        }
    )*};
}

targets! {
    traceparent: 160, 500_000;
    tracestate: 9_000, 200_000;
    baggage: 9_000, 120_000;
    b3: 400, 300_000;
    xray: 1_200, 300_000;
    jaeger: 9_000, 100_000;
    ot_trace: 9_000, 100_000;
    durable: 9_000, 200_000;
    carriers: 9_000, 100_000;
    formats: 9_000, 60_000;
    recording: 1_500, 50_000;
}
