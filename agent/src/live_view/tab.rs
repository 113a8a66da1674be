//! The tabs and their columns.

/// A list of the view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tab {
    /// Flows.
    Flows,
    /// Processes, flat or as a tree.
    Processes,
    /// Flows with the same two process names and service, together.
    Pairs,
    /// Addresses.
    Hosts,
    /// Users.
    Users,
}

/// A column of a list.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column {
    /// Its title.
    pub(super) title: &'static str,
    /// Width in columns of the screen; 0: an equal share of what the others leave.
    pub(super) width: usize,
    /// Width of the narrowest screen on which it is shown.
    pub(super) min_screen: usize,
}

impl Column {
    const fn name(title: &'static str, width: usize, min_screen: usize) -> Self {
        Self { title, width, min_screen }
    }

    /// Whether it is a number, which is drawn on the right, and whose largest values come first.
    pub(super) fn is_number(&self) -> bool {
        NUMBERS.contains(&self.title)
    }
}

const NUMBERS: [&str; 12] =
    ["PID", "CPU", "MEM", "FLOWS", "FAILED", "BYTES", "SENT", "RECVD", "RATE", "PKTS", "PROCS", "AGE"];

const FLOWS: &[Column] = &[
    Column::name("SOURCE", 0, 0),
    Column::name("DESTINATION", 0, 0),
    Column::name("SERVICE", 10, 0),
    Column::name("NAME", 0, 120),
    Column::name("USER", 9, 100),
    Column::name("STATE", 8, 72),
    Column::name("AGE", 6, 110),
    Column::name("PKTS", 6, 110),
    Column::name("BYTES", 7, 0),
    Column::name("RATE", 9, 0),
];

const PROCESSES: &[Column] = &[
    Column::name("PROCESS", 0, 0),
    Column::name("PID", 7, 0),
    Column::name("USER", 9, 0),
    Column::name("UNIT", 0, 120),
    Column::name("CPU", 6, 72),
    Column::name("MEM", 7, 72),
    Column::name("FLOWS", 5, 0),
    Column::name("FAILED", 6, 100),
    Column::name("SENT", 7, 100),
    Column::name("RECVD", 7, 100),
    Column::name("BYTES", 7, 80),
    Column::name("RATE", 9, 0),
];

const PAIRS: &[Column] = &[
    Column::name("SOURCE", 0, 0),
    Column::name("DESTINATION", 0, 0),
    Column::name("SERVICE", 10, 0),
    Column::name("FLOWS", 5, 72),
    Column::name("FAILED", 6, 90),
    Column::name("PKTS", 6, 100),
    Column::name("BYTES", 7, 0),
    Column::name("RATE", 9, 0),
];

const HOSTS: &[Column] = &[
    Column::name("HOST", 0, 0),
    Column::name("NAME", 0, 90),
    Column::name("PROCS", 5, 72),
    Column::name("FLOWS", 5, 0),
    Column::name("FAILED", 6, 72),
    Column::name("SENT", 7, 0),
    Column::name("RECVD", 7, 0),
    Column::name("RATE", 9, 0),
];

const USERS: &[Column] = &[
    Column::name("USER", 0, 0),
    Column::name("PROCS", 5, 0),
    Column::name("FLOWS", 5, 0),
    Column::name("FAILED", 6, 72),
    Column::name("SENT", 7, 0),
    Column::name("RECVD", 7, 0),
    Column::name("RATE", 9, 0),
];

impl Tab {
    /// In the order in which they are shown.
    pub(super) const ALL: [Self; 5] = [Self::Flows, Self::Processes, Self::Pairs, Self::Hosts, Self::Users];

    /// Its name.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Flows => "Flows",
            Self::Processes => "Processes",
            Self::Pairs => "Pairs",
            Self::Hosts => "Hosts",
            Self::Users => "Users",
        }
    }

    /// Its columns, whether the screen is wide enough for them or not.
    pub(super) const fn columns(self) -> &'static [Column] {
        match self {
            Self::Flows => FLOWS,
            Self::Processes => PROCESSES,
            Self::Pairs => PAIRS,
            Self::Hosts => HOSTS,
            Self::Users => USERS,
        }
    }

    /// The number of the column by which it is sorted at first: the rate.
    pub(super) const fn first_sorted(self) -> usize {
        self.columns().len() - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_list_leaves_room_for_names_on_every_screen() {
        for tab in Tab::ALL {
            assert_eq!(tab.columns()[tab.first_sorted()].title, "RATE");
            for screen in [60, 72, 80, 90, 100, 110, 120, 200] {
                let shown: Vec<_> = tab.columns().iter().filter(|c| c.min_screen <= screen).collect();
                let fixed: usize = shown.iter().map(|c| c.width + 1).sum::<usize>() - 1;
                let shares = shown.iter().filter(|c| c.width == 0).count();
                let each = (screen - fixed) / shares;
                assert!(each >= 13, "{tab:?} {screen}: {each}");
            }
        }
    }
}
