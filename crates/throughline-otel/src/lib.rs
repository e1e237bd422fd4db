//! Any OpenTelemetry span exporter, OTLP among them, behind throughline.
