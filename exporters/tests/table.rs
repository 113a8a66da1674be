//! The element table held against records of every kind.

use pidflow_exporters::sample;
use pidflow_schema::{DataType, ELEMENTS, Value};

#[test]
fn values_have_the_type_of_their_element() {
    for record in sample::records(500) {
        for e in ELEMENTS.iter() {
            let fits = match (e.read)(&record) {
                None => true,
                Some(Value::Text(_)) => e.data_type == DataType::String,
                Some(Value::Ipv4(_)) => e.data_type == DataType::Ipv4Address,
                Some(Value::Ipv6(_)) => e.data_type == DataType::Ipv6Address,
                Some(Value::Mac(_)) => e.data_type == DataType::MacAddress,
                Some(Value::Time(_)) => matches!(
                    e.data_type,
                    DataType::DateTimeSeconds | DataType::DateTimeMilliseconds | DataType::DateTimeNanoseconds
                ),
                Some(Value::Signed(_)) => e.data_type == DataType::Signed64,
                Some(Value::Unsigned(_)) => matches!(
                    e.data_type,
                    DataType::Unsigned8 | DataType::Unsigned16 | DataType::Unsigned32 | DataType::Unsigned64
                ),
            };
            assert!(fits, "{}", e.name);
        }
    }
}

/// Else IPFIX and NetFlow v9, which leave out the elements of absent groups, would lose what JSON has.
#[test]
fn every_present_value_is_in_a_group_of_the_record() {
    for record in sample::records(500) {
        for e in ELEMENTS.iter().filter(|e| !record.groups().contains(e.group)) {
            assert!((e.read)(&record).is_none(), "{}", e.name);
        }
    }
}
