//! Verdicts as JUnit XML, which every system that runs tests can show: a rule is a test case, a violated one a failure
//! with the chains as its text.
//!
//! There is no standard; this is the part that Jenkins, GitLab, Azure and GitHub's actions agree on:
//! `testsuites/testsuite/testcase/failure`.

use std::io::{self, Write};

use super::label::visible;
use super::text;
use super::xml::escape;
use crate::report::{Report, Verdict};

/// Writes the verdicts of a report. `subject` is what they are about: the dump.
///
/// # Errors
/// What the writer reports.
pub fn write(report: &Report, subject: &str, out: &mut dyn Write) -> io::Result<()> {
    let failures = report.verdicts.iter().filter(|verdict| !verdict.holds).count();
    let counts = format!("tests=\"{}\" failures=\"{failures}\" errors=\"0\" skipped=\"0\"", report.verdicts.len());
    writeln!(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>")?;
    writeln!(out, "<testsuites name=\"retainers check\" {counts}>")?;
    writeln!(out, "  <testsuite name=\"{}\" {counts}>", attribute(subject))?;
    for verdict in &report.verdicts {
        let name = attribute(&verdict.rule);
        let start = format!("    <testcase classname=\"retainers.{}\" name=\"{name}\"", attribute(&verdict.kind));
        if verdict.holds {
            writeln!(out, "{start}/>")?;
            continue;
        }
        writeln!(out, "{start}>")?;
        let message = attribute(&format!("{}: {}", verdict.rule, verdict.summary));
        writeln!(out, "      <failure type=\"{}\" message=\"{message}\">", attribute(&verdict.kind))?;
        write!(out, "{}", escape(&story(verdict)))?;
        writeln!(out, "      </failure>")?;
        writeln!(out, "    </testcase>")?;
    }
    writeln!(out, "  </testsuite>")?;
    writeln!(out, "</testsuites>")
}

fn attribute(text: &str) -> String {
    escape(&visible(text)).into_owned()
}

/// What violates a rule, one finding after the other.
fn story(verdict: &Verdict) -> String {
    let mut story = String::new();
    for finding in &verdict.findings {
        story.push_str(&visible(&finding.summary));
        story.push('\n');
        if !finding.fingerprint.is_empty() {
            story.push_str(&format!("fingerprint {}\n", visible(&finding.fingerprint)));
        }
        story.push_str(&text::plain(&finding.blocks));
        story.push('\n');
    }
    story
}
