//! OTLP, as a collector sees it.

mod collector;
mod https;
mod sending;
mod variables;
