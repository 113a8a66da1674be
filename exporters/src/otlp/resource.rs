//! The resource and the scope of every request.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::resource::v1::Resource;

use super::attributes::text;

const SERVICE: &str = "pidflow";
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The observing host, never a process of a flow. Empty names are left out. Attributes in `given` override the known
/// ones, and later ones override earlier ones.
#[must_use]
pub fn resource<'a>(
    host_name: &'a str,
    host_id: &'a str,
    given: impl IntoIterator<Item = (&'a String, &'a String)>,
) -> Resource {
    let known =
        [("service.name", SERVICE), ("service.version", VERSION), ("host.name", host_name), ("host.id", host_id)];
    let given = given.into_iter().map(|(key, value)| (key.as_str(), value.as_str()));
    let all: BTreeMap<_, _> = known.into_iter().chain(given).filter(|(_, value)| !value.is_empty()).collect();
    Resource { attributes: all.into_iter().map(|(key, v)| text(key, v)).collect(), ..Resource::default() }
}

/// The scope: the program that made the records.
pub(super) fn scope() -> InstrumentationScope {
    InstrumentationScope { name: SERVICE.into(), version: VERSION.into(), ..InstrumentationScope::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_attributes_are_omitted_and_given_ones_have_precedence() {
        let keys = |r: &Resource| r.attributes.iter().map(|a| a.key.clone()).collect::<Vec<_>>();
        assert_eq!(keys(&resource("host-a", "", [])), ["host.name", "service.name", "service.version"]);
        let given = BTreeMap::from([("service.name".to_owned(), "edge".to_owned())]);
        let named = resource("host-a", "", &given);
        assert_eq!(named.attributes.len(), 3);
        assert!(named.attributes.contains(&text("service.name", "edge")));
    }
}
