//! Growth in words, pictures and plots.

use super::series::Kinship;
use super::tally::Trend;
use super::{DumpFacts, GrownContainer, GrownWay, Growth};
use crate::analysis::allocator::change_verdict;
use crate::analysis::chains::whole_expression;
use crate::analysis::summary::{By, NO_SITE};
use crate::counts::{bytes_text, counted, grouped, more_of, signed};
use crate::graph::Heap;
use crate::report::{Block, Cell, Report, Span, Table, Tone};

/// Numbers of objects that are shown side by side; of longer series the first, the last, and the change.
const SIDE_BY_SIDE: usize = 5;
/// Rows of the table of sites, where it is not what was asked for.
const SITES_SHOWN: usize = 10;

impl Growth {
    /// Whether anything that roots reach has more objects than in the first dump, or much larger ones.
    pub fn has_grown(&self) -> bool {
        let is_held = |group: &Trend| group.more_objects() > 0 && group.more_bytes() > 0;
        !self.ways.is_empty() || !self.containers.is_empty() || self.groups.iter().any(is_held)
    }

    /// The answer as text, pictures, a plot and data; the first `limit` ways, and as many rows of tables times two.
    pub fn report(&self, last: &Heap, limit: usize) -> Report {
        let mut report = Report::default();
        report.blocks.push(self.headline());
        report.blocks.extend(self.new_objects());
        report.blocks.push(Block::Table(self.dumps_table()));
        report.blocks.extend(self.process_verdict().map(|verdict| Block::Headline(vec![Span::plain(verdict)])));
        for (number, way) in (1..).zip(self.ways.iter().take(limit)) {
            report.blocks.push(Block::Headline(self.way_headline(number, way)));
            report.blocks.extend(way_lines(last, way, self.dumps.len()));
            let (blocks, picture) = way.chains.one_way(last);
            report.blocks.extend(blocks.into_iter().map(without_sites));
            report.pictures.extend(picture);
        }
        for (number, container) in (1..).zip(&self.containers).take(limit.saturating_sub(self.ways.len())) {
            report.blocks.push(Block::Headline(container_headline(self.ways.len() + number, container)));
        }
        if self.ways.len() > limit {
            let more = more_of((self.ways.len() - limit) as u64, "way");
            report.blocks.push(Block::Note(format!("{more} that grew (--limit shows more)")));
        }
        report.blocks.extend(self.tables(limit.saturating_mul(2)));
        report.blocks.extend(self.notes().into_iter().map(Block::Note));
        report.plots.extend(self.plot());
        report.data = self.data(last);
        report
    }

    fn headline(&self) -> Block {
        let first = &self.dumps[0];
        let of = match first.about.pid.filter(|_| self.is_one_process()) {
            Some(pid) => format!(" of process {pid}"),
            None if self.is_one_process() => String::new(),
            None => " of different processes".to_owned(),
        };
        let span = self.seconds().map_or_else(String::new, |seconds| format!(" over {}", duration_text(seconds)));
        let mut spans = vec![Span::plain(format!("{}{of}{span}: ", counted(self.dumps.len() as u64, "dump")))];
        let steady: Vec<&GrownWay> = self.ways.iter().filter(|way| way.grew_in_every_step()).collect();
        match (self.ways.first(), steady.first()) {
            (None, _) if !self.containers.is_empty() => {
                let containers = counted(self.containers.len() as u64, "container");
                spans.push(Span::plain(format!("{containers} grew in every step")));
            }
            (None, _) if !self.has_grown() => spans.push(Span::plain("nothing has grown")),
            (None, _) => spans.push(Span::plain("no way of being held has grown, only numbers of types")),
            (Some(_), Some(way)) if self.dumps.len() > 2 => {
                spans.push(Span::new(Tone::Target, way.type_name.clone()));
                spans.push(Span::plain(" grew in every step"));
                if steady.len() > 1 {
                    spans.push(Span::plain(format!(", and {}", more_ways(steady.len() as u64 - 1))));
                }
            }
            (Some(way), _) => {
                spans.push(Span::new(Tone::Target, way.type_name.clone()));
                spans.push(Span::plain(" grew"));
                if self.ways.len() > 1 {
                    spans.push(Span::plain(format!(", and {}", more_ways(self.ways.len() as u64 - 1))));
                }
            }
        }
        Block::Headline(spans)
    }

    /// Whether all dumps are of one process.
    pub fn is_one_process(&self) -> bool {
        self.dumps.iter().all(|dump| !matches!(dump.kinship, Kinship::Other(_)))
    }

