//! Every parser with its seeds.

use crate::{b3, baggage, carriers, durable, formats, jaeger, ot_trace, recording, traceparent, tracestate, xray};

/// A function to be driven.
#[derive(Clone, Copy)]
pub struct Target {
    /// Its name.
    pub name: &'static str,
    /// Takes any bytes and asserts.
    pub call: fn(&[u8]),
    /// Inputs to begin with.
    pub seeds: &'static [&'static [u8]],
    /// Bytes that an input has at most.
    pub longest: usize,
    /// How many inputs of a thousand or so it gets: cheap ones more.
    pub share: u64,
}

/// All of them.
#[must_use]
pub fn all() -> [Target; 11] {
    let target = |name, call, seeds, longest, share| Target { name, call, seeds, longest, share };
    [
        target("traceparent", traceparent, TRACEPARENTS, 160, 300),
        target("tracestate", tracestate, TRACESTATES, 900, 60),
        target("baggage", baggage, BAGGAGES, 900, 40),
        target("b3", b3, B3, 240, 150),
        target("xray", xray, XRAY, 300, 150),
        target("jaeger", jaeger, JAEGER, 400, 80),
        target("ot_trace", ot_trace, OT_TRACE, 300, 80),
        target("durable", durable, DURABLE, 300, 120),
        target("carriers", carriers, CARRIERS, 600, 8),
        target("formats", formats, FORMATS, 600, 8),
        target("recording", recording, RECORDINGS, 600, 4),
    ]
}

const TRACEPARENTS: &[&[u8]] = &[
    b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    b"cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-ever",
    b"00-00000000000000000000000000000000-0000000000000000-00",
    b" \t",
    b"4bf92f3577b34da6a3ce929d0e0e4736",
    b"00f067aa0ba902b7",
];
const TRACESTATES: &[&[u8]] =
    &[b"foo=1 \t , \t bar=2,\tbaz=3", b"foo@bar=1,,1a=2,foo@bar=3", b"ot=th:c;rv:ffffffffffffff,k= x"];
const BAGGAGES: &[&[u8]] = &[b"k=v;p;q=1", b"serverNode = DF%2028 , k=%E2%82%AC,k=%ff", b"k=a=b,k=b;p = 1", b"k=%zz%"];
const B3: &[&[u8]] = &[
    b"80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-1-05e3ac9a4f6e3b90",
    b"80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-d",
    b"64fe8b2a57d3eff7-e457b5a2e4d86bd1",
    b"d",
    b"x\n80f198ee56343ba864fe8b2a57d3eff7\ne457b5a2e4d86bd1\n1\n1",
    b"\n64fe8b2a57d3eff7\ne457b5a2e4d86bd1\ntrue\n",
    b"\n\n\n0\n",
];
const XRAY: &[&[u8]] = &[
    b"Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1",
    b"Sampled=?; Self=1-2-3 ;Parent=53995c3f42cd8ad8;Root=1-123-bd862e3fe1be46a994272793;Lineage=1:abc:0",
    b"Root=1-5759e988-bd862e3fe1be46a994272793",
    b"Sampled=0",
];
const JAEGER: &[&[u8]] = &[
    b"4bf92f3577b34da6a3ce929d0e0e4736:00f067aa0ba902b7:0:1\nv\na%20b+c",
    b"4bf92:f067::3\n\n\n\n\n\n\n\n\n\na=1, b = 2,=x",
    b"4bf92f3577b34da6a3ce929d0e0e4736%3A00f067aa0ba902b7%3a0%3A0b",
];
const OT_TRACE: &[&[u8]] = &[
    b"64fe8b2a57d3eff7\ne457b5a2e4d86bd1\ntrue\na b,c;d%2",
    b"4bf92f3577b34da6a3ce929d0e0e4736\nb1\nfalse",
    b"\n\ntrue",
];
const DURABLE: &[&[u8]] = &[
    b"1-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-21;t7:rojo=00;b8:tenant=7",
    b"1-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-02;x3:a;b;b11:k=%E2%82%AC",
    b"1-10",
    b"e666",
];
const CARRIERS: &[&[u8]] = &[
    b"\x0000-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\n\x01foo=1,bar=2\n\x02k=v;p\n\x06baz=3\n\x07l=w",
    b"\x02k=%ff\n\x04x",
    b"\x03bad",
];
const FORMATS: &[&[u8]] = &[
    b"\x00\x0000-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\n\x01throughline=debug:00f067aa0ba902b7,a=1\n\x02k=v",
    b"\x3f\x0380f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-1\n\x0bv\n\x0ck=v\n\x12raw v",
    b"\x1a\x0480f198ee56343ba864fe8b2a57d3eff7\n\x05e457b5a2e4d86bd1\n\x060\n\x09Root=1-5759e988-bd862e3fe1be46a994272793",
    b"\x25\x0a4bf92:f067:0:3\n\x0dk=1\n\x0f64fe8b2a57d3eff7\n\x10e457b5a2e4d86bd1\n\x11true",
];
const RECORDINGS: &[&[u8]] = &[
    b"\x08\x04\x04\x02\x02\x20\x40\x01\x00\x03key\x01\x04text\x03\x05event\x05\x02ln\x06\x04desc\xff\x07\x04name",
    b"\x0f\x0f\x0f\x0f\x03\x3f\xff\x00\x00\x04\xe2\x82\xac!",
    b"\0\0\0\0\0\0\0\0\x00\x01k",
];
