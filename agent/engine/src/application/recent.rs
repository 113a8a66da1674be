//! What is known of the latest connections, in a table of fixed size.

/// Connections are found by their hash in one of so many buckets.
const BUCKETS: usize = 256;
/// The number of them in a bucket. A new one takes the place of the oldest.
const PLACES_PER_BUCKET: usize = 4;

/// One place: a connection, as a hash of addresses and ports from sender to receiver, and what is known of it.
type Place<T> = Option<(u64, T)>;

/// A value for each of the latest connections.
#[derive(Debug)]
pub(super) struct Recent<T> {
    /// The newest of a bucket is the first.
    buckets: Box<[[Place<T>; PLACES_PER_BUCKET]; BUCKETS]>,
    len: usize,
}

impl<T: Copy> Recent<T> {
    pub(super) fn new() -> Self {
        Self { buckets: Box::new([[None; PLACES_PER_BUCKET]; BUCKETS]), len: 0 }
    }

    #[inline]
    pub(super) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(super) fn insert(&mut self, connection: u64, value: T) {
        self.remove(connection);
        let Some(bucket) = self.buckets.get_mut(connection as usize % BUCKETS) else { return };
        bucket.rotate_right(1);
        if let Some(place) = bucket.first_mut() {
            self.len += usize::from(place.is_none());
            *place = Some((connection, value));
        }
    }

    pub(super) fn get(&self, connection: u64) -> Option<T> {
        let bucket = self.buckets.get(connection as usize % BUCKETS)?;
        bucket.iter().flatten().find(|(known, _)| *known == connection).map(|(_, value)| *value)
    }

    /// Removes a connection; the free place is the bucket's last.
    pub(super) fn remove(&mut self, connection: u64) {
        let Some(bucket) = self.buckets.get_mut(connection as usize % BUCKETS) else { return };
        let is_it = |place: &Place<T>| place.is_some_and(|(known, _)| known == connection);
        let Some(from_it) = bucket.iter().position(is_it).and_then(|at| bucket.get_mut(at..)) else { return };
        from_it.rotate_left(1);
        if let Some(last) = from_it.last_mut() {
            *last = None;
            self.len -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_of_a_bucket_makes_room() {
        let mut recent = Recent::new();
        let same_bucket = |n: u64| n * BUCKETS as u64;
        (0..5).for_each(|n| recent.insert(same_bucket(n), n));
        assert_eq!((recent.get(same_bucket(0)), recent.get(same_bucket(1)), recent.len), (None, Some(1), 4));
        recent.remove(same_bucket(3));
        recent.remove(same_bucket(3));
        recent.insert(same_bucket(1), 11);
        recent.insert(same_bucket(6), 6);
        assert_eq!([1, 2, 4, 6].map(|n| recent.get(same_bucket(n))), [Some(11), Some(2), Some(4), Some(6)]);
        [1, 2, 4, 6].into_iter().for_each(|n| recent.remove(same_bucket(n)));
        assert!(recent.is_empty());
    }
}
