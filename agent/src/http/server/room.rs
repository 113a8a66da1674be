//! Slots of concurrent connections, and which of them are closed when there are too many.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::progress::{Phase, Progress};

/// When choosing a connection to close, the idle time of one that is reading an answer is divided by this.
const ANSWERING_WEIGHT: u32 = 64;

/// One connection.
pub(super) struct ConnectionSlot {
    /// The key for limits per client.
    pub(super) client: IpAddr,
    /// Its progress.
    pub(super) progress: Progress,
    /// Its task.
    pub(super) task: AbortHandle,
}

/// A bounded number of connections. When the bound is reached, the client with the most connections loses those that
/// were idle for longest. So no client can displace another, and slow connections cannot displace quick ones.
pub(super) struct ConnectionSlots {
    places: usize,
    held: Vec<ConnectionSlot>,
}

impl ConnectionSlots {
    /// Empty.
    pub(super) const fn new(places: usize) -> Self {
        Self { places, held: Vec::new() }
    }

    /// Whether one more connection needs the slot of another.
    pub(super) fn is_full(&mut self) -> bool {
        if self.held.len() >= self.places {
            self.held.retain(|h| !h.task.is_finished() && !h.progress.has_left());
        }
        self.held.len() >= self.places
    }

    /// Adds a connection, and returns how many others were closed for it: an eighth at once, because choosing scans all
    /// of them.
    pub(super) fn admit(&mut self, held: ConnectionSlot) -> usize {
        let closed = if self.is_full() { self.close(self.places.div_ceil(8)) } else { 0 };
        self.held.push(held);
        closed
    }

    fn close(&mut self, count: usize) -> usize {
        let mut ranked = self.ranked();
        ranked.sort_unstable_by_key(|(rank, _)| std::cmp::Reverse(*rank));
        let mut places: Vec<usize> = ranked.into_iter().take(count).map(|(_, place)| place).collect();
        places.sort_unstable();
        // From the end, so that the indices before stay valid.
        for place in places.iter().rev() {
            self.held.swap_remove(*place).task.abort();
        }
        places.len()
    }

    /// For each slot, the number of earlier connections of the same client, and the age, which decides ties.
    fn ranked(&self) -> Vec<((usize, Duration), usize)> {
        let now = Instant::now();
        let state = |(place, h): (usize, &ConnectionSlot)| {
            let (phase, since) = h.progress.state();
            let age = now.saturating_duration_since(since);
            (if matches!(phase, Phase::Answering(_)) { age / ANSWERING_WEIGHT } else { age }, age, place)
        };
        let mut by_right: Vec<_> = self.held.iter().enumerate().map(state).collect();
        by_right.sort_unstable();
        let mut of_client: HashMap<IpAddr, usize> = HashMap::new();
        let rank = |(_, age, place): (Duration, _, usize)| {
            let before = self.held.get(place).map(|h| of_client.entry(h.client).or_default());
            let rank = before.map_or(0, |n| std::mem::replace(n, *n + 1));
            ((rank, age), place)
        };
        by_right.into_iter().map(rank).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(client: u8) -> ConnectionSlot {
        let task = tokio::spawn(std::future::pending::<()>()).abort_handle();
        ConnectionSlot { client: [192, 0, 2, client].into(), progress: Progress::new(), task }
    }

    fn clients(room: &ConnectionSlots) -> Vec<usize> {
        (0..4).map(|n| room.held.iter().filter(|h| h.client == IpAddr::from([192, 0, 2, n])).count()).collect()
    }

    #[tokio::test]
    async fn the_client_with_most_connections_loses_the_oldest() {
        let mut room = ConnectionSlots::new(16);
        room.admit(held(1));
        room.admit(held(2));
        for n in 0..14 {
            assert_eq!(room.admit(held(3)), 0, "{n}");
        }
        let oldest = room.held.get(2).unwrap().progress.clone();
        let newest = room.held.last().unwrap().progress.clone();
        assert_eq!(room.admit(held(0)), 2);
        assert_eq!(clients(&room), [1, 1, 1, 12]);
        let has = |progress: &Progress| room.held.iter().any(|h| h.progress.is_same(progress));
        assert!(has(&newest) && !has(&oldest));
        (0..1000).for_each(|_| _ = room.admit(held(3)));
        assert_eq!(clients(&room)[..3], [1, 1, 1], "a flood displaces itself");
        assert!(room.held.len() <= 16);
    }

    #[tokio::test]
    async fn who_is_answered_stays_before_who_is_idle() {
        let mut room = ConnectionSlots::new(8);
        let reader = held(1);
        reader.progress.arrived();
        let answering = reader.progress.clone();
        room.admit(reader);
        (0..100).for_each(|_| _ = room.admit(held(1)));
        assert!(room.held.iter().any(|h| h.progress.is_same(&answering)));
        // Where all are answered, slow readers make room for the next one.
        room.held.iter().for_each(|h| h.progress.arrived());
        let next = held(1);
        next.progress.arrived();
        let newest = next.progress.clone();
        while room.held.len() < 8 {
            let more = held(1);
            more.progress.arrived();
            room.admit(more);
        }
        assert_eq!(room.admit(next), 1);
        assert!(room.held.iter().any(|h| h.progress.is_same(&newest)));
        assert!(!room.held.iter().any(|h| h.progress.is_same(&answering)));
    }

    #[tokio::test]
    async fn ended_connections_free_their_slots() {
        let mut room = ConnectionSlots::new(4);
        (0..4).for_each(|_| _ = room.admit(held(1)));
        room.held.iter().for_each(|h| h.task.abort());
        tokio::task::yield_now().await;
        assert_eq!((room.admit(held(2)), room.held.len()), (0, 1));
    }
}
