//! What went wrong in one direction. Most connections have none of it.

use pidflow_schema::record::TcpDirection;

use super::gaps::{Gaps, Unseen};

/// Gaps, and counts since the last record.
#[derive(Debug, Default)]
pub(super) struct Trouble {
    pub(super) gaps: Gaps,
    unseen: Unseen,
    retransmitted_bytes: u64,
    retransmitted: u32,
    out_of_order: u32,
    pub(super) duplicate_acks: u32,
    pub(super) zero_windows: u32,
    pub(super) congestion_marks: u32,
    syn_retransmissions: u32,
    timeout_retransmissions: u32,
}

/// Why a packet was sent again, as far as can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Again {
    Syn,
    AfterTimeout,
    Unknown,
}

impl Trouble {
    pub(super) const fn count_out_of_order(&mut self) {
        self.out_of_order += 1;
    }

    /// Counts a packet that was sent again, with this many bytes of payload.
    pub(super) fn count_again(&mut self, why: Again, payload: u32) {
        self.retransmitted += 1;
        self.retransmitted_bytes += u64::from(payload);
        match why {
            Again::Syn => self.syn_retransmissions += 1,
            Again::AfterTimeout => self.timeout_retransmissions += 1,
            Again::Unknown => {}
        }
    }

    /// The sequence numbers from `range.0` to before `range.1` were skipped. `has_room`: the gap may be kept.
    pub(super) fn skip(&mut self, range: (u32, u32), now_us: u32, has_room: bool) {
        if has_room {
            self.gaps.open(range, now_us, &mut self.unseen);
        } else {
            self.unseen.lost += u64::from(range.1.wrapping_sub(range.0));
        }
    }

    /// The other end acknowledged so many bytes more than were seen.
    pub(super) fn count_uncaptured(&mut self, bytes: u32) {
        self.unseen.uncaptured += u64::from(bytes);
    }

    /// Counts the gaps that will hardly be filled: those that are acknowledged, and those that are older than `before_us`.
    pub(super) fn give_up_gaps(&mut self, before_us: u32) {
        let unseen = self.gaps.give_up(before_us);
        self.count_unseen(unseen);
    }

    /// Counts all gaps as never filled.
    pub(super) fn close_gaps(&mut self) {
        let unseen = self.gaps.close();
        self.count_unseen(unseen);
    }

    const fn count_unseen(&mut self, unseen: Unseen) {
        self.unseen.lost += unseen.lost;
        self.unseen.uncaptured += unseen.uncaptured;
    }

    /// The counts since the last call.
    pub(super) fn take(&mut self) -> TcpDirection {
        let gaps = std::mem::take(&mut self.gaps);
        let counted = std::mem::replace(self, Self { gaps, ..Self::default() });
        TcpDirection {
            retransmitted_packets: counted.retransmitted,
            retransmitted_bytes: counted.retransmitted_bytes,
            out_of_order_packets: counted.out_of_order,
            lost_bytes: counted.unseen.lost,
            uncaptured_bytes: counted.unseen.uncaptured,
            duplicate_acks: counted.duplicate_acks,
            zero_windows: counted.zero_windows,
            syn_retransmissions: counted.syn_retransmissions,
            timeout_retransmissions: counted.timeout_retransmissions,
            congestion_marks: counted.congestion_marks,
            ..TcpDirection::default()
        }
    }
}
