//! Who keeps these objects alive? An object-graph retention analyzer for heap dumps.
//!
//! One sentence: bytes → records → graph → answer → report → picture, one function an arrow, no arrow back.
//!
//! ```
//! use retainers::analysis::chains::{Detail, Options, chains};
//! use retainers::analysis::select::{Query, select};
//! use retainers::present::text;
//! use retainers::progress::Progress;
//! use retainers::source::Source;
//!
//! let dump = r#"{"address": 16, "type": "module", "size": 72, "name": "app", "refs": [32]}
//! {"address": 32, "type": "Session", "size": 64, "refs": []}
//! "#;
//! let progress = Progress::default();
//! let source = Source::from_bytes("a dump", dump.into(), &progress);
//! let heap = retainers::format::read(source, &progress)?;
//! let selection = select(&heap.graph, &Query { types: vec!["Session".to_owned()], ids: Vec::new() });
//! let answer = chains(&heap, &selection, &Options::default());
//! assert_eq!(answer.types[0].signatures[0].root.name.as_deref(), Some("app"));
//!
//! let report = answer.report(&heap, &selection, Detail::default());
//! text::write(&report, text::Layout::default(), &mut std::io::stdout())?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Layers; each uses only those to its left: `counts, progress, error, ending → source, sink → graph → format → redact → report →
//! analysis → tell → present → capture → watch → cli`. The graph is frozen once built; analyses return plain data and print nothing; outputs never see the
//! heap. The same input gives the same bytes out, for any number of threads.

pub mod analysis;
pub mod capture;
pub mod cli;
pub mod counts;
pub mod ending;
pub mod error;
pub mod format;
pub mod graph;
pub mod native_core;
pub mod present;
pub mod progress;
pub mod redact;
pub mod report;
pub mod sink;
pub mod source;
pub mod tell;
pub mod watch;
