//! The ledger as a table for people.

use crate::figures::grouped;
use crate::ledger::{Amount, EndAccount, InterfaceAccount, Ledger};
use crate::printable::{clean_line, width};

/// Shown for values that are unknown or do not apply.
const NONE: &str = "-";

/// A row: what it is about, and figures.
type Row = Vec<String>;

/// All tables.
pub(super) fn render(ledger: &Ledger) -> String {
    let tables = [interfaces(ledger), interface_bytes(ledger), captured(&ledger.total), flows(ledger)].into_iter();
    // The source comes before the destination.
    let ends = ledger.ends.iter().rev().map(|(name, account)| end(name, account));
    tables.chain(ends).map(|rows| aligned(&rows)).collect::<Vec<_>>().join("\n")
}

/// Aligns columns to their widest figure; figures are right-aligned.
fn aligned(rows: &[Row]) -> String {
    let widest = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| width(cell)).max();
    let widths: Vec<usize> = (0..).map_while(widest).collect();
    let line = |row: &Row| {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, wide))| {
            let blanks = " ".repeat(wide - width(cell));
            if column == 0 { format!("{cell}{blanks}") } else { format!("  {blanks}{cell}") }
        });
        cells.collect::<String>().trim_end().to_owned() + "\n"
    };
    rows.iter().map(line).collect()
}

fn row<const N: usize>(name: &str, figures: [String; N]) -> Row {
    std::iter::once(clean_line(name)).chain(figures).collect()
}

fn amount(name: &str, amount: Amount) -> Row {
    row(name, [grouped(amount.packets), grouped(amount.bytes)])
}

/// A row for each interface, and one for all together. The socket for all interfaces has no row; its figures are in the
/// last one.
fn each(ledger: &Ledger) -> impl Iterator<Item = (&str, &InterfaceAccount)> {
    let is_shown = |i: &&InterfaceAccount| i.kernel.is_some() || i.captured.packets > 0;
    let interfaces = ledger.interfaces.iter().filter(is_shown).map(|i| (i.name.as_str(), i));
    interfaces.chain([("all together", &ledger.total)])
}

fn interfaces(ledger: &Ledger) -> Vec<Row> {
    let heads = ["KERNEL", "CAPTURED", "DROPPED", "MISSED", "TO READ"].map(str::to_owned);
    let all = each(ledger).map(|(name, interface)| interface_row(name, interface));
    std::iter::once(row("INTERFACE, PACKETS", heads)).chain(all).collect()
}

fn interface_bytes(ledger: &Ledger) -> Vec<Row> {
    let bytes = each(ledger).map(|(name, i)| {
        row(name, [i.kernel.map_or(NONE.into(), |k| grouped(k.amount.bytes)), grouped(i.captured.bytes)])
    });
    std::iter::once(row("INTERFACE, BYTES", ["KERNEL", "CAPTURED"].map(str::to_owned))).chain(bytes).collect()
}

fn interface_row(name: &str, i: &InterfaceAccount) -> Row {
    let kernel = i.kernel.map_or(NONE.into(), |k| grouped(k.amount.packets));
    let of_socket = |n: u64| i.received.map_or(NONE.into(), |_| grouped(n));
    let missed = if i.is_merged { format!("({})", grouped(i.missed)) } else { of_socket(i.missed) };
    row(name, [kernel, grouped(i.captured.packets), of_socket(i.dropped + i.unread), missed, of_socket(i.to_read())])
}

fn captured(total: &InterfaceAccount) -> Vec<Row> {
    let heads = ["PACKETS", "BYTES"].map(str::to_owned);
    let discarded = total.discarded.iter().map(|(reason, n)| amount(&format!("  discarded, {reason}"), *n));
    let parts = [amount("  in flows", total.in_flows)].into_iter().chain(discarded);
    let all = [row("CAPTURED, WHOLE FRAMES", heads), amount("captured", total.captured)].into_iter();
    all.chain(parts).chain([amount("  waiting to be counted", total.to_count)]).collect()
}

fn flows(ledger: &Ledger) -> Vec<Row> {
    let f = &ledger.flows;
    let others = (f.from_others != Amount::default()).then(|| amount("from other sources", f.from_others));
    [row("FLOWS, FROM THE IP HEADER ON", ["PACKETS", "BYTES"].map(str::to_owned)), amount("in flows", f.in_flows)]
        .into_iter()
        .chain(others)
        .chain([
            amount("  in records", f.in_records),
            amount("  in the table", f.in_table),
            amount("  waiting for their processes", f.to_join),
        ])
        .collect()
}

fn end(name: &str, account: &EndAccount) -> Vec<Row> {
    let title = format!("RECORDS, {} END", name.to_uppercase());
    let attributed = account.attributed.iter().map(|(how, n)| amount(&format!("  process, {how}"), *n));
    let others = account.not_attributed.iter().map(|(why, n)| amount(&format!("  no process, {why}"), *n));
    let all = [row(&title, ["PACKETS", "BYTES"].map(str::to_owned)), amount("in records", account.total())];
    all.into_iter().chain(attributed).chain(others).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::KernelAccount;

    #[test]
    fn columns_line_up_and_what_is_not_known_is_a_dash() {
        let amount = |packets| Amount { packets, bytes: packets * 100 };
        let interface = |name: &str, packets, received| InterfaceAccount {
            name: name.into(),
            kernel: Some(KernelAccount { amount: amount(packets), ..KernelAccount::default() }),
            received,
            captured: amount(packets),
            ..InterfaceAccount::default()
        };
        let any = InterfaceAccount { name: "any".into(), received: Some(9), dropped: 7, ..InterfaceAccount::default() };
        let total = InterfaceAccount { missed: 3, is_merged: true, ..interface("all", 1_234_567, Some(1_234_569)) };
        let ledger = Ledger { interfaces: vec![any, interface("eth0", 1_234_567, None)], total, ..Ledger::default() };
        let text = render(&ledger);
        let expected = "INTERFACE, PACKETS     KERNEL   CAPTURED  DROPPED  MISSED  TO READ\n\
                        eth0                1,234,567  1,234,567        -       -        -\n\
                        all together        1,234,567  1,234,567        0     (3)        2\n";
        assert!(text.starts_with(expected), "{text}");
        assert!(text.lines().all(|line| line == line.trim_end()), "{text}");
    }
}
