//! Writes a generated heap dump: realistic or a worst case, of any size, in any format that is read.
//!
//! `cargo bench --bench generate -- --objects 10000000 heap.jsonl.zst`; without a file, the heap is made and counted only.

#![allow(clippy::print_stdout, reason = "a program that prints figures")]

mod generator;
#[allow(dead_code, reason = "other benchmarks start commands and look at memory")]
mod measure;

use std::io;
use std::path::PathBuf;

use clap::Parser;
use generator::Plan;
use measure::cost_of;

/// Writes a generated heap dump, and prints what is in it
#[derive(Debug, Parser)]
struct Arguments {
    #[command(flatten)]
    plan: Plan,
    /// The dump; compressed when the name ends in `.gz` or `.zst`
    file: Option<PathBuf>,
    /// Passed by `cargo bench`
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> io::Result<()> {
    let Arguments { plan, file, .. } = Arguments::parse();
    let (census, cost) = cost_of(|| match &file {
        Some(file) => plan.write_file(file),
        None => plan.write(&mut io::sink()),
    });
    println!("{}", census?);
    if let Some(file) = &file {
        println!("{}: {} bytes", file.display(), file.metadata()?.len());
    }
    println!("made in {:.2} CPU s", cost.cpu.as_secs_f64());
    Ok(())
}
