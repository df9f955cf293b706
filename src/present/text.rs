//! Text for a terminal or a file: root on top, two lines a hop, foreign text made harmless.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::label::visible;
use crate::counts::{bytes_text, cut, grouped, signed};
use crate::report::{Block, Cell, ChainBlock, ChainStep, Report, Span, Table, Tone, TreeBlock};

/// How text is laid out.
#[derive(Debug, Clone, Copy, Default)]
pub struct Layout {
    /// Columns of the terminal; longer lines are wrapped. `None` for files and pipes: nothing is wrapped.
    pub width: Option<usize>,
    /// Whether to write colours.
    pub colour: bool,
}

/// Writes the blocks of a report.
///
/// # Errors
/// What the writer reports.
pub fn write(report: &Report, layout: Layout, out: &mut dyn Write) -> io::Result<()> {
    let mut page = Page { layout, out };
    let mut previous_is_note = false;
    for (place, block) in report.blocks.iter().enumerate() {
        let is_note = matches!(block, Block::Note(_));
        let stands_apart = matches!(block, Block::Headline(_) | Block::Chain(_) | Block::Table(_) | Block::Tree(_));
        if place > 0 && (stands_apart || is_note && !previous_is_note) {
            writeln!(page.out)?;
        }
        page.block(block)?;
        previous_is_note = is_note;
    }
    Ok(())
}

/// Blocks as they stand in a file: no colours, nothing wrapped.
pub fn plain(blocks: &[Block]) -> String {
    let mut text = Vec::new();
    let report = Report { blocks: blocks.to_vec(), ..Report::default() };
    // writing into memory does not fail
    let _ = write(&report, Layout::default(), &mut text);
    String::from_utf8_lossy(&text).into_owned()
}

struct Page<'a> {
    layout: Layout,
    out: &'a mut dyn Write,
}

/// Bytes of a run of text, and of a cell of a table, that are shown; names and values come from a foreign heap.
const LONGEST: usize = 4 << 10;
const LONGEST_CELL: usize = 240;
/// Columns below which wrapping would do more harm than a long line.
const NARROWEST: usize = 30;

