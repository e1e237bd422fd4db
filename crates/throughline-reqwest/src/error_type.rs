//! `error.type` of what reqwest fails with.

use std::any::Any;
use std::error::Error;

use throughline_tower::known_error;

/// What an error is called: by its cause where there is one that is known, else by reqwest's kind.
pub(crate) fn error_type<E: 'static>(error: &E) -> &'static str {
    let any: &dyn Any = error;
    match any.downcast_ref() {
        Some(error) => reqwest_error(error),
        None => throughline_core::error_type_with(error, known),
    }
}

fn known(error: &(dyn Error + 'static)) -> Option<&'static str> {
    match error.downcast_ref() {
        Some(error) => Some(reqwest_error(error)),
        None => known_error(error),
    }
}

fn reqwest_error(error: &reqwest::Error) -> &'static str {
    if error.is_timeout() {
        return "timeout";
    }
    // `connection_refused` says more than that it was connecting.
    if let Some(cause) = error.source().and_then(|cause| throughline_core::error_type_in_chain(cause, known)) {
        return cause;
    }
    match error {
        error if error.is_dns() => "dns_error",
        error if error.is_connect() => "connect_error",
        error if error.is_redirect() => "redirect_error",
        error if error.is_builder() => "builder_error",
        error if error.is_body() => "body_error",
        error if error.is_decode() => "decode_error",
        error if error.is_request() => "request_error",
        _ => "reqwest_error",
    }
}
