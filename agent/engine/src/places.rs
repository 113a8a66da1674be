//! What is kept of some flows beside their entries, by the place of the flow in the table.

/// Bytes that the allocator adds to each allocation.
const ALLOCATION: usize = 2 * size_of::<usize>();

/// A boxed value for some of the places.
#[derive(Debug)]
pub(crate) struct Places<T> {
    values: Vec<Option<Box<T>>>,
    len: usize,
}

impl<T> Default for Places<T> {
    fn default() -> Self {
        Self { values: Vec::new(), len: 0 }
    }
}

impl<T> Places<T> {
    /// The greatest memory of one value, bytes. The list of places may have capacity for twice as many.
    pub(crate) const MAX_BYTES_EACH: usize = size_of::<T>() + ALLOCATION + 2 * size_of::<Option<Box<T>>>();

    pub(crate) fn get_mut(&mut self, slot: u32) -> Option<&mut T> {
        self.values.get_mut(slot as usize)?.as_deref_mut()
    }

    pub(crate) fn get(&self, slot: u32) -> Option<&T> {
        self.values.get(slot as usize)?.as_deref()
    }

    /// The number of values.
    #[cfg(test)]
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// Removes the value of a place.
    pub(crate) fn remove(&mut self, slot: u32) -> Option<Box<T>> {
        let removed = self.values.get_mut(slot as usize)?.take();
        self.len -= usize::from(removed.is_some());
        removed
    }

    /// Moves the value of `from`, if there is one, to `to`. Returns the value that was there.
    pub(crate) fn relocate(&mut self, from: u32, to: u32) -> Option<Box<T>> {
        let moved = self.remove(from);
        let replaced = self.remove(to);
        if moved.is_some() {
            self.len += 1;
            self.make_place(to);
            if let Some(place) = self.values.get_mut(to as usize) {
                *place = moved;
            }
        }
        replaced
    }

    fn make_place(&mut self, slot: u32) {
        if self.values.len() <= slot as usize {
            self.values.resize_with(slot as usize + 1, || None);
        }
    }

    /// Returns unused memory. No flow is in place `used` or a later one.
    pub(crate) fn shrink(&mut self, used: usize) {
        self.values.truncate(used);
        self.values.shrink_to_fit();
    }

    pub(crate) const fn allocated_bytes(&self) -> usize {
        self.values.capacity() * size_of::<Option<Box<T>>>() + self.len * (size_of::<T>() + ALLOCATION)
    }
}

impl<T: Default> Places<T> {
    /// The value of a place, made if missing.
    pub(crate) fn get_or_default(&mut self, slot: u32) -> Option<&mut T> {
        self.make_place(slot);
        let place = self.values.get_mut(slot as usize)?;
        self.len += usize::from(place.is_none());
        Some(place.get_or_insert_default())
    }
}
