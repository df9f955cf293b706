//! `retainers check`: rules from the command line and from files, the baseline counted first, then the dump.

use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::process::ExitCode;

use super::args::CheckArguments;
use super::memory::Need;
use super::output::{draw_whole, print_report, tell_written};
use super::{answer_options, files, in_pool, load};
use crate::analysis::check::{Baseline, Rule, Rules, check};
use crate::error::{Error, Result};
use crate::present::{github, junit, sarif};
use crate::report::Report;

/// Checks, prints and writes. 0 when all rules hold, 1 when one is violated.
pub fn run(asked: &CheckArguments) -> Result<ExitCode> {
    let rules = rules(asked)?;
    let options = answer_options(&asked.search)?;
    let (report, holds, progress) = in_pool(&asked.common, |progress| {
        // its heap is gone before the next one comes
        let baseline = match &asked.baseline {
            Some(path) => {
                let heap = load(path, &asked.common, &Need::new(true, false), progress)?;
                Some(Baseline::new(&heap, &rules, &options))
            }
            None => None,
        };
        // what a pipeline relies on is never read from an index
        let heap = load(&asked.dump, &asked.common, &Need::new(true, false), progress)?;
        let found = check(&heap, &rules, baseline.as_ref(), &options);
        Ok((found.report(&heap), found.holds()))
    })?;
    let top = top_of_the_tree();
    print_report(&report, asked.json, &asked.common)?;
    if asked.github {
        let mut out = BufWriter::new(io::stdout().lock());
        github::write(&report, &top, &mut out).and_then(|()| out.flush()).map_err(Error::Output)?;
    }
    let subject = asked.dump.to_string_lossy();
    write_file(asked.junit.as_deref(), asked, &|out| junit::write(&report, &subject, out))?;
    write_file(asked.sarif.as_deref(), asked, &|out| sarif::write(&report, &subject, &top, out))?;
    draw(&report, asked, &progress)?;
    Ok(if holds { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// All rules, those of files first.
fn rules(asked: &CheckArguments) -> Result<Rules> {
    let mut rules = Rules::default();
    for path in &asked.rules {
        let text = std::fs::read_to_string(path).map_err(|cause| Error::Open { path: path.clone(), cause })?;
        rules.add_file(&path.display().to_string(), &text)?;
    }
    let typed = [
        ("max", &asked.max),
        ("max-retained", &asked.max_retained),
        ("max-growth", &asked.max_growth),
        ("no-new-signatures", &asked.no_new_signatures),
    ];
    for (kind, arguments) in typed {
        for argument in arguments {
            rules.rules.push(Rule::parse(kind, argument)?);
        }
    }
    asked.allow.iter().try_for_each(|fingerprint| rules.allow(fingerprint))?;
    if rules.rules.is_empty() {
        let ways = "--max TYPE=N, --max-retained TYPE=SIZE, --max-growth TYPE=N, --no-new-signatures, --rules FILE";
        return Err(Error::Usage(format!("there is no rule to check: give {ways}")));
    }
    if let Some(rule) = rules.rules.iter().find(|rule| rule.compares() && asked.baseline.is_none()) {
        return Err(Error::Usage(format!("`{}` compares with an earlier dump: give it with --baseline", rule.text())));
    }
    Ok(rules)
}

/// Where paths in annotations start: the checkout of a workflow, else the current directory.
fn top_of_the_tree() -> String {
    let workspace = std::env::var("GITHUB_WORKSPACE").ok().filter(|top| !top.is_empty());
    workspace.or_else(|| Some(std::env::current_dir().ok()?.to_string_lossy().into_owned())).unwrap_or_default()
}

fn write_file(
    path: Option<&Path>,
    asked: &CheckArguments,
    fill: &dyn Fn(&mut dyn Write) -> io::Result<()>,
) -> Result<()> {
    let Some(path) = path else { return Ok(()) };
    files::write_whole(path, |out| fill(out))?;
    tell_written(&[path.to_owned()], &asked.common);
    Ok(())
}

fn draw(report: &Report, asked: &CheckArguments, progress: &crate::progress::Progress) -> Result<()> {
    let Some(directory) = &asked.output else { return Ok(()) };
    draw_whole(report, directory, progress, &asked.common)
}
