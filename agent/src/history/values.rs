//! Groups and sums as JSON, for the command line and HTTP.

use pidflow_expression::{Selector, SelectorValue};
use pidflow_history::{Group, Sums};
use serde_json::{Map, Value};

/// The group's values by name (null: unknown), and its sums.
pub(crate) fn group_values(by: &[Selector], group: &Group) -> Map<String, Value> {
    let values = group.key.iter().map(|value| value.as_ref().map_or(Value::Null, as_json));
    let mut object: Map<String, Value> = by.iter().map(|name| name.name().to_owned()).zip(values).collect();
    object.extend(sums_values(&group.sums));
    object
}

fn as_json(value: &SelectorValue) -> Value {
    match value {
        SelectorValue::Number(n) => u64::try_from(*n).map_or_else(|_| Value::from(n.to_string()), Value::from),
        SelectorValue::Text(text) => Value::from(&**text),
    }
}

/// The sums by name.
pub(crate) fn sums_values(sums: &Sums) -> Map<String, Value> {
    let values = [("records", sums.records), ("packets", sums.packets), ("bytes", sums.bytes)];
    values.into_iter().map(|(name, n)| (name.to_owned(), Value::from(n))).collect()
}
