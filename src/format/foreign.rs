//! Formats that are known and not read: what each is called, and what to do.
//!
//! Two kinds of marks: *shapes* of JSON that a reader of ours would take for something else are looked at before any
//! format is tried; beginnings of other files are looked at when none fits. A row is a name, a mark, and advice.

mod shape;

use self::shape::Outline;
use crate::graph::index::MAGIC as INDEX_MAGIC;

/// A format that is known and not read.
#[derive(Debug, Clone, Copy)]
pub struct Foreign {
    /// What it is, with its article, as in "it is …".
    pub name: &'static str,
    /// What to do.
    pub advice: &'static str,
    mark: Mark,
}

/// By what a format is known.
#[derive(Debug, Clone, Copy)]
enum Mark {
    /// The shape of a JSON document, which some reader of ours might take for its own.
    Shape(fn(&Outline<'_>) -> bool),
    /// Bytes at an offset.
    Bytes(usize, &'static [u8]),
    /// The beginning of a text, white space left out, capital letters or not.
    Text(&'static str),
    /// Anything else about the first bytes.
    Looks(fn(&[u8]) -> bool),
}

/// Bytes that are looked at.
const START: usize = 1 << 18;

/// The shape of JSON that is not to be read, if it has one.
pub fn misleading(bytes: &[u8]) -> Option<&'static Foreign> {
    let outline = Outline::of(&bytes[..bytes.len().min(START)])?;
    FOREIGN.iter().find(|foreign| matches!(foreign.mark, Mark::Shape(is_so) if is_so(&outline)))
}

/// What bytes are that no reader takes.
pub fn find(bytes: &[u8]) -> Option<&'static Foreign> {
    let start = &bytes[..bytes.len().min(START)];
    FOREIGN.iter().find(|foreign| match foreign.mark {
        Mark::Shape(_) => false,
        Mark::Bytes(offset, mark) => start.get(offset..).is_some_and(|rest| rest.starts_with(mark)),
        Mark::Text(mark) => begins(start, mark),
        Mark::Looks(is_so) => is_so(start),
    })
}

const fn row(name: &'static str, mark: Mark, advice: &'static str) -> Foreign {
    Foreign { name, advice, mark }
}

const PYTHON: &str =
    "it has no references: take a dump with `retainers.dump()` in the process, or `retainers capture PID`";
const OTHER_RUNTIME: &str =
    "it is of another runtime; only heaps of Python are read, and graphs in the formats of `docs/formats.md`";
const NODE_LINK: &str =
    "write the graph with `networkx.node_link_data`: `nodes` with `id`, `links` with `source` and `target`";
const OTHER_GRAPH: &str = "convert it: read it with networkx, and write `json.dumps(networkx.node_link_data(graph))`";
const UNPACK: &str = "unpack it first; gzip and zstd are unpacked here";
const UTF_8: &str =
    "convert it to UTF-8: `iconv -f UTF-16 -t UTF-8 FILE > NEW`, or `Out-File -Encoding utf8` in PowerShell";

/// The formats; the first that fits counts.
const FOREIGN: &[Foreign] = &[
    // JSON that a reader of ours would take for something else
    row("a V8 heap snapshot (Chrome, Node.js)", Mark::Shape(|outline| outline.is_v8()), OTHER_RUNTIME),
    row(
        "a sampling heap profile of V8 (Chrome, Node.js)",
        Mark::Shape(|outline| outline.is_v8_profile()),
        OTHER_RUNTIME,
    ),
    row(
        "an export of refcycle",
        Mark::Shape(|outline| outline.is_refcycle()),
        "write `nodes` with `id` for its `vertices`, and `links` with `source` and `target` for `tail` and `head` of its `edges`",
    ),
    row("networkx adjacency data", Mark::Shape(|outline| outline.is_adjacency()), NODE_LINK),
    row("Cytoscape elements", Mark::Shape(|outline| outline.is_cytoscape()), NODE_LINK),
    row(
        "a graphology graph (sigma.js)",
        Mark::Shape(|outline| outline.is_graphology()),
        "write the `key` of each node as its `id`",
    ),
    row(
        "a tree of nested objects (networkx `tree_data`, d3 hierarchy)",
        Mark::Shape(|outline| outline.is_tree()),
        NODE_LINK,
    ),
    row("a heap dump of Ruby (ObjectSpace)", Mark::Shape(|outline| outline.is_ruby()), OTHER_RUNTIME),
    row(
        "a list of objects with their referrers",
        Mark::Shape(|outline| outline.is_backwards()),
        "write the objects that each one refers to (`gc.get_referents`) under `refs`",
    ),
    row(
        "an export of retainers, not a dump",
        Mark::Shape(|outline| outline.is_own_export()),
        "give the dump that it was made from",
    ),
    row(
        "an answer of retainers, not a dump",
        Mark::Shape(|outline| outline.is_own_answer()),
        "give the dump that it was made from",
    ),
    row(
        "a list of records below a key",
        Mark::Shape(|outline| outline.is_wrapped()),
        "take the list out: `jq -c '.objects[]' FILE > NEW`, with its key for `objects`",
    ),
    row(
        "a map of records by their ids",
        Mark::Shape(|outline| outline.is_by_id()),
        "take the records out: `jq -c '.[]' FILE > NEW`",
    ),
    row("a profile for speedscope", Mark::Shape(|outline| outline.is_speedscope()), PYTHON),
    row("a trace of events (Chrome, viztracer)", Mark::Shape(|outline| outline.is_trace()), PYTHON),
    // our own
    row(
        "an index of retainers, not a dump",
        Mark::Bytes(0, &INDEX_MAGIC),
        "give the dump that it belongs to, or call it `DUMP.rtx` again",
    ),
    // encodings
    row(
        "text in UTF-32",
        Mark::Bytes(0, b"\xff\xfe\0\0"),
        "convert it to UTF-8: `iconv -f UTF-32 -t UTF-8 FILE > NEW`",
    ),
    row(
        "text in UTF-32",
        Mark::Bytes(0, b"\0\0\xfe\xff"),
        "convert it to UTF-8: `iconv -f UTF-32 -t UTF-8 FILE > NEW`",
    ),
    row("text in UTF-16", Mark::Bytes(0, b"\xff\xfe"), UTF_8),
    row("text in UTF-16", Mark::Bytes(0, b"\xfe\xff"), UTF_8),
    row("text in UTF-16", Mark::Looks(is_utf_16), UTF_8),
    row(
        "a sequence of JSON texts (RFC 7464)",
        Mark::Bytes(0, b"\x1e"),
        "leave the separators out: `tr -d '\\036' < FILE > NEW`",
    ),
    row("Python literals, not JSON", Mark::Looks(is_python), "write it with `json.dumps`, one object a line"),
    // packed
    row("packed with LZ4", Mark::Bytes(0, b"\x04\x22\x4d\x18"), UNPACK),
    row("packed with bzip2", Mark::Bytes(0, b"BZh"), UNPACK),
    row("packed with xz", Mark::Bytes(0, b"\xfd7zXZ\0"), UNPACK),
    row("packed with lzip", Mark::Bytes(0, b"LZIP"), UNPACK),
    row("packed with snappy", Mark::Bytes(0, b"\xff\x06\0\0sNaPpY"), UNPACK),
    row("a zip archive", Mark::Bytes(0, b"PK\x03\x04"), UNPACK),
    row("a 7-zip archive", Mark::Bytes(0, b"7z\xbc\xaf\x27\x1c"), UNPACK),
    row("a RAR archive", Mark::Bytes(0, b"Rar!\x1a\x07"), UNPACK),
    row("a tar archive", Mark::Bytes(257, b"ustar"), UNPACK),
    // heaps and profiles
    row(
        "a heap dump of Java (HPROF)",
        Mark::Bytes(0, b"JAVA PROFILE 1."),
        "it is of another runtime: Eclipse Memory Analyzer and VisualVM read it",
    ),
    row(
        "a portable heap dump of Java (PHD)",
        Mark::Bytes(2, b"portable heap dump"),
        "it is of another runtime: Eclipse Memory Analyzer reads it",
    ),
    row(
        "a heap dump of PyHeap",
        Mark::Bytes(0, &PYHEAP),
        "take one in Meliae's keys, or with `retainers capture PID`; `pyheap-ui` shows this one",
    ),
    row(
        "a heap dump of .NET (gcdump)",
        Mark::Bytes(4, b"!FastSerialization.1"),
        "it is of another runtime: PerfView and Visual Studio read it",
    ),
    row("a trace of .NET", Mark::Bytes(0, b"Nettrace"), OTHER_RUNTIME),
    row("a heap dump of Go", Mark::Looks(is_go_dump), OTHER_RUNTIME),
    row("a heap profile in text (Go, tcmalloc)", Mark::Text("heap profile:"), OTHER_RUNTIME),
    row("a heap profile of jemalloc", Mark::Text("heap_v2/"), PYTHON),
    row("a profile of pprof", Mark::Looks(is_pprof), PYTHON),
    row(
        "a core dump (ELF)",
        Mark::Looks(is_core),
        "take a dump of a running process: `retainers capture PID`, or `retainers.dump()` in it",
    ),
    row("a program or library (ELF)", Mark::Bytes(0, b"\x7fELF"), PYTHON),
    row("a program or core dump (Mach-O)", Mark::Bytes(0, b"\xcf\xfa\xed\xfe"), PYTHON),
    row("a minidump of Windows", Mark::Bytes(0, b"MDMP"), PYTHON),
    row("a crash dump of Windows", Mark::Bytes(0, b"PAGEDU"), PYTHON),
    row(
        "a recording of memray",
        Mark::Bytes(0, b"memray\0"),
        "it has allocations, no references: `memray` shows it; take a dump with `retainers.dump()`",
    ),
    row("a dump of statistics by guppy (heapy)", Mark::Looks(is_guppy), PYTHON),
    row("a table printed by guppy (heapy)", Mark::Text("Partition of a set of"), PYTHON),
    row("a snapshot of tracemalloc (pickle)", Mark::Looks(is_tracemalloc), PYTHON),
    row(
        "a pickle",
        Mark::Looks(is_pickle),
        "load it in Python, and write one JSON object for each object; its classes are needed for that",
    ),
    row(
        "samples of mprof",
        Mark::Looks(is_mprof),
        "it has memory over time, no objects: `retainers watch FILE` reads it",
    ),
    row("a report of memory_profiler", Mark::Text("Filename: "), PYTHON),
    row("a recording of heaptrack", Mark::Text("v 1"), PYTHON),
    row("a report of Valgrind's massif", Mark::Text("desc: "), PYTHON),
    row("a recording of perf", Mark::Bytes(0, b"PERFILE2"), PYTHON),
    // graphs
    row("a graph for Graphviz (DOT)", Mark::Looks(is_dot), OTHER_GRAPH),
    row("a graph in GML", Mark::Looks(is_gml), OTHER_GRAPH),
    row("a graph for Pajek", Mark::Text("*vertices"), OTHER_GRAPH),
    row("a graph in GEXF", Mark::Looks(|start| is_xml_with(start, b"<gexf")), OTHER_GRAPH),
    row("a graph in GraphML", Mark::Looks(|start| is_xml_with(start, b"<graphml")), OTHER_GRAPH),
    // other files
    row("a page in HTML", Mark::Text("<!doctype html"), "perhaps a page that a server gave instead of the file"),
    row("a page in HTML", Mark::Text("<html"), "perhaps a page that a server gave instead of the file"),
    row("XML", Mark::Text("<?xml"), OTHER_GRAPH),
    row("a picture (PNG)", Mark::Bytes(0, b"\x89PNG"), "give the dump that it was drawn from"),
    row("an SQLite database", Mark::Bytes(0, b"SQLite format 3\0"), "write a JSON object for each object, one a line"),
    row("a Parquet file", Mark::Bytes(0, b"PAR1"), "write a JSON object for each object, one a line"),
    row("an array of NumPy", Mark::Bytes(0, b"\x93NUMPY"), "write a JSON object for each object, one a line"),
    row(
        "an export of retainers, not a dump",
        Mark::Text("address,type,shallow_size,"),
        "give the dump that it was made from",
    ),
    row(
        "a table (CSV)",
        Mark::Looks(|start| is_table(start, b',')),
        "write a JSON object for each row, one a line: `id`, `type`, `size`, `refs`",
    ),
    row(
        "a table (tab-separated)",
        Mark::Looks(|start| is_table(start, b'\t')),
        "write a JSON object for each row, one a line: `id`, `type`, `size`, `refs`",
    ),
];

/// The number with which a file of PyHeap begins, big-endian.
const PYHEAP: [u8; 8] = 123_000_321u64.to_be_bytes();

/// The bytes from the first that is no white space on, a byte order mark left out.
fn trimmed(start: &[u8]) -> &[u8] {
    start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start).trim_ascii_start()
}

fn begins(start: &[u8], mark: &str) -> bool {
    trimmed(start).get(..mark.len()).is_some_and(|text| text.eq_ignore_ascii_case(mark.as_bytes()))
}

/// Text without a byte order mark whose every other byte is zero.
fn is_utf_16(start: &[u8]) -> bool {
    let is_wide = |text: usize, zero: usize| {
        let pairs = start.chunks_exact(2).take(16);
        start.len() >= 8
            && pairs.into_iter().all(|pair| pair[zero] == 0 && pair[text].is_ascii() && pair[text] >= b'\t')
    };
    is_wide(0, 1) || is_wide(1, 0)
}

/// `{'key': …` and lists of that.
fn is_python(start: &[u8]) -> bool {
    let text = trimmed(start);
    let text = text.strip_prefix(b"[").unwrap_or(text).trim_ascii_start();
    text.strip_prefix(b"{").is_some_and(|rest| rest.trim_ascii_start().starts_with(b"'"))
}

/// `go1.7 heap dump` and its like.
fn is_go_dump(start: &[u8]) -> bool {
    let line = start.split(|&byte| byte == b'\n').next().unwrap_or_default();
    line.len() < 32 && line.starts_with(b"go1.") && line.ends_with(b" heap dump")
}

/// A protocol buffer whose first field is a pair of small numbers: the type of the first sample.
fn is_pprof(start: &[u8]) -> bool {
    matches!(start, [0x0a, 2 | 4, 0x08, kind, 0x10, unit, ..] if *kind < 0x80 && *unit < 0x80)
}

/// An ELF file whose kind is a core, in either byte order.
fn is_core(start: &[u8]) -> bool {
    start.starts_with(b"\x7fELF") && matches!(start.get(16..18), Some([4, 0] | [0, 4]))
}

fn is_guppy(start: &[u8]) -> bool {
    start.starts_with(b".loader:") || start.starts_with(b".hpy")
}

fn is_tracemalloc(start: &[u8]) -> bool {
    is_pickle(start) && memchr::memmem::find(&start[..start.len().min(256)], b"tracemalloc").is_some()
}

/// Protocols 2 to 5 by their first opcode; 0 by how a dictionary or list begins.
fn is_pickle(start: &[u8]) -> bool {
    matches!(start, [0x80, 2..=5, ..]) || start.starts_with(b"(dp0\n") || start.starts_with(b"(lp0\n")
}

fn is_mprof(start: &[u8]) -> bool {
    [&b"CMDLINE "[..], b"MEM ", b"CHLD "].iter().any(|mark| start.starts_with(mark))
}

fn is_dot(start: &[u8]) -> bool {
    let text = trimmed(start);
    let text = text.strip_prefix(b"strict").unwrap_or(text).trim_ascii_start();
    let rest = text.strip_prefix(b"digraph").or_else(|| text.strip_prefix(b"graph"));
    let line = rest.and_then(|rest| rest.split(|&byte| byte == b'\n').next());
    line.is_some_and(|line| line.contains(&b'{'))
}

fn is_gml(start: &[u8]) -> bool {
    let mut words = trimmed(start).split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let mut is_next = |wanted: &[u8]| words.next() == Some(wanted);
    is_next(b"graph") && is_next(b"[")
}

fn is_xml_with(start: &[u8], element: &[u8]) -> bool {
    let text = trimmed(start);
    text.starts_with(b"<") && memchr::memmem::find(&text[..text.len().min(4096)], element).is_some()
}

/// Two lines with as many separators, two or more, and nothing of JSON.
fn is_table(start: &[u8], separator: u8) -> bool {
    let mut lines = trimmed(start).split(|&byte| byte == b'\n');
    let mut count = || {
        let line = lines.next().filter(|line| !line.iter().any(|byte| matches!(byte, b'{' | b'}' | 0)))?;
        Some(line.iter().filter(|&&byte| byte == separator).count())
    };
    let first = count();
    first.is_some_and(|first| first >= 2) && first == count()
}
