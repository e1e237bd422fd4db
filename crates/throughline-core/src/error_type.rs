//! `error.type` of errors whose type is only known by its parameter.

use std::any::Any;
use std::error::Error;
use std::io;

/// What an error is called in `error.type`: known ones by what went wrong, others by their type.
///
/// An [`io::Error`] has the name of its kind in snake case, and so has a boxed error with one in its chain of sources.
/// Any other boxed error is `_OTHER`; any other type has its name, without path and generics.
///
/// ```
/// use std::io;
/// use throughline_core::error_type;
///
/// assert_eq!(error_type(&io::Error::from(io::ErrorKind::ConnectionRefused)), "connection_refused");
/// assert_eq!(error_type(&"one".parse::<u8>().unwrap_err()), "ParseIntError");
/// assert_eq!(error_type(&Box::<dyn std::error::Error + Send + Sync>::from("boom")), "_OTHER");
/// ```
#[must_use]
pub fn error_type<E: 'static>(error: &E) -> &'static str {
    error_type_with(error, |_| None)
}

/// Does what [`error_type`] does and first asks `known` about every error in the chain of an erased one.
#[must_use]
pub fn error_type_with<E: 'static>(
    error: &E,
    known: impl Fn(&(dyn Error + 'static)) -> Option<&'static str>,
) -> &'static str {
    let any: &dyn Any = error;
    if let Some(boxed) = any.downcast_ref::<Box<dyn Error + Send + Sync>>() {
        return error_type_in_chain(&**boxed, known).unwrap_or(OTHER);
    }
    if let Some(boxed) = any.downcast_ref::<Box<dyn Error + Send>>() {
        return error_type_in_chain(&**boxed, known).unwrap_or(OTHER);
    }
    if let Some(boxed) = any.downcast_ref::<Box<dyn Error>>() {
        return error_type_in_chain(&**boxed, known).unwrap_or(OTHER);
    }
    if let Some(error) = any.downcast_ref::<io::Error>() {
        return error_type_in_chain(error, known).unwrap_or("io_error");
    }
    short_name(std::any::type_name::<E>())
}

/// What the first error is called that is known, in the chain that begins with this one: `known` is asked first about
/// each, then it may be an [`io::Error`].
#[must_use]
pub fn error_type_in_chain(
    error: &(dyn Error + 'static),
    known: impl Fn(&(dyn Error + 'static)) -> Option<&'static str>,
) -> Option<&'static str> {
    let mut next = Some(error);
    // A chain is short; one that is not may be a ring.
    for _ in 0..MAX_SOURCES {
        let error = next?;
        let io = error.downcast_ref::<io::Error>();
        if let Some(known) = known(error).or_else(|| io.and_then(|error| io_error(error.kind()))) {
            return Some(known);
        }
        // The source of an `io::Error` that wraps another error is that error's source: it would be skipped.
        next = match io.and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

fn io_error(kind: io::ErrorKind) -> Option<&'static str> {
    use io::ErrorKind;
    Some(match kind {
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
        _ => return None,
    })
}

/// A type's name without path and generics.
fn short_name(name: &'static str) -> &'static str {
    let end = name.find('<').unwrap_or(name.len());
    let start = name[..end].rfind("::").map_or(0, |at| at + 2);
    match &name[start..end] {
        // Whatever these point to is erased or does not say more.
        "Box" | "Arc" | "Rc" => OTHER,
        short if short.starts_with(|first: char| first.is_alphabetic() || first == '_') => short,
        _ => OTHER,
    }
}

const OTHER: &str = "_OTHER";
const MAX_SOURCES: usize = 16;

#[cfg(test)]
mod tests {
    use std::fmt;

    use super::*;

    #[derive(Debug)]
    struct Wrong<T>(T);

    impl<T> fmt::Display for Wrong<T> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("wrong")
        }
    }

    impl<T: Error + 'static> Error for Wrong<T> {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.0)
        }
    }

    fn refused() -> io::Error {
        io::ErrorKind::ConnectionRefused.into()
    }

    #[test]
    fn names_errors_by_what_is_known_of_them() {
        type Boxed = Box<dyn Error + Send + Sync>;
        for (found, expected, why) in [
            (error_type(&refused()), "connection_refused", "a kind"),
            (error_type(&Boxed::from(refused())), "connection_refused", "erased"),
            (error_type(&io::Error::other(refused())), "connection_refused", "inside another"),
            (error_type(&Boxed::from(Wrong(refused()))), "connection_refused", "the source"),
            (error_type(&io::Error::other("boom")), "io_error", "an unknown kind"),
            (error_type(&Boxed::from("boom")), "_OTHER", "erased and unknown"),
            (error_type(&Wrong(refused())), "Wrong", "a type of its own, without generics"),
            (error_type(&std::sync::Arc::new(refused())), "_OTHER", "a pointer"),
            (error_type(&"boom"), "_OTHER", "a reference has no name"),
            (error_type(&()), "_OTHER", "a tuple has no name"),
        ] {
            assert_eq!(found, expected, "{why}");
        }
    }

    #[test]
    fn a_hook_knows_more() {
        let known = |error: &(dyn Error + 'static)| error.is::<Wrong<io::Error>>().then_some("wrong");
        assert_eq!(error_type_with(&io::Error::other(Wrong(refused())), known), "wrong");
    }
}
