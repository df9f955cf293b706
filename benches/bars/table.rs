//! Verdicts, and the table of them.

use std::fmt;

/// A bar: what a figure must not pass.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bar {
    /// At most so much, and what goes beyond the bar.
    AtMost(f64, Option<f64>),
    /// At least so much.
    AtLeast(f64),
    /// No bar.
    Information,
    /// True or false.
    Holds,
}

/// Where a figure stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Better than what is asked for.
    Beyond,
    /// As asked for.
    Met,
    /// Not as asked for.
    Missed,
    /// For information only.
    Information,
    /// It cannot be measured here, or not at this size.
    NotAvailable,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Beyond => "beyond",
            Self::Met => "met",
            Self::Missed => "missed",
            Self::Information => "information",
            Self::NotAvailable => "not available",
        })
    }
}

/// A line of the table.
#[derive(Debug, Clone)]
pub struct Row {
    /// Number of the bar.
    pub number: u8,
    /// What is compared.
    pub what: String,
    /// Our figure with its unit.
    pub ours: String,
    /// What it is compared with.
    pub other: String,
    /// What the bar is about; none where it cannot be measured.
    pub figure: Option<f64>,
    /// The bar.
    pub bar: Bar,
}

impl Row {
    /// Where the figure stands.
    pub fn verdict(&self) -> Verdict {
        let Some(figure) = self.figure else { return Verdict::NotAvailable };
        let is_met = |is_met: bool| if is_met { Verdict::Met } else { Verdict::Missed };
        match self.bar {
            Bar::Information => Verdict::Information,
            Bar::AtMost(_, Some(beyond)) if figure <= beyond => Verdict::Beyond,
            Bar::AtMost(most, _) => is_met(figure <= most),
            Bar::AtLeast(least) => is_met(figure >= least),
            Bar::Holds => is_met(figure != 0.0),
        }
    }

    fn cells(&self) -> [String; 7] {
        let (number, verdict) = (self.number.to_string(), self.verdict().to_string());
        let bar = match self.bar {
            Bar::AtMost(most, Some(beyond)) => format!("≤ {} ({})", digits(most), digits(beyond)),
            Bar::AtMost(most, None) => format!("≤ {}", digits(most)),
            Bar::AtLeast(least) => format!("≥ {}", digits(least)),
            Bar::Information => "–".to_owned(),
            Bar::Holds => "identical".to_owned(),
        };
        let figure = match (self.figure, self.bar) {
            (None, _) => "–".to_owned(),
            (Some(figure), Bar::Holds) => if figure == 0.0 { "differs" } else { "identical" }.to_owned(),
            (Some(figure), _) => digits(figure),
        };
        [number, self.what.clone(), self.ours.clone(), self.other.clone(), figure, bar, verdict]
    }
}

/// Three digits that count.
fn digits(number: f64) -> String {
    let places = match number.abs() {
        0.0 => 0,
        small if small < 0.1 => 4,
        small if small < 1.0 => 3,
        small if small < 10.0 => 2,
        small if small < 100.0 => 1,
        _ => 0,
    };
    let text = format!("{number:.places$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

const HEADINGS: [&str; 7] = ["#", "what", "ours", "other", "figure", "bar (beyond)", "verdict"];
const IS_NUMBER: [bool; 7] = [true, false, true, true, true, true, false];

/// The table, with columns that line up; in Markdown where asked for.
pub fn table(rows: &[Row], is_markdown: bool) -> String {
    let cells: Vec<[String; 7]> =
        std::iter::once(HEADINGS.map(ToOwned::to_owned)).chain(rows.iter().map(Row::cells)).collect();
    let width = |column: usize| cells.iter().map(|cells| cells[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..HEADINGS.len()).map(width).collect();
    let (edge, between) = if is_markdown { ("|", " | ") } else { ("", "  ") };
    let mut lines: Vec<String> = cells
        .iter()
        .map(|cells| {
            let padded = |column: usize| {
                let (cell, width) = (&cells[column], widths[column]);
                if IS_NUMBER[column] { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
            };
            let line = (0..HEADINGS.len()).map(padded).collect::<Vec<_>>().join(between);
            if is_markdown { format!("{edge} {line} {edge}") } else { line.trim_end().to_owned() }
        })
        .collect();
    if is_markdown {
        let rule =
            |column: usize| format!("{}{}", "-".repeat(widths[column] + 1), if IS_NUMBER[column] { ":" } else { "-" });
        lines.insert(1, format!("|{}|", (0..HEADINGS.len()).map(rule).collect::<Vec<_>>().join("|")));
    }
    lines.join("\n")
}
