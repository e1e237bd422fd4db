//! Asserts the shape of traces in tests of throughline users and of throughline itself.
