//! Names of propagation fields.

use std::fmt;

#[cfg(feature = "http")]
use http::HeaderName;

/// The name of a propagation field, ready for every kind of carrier.
///
/// ```
/// use throughline_core::propagation::Field;
///
/// static TENANT: Field = Field::new("x-tenant");
/// assert_eq!(TENANT.as_str(), "x-tenant");
/// ```
#[derive(Clone)]
pub struct Field {
    name: &'static str,
    spelling: &'static str,
    #[cfg(feature = "http")]
    header: HeaderName,
}

/// The fields that a propagator may write: what is cleared before it does.
///
/// Formats that make a field per key say how the names of those begin.
#[derive(Clone, Debug, Default)]
pub struct FieldSet {
    fields: Vec<Field>,
    prefixes: Vec<&'static str>,
    /// A bit for each length that a name has; the highest for longer ones.
    lengths: u64,
}

// === impl Field ===

impl Field {
    /// A field by its name in lower case.
    ///
    /// # Panics
    ///
    /// If the name is no lower-case HTTP header name: make it a static, and the compiler says so.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self::spelled(name, name)
    }

    /// A field that is spelt in another case where that counts: in maps and lists, not in HTTP.
    ///
    /// # Panics
    ///
    /// If the name is no lower-case HTTP header name: make it a static, and the compiler says so.
    ///
    /// ```
    /// use throughline_core::propagation::Field;
    ///
    /// static SQS: Field = Field::spelled("awstraceheader", "AWSTraceHeader");
    /// assert_eq!(SQS.spelling(), "AWSTraceHeader");
    /// ```
    #[must_use]
    pub const fn spelled(name: &'static str, spelling: &'static str) -> Self {
        Self {
            name,
            spelling,
            #[cfg(feature = "http")]
            header: HeaderName::from_static(name),
        }
    }

    /// The name in lower case.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        self.name
    }

    /// The name as carriers that mind the case write it.
    #[must_use]
    pub const fn spelling(&self) -> &'static str {
        self.spelling
    }

    /// The name as that of a header.
    #[cfg(feature = "http")]
    #[must_use]
    pub const fn header(&self) -> &HeaderName {
        &self.header
    }
}

impl PartialEq for Field {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Field {}

impl fmt::Debug for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

// === impl FieldSet ===

impl FieldSet {
    /// Adds fields, each once, and beginnings of names.
    pub(crate) fn add(&mut self, fields: &[Field], prefixes: &[&'static str]) {
        for field in fields {
            if !self.fields.contains(field) {
                self.lengths |= bit(field.name.len());
                self.fields.push(field.clone());
            }
        }
        for prefix in prefixes {
            if !self.prefixes.contains(prefix) {
                self.prefixes.push(prefix);
            }
        }
    }

    /// The fields whose names are known.
    #[must_use]
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// How the names of other fields begin, in lower case.
    #[must_use]
    pub fn prefixes(&self) -> &[&'static str] {
        &self.prefixes
    }

    /// Whether any of the fields has a name of this length.
    #[cfg(feature = "http")]
    #[inline(always)]
    pub(crate) fn has_length(&self, length: usize) -> bool {
        self.lengths & bit(length) != 0
    }

    /// Where in [`fields`](Self::fields) a lower-case name is.
    #[cfg(feature = "http")]
    #[inline]
    pub(crate) fn position(&self, name: &str) -> Option<usize> {
        if !self.has_length(name.len()) {
            return None;
        }
        self.fields.iter().position(|field| field.name.len() == name.len() && field.name == name)
    }

    /// Whether a lower-case name begins as one of the set.
    #[cfg(feature = "http")]
    pub(crate) fn is_prefixed(&self, name: &str) -> bool {
        self.prefixes.iter().any(|prefix| name.starts_with(prefix))
    }
}

#[inline]
const fn bit(length: usize) -> u64 {
    1 << if length < 63 { length } else { 63 }
}
