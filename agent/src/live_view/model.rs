//! What the view shows: a state that keys and new records change. It knows nothing of the terminal.

use std::sync::Arc;

use pidflow_expression::Expression;
use pidflow_schema::FlowRecord;
use ratatui::crossterm::event::KeyEvent;

use super::action::Action;
use super::book::{Book, KnownFlow, ProcessKey};
use super::filter::{self, Input, Written};
use super::listing::Listing;
use super::rows::{RowId, Wanted, rows};
use super::tab::Tab;
use super::totals::Totals;

/// Seconds for which a line of the log is shown.
const NOTE_S: u64 = 15;

/// What was opened from a list.
#[derive(Debug, Clone)]
pub(super) enum Opened {
    /// A flow.
    Flow(u64),
    /// A process, its flows and its peers; of the lists, the first is shown.
    Process(ProcessKey, Box<[Listing; 2]>),
}

/// What the program has to do after a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Draw.
    Draw,
    /// Draw everything anew.
    Redraw,
    /// End.
    Quit,
}

/// The state.
#[derive(Debug)]
pub(super) struct Model {
    /// The flows.
    pub(super) book: Book,
    /// The figures of the header.
    pub(super) totals: Totals,
    /// Seconds since the start, which stand still while the screen is held.
    pub(super) now_s: u64,
    /// The lists, one for each tab.
    lists: [Listing; Tab::ALL.len()],
    /// The tab that is shown.
    pub(super) tab: Tab,
    /// What was opened, the last on top.
    pub(super) opened: Vec<Opened>,
    /// The filter; none: everything is shown.
    pub(super) filter: Option<Arc<Expression>>,
    /// The line in which a filter is being written.
    pub(super) input: Option<Input>,
    /// Whether the screen is held.
    pub(super) is_paused: bool,
    /// Whether the keys are listed.
    pub(super) shows_help: bool,
    /// Whether processes are below their parents.
    pub(super) is_tree: bool,
    /// Records that arrived faster than they were read.
    pub(super) missed: u64,
    /// The latest line of the log, and the second in which it came.
    note: (String, u64),
    /// How many rows a page has, as of the last drawing.
    pub(super) page: usize,
}

impl Model {
    /// Without any flow.
    pub(super) fn new() -> Self {
        Self {
            book: Book::default(),
            totals: Totals::default(),
            now_s: 0,
            lists: Tab::ALL.map(Listing::new),
            tab: Tab::Flows,
            opened: Vec::new(),
            filter: None,
            input: None,
            is_paused: false,
            shows_help: false,
            is_tree: true,
            missed: 0,
            note: (String::new(), 0),
            page: 1,
        }
    }

    /// Replaces the figures of the header, and the latest line of the log.
    pub(super) fn set_header(&mut self, totals: Totals, line: String) {
        if line != self.note.0 {
            self.note = (line, totals.seconds);
        }
        self.totals = totals;
    }

    /// The latest line of the log, for some seconds after it came.
    pub(super) fn note(&self) -> Option<&str> {
        let (line, came_s) = &self.note;
        let is_new = self.totals.seconds < came_s + NOTE_S;
        (is_new && !line.is_empty()).then_some(line)
    }

