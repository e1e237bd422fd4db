//! The book: pages that say how the parts belong together.

#[doc = include_str!("../docs/http.md")]
#[cfg(all(feature = "http", feature = "axum"))]
pub mod http {}

#[doc = include_str!("../docs/propagation.md")]
#[cfg(feature = "http")]
pub mod propagation {}
