//! `error.type` of errors whose type is only known by its parameter.

use std::any::Any;
use std::error::Error;
use std::io;

/// What an error is called: known kinds by what went wrong, others by their type's name.
///
/// `_OTHER` stands for an erased error in whose chain nothing is known.
pub(crate) fn error_type<E: 'static>(error: &E) -> &'static str {
    let error: &dyn Any = error;
    if let Some(boxed) = error.downcast_ref::<Box<dyn Error + Send + Sync>>() {
        return chain(&**boxed).unwrap_or(OTHER);
    }
    if let Some(boxed) = error.downcast_ref::<Box<dyn Error>>() {
        return chain(&**boxed).unwrap_or(OTHER);
    }
    if let Some(known) = error.downcast_ref::<io::Error>() {
        return io_error(known);
    }
    #[cfg(feature = "hyper")]
    {
        if let Some(known) = error.downcast_ref::<hyper::Error>() {
            return chain(known).unwrap_or("hyper_error");
        }
        if let Some(known) = error.downcast_ref::<hyper_util::client::legacy::Error>() {
            return chain(known).unwrap_or("hyper_error");
        }
    }
    short_name(std::any::type_name::<E>())
}

/// The first error in the chain that is known.
fn chain(error: &(dyn Error + 'static)) -> Option<&'static str> {
    let mut next = Some(error);
    // A chain is short; one that is not may be a ring.
    for _ in 0..MAX_SOURCES {
        let error = next?;
        if let Some(known) = known(error) {
            return Some(known);
        }
        next = error.source();
    }
    None
}

fn known(error: &(dyn Error + 'static)) -> Option<&'static str> {
    if let Some(error) = error.downcast_ref::<io::Error>() {
        return Some(io_error(error));
    }
    #[cfg(feature = "timeout")]
    if error.is::<tower::timeout::error::Elapsed>() {
        return Some("timeout");
    }
    #[cfg(feature = "hyper")]
    if let Some(error) = error.downcast_ref::<hyper::Error>() {
        return hyper_error(error);
    }
    None
}

#[cfg(feature = "hyper")]
fn hyper_error(error: &hyper::Error) -> Option<&'static str> {
    // Where there is a cause it says more than hyper's own kind.
    if let Some(cause) = error.source().and_then(chain) {
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

fn io_error(error: &io::Error) -> &'static str {
    use io::ErrorKind;
    match error.kind() {
        ErrorKind::TimedOut => "timeout",
        ErrorKind::ConnectionRefused => "connection_refused",
        ErrorKind::ConnectionReset => "connection_reset",
        ErrorKind::ConnectionAborted => "connection_aborted",
        ErrorKind::NotConnected => "not_connected",
        ErrorKind::HostUnreachable => "host_unreachable",
        ErrorKind::NetworkUnreachable => "network_unreachable",
        ErrorKind::NetworkDown => "network_down",
        ErrorKind::AddrInUse => "address_in_use",
        ErrorKind::AddrNotAvailable => "address_not_available",
        ErrorKind::BrokenPipe => "broken_pipe",
        ErrorKind::UnexpectedEof => "unexpected_eof",
        ErrorKind::PermissionDenied => "permission_denied",
        ErrorKind::NotFound => "not_found",
        ErrorKind::InvalidData => "invalid_data",
        _ => match error.get_ref().and_then(|inner| chain(inner)) {
            Some(inner) => inner,
            None => "io_error",
        },
    }
}

/// A type's name without path and generics.
fn short_name(name: &'static str) -> &'static str {
    let end = name.find('<').unwrap_or(name.len());
    let start = name[..end].rfind("::").map_or(0, |at| at + 2);
    match name[start..end].trim_start_matches(['&', '(']) {
        "" => OTHER,
        short => short,
    }
}

const OTHER: &str = "_OTHER";
const MAX_SOURCES: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Wrong<T>(#[expect(dead_code, reason = "only its type counts")] T);

    impl<T> std::fmt::Display for Wrong<T> {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("wrong")
        }
    }

    impl<T: std::fmt::Debug> Error for Wrong<T> {}

    #[test]
    fn names_errors_by_what_is_known_of_them() {
        let refused = || io::Error::from(io::ErrorKind::ConnectionRefused);
        assert_eq!(error_type(&refused()), "connection_refused");
        assert_eq!(error_type(&Box::<dyn Error + Send + Sync>::from(refused())), "connection_refused");
        assert_eq!(error_type(&io::Error::other(refused())), "connection_refused", "inside another");
        assert_eq!(error_type(&Wrong(7_u8)), "Wrong", "a type of its own");
        assert_eq!(error_type(&Box::<dyn Error + Send + Sync>::from(Wrong(7_u8))), "_OTHER", "erased and unknown");
        assert_eq!(error_type(&Wrong(Wrong(1_u8))), "Wrong", "no generics");
    }
}
