//! `error.type` of what HTTP services fail with.

use std::error::Error;

use throughline_core::error_type_with;

/// What an error is called: known kinds by what went wrong, others by their type's name, erased and unknown ones `_OTHER`.
pub(crate) fn error_type<E: 'static>(error: &E) -> &'static str {
    #[cfg(feature = "hyper")]
    if let Some(known) = hyper_client(error) {
        return known;
    }
    error_type_with(error, known_error)
}

/// hyper's own types say nothing by their names: both are called `Error`.
#[cfg(feature = "hyper")]
fn hyper_client<E: 'static>(error: &E) -> Option<&'static str> {
    let error: &dyn std::any::Any = error;
    let error = match error.downcast_ref::<hyper::Error>() {
        Some(error) => error as &(dyn Error + 'static),
        None => error.downcast_ref::<hyper_util::client::legacy::Error>()?,
    };
    Some(throughline_core::error_type_in_chain(error, known_error).unwrap_or("hyper_error"))
}

/// What an error in a chain of sources is called, where it is one of those that HTTP stacks know.
#[doc(hidden)]
pub fn known_error(error: &(dyn Error + 'static)) -> Option<&'static str> {
    #[cfg(feature = "tower")]
    if error.is::<tower::timeout::error::Elapsed>() {
        return Some("timeout");
    }
    #[cfg(feature = "tower")]
    if error.is::<tower::load_shed::error::Overloaded>() {
        return Some("overloaded");
    }
    #[cfg(feature = "hyper")]
    if let Some(error) = error.downcast_ref::<hyper::Error>() {
        return hyper_error(error);
    }
    let _ = error;
    None
}

#[cfg(feature = "hyper")]
fn hyper_error(error: &hyper::Error) -> Option<&'static str> {
    // Where there is a cause it says more than hyper's own kind.
    if let Some(cause) = error.source().and_then(|cause| throughline_core::error_type_in_chain(cause, known_error)) {
        return Some(cause);
    }
    match error {
        error if error.is_timeout() => Some("timeout"),
        error if error.is_incomplete_message() => Some("incomplete_message"),
        error if error.is_canceled() => Some("cancelled"),
        error if error.is_closed() => Some("connection_closed"),
        error if error.is_parse() => Some("parse_error"),
        error if error.is_body_write_aborted() => Some("body_write_aborted"),
        error if error.is_user() => Some("user_error"),
        _ => None,
    }
}
