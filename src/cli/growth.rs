//! `retainers growth`: dumps in order of time, one loaded after the other, compared with the last.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use super::args::{Common, GrowthArguments};
use super::output::{draw_whole, print_report, remark};
use super::{answer_options, attempt_from_indexes, checked_heap, in_pool, summary_by};
use crate::analysis::growth::{GrowthOptions, by_time, growth};
use crate::error::{Error, Result};
use crate::format;
use crate::graph::Heap;
use crate::progress::{Phase, Progress};
use crate::report::Report;
use crate::source::Source;

/// Answers, prints and draws. 0 when something grew, 1 when nothing did.
pub fn run(asked: &GrowthArguments) -> Result<ExitCode> {
    let options =
        GrowthOptions { chains: answer_options(&asked.search)?, types: asked.types.clone(), by: summary_by(asked.by) };
    let dumps = in_order(&asked.dumps, &asked.common)?;
    let limit = if asked.limit == 0 { usize::MAX } else { asked.limit };
    let (report, has_grown, progress) = compare(&dumps, &options, limit, &asked.common)?;
    print_report(&report, asked.json, &asked.common)?;
    if let Some(directory) = &asked.output {
        draw(&report, directory, &progress, &asked.common)?;
    }
    Ok(if has_grown { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// Loads the last dump, then the others one at a time, and compares.
pub fn compare(
    dumps: &[PathBuf],
    options: &GrowthOptions,
    limit: usize,
    common: &Common,
) -> Result<(Report, bool, Arc<Progress>)> {
    let Some((last, earlier)) = dumps.split_last() else {
        return Err(Error::Usage("growth needs at least two dumps".to_owned()));
    };
    in_pool(common, |progress| {
        attempt_from_indexes(common, |use_index| {
            let open = |path: &Path| -> Result<Heap> {
                let (heap, place) = checked_heap(path, common, use_index, progress)?;
                progress.start(Phase::Search, 0);
                // distances and dominators are needed anyway: with them, the index answers the next question
                crate::analysis::kept::distances_and_dominators(
                    &heap,
                    &crate::analysis::retaining::Retaining::all(&heap.graph),
                    &options.chains.roots,
                );
                place.write_if_worth_it(&heap);
                Ok(heap)
            };
            let last = open(last)?;
            let found = growth(&last, earlier.len(), &mut |number| open(&earlier[number]), options)?;
            Ok((found.report(&last, limit), found.has_grown()))
        })
    })
}

/// Draws chains and plot.
pub fn draw(report: &Report, directory: &Path, progress: &Progress, common: &Common) -> Result<()> {
    draw_whole(report, directory, progress, common)
}

/// Bytes of a dump in which its header is.
const HEADER: usize = 1 << 16;

/// The dumps in the order in which they were taken, where they all tell; else as given.
fn in_order(dumps: &[PathBuf], common: &Common) -> Result<Vec<PathBuf>> {
    if let Some(stream) = dumps.iter().find(|dump| dump.as_os_str() == "-") {
        let stream = stream.display();
        return Err(Error::Usage(format!("`{stream}`: growth needs dumps in files, not standard input")));
    }
    for (place, dump) in dumps.iter().enumerate() {
        let same = |other: &&PathBuf| {
            fs::canonicalize(other).ok().is_some_and(|path| fs::canonicalize(dump).ok() == Some(path))
        };
        if let Some(twin) = dumps[..place].iter().find(same) {
            note(
                common,
                &format!(
                    "`{}` and `{}` are one file: nothing can have grown between them",
                    twin.display(),
                    dump.display()
                ),
            );
        }
    }
    let about: Vec<_> = dumps.iter().map(|dump| format::retainers::about(&Source::beginning(dump, HEADER))).collect();
    let Some((order, is_changed)) = by_time(&about) else { return Ok(dumps.to_vec()) };
    let ordered: Vec<PathBuf> = order.iter().map(|&place| dumps[place].clone()).collect();
    if is_changed {
        let names: Vec<String> = ordered.iter().map(|path| path.display().to_string()).collect();
        note(common, &format!("the dumps were taken in the order {}: compared so", names.join(", ")));
    }
    Ok(ordered)
}

fn note(common: &Common, text: &str) {
    remark(text, common.quiet);
}