    /// Adds new records.
    pub(super) fn add<'a>(&mut self, records: impl Iterator<Item = &'a FlowRecord>) {
        records.for_each(|r| self.book.add(r, self.now_s));
    }

    /// Makes the rows of the shown list anew.
    pub(super) fn refresh(&mut self) {
        let selected: Vec<&KnownFlow> = match self.opened.last() {
            Some(Opened::Process(id, _)) => self.book.flows().filter(|flow| flow.is_of(*id)).collect(),
            _ => self.book.flows().filter(|flow| is_shown(self.filter.as_deref(), flow)).collect(),
        };
        let (book, is_tree, now_s) = (&self.book, self.is_tree, self.now_s);
        let list = shown(&mut self.lists, &mut self.opened, self.tab);
        let Some(list) = list else { return };
        let wanted = Wanted { tab: list.tab, sorting: list.sorting, is_tree, book, now_s };
        list.refresh(rows(&selected, wanted));
    }

    /// The list that is shown; none: a flow is.
    pub(super) fn list(&self) -> Option<&Listing> {
        match self.opened.last() {
            Some(Opened::Flow(_)) => None,
            Some(Opened::Process(_, lists)) => lists.first(),
            None => self.lists.iter().find(|list| list.tab == self.tab),
        }
    }

    fn list_mut(&mut self) -> Option<&mut Listing> {
        shown(&mut self.lists, &mut self.opened, self.tab)
    }

    /// Takes a key.
    pub(super) fn press(&mut self, key: KeyEvent) -> Next {
        let next = match (&mut self.input, Action::of(key)) {
            (Some(input), _) => {
                let written = input.take(key);
                self.written(written);
                Next::Draw
            }
            (None, Some(action @ (Action::Quit | Action::Redraw))) => self.act(action),
            // Any other key closes the help.
            (None, _) if std::mem::take(&mut self.shows_help) => Next::Draw,
            (None, action) => action.map_or(Next::Draw, |action| self.act(action)),
        };
        self.refresh();
        next
    }

    /// Takes text that was pasted.
    pub(super) fn paste(&mut self, text: &str) {
        if let Some(input) = &mut self.input {
            input.insert(&text.replace(char::is_control, " "));
        }
    }

    fn written(&mut self, written: Written) {
        match written {
            Written::Unfinished => {}
            Written::GivenUp => self.input = None,
            Written::Done(filter) => {
                (self.filter, self.input) = (filter, None);
                self.opened.clear();
            }
        }
    }

    fn act(&mut self, action: Action) -> Next {
        match action {
            Action::Quit => return Next::Quit,
            Action::Redraw => return Next::Redraw,
            Action::Show(tab) => self.show(tab),
            Action::Turn(is_next) => self.turn(is_next),
            Action::Open => self.open(),
            Action::Back => self.back(),
            Action::Filter => self.input = Some(Input::new(self.filter.as_ref().map_or("", |f| f.text()))),
            Action::Pause => self.is_paused = !self.is_paused,
            Action::Tree => self.is_tree = !self.is_tree,
            Action::Help => self.shows_help = true,
            Action::Step(_) | Action::Page(_) | Action::Sort(_) | Action::Reverse => self.act_on_list(action),
        }
        Next::Draw
    }

    fn act_on_list(&mut self, action: Action) {
        let page = self.page as isize;
        let Some(list) = self.list_mut() else { return };
        match action {
            Action::Step(by) => list.step(by),
            Action::Page(by) => list.step(by * page),
            Action::Sort(is_right) => list.sort_by_neighbour(is_right),
            _ => list.sorting.is_reversed = !list.sorting.is_reversed,
        }
    }

    fn show(&mut self, tab: Tab) {
        self.tab = tab;
        self.opened.clear();
    }

    /// In a process, between its flows and its peers; otherwise between the tabs.
    fn turn(&mut self, is_next: bool) {
        match self.opened.last_mut() {
            Some(Opened::Process(_, lists)) => lists.reverse(),
            Some(Opened::Flow(_)) => {}
            None => {
                let at = Tab::ALL.iter().position(|tab| *tab == self.tab).unwrap_or_default();
                let by = if is_next { 1 } else { Tab::ALL.len() - 1 };
                self.tab = *Tab::ALL.get((at + by) % Tab::ALL.len()).unwrap_or(&Tab::Flows);
            }
        }
    }

    fn open(&mut self) {
        let Some(id) = self.list().and_then(Listing::row).map(|row| row.id.clone()) else { return };
        match id {
            RowId::Flow(id) => self.opened.push(Opened::Flow(id)),
            // A parent of which nothing but the name is known.
            RowId::Process(id) if id.start_ns == 0 && self.book.process(id).is_none() => {}
            RowId::Process(id) => {
                let lists = [Tab::Flows, Tab::Pairs].map(Listing::new);
                self.opened.push(Opened::Process(id, Box::new(lists)));
            }
            others => self.narrow(&others),
        }
    }

    /// Shows the flows of a pair, host or user.
    fn narrow(&mut self, id: &RowId) {
        let of_row = filter::of_row(id).and_then(|text| Expression::parse(&text).ok());
        if let Some(expression) = of_row {
            self.filter = Some(Arc::new(expression));
            self.show(Tab::Flows);
        }
    }

    fn back(&mut self) {
        if self.opened.pop().is_none() {
            self.filter = None;
        }
    }
}

fn is_shown(filter: Option<&Expression>, flow: &KnownFlow) -> bool {
    filter.is_none_or(|filter| filter.matches(&flow.record))
}

fn shown<'a>(lists: &'a mut [Listing; Tab::ALL.len()], opened: &'a mut [Opened], tab: Tab) -> Option<&'a mut Listing> {
    match opened.last_mut() {
        Some(Opened::Flow(_)) => None,
        Some(Opened::Process(_, lists)) => lists.first_mut(),
        None => lists.iter_mut().find(|list| list.tab == tab),
    }
}

#[cfg(test)]
mod tests {
    use ratatui::crossterm::event::KeyCode;

    use super::super::sample::{active, ended};
    use super::*;

    fn model(ports: std::ops::Range<u16>) -> Model {
        let mut model = Model::new();
        let records: Vec<_> = ports.map(|port| active(port, u64::from(port))).collect();
        model.add(records.iter());
        model.refresh();
        model
    }

    fn press(model: &mut Model, keys: &str) {
        for c in keys.chars() {
            let code = match c {
                '⏎' => KeyCode::Enter,
                '⎋' => KeyCode::Esc,
                '⇥' => KeyCode::Tab,
                '→' => KeyCode::Right,
                '↓' => KeyCode::Down,
                c => KeyCode::Char(c),
            };
            assert_eq!(model.press(code.into()), Next::Draw);
        }
    }

