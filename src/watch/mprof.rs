//! A series as a file: the lines of memory_profiler's `mprof`, which can draw what is written here, and whose files can be
//! read.
//!
//! `CMDLINE command`, `MEM MiB seconds`, `CHLD number MiB seconds` for children after the `MEM` line that they belong to. Of
//! our own, and passed over by `mprof`: `USS MiB seconds`, `SWAP MiB seconds`, `CHLDN count seconds` and `DUMP from to`. Other
//! lines, such as `FUNC`, are passed over here.

use std::fmt::Write;

use super::series::{Capture, Sample, Series};
use crate::error::{Error, Result};

/// The name of the format, in messages.
const NAME: &str = "mprof";
const MIB: f64 = 1024.0 * 1024.0;
/// More than any memory has.
const MOST: f64 = 1e12;
/// Samples of a file; more than three months of one a second.
const MOST_SAMPLES: usize = 10_000_000;
/// Dumps of a file: each is another pass over the samples.
const MOST_CAPTURES: usize = 200;

/// The series as such a file.
pub fn write(series: &Series) -> String {
    let mut text = format!("CMDLINE {}\n", series.command.replace(['\n', '\r'], " "));
    let mut unique = None;
    for sample in &series.samples {
        let at = sample.at;
        let mut line = |name: &str, bytes: u64| {
            // writing into a string cannot fail
            let _ = writeln!(text, "{name} {:.6} {at:.4}", mebibytes(bytes));
        };
        line("MEM", sample.resident);
        if sample.children > 0 {
            line("CHLD 0", sample.of_children);
        }
        if sample.swap > 0 {
            line("SWAP", sample.swap);
        }
        if sample.unique != unique {
            line("USS", sample.unique.unwrap_or(0));
            unique = sample.unique;
        }
        if sample.children > 1 {
            let _ = writeln!(text, "CHLDN {} {at:.4}", sample.children);
        }
    }
    for capture in &series.captures {
        let _ = writeln!(text, "DUMP {:.4} {:.4}", capture.from, capture.to);
    }
    text
}

/// Reads such a file.
///
/// # Errors
/// [`Error::Malformed`] with the offset of the first line that says something else than it should.
pub fn read(bytes: &[u8]) -> Result<Series> {
    let mut series = Series::default();
    let mut offset = 0;
    for (number, line) in (1_u64..).zip(bytes.split_inclusive(|byte| *byte == b'\n')) {
        let text = String::from_utf8_lossy(line);
        let failed =
            |reason: String| Error::Malformed { format: NAME, offset, reason: format!("line {number}: {reason}") };
        take(&mut series, text.trim_end_matches(['\n', '\r'])).map_err(failed)?;
        if series.samples.len() > MOST_SAMPLES {
            return Err(Error::TooLarge {
                what: "samples",
                count: series.samples.len() as u64,
                limit: MOST_SAMPLES as u64,
            });
        }
        offset += line.len() as u64;
    }
    if series.samples.is_empty() {
        let reason = "there is no line `MEM MiB seconds`".to_owned();
        return Err(Error::Malformed { format: NAME, offset: 0, reason });
    }
    Ok(series)
}

fn take(series: &mut Series, line: &str) -> std::result::Result<(), String> {
    let (name, rest) = line.split_once(' ').unwrap_or((line, ""));
    let words: Vec<&str> = rest.split_ascii_whitespace().collect();
    match name {
        "CMDLINE" => series.command = rest.to_owned(),
        "MEM" => {
            let [value, at] = two(&words, "MEM MiB seconds")?;
            let before = series.samples.last();
            if before.is_some_and(|before| at < before.at) {
                return Err("this is earlier than the line before".to_owned());
            }
            let unique = before.and_then(|before| before.unique);
            series.samples.push(Sample { at, resident: bytes(value)?, unique, ..Sample::default() });
        }
        "CHLD" => {
            let [value, _] = two(words.get(1..).unwrap_or(&[]), "CHLD number MiB seconds")?;
            let sample = last(series)?;
            sample.of_children = sample.of_children.saturating_add(bytes(value)?);
            sample.children = sample.children.saturating_add(1);
        }
        "CHLDN" => {
            let [count, _] = two(&words, "CHLDN count seconds")?;
            last(series)?.children = whole(count)?;
        }
        "SWAP" => {
            let [value, _] = two(&words, "SWAP MiB seconds")?;
            last(series)?.swap = bytes(value)?;
        }
        "USS" => {
            let [value, _] = two(&words, "USS MiB seconds")?;
            last(series)?.unique = Some(bytes(value)?);
        }
        "DUMP" => {
            let [from, to] = two(&words, "DUMP seconds seconds")?;
            if series.captures.len() == MOST_CAPTURES {
                return Err(format!("more than {MOST_CAPTURES} dumps"));
            }
            series.captures.push(Capture { from, to });
        }
        _ => {}
    }
    Ok(())
}

fn last(series: &mut Series) -> std::result::Result<&mut Sample, String> {
    series.samples.last_mut().ok_or_else(|| "a line `MEM MiB seconds` must come before".to_owned())
}

/// Two numbers that are finite and not too large.
fn two(words: &[&str], wanted: &str) -> std::result::Result<[f64; 2], String> {
    let failed = || format!("expected `{wanted}`, with numbers");
    let [first, second] = words else { return Err(failed()) };
    let number = |word: &str| word.parse().ok().filter(|number: &f64| number.abs() < MOST).ok_or_else(failed);
    Ok([number(first)?, number(second)?])
}

fn bytes(mebibytes: f64) -> std::result::Result<u64, String> {
    if mebibytes < 0.0 {
        return Err("memory is negative".to_owned());
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "neither negative nor too large")]
    let kibibytes = (mebibytes * 1024.0).round() as u64;
    // what is written has six decimals, which are not quite a byte
    Ok(kibibytes * 1024)
}

fn whole(count: f64) -> std::result::Result<u32, String> {
    if !(0.0..=f64::from(u32::MAX)).contains(&count) {
        return Err("a count is out of range".to_owned());
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in range")]
    let count = count as u32;
    Ok(count)
}

#[expect(clippy::cast_precision_loss, reason = "six decimals are written")]
fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / MIB
}
