//! One trace context through everything a tokio service does, recorded at next to no cost.