    fn selected(model: &Model) -> String {
        let row = model.list().unwrap().row().unwrap();
        row.cells[0].text()
    }

    #[test]
    fn the_selection_stays_on_its_row_while_others_come() {
        let mut model = model(100..110);
        assert_eq!(selected(&model), "curl(109)");
        press(&mut model, "↓");
        assert_eq!(selected(&model), "curl(108)");
        model.add([active(200, 1_000_000)].iter());
        model.refresh();
        assert_eq!((selected(&model), model.list().unwrap().index), ("curl(108)".into(), 2));
        press(&mut model, "g");
        model.add([active(201, 5_000_000)].iter());
        model.refresh();
        assert_eq!(selected(&model), "curl(201)", "the first row is whichever comes first");
    }

    #[test]
    fn a_filter_applies_to_every_tab_and_esc_removes_it() {
        let mut model = model(100..110);
        press(&mut model, "/dst.port < 103⏎");
        for tab in Tab::ALL {
            press(&mut model, &(1 + Tab::ALL.iter().position(|t| *t == tab).unwrap()).to_string());
            assert!(matches!(model.list().unwrap().rows.len(), 1..=5), "{tab:?}");
        }
        press(&mut model, "1");
        assert_eq!(model.list().unwrap().rows.len(), 3);
        press(&mut model, "/ and⏎");
        assert!(model.input.as_ref().unwrap().error.is_some());
        press(&mut model, "⎋");
        assert_eq!(model.filter.as_ref().unwrap().text(), "dst.port < 103", "a line given up changes nothing");
        press(&mut model, "⎋");
        assert_eq!(model.list().unwrap().rows.len(), 10);
    }

    #[test]
    fn letters_in_the_filter_are_not_keys() {
        let mut model = model(100..103);
        press(&mut model, "/q");
        assert_eq!(model.input.as_ref().unwrap().text, "q");
        model.paste("a\nb");
        assert_eq!(model.input.as_ref().unwrap().text, "qa b");
    }

    #[test]
    fn a_process_opens_with_its_flows_and_peers_and_a_flow_from_there() {
        let mut model = model(100..103);
        press(&mut model, "2t↓⏎");
        let Some(Opened::Process(id, _)) = model.opened.last() else { panic!("{:?}", model.opened) };
        assert_eq!(id.pid, 101);
        assert_eq!(model.list().unwrap().rows.len(), 1);
        press(&mut model, "⇥");
        assert_eq!(model.list().unwrap().tab, Tab::Pairs);
        press(&mut model, "⇥⏎");
        assert!(matches!(model.opened.last(), Some(Opened::Flow(_))));
        press(&mut model, "⎋⎋");
        assert!(model.opened.is_empty());
        assert_eq!(selected(&model), "curl", "and the list is as it was");
    }

    #[test]
    fn a_parent_without_flows_does_not_open() {
        let mut model = model(100..103);
        press(&mut model, "2⏎");
        assert!(model.opened.is_empty());
        assert_eq!(selected(&model), "init");
    }

    #[test]
    fn enter_on_a_host_lists_its_flows() {
        let mut model = model(100..103);
        press(&mut model, "4⏎");
        assert_eq!(model.tab, Tab::Flows);
        assert!(model.filter.as_ref().unwrap().text().starts_with("address == \"10.0.0."));
        assert_eq!(model.list().unwrap().rows.len(), 3);
    }

    #[test]
    fn sorting_goes_through_every_column_and_round() {
        let mut model = model(100..103);
        let start = model.list().unwrap().sorting;
        for n in 1..=Tab::Flows.columns().len() {
            press(&mut model, "→");
            assert_eq!(model.list().unwrap().sorting == start, n == Tab::Flows.columns().len());
        }
        press(&mut model, "r");
        assert!(model.list().unwrap().sorting.is_reversed);
    }

    #[test]
    fn an_empty_view_takes_every_key() {
        let mut model = Model::new();
        press(&mut model, "12345⇥⏎↓→rt G g?x⎋⎋ ");
        model.add([ended(1, 1)].iter());
        model.refresh();
        press(&mut model, "1");
        assert_eq!(selected(&model), "curl(1)");
    }

    #[test]
    fn a_line_of_the_log_is_shown_for_some_seconds() {
        let mut model = Model::new();
        let mut at = |seconds, line: &str| {
            model.set_header(Totals { seconds, ..Totals::default() }, line.into());
            model.note().is_some()
        };
        assert!(!at(1, "") && at(2, "a") && at(16, "a") && !at(17, "a") && at(18, "b"));
    }

    #[test]
    fn any_key_closes_the_help_and_q_ends() {
        let mut model = model(100..103);
        press(&mut model, "?x?2");
        assert_eq!((model.shows_help, model.tab), (false, Tab::Flows));
        assert_eq!(model.press(KeyCode::Char('q').into()), Next::Quit);
    }
}
