//! Whole routes over real sockets: see the files beside this one in `tests/tests`.