    /// Seconds from the first dump to the last, where both say when they were taken.
    pub fn seconds(&self) -> Option<u64> {
        let (first, last) = (self.dumps.first()?.taken()?, self.dumps.last()?.taken()?);
        last.checked_sub(first).filter(|&seconds| seconds > 0)
    }

    fn dumps_table(&self) -> Table {
        let has_time = self.dumps.iter().any(|dump| dump.about.time.is_some());
        let has_resident = self.dumps.iter().any(|dump| dump.about.resident.is_some());
        let has_matches = self.dumps.iter().any(|dump| dump.matched.is_some());
        let columns = [
            ("", true),
            ("dump", true),
            ("taken", has_time),
            ("objects", true),
            ("reachable", true),
            ("resident", has_resident),
            ("still there", has_matches),
        ];
        let row = |(number, dump): (u64, &DumpFacts)| {
            let cells = [
                Cell::Count(number),
                Cell::Text(dump.about.file.clone()),
                Cell::Text(dump.about.time.clone().unwrap_or_default()),
                Cell::Count(dump.objects),
                Cell::Bytes(dump.reachable.bytes),
                dump.about.resident.map_or_else(|| Cell::Text(String::new()), Cell::Bytes),
                dump.matched.map_or_else(|| Cell::Text(String::new()), |matched| Cell::Count(matched.same)),
            ];
            let shown = cells.into_iter().zip(columns).filter(|(_, (_, is_shown))| *is_shown);
            shown.map(|(cell, _)| cell).collect()
        };
        Table {
            columns: columns.iter().filter(|(_, is_shown)| *is_shown).map(|(title, _)| (*title).to_owned()).collect(),
            rows: (1..).zip(&self.dumps).map(row).collect(),
        }
    }

    /// Where the process grew, but not by its objects; or where it is large and they are not.
    fn process_verdict(&self) -> Option<String> {
        let last = self.dumps.last()?.process?;
        let first = self.dumps.first()?.process.filter(|_| self.is_one_process());
        first.and_then(|first| change_verdict(&first, &last)).or_else(|| last.verdict())
    }

    fn new_objects(&self) -> Option<Block> {
        let new = self.new.filter(|new| new.objects > 0)?;
        let mut text = format!(
            "{} of the last dump were not there in the first ({})",
            counted(new.objects, "object"),
            bytes_text(new.bytes)
        );
        if let Some(survivors) = self.survivors {
            text.push_str(&format!(
                "; {} of them, {}, were there in between as well: allocated after the first dump, and not freed since",
                grouped(survivors.objects),
                bytes_text(survivors.bytes)
            ));
        }
        Some(Block::Line(vec![Span::plain(text)]))
    }

    fn way_headline(&self, number: u32, way: &GrownWay) -> Vec<Span> {
        let mut spans = vec![
            Span::new(Tone::Faint, format!("growth {number}  ")),
            Span::new(Tone::Number, numbers_text(&way.counts, grouped)),
            Span::plain(" "),
            Span::new(Tone::Target, way.type_name.clone()),
        ];
        if way.has_swollen() {
            spans[1].text = grouped(way.counts.first().copied().unwrap_or(0));
            let sizes = numbers_text(&way.known_bytes(), bytes_text);
            spans.extend([Span::plain(" of "), Span::new(Tone::Number, sizes)]);
        }
        let mut facts = Vec::new();
        if way.is_new() {
            facts.push("new since the first dump".to_owned());
        }
        if self.dumps.len() > 2 {
            facts.push(if way.grew_in_every_step() {
                "grew in every step".to_owned()
            } else {
                let numbers = if way.has_swollen() { way.known_bytes() } else { way.counts.clone() };
                let steps = numbers.windows(2);
                let grown = steps.clone().filter(|step| step[0] < step[1]).count();
                format!("grew in {grown} of {} steps", steps.len())
            });
        }
        facts.extend(self.pace(way.more_objects()));
        if way.more_bytes() > 0 {
            facts.push(format!("{} retained more than at first", bytes_text(way.more_bytes().unsigned_abs())));
        }
        spans.push(Span::plain(format!(": {}", facts.join(", "))));
        spans
    }

