//! How far a connection has got, and what ended it.

use pidflow_schema::record::{TcpEnd, TcpState};

use super::super::key::KeySide;
use crate::packet::TcpFlags;

/// What ended a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Fin(KeySide),
    BothFin,
    Rst(KeySide),
}

/// How far a connection has got.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Progress {
    /// None: no packet was seen.
    state: Option<TcpState>,
    end: Option<End>,
}

impl Progress {
    /// Notes the flags of a packet. `is_unaware`: its sender had not got everything that the other end had sent.
    pub(super) fn note(&mut self, from: KeySide, flags: u8, is_unaware: bool) {
        if flags & TcpFlags::RST != 0 {
            self.reset(from);
        } else if flags & TcpFlags::SYN != 0 {
            self.syn(flags);
        } else {
            if matches!(self.state, None | Some(TcpState::SynSent | TcpState::SynReceived)) {
                self.state = Some(TcpState::Established);
            }
            if flags & TcpFlags::FIN != 0 {
                self.fin(from, is_unaware);
            }
        }
    }

    fn syn(&mut self, flags: u8) {
        let is_answer = flags & TcpFlags::ACK != 0;
        match self.state {
            None if !is_answer => self.state = Some(TcpState::SynSent),
            None | Some(TcpState::SynSent) if is_answer => self.state = Some(TcpState::SynReceived),
            _ => {}
        }
    }

    fn fin(&mut self, from: KeySide, is_unaware: bool) {
        match (self.state, self.end) {
            (Some(TcpState::Reset), _) => {}
            (_, Some(End::Fin(first))) if first != from => {
                self.state = Some(TcpState::Closed);
                if is_unaware {
                    self.end = Some(End::BothFin);
                }
            }
            (_, None) => (self.state, self.end) = (Some(TcpState::HalfClosed), Some(End::Fin(from))),
            _ => {}
        }
    }

    fn reset(&mut self, from: KeySide) {
        if self.state != Some(TcpState::Closed) {
            self.state = Some(TcpState::Reset);
        }
        self.end.get_or_insert(End::Rst(from));
    }

    pub(super) fn state(self) -> TcpState {
        self.state.unwrap_or_default()
    }

    /// What ended it, as seen from `source`; none: nothing yet.
    pub(super) fn end(self, source: KeySide) -> Option<TcpEnd> {
        Some(match self.end? {
            End::BothFin => TcpEnd::BothFin,
            End::Fin(by) if by == source => TcpEnd::SourceFin,
            End::Fin(_) => TcpEnd::DestinationFin,
            End::Rst(by) if by == source => TcpEnd::SourceRst,
            End::Rst(_) => TcpEnd::DestinationRst,
        })
    }

    /// The same under a key whose sides are the other way round.
    pub(super) fn turned(self) -> Self {
        let end = self.end.map(|end| match end {
            End::Fin(by) => End::Fin(by.other()),
            End::Rst(by) => End::Rst(by.other()),
            End::BothFin => End::BothFin,
        });
        Self { end, ..self }
    }
}
