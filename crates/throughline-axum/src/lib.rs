//! Routes, peers, extractors and the cheapest server layer for axum, traced with throughline.
