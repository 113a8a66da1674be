//! Sampling: one in how many packets an exporter counts.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use pidflow_schema::FlowRecord;

use crate::field::Sampling;
use crate::octets::unsigned;

/// Maximum number of samplers of a session.
const MAX_SAMPLERS: usize = 256;

/// What one record says of sampling.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Told {
    interval: Option<u64>,
    taken: Option<u64>,
    space: Option<u64>,
    size: Option<u64>,
    population: Option<u64>,
    probability: Option<f64>,
    pub(crate) sampler: Option<u64>,
}

impl Told {
    /// Notes a value; false: its length is impossible.
    pub(crate) fn note(&mut self, part: Sampling, octets: &[u8]) -> bool {
        if part == Sampling::Probability {
            self.probability = probability(octets);
            return self.probability.is_some();
        }
        let place = match part {
            Sampling::Interval => &mut self.interval,
            Sampling::Sampler => &mut self.sampler,
            Sampling::Taken => &mut self.taken,
            Sampling::Space => &mut self.space,
            Sampling::Size => &mut self.size,
            Sampling::Population | Sampling::Probability => &mut self.population,
        };
        *place = unsigned(octets);
        place.is_some()
    }

    /// One in how many packets is counted; none: it does not say so.
    pub(crate) fn rate(&self) -> Option<u32> {
        let of_interval = self.interval.filter(|n| *n > 0);
        let of_spaces = self.taken.zip(self.space).and_then(|(taken, space)| ratio(taken.checked_add(space)?, taken));
        let of_size = self.size.zip(self.population).and_then(|(size, population)| ratio(population, size));
        let of_probability = self.probability.filter(|p| *p > 0.0 && *p <= 1.0).map(|p| (1.0 / p).round() as u64);
        let rate = of_interval.or(of_spaces).or(of_size).or(of_probability)?;
        u32::try_from(rate).ok()
    }
}

/// Rounded; none: there is no ratio.
fn ratio(all: u64, taken: u64) -> Option<u64> {
    all.checked_add(taken / 2)?.checked_div(taken).filter(|n| *n > 0)
}

fn probability(octets: &[u8]) -> Option<f64> {
    match octets.len() {
        8 => octets.try_into().ok().map(f64::from_be_bytes),
        4 => octets.try_into().ok().map(|o| f64::from(f32::from_be_bytes(o))),
        _ => None,
    }
}

/// The samplers that an exporter announced in options records.
#[derive(Debug, Default)]
pub(crate) struct Samplers {
    by_id: HashMap<u64, u32, RandomState>,
    /// Of all records that name no sampler.
    of_all: Option<u32>,
}

impl Samplers {
    /// Number of samplers.
    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    /// All rates, with their samplers; none: of records that name no sampler.
    pub(crate) fn all(&self) -> impl Iterator<Item = (Option<u64>, u32)> {
        let of_all = self.of_all.map(|rate| (None, rate));
        self.by_id.iter().map(|(id, rate)| (Some(*id), *rate)).chain(of_all)
    }

    /// Notes a rate. False: there are too many samplers.
    pub(crate) fn note(&mut self, sampler: Option<u64>, rate: u32) -> bool {
        let Some(id) = sampler else {
            self.of_all = Some(rate);
            return true;
        };
        let has_room = self.by_id.len() < MAX_SAMPLERS || self.by_id.contains_key(&id);
        if has_room {
            self.by_id.insert(id, rate);
        }
        has_room
    }

    /// The rate of a record; an error: it names a sampler that is not known.
    pub(crate) fn rate(&self, told: &Told) -> Result<Option<u32>, Unknown> {
        if let Some(rate) = told.rate() {
            return Ok(Some(rate));
        }
        match told.sampler {
            // Exporters without sampling send the sampler 0.
            None | Some(0) => Ok(self.by_id.get(&0).copied().or(self.of_all)),
            Some(id) => self.by_id.get(&id).copied().or(self.of_all).map(Some).ok_or(Unknown),
        }
    }
}

/// The sampler is not known (yet).
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unknown;

/// Multiplies the counters of a record.
pub(crate) const fn scale(record: &mut FlowRecord, rate: u32) {
    let rate = rate as u64;
    let flow = &mut record.flow;
    flow.forward.packets = flow.forward.packets.saturating_mul(rate);
    flow.forward.octets = flow.forward.octets.saturating_mul(rate);
    flow.forward.frame_octets = flow.forward.frame_octets.saturating_mul(rate);
    flow.reverse.packets = flow.reverse.packets.saturating_mul(rate);
    flow.reverse.octets = flow.reverse.octets.saturating_mul(rate);
    flow.reverse.frame_octets = flow.reverse.frame_octets.saturating_mul(rate);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(parts: &[(Sampling, &[u8])]) -> Told {
        let mut told = Told::default();
        parts.iter().for_each(|(part, octets)| assert!(told.note(*part, octets)));
        told
    }

    #[test]
    fn every_way_to_say_a_rate() {
        let rate = |parts: &[(Sampling, &[u8])]| told(parts).rate();
        assert_eq!(rate(&[(Sampling::Interval, &[3, 232])]), Some(1000));
        assert_eq!(rate(&[(Sampling::Taken, &[1]), (Sampling::Space, &[99])]), Some(100));
        assert_eq!(rate(&[(Sampling::Size, &[2]), (Sampling::Population, &[200])]), Some(100));
        assert_eq!(rate(&[(Sampling::Probability, &0.01_f64.to_be_bytes())]), Some(100));
        assert_eq!(rate(&[(Sampling::Taken, &[0]), (Sampling::Space, &[99])]), None);
        assert_eq!(rate(&[(Sampling::Probability, &f64::NAN.to_be_bytes())]), None);
        assert_eq!(rate(&[(Sampling::Interval, &[0])]), None);
    }

    #[test]
    fn a_record_has_the_rate_of_its_sampler() {
        let mut samplers = Samplers::default();
        let of = |samplers: &Samplers, id: u8| samplers.rate(&told(&[(Sampling::Sampler, &[id])]));
        assert_eq!(of(&samplers, 3), Err(Unknown));
        assert_eq!(samplers.rate(&Told::default()), Ok(None));
        assert!(samplers.note(Some(3), 512) && samplers.note(None, 8));
        assert_eq!(of(&samplers, 3), Ok(Some(512)));
        assert_eq!(samplers.rate(&Told::default()), Ok(Some(8)));
        let added = (10..1000_u64).filter(|id| samplers.note(Some(*id), 1)).count();
        assert_eq!(added, MAX_SAMPLERS - 1);
    }
}
