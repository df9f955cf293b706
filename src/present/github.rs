//! Verdicts as GitHub annotations: lines that a workflow's log turns into remarks beside the code.
//!
//! Source of the format: GitHub's documentation, "Workflow commands for GitHub Actions": `::error file=…,line=…::text`,
//! with `%`, CR and LF percent-encoded in the text, `:` and `,` too in properties.

use std::io::{self, Write};

use super::label::visible;
use super::place::place;
use super::text;
use crate::report::{Finding, Report, Verdict};

/// Writes one annotation for each finding, and one for a violated rule without any. `top` is the directory of the source
/// tree: paths below it are written as seen from it.
///
/// # Errors
/// What the writer reports.
pub fn write(report: &Report, top: &str, out: &mut dyn Write) -> io::Result<()> {
    for verdict in report.verdicts.iter().filter(|verdict| !verdict.holds) {
        let title = format!("{}: {}", visible(&verdict.rule), visible(&verdict.summary));
        if verdict.findings.is_empty() {
            writeln!(out, "::error title={}::{}", property(&title), data(&title))?;
        }
        for finding in &verdict.findings {
            writeln!(
                out,
                "::error {}title={}::{}",
                at(finding, top),
                property(&title),
                data(&message(verdict, finding))
            )?;
        }
    }
    Ok(())
}

fn at(finding: &Finding, top: &str) -> String {
    match finding.site.as_deref().and_then(|site| place(site, top)) {
        Some(place) => format!("file={},line={},", property(&visible(&place.path)), place.line),
        None => String::new(),
    }
}

fn message(verdict: &Verdict, finding: &Finding) -> String {
    let mut message = visible(&finding.summary);
    if !finding.fingerprint.is_empty() {
        message.push_str(&format!("\nrule {}, fingerprint {}", visible(&verdict.rule), visible(&finding.fingerprint)));
    }
    message.push('\n');
    message.push_str(text::plain(&finding.blocks).trim_end());
    message
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
