//! What every service says of itself, unless it was told otherwise.

use std::fmt::Write;

use throughline_core::{IdGenerator, RandomIds, Resource};

/// The resource with what is missing: the SDK, an id of this instance, a name if there is none.
pub(crate) fn complete(resource: &Resource) -> Resource {
    let mut complete = resource.clone();
    if resource.service_name() == UNKNOWN {
        complete = complete.with("service.name", &*unknown_service());
    }
    if resource.get(INSTANCE).is_none() {
        complete = complete.with(INSTANCE, &*random_uuid());
    }
    for (key, value) in SDK {
        if resource.get(key).is_none() {
            complete = complete.with(key, value);
        }
    }
    complete
}

/// `unknown_service:` and the program's file, as the specification wants it.
fn unknown_service() -> String {
    let program = std::env::current_exe().ok();
    match program.as_ref().and_then(|path| path.file_name()) {
        Some(file) => format!("{UNKNOWN}:{}", file.to_string_lossy()),
        None => UNKNOWN.to_owned(),
    }
}

/// A UUID of version 4.
fn random_uuid() -> String {
    let mut bytes = RandomIds.trace_id().to_bytes();
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let mut text = String::with_capacity(36);
    for (at, byte) in bytes.iter().enumerate() {
        let dash = if matches!(at, 4 | 6 | 8 | 10) { "-" } else { "" };
        // Writing to a `String` does not fail.
        let _ = write!(text, "{dash}{byte:02x}");
    }
    text
}

const UNKNOWN: &str = "unknown_service";
const INSTANCE: &str = "service.instance.id";
const SDK: [(&str, &str); 3] = [
    ("telemetry.sdk.language", "rust"),
    ("telemetry.sdk.name", "throughline"),
    ("telemetry.sdk.version", env!("CARGO_PKG_VERSION")),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_set_stays() {
        let given = Resource::new("orders").with(INSTANCE, "a1").with("telemetry.sdk.name", "ours");
        let complete = complete(&given);
        let text = |key| complete.get(key).and_then(|value| value.as_str()).unwrap();
        assert_eq!((text("service.name"), text(INSTANCE), text("telemetry.sdk.name")), ("orders", "a1", "ours"));
        assert_eq!(text("telemetry.sdk.language"), "rust");
    }

    #[test]
    fn an_instance_has_a_random_uuid() {
        let (one, other) = (random_uuid(), random_uuid());
        assert_ne!(one, other);
        for (at, sign) in [(8, '-'), (13, '-'), (14, '4'), (18, '-'), (23, '-')] {
            assert_eq!(one.chars().nth(at), Some(sign), "{one}");
        }
        assert_eq!(one.len(), 36);
        assert!("89ab".contains(one.chars().nth(19).unwrap()), "{one}");
    }

    #[test]
    fn a_service_without_a_name_is_called_after_its_program() {
        let name = complete(&Resource::default()).service_name().to_owned();
        assert!(name.starts_with("unknown_service:throughline-"), "{name}");
    }
}
