//! The answer for machines, one document, keys in a stable order.

use std::io::{self, Write};

use crate::report::Report;

/// Writes the data of a report, indented, with a newline at the end.
///
/// # Errors
/// What the writer reports.
pub fn write(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, &report.data)?;
    writeln!(out)
}