impl Page<'_> {
    fn block(&mut self, block: &Block) -> io::Result<()> {
        match block {
            Block::Headline(spans) => self.line("", "  ", spans, true),
            Block::Line(spans) => self.line("", "    ", spans, false),
            Block::Note(text) => self.line("", "  ", &[Span::new(Tone::Faint, format!("note: {text}"))], false),
            Block::Chain(chain) => self.chain(chain),
            Block::Table(table) => self.table(table),
            Block::Tree(tree) => self.tree(tree),
        }
    }

    fn chain(&mut self, chain: &ChainBlock) -> io::Result<()> {
        self.line("", "    ", &chain.heading, true)?;
        let last = chain.steps.len().saturating_sub(1);
        for (place, step) in chain.steps.iter().enumerate() {
            let prefix = match place {
                _ if step.is_must_pass => "  ◆ ",
                0 => "  ",
                _ if place == last => "  ╰▶ ",
                _ => "  ├ ",
            };
            self.step(prefix, if place == last { "       " } else { "  │     " }, step)?;
        }
        for note in &chain.notes {
            self.line("     ", "       ", &[Span::new(Tone::Faint, note.clone())], false)?;
        }
        Ok(())
    }

    fn step(&mut self, prefix: &str, hanging: &str, step: &ChainStep) -> io::Result<()> {
        let mut spans = step.object.clone();
        if !step.object_notes.is_empty() {
            spans.push(Span::plain("  "));
            spans.extend_from_slice(&step.object_notes);
        }
        self.line(prefix, hanging, &spans, false)?;
        let Some(reference) = &step.reference else {
            return Ok(());
        };
        let mut spans = vec![Span::new(Tone::Reference, reference.clone())];
        if !step.reference_note.is_empty() {
            spans.push(Span::new(Tone::Faint, format!("  {}", step.reference_note)));
        }
        self.line("  │ ", "  │     ", &spans, false)
    }

    /// Writes a line, wrapped to the width: at a blank, dot or bracket where there is one.
    fn line(&mut self, prefix: &str, hanging: &str, spans: &[Span], is_bold: bool) -> io::Result<()> {
        let width = self.layout.width.unwrap_or(usize::MAX).max(NARROWEST);
        let letters: Vec<(char, Tone)> = spans
            .iter()
            .flat_map(|span| {
                let tone = span.tone;
                visible(&cut(&span.text, LONGEST))
                    .chars()
                    .collect::<Vec<_>>()
                    .into_iter()
                    .map(move |letter| (letter, tone))
            })
            .collect();
        let mut rest = letters.as_slice();
        let mut indent = prefix;
        loop {
            let room = width.saturating_sub(indent.width());
            let cut = fitting(rest, room);
            let (now, later) = rest.split_at(cut);
            let blanks =
                if later.is_empty() { 0 } else { now.iter().rev().take_while(|letter| letter.0 == ' ').count() };
            self.letters(indent, &now[..now.len() - blanks], is_bold)?;
            if later.is_empty() {
                return Ok(());
            }
            rest = later;
            indent = hanging;
        }
    }

    fn letters(&mut self, indent: &str, letters: &[(char, Tone)], is_bold: bool) -> io::Result<()> {
        write!(self.out, "{indent}")?;
        for run in letters.chunk_by(|a, b| a.1 == b.1) {
            let text: String = run.iter().map(|(letter, _)| letter).collect();
            let style = if self.layout.colour { style(run[0].1, is_bold) } else { Style::new() };
            write!(self.out, "{style}{text}{style:#}")?;
        }
        writeln!(self.out)
    }

    fn table(&mut self, table: &Table) -> io::Result<()> {
        let rows: Vec<Vec<(String, bool)>> = table.rows.iter().map(|row| row.iter().map(cell_text).collect()).collect();
        let width_of = |column: usize| {
            let cells = rows.iter().filter_map(|row| row.get(column)).map(|(text, _)| text.width());
            cells.chain([table.columns[column].width()]).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..table.columns.len()).map(width_of).collect();
        let is_number =
            |column: usize| rows.first().and_then(|row| row.get(column)).is_some_and(|(_, is_number)| *is_number);
        let titles: Vec<(String, bool)> =
            table.columns.iter().enumerate().map(|(column, title)| (title.clone(), is_number(column))).collect();
        self.row(&titles, &widths, true)?;
        rows.iter().try_for_each(|row| self.row(row, &widths, false))
    }

    fn tree(&mut self, tree: &TreeBlock) -> io::Result<()> {
        let rows: Vec<Vec<String>> =
            tree.rows.iter().map(|row| row.cells.iter().map(|cell| cell_text(cell).0).collect()).collect();
        let numbers = tree.columns.len().saturating_sub(1);
        let width_of = |column: usize| {
            let cells = rows.iter().filter_map(|row| row.get(column)).map(|text| text.width());
            cells.chain([tree.columns[column].width()]).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..numbers).map(width_of).collect();
        let title = tree.columns.last().map_or("", String::as_str);
        self.line(&to_the_right(&tree.columns[..numbers], &widths), "    ", &[Span::plain(title)], true)?;
        for (row, cells) in tree.rows.iter().zip(&rows) {
            let prefix = to_the_right(cells, &widths) + &"  ".repeat(row.level);
            let hanging = " ".repeat(prefix.width() + 4);
            self.line(&prefix, &hanging, &row.what, false)?;
        }
        Ok(())
    }

    fn row(&mut self, cells: &[(String, bool)], widths: &[usize], is_bold: bool) -> io::Result<()> {
        let mut text = String::new();
        for ((cell, is_number), width) in cells.iter().zip(widths) {
            let blanks = " ".repeat(width.saturating_sub(cell.width()));
            let (before, after) = if *is_number { (blanks.as_str(), "") } else { ("", blanks.as_str()) };
            text.push_str(&format!("{before}{cell}{after}  "));
        }
        self.line("  ", "    ", &[Span::plain(text.trim_end())], is_bold)
    }
}