    /// `+10 a dump, 60 an hour`.
    fn pace(&self, more: i64) -> Option<String> {
        let more = u64::try_from(more).ok().filter(|&more| more > 0)?;
        let steps = self.dumps.len() as u64 - 1;
        let per_step =
            if steps == 1 { format!("+{}", grouped(more)) } else { format!("+{} a dump", rate_text(more, steps)) };
        // an hour's figure from a few seconds says nothing
        let per_hour = self
            .seconds()
            .filter(|&seconds| seconds >= 60)
            .map(|seconds| format!(", {} an hour", rate_text(more.saturating_mul(3_600), seconds)));
        Some(per_step + &per_hour.unwrap_or_default())
    }

    fn tables(&self, limit: usize) -> Vec<Block> {
        let mut blocks = Vec::new();
        if !self.has_grown() {
            return blocks;
        }
        if self.by != By::Site {
            blocks.extend(self.table(&self.groups, self.by.word(), limit));
        }
        if let Some(sites) = &self.sites {
            let limit = if self.by == By::Site { limit } else { limit.min(SITES_SHOWN) };
            blocks.extend(self.table(sites, "allocated at", limit));
        }
        blocks
    }

    fn table(&self, trends: &[Trend], what: &str, limit: usize) -> Vec<Block> {
        let grown: Vec<&Trend> = trends
            .iter()
            .filter(|trend| (trend.more_objects() > 0 || trend.more_bytes() > 0) && trend.name != NO_SITE)
            .collect();
        if grown.is_empty() {
            return Vec::new();
        }
        let is_short = self.dumps.len() <= SIDE_BY_SIDE;
        let places: Vec<usize> = if is_short { (0..self.dumps.len()).collect() } else { vec![0, self.dumps.len() - 1] };
        let mut columns = vec![what.to_owned()];
        columns.extend(places.iter().map(|place| format!("objects {}", place + 1)));
        columns.extend(["change", "retained", "change"].map(ToOwned::to_owned));
        if self.dumps.len() > 2 {
            columns.push("every step".to_owned());
        }
        let row = |trend: &&Trend| {
            let mut row = vec![Cell::Text(trend.name.clone())];
            row.extend(places.iter().map(|&place| Cell::Count(trend.counts[place])));
            row.push(Cell::Change(trend.more_objects()));
            row.push(Cell::Bytes(trend.retained.last().copied().unwrap_or(0)));
            row.push(Cell::BytesChange(trend.more_bytes()));
            if self.dumps.len() > 2 {
                row.push(Cell::Text(if trend.grew_in_every_step() { "yes" } else { "" }.to_owned()));
            }
            row
        };
        let mut blocks = vec![Block::Table(Table { columns, rows: grown.iter().take(limit).map(row).collect() })];
        if grown.len() > limit {
            blocks.push(Block::Note(more_of((grown.len() - limit) as u64, "row") + " that grew"));
        }
        blocks
    }

    /// More objects that no root reaches.
    fn garbage(&self) -> Option<String> {
        let unreached = |dump: &DumpFacts| dump.objects.saturating_sub(dump.reachable.objects);
        let (first, last) = (unreached(self.dumps.first()?), unreached(self.dumps.last()?));
        (last > first).then(|| {
            format!(
                "objects that no root reaches: {} in the first dump, {} in the last; garbage that is not collected yet, or \
                 held by native code",
                grouped(first),
                grouped(last)
            )
        })
    }

    fn notes(&self) -> Vec<String> {
        let mut notes: Vec<String> = self.garbage().into_iter().collect();
        let name = |number: usize| format!("dump {} ({})", number + 1, self.dumps[number].about.file);
        for (number, dump) in self.dumps.iter().enumerate() {
            if let Kinship::Other(reason) = &dump.kinship {
                notes.push(format!(
                    "{} is of another process than the last dump: {reason}. Objects cannot be matched with it, only types \
                     and ways of being held are compared",
                    name(number)
                ));
            }
            if let Some(earlier) = (0..number).find(|&earlier| self.dumps[earlier].is_copy_of(dump)) {
                notes.push(format!("{} and {} are one and the same dump", name(earlier), name(number)));
            }
            for fact in &dump.damage {
                let consequence = match number + 1 == self.dumps.len() {
                    _ if !dump.is_incomplete => "",
                    true => "; what it lacks does not show as growth",
                    false => "; what it lacks may show as growth",
                };
                notes.push(format!("{}: {fact}{consequence}", name(number)));
            }
        }
        let sum = |pick: fn(&super::series::Matched) -> u64| {
            self.dumps.iter().filter_map(|dump| dump.matched.as_ref()).map(pick).sum::<u64>()
        };
        let (unsure, used_again) = (sum(|matched| matched.unsure), sum(|matched| matched.used_again));
        if unsure + used_again > 0 {
            notes.push(format!(
                "objects are matched by address, type and what they are connected with: {} unsure, {} of addresses that \
                 another object of the same type has by now",
                grouped(unsure),
                grouped(used_again)
            ));
        }
        let (shrunk, gone) = self.shrunk;
        if shrunk + gone > 0 {
            notes.push(format!(
                "of the same types, {} fewer objects than in the first dump, and {} gone",
                ways_have(shrunk),
                ways_are(gone)
            ));
        }
        if self.ways.is_empty() && self.containers.is_empty() {
            notes.push(match self.dumps.len() {
                2 => "two dumps are a difference; a third tells what stays from what comes and goes".to_owned(),
                _ => "take the dumps further apart if memory grows nevertheless".to_owned(),
            });
        }
        notes
    }
}

