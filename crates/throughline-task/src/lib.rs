//! Carries throughline contexts into tokio tasks, blocking threads and join sets.
