//! Growth as a plot: the leading types over time.

use super::Growth;
use super::tally::Trend;
use crate::analysis::summary::By;
use crate::counts::counted;
use crate::report::{Mark, Panel, Plot, Series, Stroke, TimeAxis, Unit};

/// Lines of a plot.
const LINES: usize = 6;
/// Dumps whose moments are marked, at most.
const MARKED: usize = 12;

impl Growth {
    /// By how much the leading types changed since the first dump, in objects and bytes: so a type with many objects that
    /// hardly grows does not press the others to the ground.
    pub(super) fn plot(&self) -> Option<Plot> {
        let mut names: Vec<&str> = Vec::new();
        let of_ways = self.ways.iter().map(|way| way.type_name.as_str());
        let of_groups = self.groups.iter().filter(|group| group.more_objects() > 0).map(|group| group.name.as_str());
        let is_by_type = self.by != By::Module && self.by != By::Root;
        for name in of_ways.filter(|_| is_by_type).chain(of_groups) {
            if names.len() < LINES && !names.contains(&name) {
                names.push(name);
            }
        }
        let leading: Vec<&Trend> =
            names.iter().filter_map(|name| self.groups.iter().find(|group| group.name == *name)).collect();
        if leading.is_empty() {
            return None;
        }
        let start = self.dumps[0].taken();
        let times: Option<Vec<u64>> =
            self.dumps.iter().map(|dump| dump.taken()?.checked_sub(start?)).collect::<Option<_>>();
        let times = times.filter(|times| times.is_sorted() && times.first() < times.last());
        #[expect(clippy::cast_precision_loss, reason = "a plot is not that exact")]
        let number = |number: u64| number as f64;
        let at = |place: usize| times.as_ref().map_or(number(place as u64), |times| number(times[place]));
        let line = |trend: &Trend, numbers: &[u64]| Series {
            label: trend.name.clone(),
            points: numbers
                .iter()
                .enumerate()
                .map(|(place, &value)| (at(place), number(value) - number(numbers.first().copied().unwrap_or(0))))
                .collect(),
            stroke: Stroke::Main,
        };
        let has_marks = times.is_some() && self.dumps.len() <= MARKED;
        let mark = |place: usize| Mark { at: at(place), label: format!("dump {}", place + 1) };
        let first = &self.dumps[0].about;
        Some(Plot {
            name: "growth".to_owned(),
            title: format!("What grew: {}", leading[0].name),
            subtitle: match (&first.command, first.pid) {
                (Some(command), _) => format!("{} of {command}", counted(self.dumps.len() as u64, "dump")),
                (None, Some(pid)) => format!("{} of process {pid}", counted(self.dumps.len() as u64, "dump")),
                (None, None) => counted(self.dumps.len() as u64, "dump"),
            },
            x: match times {
                Some(_) => TimeAxis::Seconds,
                None => TimeAxis::Steps((1..=self.dumps.len()).map(|number| format!("dump {number}")).collect()),
            },
            panels: vec![
                Panel {
                    label: "objects more than in the first dump".to_owned(),
                    unit: Unit::Count,
                    series: leading.iter().map(|trend| line(trend, &trend.counts)).collect(),
                },
                Panel {
                    label: "retained more than in the first dump".to_owned(),
                    unit: Unit::Bytes,
                    series: leading.iter().map(|trend| line(trend, &trend.retained)).collect(),
                },
            ],
            marks: (0..self.dumps.len()).filter(|_| has_marks).map(mark).collect(),
        })
    }
}