/// A container that is longer in every dump.
fn container_headline(number: usize, container: &GrownContainer) -> Vec<Span> {
    vec![
        Span::new(Tone::Faint, format!("growth {number}  ")),
        Span::new(Tone::Number, numbers_text(&container.lengths, grouped)),
        Span::plain(" items in "),
        Span::new(Tone::Target, container.expression.clone().unwrap_or_default()),
        Span::plain(format!(
            ": a {} that grew in every step, itself {} by now",
            container.type_name,
            bytes_text(container.size)
        )),
    ]
}

/// What is known of a way beside its chain.
fn way_lines(last: &Heap, way: &GrownWay, dumps: usize) -> Vec<Block> {
    let line = |text: String| Block::Line(vec![Span::plain(format!("  {text}"))]);
    let mut lines = Vec::new();
    if let Some((_, held)) = way.chains.only_way()
        && let Some(sites) = held.sites.words()
    {
        lines.push(line(format!("{sites}, held by {}", whole_expression(last, held))));
    }
    let more = u64::try_from(way.more_objects()).unwrap_or(0);
    if let Some(survivors) = way.survivors.filter(|&survivors| survivors > 0 && dumps > 2) {
        lines.push(line(format!(
            "{} of the last dump {} allocated after the first dump and {} there in between",
            grouped(survivors),
            if survivors == 1 { "was" } else { "were" },
            if survivors == 1 { "was" } else { "were" },
        )));
    }
    if !way.with.is_empty() {
        let with: Vec<String> =
            way.with.iter().map(|(name, more)| format!("{} {name}", signed(*more, grouped))).collect();
        lines.push(line(format!("grows together with {}", with.join(", "))));
    }
    if more > 0 && way.fingerprint.is_empty() {
        lines.push(line(
            "no root reaches them: native code holds them, or they are garbage not collected yet".to_owned(),
        ));
    }
    lines
}

/// A chain without its line of sites, which stands above it already.
fn without_sites(mut block: Block) -> Block {
    if let Block::Chain(chain) = &mut block {
        chain.notes.retain(|note| !note.starts_with("allocated at "));
    }
    block
}

/// `10 → 20 → 30`, of many numbers the first two and the last two.
fn numbers_text(numbers: &[u64], text: fn(u64) -> String) -> String {
    let texts = |numbers: &[u64]| numbers.iter().map(|&number| text(number)).collect::<Vec<_>>().join(" → ");
    match numbers.len() {
        0..=6 => texts(numbers),
        count => format!("{} → … → {}", texts(&numbers[..2]), texts(&numbers[count - 2..])),
    }
}

/// A quotient with one decimal where it is small.
fn rate_text(part: u64, whole: u64) -> String {
    if part.is_multiple_of(whole) || part / whole.max(1) >= 100 {
        return grouped(part / whole.max(1));
    }
    format!("{:.1}", crate::report::share(part, whole))
}

fn duration_text(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", (seconds + 30) / 60),
        7_200..172_800 => format!("{:.1} h", crate::report::share(seconds, 3_600)),
        _ => format!("{:.1} days", crate::report::share(seconds, 86_400)),
    }
}

fn more_ways(count: u64) -> String {
    if count == 1 { "one more way".to_owned() } else { format!("{} more ways", grouped(count)) }
}

fn ways_have(count: u64) -> String {
    if count == 1 { "1 way has".to_owned() } else { format!("{} ways have", grouped(count)) }
}

fn ways_are(count: u64) -> String {
    if count == 1 { "1 is".to_owned() } else { format!("{} are", grouped(count)) }
}
