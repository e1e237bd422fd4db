//! The service that spans come from.

use std::fmt;
use std::sync::Arc;

use crate::attribute::AttributeValue;

/// The service that spans come from: OpenTelemetry's resource. A clone is one refcount.
///
/// ```
/// use throughline_core::Resource;
///
/// let resource = Resource::new("orders").with("deployment.environment.name", "staging");
/// assert_eq!(resource.service_name(), "orders");
/// ```
#[derive(Clone, PartialEq)]
pub struct Resource(Arc<[(Box<str>, AttributeValue)]>);

impl Resource {
    /// A service by its name.
    #[must_use]
    pub fn new(service_name: &str) -> Self {
        Self(Arc::new([(SERVICE_NAME.into(), AttributeValue::from(service_name))]))
    }

    /// The same service with one more attribute; an earlier one of that key is replaced.
    #[must_use]
    pub fn with(&self, key: &str, value: impl Into<AttributeValue>) -> Self {
        let mut attributes: Vec<_> = self.0.iter().filter(|(known, _)| &**known != key).cloned().collect();
        attributes.push((key.into(), value.into()));
        Self(attributes.into())
    }

    /// `service.name`.
    #[must_use]
    pub fn service_name(&self) -> &str {
        self.get(SERVICE_NAME).and_then(AttributeValue::as_str).unwrap_or(UNKNOWN_SERVICE)
    }

    /// The value of one attribute.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&AttributeValue> {
        self.0.iter().find_map(|(known, value)| (&**known == key).then_some(value))
    }

    /// All attributes.
    #[must_use]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &AttributeValue)> {
        self.0.iter().map(|(key, value)| (&**key, value))
    }
}

impl Default for Resource {
    fn default() -> Self {
        Self::new(UNKNOWN_SERVICE)
    }
}

impl fmt::Debug for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

const SERVICE_NAME: &str = "service.name";
const UNKNOWN_SERVICE: &str = "unknown_service";
