//! OTLP, as a collector sees it.

mod collector;
mod https;
mod metrics;
mod sending;
mod variables;
