use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::KeyCode;

use super::super::sample::{active, ended, named};
use super::*;

fn screen(model: &Model, width: u16, height: u16) -> Vec<String> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal
        .draw(|frame| {
            draw(frame, model);
        })
        .unwrap();
    let buffer = terminal.backend().buffer();
    (0..height).map(|y| (0..width).map(|x| buffer[(x, y)].symbol()).collect()).collect()
}

fn model(names: &[&str]) -> Model {
    let mut model = Model::new();
    let records: Vec<_> = (100..).zip(names).map(|(port, name)| named(port, name)).collect();
    model.add(records.iter());
    model.refresh();
    model
}

fn press(model: &mut Model, keys: &[KeyCode]) {
    for key in keys {
        model.press((*key).into());
    }
}

#[test]
fn flows_at_eighty_columns() {
    let mut model = model(&["curl"]);
    model.add([ended(200, 1_234_567)].iter());
    model.refresh();
    let shown = screen(&model, 80, 24);
    assert_eq!(shown[3], format!("{:80}", " 1 Flows   2 Processes   3 Pairs   4 Hosts   5 Users "));
    assert_eq!(
        &shown[4..7],
        [
            "SOURCE                DESTINATION          SERVICE    STATE      BYTES     RATE▼",
            "curl(200)             10.0.0.2             tcp:200    ended     1.2 MB  123 kB/s",
            "curl(100)             10.0.0.2             tcp:100    active     100 B    20 B/s",
        ]
    );
    assert!(shown[22].starts_with("by RATE ▼  1 of 2"));
    assert!(shown[23].starts_with("Enter open"));
}

#[test]
fn every_screen_of_every_size_is_drawn() {
    let names = [
        "curl",
        "プロセスの名前がとても長い",
        "a\u{202e}gpj.exe",
        "\x1b[2J\x1b]0;x\x07",
        "\u{9b}2J",
        "e\u{301}\u{301}\u{301}",
    ];
    for (width, height) in [(120, 40), (80, 24), (60, 20), (20, 8), (3, 3), (1, 1)] {
        let mut model = model(&names);
        for tab in ['1', '2', '3', '4', '5'] {
            for keys in [&[][..], &[KeyCode::Enter], &[KeyCode::Tab], &[KeyCode::Char('?')], &[KeyCode::Char('/')]] {
                press(&mut model, &[KeyCode::Esc, KeyCode::Esc, KeyCode::Esc, KeyCode::Char(tab), KeyCode::Down]);
                press(&mut model, keys);
                let text = screen(&model, width, height).concat();
                let is_harmful = |c: char| c.is_control() || matches!(c, '\u{202e}' | '\u{9b}');
                assert!(!text.contains(is_harmful), "{width} {tab}: {text:?}");
                press(&mut model, &[KeyCode::Esc]);
            }
        }
    }
}

#[test]
fn wide_names_keep_the_columns() {
    let model = model(&["プロセスの名前がとても長いのでここには入らない", "short"]);
    for width in [60, 80, 120] {
        let shown = screen(&model, width, 24);
        // The last columns of all rows end at the same place.
        assert!(shown[5].ends_with(" 20 B/s"), "{shown:#?}");
        assert!(shown[6].ends_with(" 20 B/s"), "{shown:#?}");
    }
}

#[test]
fn a_wrong_filter_says_so_in_its_line() {
    let mut model = model(&["curl"]);
    let keys: Vec<_> = "/prot == 1".chars().map(KeyCode::Char).chain([KeyCode::Enter]).collect();
    press(&mut model, &keys);
    for width in [60, 80, 120] {
        let shown = screen(&model, width, 24);
        assert!(shown[23].starts_with("/prot == 1") && shown[23].contains("column 1"), "{:?}", shown[23]);
    }
}

#[test]
fn a_process_shows_who_it_is_and_its_flows() {
    let mut model = model(&["curl"]);
    press(&mut model, &[KeyCode::Char('2'), KeyCode::Char('t'), KeyCode::Enter]);
    for (width, height) in [(120, 40), (80, 24), (60, 20)] {
        let shown = screen(&model, width, height).join("\n");
        for part in ["curl(100), started", "ann", "sh(10) ← init(1)", "CPU 1.5 %", "memory", "10.0.0.2", "tcp:100"] {
            assert!(shown.contains(part), "{part}: {shown}");
        }
    }
}

#[test]
fn the_selected_row_is_always_on_the_page() {
    let mut model = Model::new();
    let records: Vec<_> = (1000..1100).map(|port| active(port, u64::from(port))).collect();
    model.add(records.iter());
    model.refresh();
    model.page = 10;
    for keys in [&[KeyCode::End][..], &[KeyCode::PageUp], &[KeyCode::PageDown], &[KeyCode::Home]] {
        press(&mut model, keys);
        let name = model.list().unwrap().row().unwrap().cells[0].text();
        assert!(screen(&model, 80, 24).join("\n").contains(&name), "{keys:?}");
    }
}

#[test]
fn the_smallest_usual_screen_lists_all_keys() {
    let mut model = model(&["curl"]);
    press(&mut model, &[KeyCode::Char('?')]);
    let shown = screen(&model, 60, 20).join("\n");
    assert!(HELP.iter().all(|(key, what)| shown.contains(key) && shown.contains(what)), "{shown}");
}

#[test]
fn a_held_screen_says_so() {
    let mut model = model(&["curl"]);
    press(&mut model, &[KeyCode::Char(' ')]);
    assert!(screen(&model, 60, 20)[18].starts_with("HELD"));
}