/// Cells that end where their columns end, and the gap after the last.
fn to_the_right(cells: &[String], widths: &[usize]) -> String {
    let mut text = String::from("  ");
    for (cell, width) in cells.iter().zip(widths) {
        text.push_str(&" ".repeat(width.saturating_sub(cell.width())));
        text.push_str(cell);
        text.push_str("  ");
    }
    text
}

fn cell_text(cell: &Cell) -> (String, bool) {
    match cell {
        Cell::Text(text) => (visible(&cut(text, LONGEST_CELL)), false),
        Cell::Count(count) => (grouped(*count), true),
        Cell::Bytes(bytes) => (bytes_text(*bytes), true),
        Cell::Share(share) => (format!("{:.1}%", share * 100.0), true),
        Cell::Change(change) => (signed(*change, grouped), true),
        Cell::BytesChange(change) => (signed(*change, bytes_text), true),
    }
}

/// How many letters fit into `room` columns; at least one. A line ends at a blank, before a dot or bracket, or anywhere; not
/// within a number or between it and its unit.
fn fitting(letters: &[(char, Tone)], room: usize) -> usize {
    let mut columns = 0;
    let mut good_break = None;
    for (place, (letter, _)) in letters.iter().enumerate() {
        columns += letter.width().unwrap_or(0);
        if columns > room {
            let cut = good_break.filter(|&cut| cut * 2 > place).unwrap_or_else(|| before_number(letters, place));
            return cut.max(1);
        }
        match letter {
            ' ' if !is_before_unit(letters, place) => good_break = Some(place + 1),
            '.' | '[' if place > 0 && !is_in_number(letters, place) => good_break = Some(place),
            _ => {}
        }
    }
    letters.len()
}

/// Whether the letter at `place` stands between two digits.
fn is_in_number(letters: &[(char, Tone)], place: usize) -> bool {
    let is_digit = |place: usize| letters.get(place).is_some_and(|(letter, _)| letter.is_ascii_digit());
    place > 0 && is_digit(place - 1) && is_digit(place + 1)
}

/// Units that follow a number after a blank.
const UNITS: [&str; 9] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "%", "s"];

/// Whether the blank at `place` stands between a number and its unit.
fn is_before_unit(letters: &[(char, Tone)], place: usize) -> bool {
    let follows_digit = place > 0 && letters[place - 1].0.is_ascii_digit();
    let is_part = |letter: &char| letter.is_alphanumeric() || *letter == '%';
    // no unit is longer
    let word: String = letters[place + 1..].iter().map(|(letter, _)| *letter).take_while(is_part).take(4).collect();
    follows_digit && UNITS.contains(&word.as_str())
}

/// Digits and what stands within numbers that are kept together, at most: a longer run is foreign text.
const LONGEST_NUMBER: usize = 30;

/// `place`, or where the number starts that goes on there.
fn before_number(letters: &[(char, Tone)], place: usize) -> usize {
    let is_part = |place: &usize| {
        let letter = letters[*place].0;
        letter.is_ascii_digit() || (matches!(letter, '.' | ',') && is_in_number(letters, *place))
    };
    if !is_part(&place) {
        return place;
    }
    let before = (0..place).rev().take_while(is_part).take(LONGEST_NUMBER + 1).count();
    if before > LONGEST_NUMBER || before == place { place } else { place - before }
}

fn style(tone: Tone, is_bold: bool) -> Style {
    let style = match tone {
        Tone::Plain => Style::new(),
        Tone::Faint => Style::new().dimmed(),
        Tone::Root => AnsiColor::Green.on_default(),
        Tone::Type => AnsiColor::Cyan.on_default(),
        Tone::Reference => AnsiColor::Yellow.on_default(),
        Tone::Target => AnsiColor::Red.on_default().bold(),
        Tone::Number => Style::new().bold(),
    };
    if is_bold && tone != Tone::Faint { style.bold() } else { style }
}

/// Foreign text of several lines without anything that a terminal would obey.
pub fn harmless_lines(text: &str) -> String {
    text.split('\n').map(visible).collect::<Vec<_>>().join("\n")
}
