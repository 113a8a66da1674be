//! A message under construction: header, then sets, each with its id and length.

/// Octets before a set's first record: id and length (RFC 7011 section 3.3.2, RFC 3954 section 5.2).
const SET_HEADER: usize = 4;

/// The bytes of one message, and the set that is open at its end.
#[derive(Debug)]
pub(crate) struct Draft {
    bytes: Vec<u8>,
    header: usize,
    /// Sets are padded to a multiple of this many octets.
    align: usize,
    /// Id of the open set and where it begins.
    open: Option<(u16, usize)>,
    records: usize,
    /// Number of data records that are the second half of a flow record.
    ways_back: usize,
    /// Number of data records that are not flow records.
    options: usize,
}

/// A position in the message to return to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mark {
    len: usize,
    open: Option<(u16, usize)>,
}

impl Draft {
    /// An empty message whose header has `header` octets.
    pub(crate) fn new(header: usize, align: usize, capacity: usize) -> Self {
        let mut bytes = Vec::with_capacity(capacity);
        bytes.resize(header, 0);
        Self { bytes, header, align, open: None, records: 0, ways_back: 0, options: 0 }
    }

    /// Octets so far, including the padding of the open set.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len() + self.padding()
    }

    /// Whether there is nothing after the header.
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.len() == self.header
    }

    /// Records counted by [`Draft::count`] since the message was begun.
    pub(crate) const fn records(&self) -> usize {
        self.records
    }

    /// Counts one more record in the message.
    pub(crate) const fn count(&mut self) {
        self.records += 1;
    }

    /// Records counted by [`Draft::count_way_back`].
    pub(crate) const fn ways_back(&self) -> usize {
        self.ways_back
    }

    /// Counts one more data record, the second half of a record that was counted.
    pub(crate) const fn count_way_back(&mut self) {
        self.ways_back += 1;
    }

    /// Options records counted by [`Draft::count_option`].
    pub(crate) const fn options(&self) -> usize {
        self.options
    }

    /// Counts one more options record in the message.
    pub(crate) const fn count_option(&mut self) {
        self.options += 1;
    }

    /// The buffer for appended octets.
    pub(crate) const fn body(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Makes `id` the open set, if it is not already.
    pub(crate) fn open(&mut self, id: u16) {
        if self.open.is_none_or(|(open, _)| open != id) {
            self.close();
            self.open = Some((id, self.bytes.len()));
            self.bytes.extend_from_slice(&id.to_be_bytes());
            self.bytes.extend_from_slice(&[0, 0]);
        }
    }

    /// Ends the open set: pads it and writes its length.
    pub(crate) fn close(&mut self) {
        let padding = self.padding();
        self.bytes.resize(self.bytes.len() + padding, 0);
        if let Some((_, start)) = self.open.take() {
            let length = u16::try_from(self.bytes.len() - start).unwrap_or(u16::MAX);
            self.patch(start + SET_HEADER - size_of::<u16>(), &length.to_be_bytes());
        }
    }

    fn padding(&self) -> usize {
        self.open.map_or(0, |(_, start)| (self.bytes.len() - start).wrapping_neg() % self.align)
    }

    /// The current position.
    pub(crate) const fn mark(&self) -> Mark {
        Mark { len: self.bytes.len(), open: self.open }
    }

    /// Removes everything after `mark`; the set that was open then is open again.
    pub(crate) fn rewind(&mut self, mark: Mark) {
        self.bytes.truncate(mark.len);
        self.open = mark.open;
    }

    /// Overwrites octets of the header or a length.
    pub(crate) fn patch(&mut self, at: usize, octets: &[u8]) {
        if let Some(place) = self.bytes.get_mut(at..at + octets.len()) {
            place.copy_from_slice(octets);
        }
    }

    /// The whole message.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Begins the next message in the same memory.
    pub(crate) fn clear(&mut self) {
        self.bytes.truncate(self.header);
        self.open = None;
        self.records = 0;
        self.ways_back = 0;
        self.options = 0;
    }
}
