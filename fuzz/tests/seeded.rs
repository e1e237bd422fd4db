//! A million inputs on stable, the same ones each time.

use throughline_fuzz::{baggage, carriers, drive, recording, traceparent, tracestate};

const PARENT: &[u8] = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

#[test]
fn traceparents() {
    let future = b"cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-ever";
    let zero = b"00-00000000000000000000000000000000-0000000000000000-00";
    drive(traceparent, &[PARENT, future, zero, b" \t", &PARENT[3..35], &PARENT[36..52]], 160, 500_000);
}

#[test]
fn tracestates() {
    drive(
        tracestate,
        &[b"foo=1 \t , \t bar=2,\tbaz=3", b"foo@bar=1,,1a=2,foo@bar=3", b"ot=th:c;rv:ffffffffffffff,k= x"],
        9_000,
        250_000,
    );
}

#[test]
fn baggages() {
    drive(
        baggage,
        &[b"k=v;p;q=1", b"serverNode = DF%2028 , k=%E2%82%AC,k=%ff", b"k=a=b,k=b;p = 1", b"k=%zz%"],
        9_000,
        150_000,
    );
}

#[test]
fn all_carriers() {
    let all = [b"\x00", PARENT, b"\n\x01foo=1,bar=2\n\x02k=v;p\n\x06baz=3\n\x07l=w"].concat();
    drive(carriers, &[&all, &[b"\x00", PARENT].concat(), b"\x02k=%ff\n\x04x", b"\x03bad"], 9_000, 150_000);
}

#[test]
fn recordings() {
    let some =
        b"\x08\x04\x04\x02\x02\x20\x40\x01\x00\x03key\x01\x04text\x03\x05event\x05\x02ln\x06\x04desc\xff\x07\x04name";
    drive(
        recording,
        &[some, b"\x0f\x0f\x0f\x0f\x03\x3f\xff\x00\x00\x04\xe2\x82\xac!", b"\0\0\0\0\0\0\0\0\x00\x01k"],
        1_500,
        50_000,
    );
}
