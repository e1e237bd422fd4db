//! The methods that spans and metrics name.

use std::sync::{Arc, Mutex, PoisonError};

use http::Method;
use throughline_core::Diagnostic;

/// Known methods: those of RFC 9110, PATCH and QUERY, or a list in their place. Names are case-sensitive.
#[derive(Clone, Debug, Default)]
pub(crate) struct Methods(Option<Arc<[&'static &'static str]>>);

// === impl Methods ===

impl Methods {
    /// These methods and no others. What is no method's name is left out, after a diagnostic.
    ///
    /// Names that are not in [`STANDARD`] are kept for the life of the process, each once and at most 64 of them, so that
    /// spans need not copy them.
    pub(crate) fn new<M: AsRef<str>>(names: impl IntoIterator<Item = M>) -> Self {
        let mut known: Vec<&'static &'static str> = Vec::new();
        for name in names {
            let name = name.as_ref().trim();
            match Method::from_bytes(name.as_bytes()).ok().and_then(|_| interned(name)) {
                Some(name) if known.contains(&name) => {}
                Some(name) => known.push(name),
                None => unusable(name),
            }
        }
        Self(Some(known.into()))
    }

    /// The method's name, if it is known.
    #[inline(always)]
    pub(crate) fn verb(&self, method: &Method) -> Option<&'static &'static str> {
        match &self.0 {
            None => standard(method),
            Some(known) => known.iter().copied().find(|name| **name == method.as_str()),
        }
    }
}

#[inline(always)]
fn standard(method: &Method) -> Option<&'static &'static str> {
    Some(match *method {
        Method::GET => &"GET",
        Method::POST => &"POST",
        Method::PUT => &"PUT",
        Method::DELETE => &"DELETE",
        Method::HEAD => &"HEAD",
        Method::OPTIONS => &"OPTIONS",
        Method::PATCH => &"PATCH",
        Method::CONNECT => &"CONNECT",
        Method::TRACE => &"TRACE",
        _ if method.as_str() == "QUERY" => &"QUERY",
        _ => return None,
    })
}

/// The same name with the life of the process, unless there are too many of them.
fn interned(name: &str) -> Option<&'static &'static str> {
    if let Some(standard) = STANDARD.iter().find(|standard| **standard == name) {
        return Some(standard);
    }
    static INTERNED: Mutex<Vec<&'static &'static str>> = Mutex::new(Vec::new());
    interned_in(&mut INTERNED.lock().unwrap_or_else(PoisonError::into_inner), name)
}

fn interned_in(names: &mut Vec<&'static &'static str>, name: &str) -> Option<&'static &'static str> {
    if let Some(interned) = names.iter().copied().find(|interned| **interned == name) {
        return Some(interned);
    }
    if names.len() == MAX_INTERNED || name.len() > MAX_LENGTH {
        return None;
    }
    let name: &'static str = String::leak(name.to_owned());
    names.push(Box::leak(Box::new(name)));
    names.last().copied()
}

#[cold]
fn unusable(name: &str) {
    static UNUSABLE: Diagnostic = Diagnostic::new();
    UNUSABLE.warn(|| format!("{name:?} is no known method: no name of a method, too long, or one of too many"));
}

static STANDARD: [&str; 10] = ["CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE", "QUERY"];

const MAX_INTERNED: usize = 64;
const MAX_LENGTH: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn verb(methods: &Methods, method: &str) -> Option<&'static str> {
        methods.verb(&Method::from_bytes(method.as_bytes()).unwrap()).copied()
    }

    #[test]
    fn by_default_the_standard_ones_are_known() {
        let methods = Methods::default();
        for name in STANDARD {
            assert_eq!(verb(&methods, name), Some(name));
        }
        for (name, why) in
            [("get", "case counts"), ("PROPFIND", "not standard"), ("GETT", "another name"), ("Q", "short")]
        {
            assert_eq!(verb(&methods, name), None, "{why}");
        }
    }

    #[test]
    fn a_list_takes_their_place() {
        for (list, known, unknown, why) in [
            (&["GET", "PROPFIND"][..], &["GET", "PROPFIND"][..], &["POST", "propfind"][..], "the others are unknown"),
            (&["get"], &["get"], &["GET"], "case counts"),
            (&["GET", " PUT "], &["GET", "PUT"], &[], "blanks around"),
            (&["GET", "GET", "A B", ""], &["GET"], &["A"], "twice, and no names"),
            (&[], &[], &["GET"], "an empty list knows none"),
        ] {
            let methods = Methods::new(list);
            for name in known {
                assert_eq!(verb(&methods, name), Some(*name), "{why}");
            }
            for name in unknown {
                assert_eq!(verb(&methods, name), None, "{why}");
            }
            assert_eq!(methods.0.unwrap().len(), known.len(), "{why}");
        }
    }

    #[test]
    fn names_are_kept_once_and_within_bounds() {
        let mut names = Vec::new();
        for at in 0..2 * MAX_INTERNED {
            assert_eq!(interned_in(&mut names, &format!("M{at}")).is_some(), at < MAX_INTERNED);
        }
        assert!(std::ptr::eq(interned_in(&mut names, "M7").unwrap(), names[7]));
        assert!(interned_in(&mut Vec::new(), &"X".repeat(MAX_LENGTH + 1)).is_none());
    }
}
