//! Records of data, by a template.

use pidflow_schema::FlowRecord;

use crate::counters::{Counters, Event};
use crate::draft::{Draft, Origin};
use crate::field::{Field, VARIABLE};
use crate::known::Known;
use crate::octets::Octets;
use crate::template::Template;

/// The octets of a field of variable length (RFC 7011 section 7).
fn variable<'a>(record: &mut Octets<'a>) -> Option<&'a [u8]> {
    let length = match record.u8()? {
        u8::MAX => usize::from(record.u16()?),
        short => usize::from(short),
    };
    record.take(length)
}

/// Hands the octets of each field of the next record to `put`; none: the record is cut off.
#[inline]
pub(crate) fn walk<'a>(template: &Template, set: &mut Octets<'a>, mut put: impl FnMut(&Field, &'a [u8])) -> Option<()> {
    for field in &template.fields {
        let octets = if field.length == VARIABLE { variable(set) } else { set.take(usize::from(field.length)) };
        put(field, octets?);
    }
    Some(())
}

/// Reads the flow records of a set, and returns how many data records there were.
pub(crate) fn flows(
    template: &Template,
    mut set: Octets<'_>,
    origin: &Origin<'_>,
    (known, counters): (&Known, &mut Counters),
    out: &mut Vec<FlowRecord>,
) -> u32 {
    let mut count = 0;
    while set.len() >= template.min_octets {
        if !template.is_flow {
            if walk(template, &mut set, |_, _| {}).is_none() {
                break;
            }
            counters.event(Event::NotAFlow);
            count += 1;
            continue;
        }
        let mut draft = Draft::new(known, counters);
        if walk(template, &mut set, |field, octets| draft.put(field, octets, &origin.header)).is_none() {
            counters.event(Event::BadRecord);
            return count;
        }
        count += 1;
        match draft.finish(origin, template.tells_end) {
            Some(record) => {
                counters.record(origin.header.protocol);
                out.push(record);
            }
            None => counters.event(Event::NotAFlow),
        }
    }
    // Padding is shorter than any record, and zero (RFC 7011 section 3.3.1).
    if !set.is_zero() {
        counters.event(Event::BadRecord);
    }
    count
}
