//! Decides when options records are due.

use std::collections::BTreeMap;
use std::sync::Arc;

use pidflow_schema::FlowRecord;

use crate::template::Template;
use crate::wire::{Draft, EncoderStats, Resend, ResendClock};

use super::IpfixOptions;
use super::options::{self, Account, Figure, Told, Totals, Type};

/// One part of the options records, which is never split.
pub(super) enum Piece {
    Statistics(u64),
    TypeTemplate,
    Type(Type),
    Ignored(u64),
    FigureTemplate,
    Figure(Figure),
    LedgerTemplate,
    Account(Account),
    Interface(u32, Arc<str>),
}

/// Octets of any piece without texts, at most.
const MAX_FIXED_PIECE: usize = 128;

impl Piece {
    /// Octets that [`Self::put`] appends, at most.
    pub(super) fn octets(&self) -> usize {
        match self {
            Self::Type(t) => options::type_octets(t),
            Self::Figure(f) => f.octets(),
            Self::Account(account) => account.octets(),
            Self::Interface(_, name) => options::interface_octets(name),
            Self::Statistics(_)
            | Self::TypeTemplate
            | Self::Ignored(_)
            | Self::FigureTemplate
            | Self::LedgerTemplate => MAX_FIXED_PIECE,
        }
    }

    pub(super) fn put(&self, o: &IpfixOptions, stats: &EncoderStats, draft: &mut Draft) {
        match self {
            Self::Statistics(not_sent) => {
                options::put_statistics(&Totals { domain: o.domain, stats, not_sent: *not_sent }, draft);
            }
            Self::TypeTemplate => options::put_type_template(o.own_pen, draft),
            Self::Type(t) => options::put_type(t, draft),
            Self::Ignored(packets) => options::put_ignored(o.domain, *packets, draft),
            Self::FigureTemplate => options::put_figure_template(o.own_pen, draft),
            Self::Figure(figure) => figure.put(o.domain, draft),
            Self::LedgerTemplate => options::put_ledger_template(o.own_pen, draft),
            Self::Account(account) => account.put(o.domain, draft),
            Self::Interface(index, name) => options::put_interface(*index, name, draft),
        }
    }
}

/// What is sent to a receiver in addition to flows, and what has been sent already.
pub(super) struct Announcements {
    /// Everything is due.
    all: bool,
    statistics: ResendClock,
    types: Vec<Type>,
    /// Interfaces of the records.
    interfaces: BTreeMap<u32, Arc<str>>,
    /// The ledger's values that were sent last.
    ledger: Told,
}

impl Announcements {
    pub(super) fn new(template: &Template, o: &IpfixOptions) -> Self {
        let sent = template.elements().iter().filter(|e| (o.direction.format().carries)(e));
        // RFC 5103's elements need no type records, because their types are IANA's.
        let foreign = sent.filter(|e| e.enterprise != pidflow_schema::Enterprise::Reverse);
        let own = options::own_elements().filter(|_| o.metrics.is_some()).map(|e| Type::of_own(e, o.own_pen));
        let types = foreign.filter_map(|e| Type::of(e, o.own_pen)).chain(own).collect();
        Self {
            all: true,
            statistics: ResendClock::default(),
            types,
            interfaces: BTreeMap::new(),
            ledger: Told::default(),
        }
    }

    /// The receiver may have started again.
    pub(super) const fn again(&mut self) {
        self.all = true;
    }

    /// The options records to send before `record`.
    pub(super) fn due(&mut self, record: &FlowRecord, o: &IpfixOptions, now_ns: u64, not_sent: u64) -> Vec<Piece> {
        let rule = Resend { interval_ns: o.statistics_ns, messages: 0 };
        let all = std::mem::take(&mut self.all);
        let statistics = self.statistics.due(rule, now_ns, 0) || all;
        let mut pieces = Vec::new();
        if statistics {
            self.statistics(o, not_sent, &mut pieces);
        }
        if all {
            pieces.extend((!self.types.is_empty()).then_some(Piece::TypeTemplate));
            pieces.extend(self.types.iter().copied().map(Piece::Type));
            pieces.extend(self.interfaces.iter().map(|(index, name)| Piece::Interface(*index, name.clone())));
        }
        pieces.extend(self.interface(record));
        pieces
    }

    fn statistics(&mut self, o: &IpfixOptions, not_sent: u64, pieces: &mut Vec<Piece>) {
        pieces.push(Piece::Statistics(not_sent));
        let Some(metrics) = &o.metrics else { return };
        let families = metrics.families();
        pieces.push(Piece::Ignored(options::ignored_packets(&families)));
        pieces.push(Piece::FigureTemplate);
        pieces.extend(Figure::of(&families).into_iter().map(Piece::Figure));
        let accounts = self.ledger.accounts(&families);
        pieces.extend((!accounts.is_empty()).then_some(Piece::LedgerTemplate));
        pieces.extend(accounts.into_iter().map(Piece::Account));
    }

    /// The record's interface, if it is new or has a new name.
    fn interface(&mut self, record: &FlowRecord) -> Option<Piece> {
        let (index, name) = (record.flow.interface_index, &record.flow.interface);
        let known = index == 0 || self.interfaces.get(&index) == Some(name);
        (!known).then(|| {
            self.interfaces.insert(index, name.clone());
            Piece::Interface(index, name.clone())
        })
    }
}
