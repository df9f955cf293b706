//! What can be typed. The doc comments are the help and the manual.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};

use super::memory::Limit;
use super::{numbers, watch};

/// Who keeps these objects alive? Answers from a heap dump, offline.
///
/// Shows the shortest chains of references from roots (modules, thread frames) to the objects of a type, grouped by the
/// way in which they are held, and draws each way as a picture.
#[derive(Debug, Parser)]
#[command(
    name = "retainers",
    version,
    args_conflicts_with_subcommands = true,
    arg_required_else_help = true,
    max_term_width = 100,
    after_help = EXAMPLES,
    after_long_help = format!("{EXAMPLES}\n\n{EXIT_CODES}")
)]
pub struct Cli {
    /// Another question than the main one.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The main question.
    #[command(flatten)]
    pub ask: Ask,
}

const EXAMPLES: &str = "Examples:
  retainers dump.jsonl.zst --type SessionState      who keeps SessionState alive; pictures beside
  retainers dump.jsonl --type 'app.models.*' --no-files
  retainers dump.jsonl --id 0x7fc0a43da7c0 --raw    every hop to one object
  retainers dump.jsonl                              what is in the dump
  retainers suspects dump.jsonl                     where things pile up, no name needed
  retainers capture 4242 -o heap.jsonl.zst          a dump of the running process 4242
  retainers capture 4242 --type SessionState        capture and answer in one go
  retainers cut dump.jsonl --type SessionState      the fewest references that must go
  retainers growth monday.jsonl tuesday.jsonl       what grew, and who holds it
  retainers check dump.jsonl --max Session=1        exit code 1 if there are more
  retainers watch 4242 --for 10m --dump-when growth does its memory grow, and what grows in it
  retainers export dump.jsonl -o objects.csv        one row an object, for pandas";

const EXIT_CODES: &str = "Exit codes:
  0  found
  1  nothing matched
  2  failure: unreadable dump, bad argument, unwritable file";

/// Questions beside the main one.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Write one row an object: address, type, shallow size, distance from the nearest module root
    Export(Export),
    /// Where things pile up, when you have no name yet
    Suspects(SuspectsArguments),
    /// Count, shallow and retained size by type, module, root or allocation site
    Summary(SummaryArguments),
    /// The dominator tree from the largest down: what hangs on what
    Tree(TreeArguments),
    /// One object whole: value, sizes, references, referrers, chain, dominators, what it retains
    Object(ObjectArguments),
    /// The smallest set of references that must go so that all matching objects can be collected
    Cut(CutArguments),
    /// What grows from dump to dump of one process, who holds it, and where it was allocated
    Growth(GrowthArguments),
    /// Does a dump hold to its rules? The gate for tests and continuous integration
    Check(CheckArguments),
    /// Does the memory of a process grow? Watch it, judge it, and take dumps on the way
    Watch(WatchArguments),
    /// Write the index of a dump, from which further questions are answered at once
    Index(IndexArguments),
    /// Write a heap dump of a running Python process, and answer a question about it at once
    Capture(CaptureArguments),
    /// Take values, keys and the command line out of a dump, so that it can be shown to others
    Redact(RedactArguments),
    /// Print the capture agent: one Python file that dumps the process it runs in
    Agent(AgentArguments),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page (roff)
    Man,
}

/// The main question about a dump.
#[derive(Debug, Args)]
pub struct Ask {
    /// The heap dump: plain, gzip or zstd, of any known format; `-` reads standard input
    #[arg(value_name = "DUMP", value_hint = ValueHint::FilePath)]
    pub dump: Option<PathBuf>,
    /// Directory for the files; or one file (`.png`, `.svg`, `.dot`), for the picture of all ways together, or `.json`
    #[arg(short, long, value_name = "DIR|FILE", default_value = ".", value_hint = ValueHint::AnyPath)]
    pub output: PathBuf,
    /// What is asked.
    #[command(flatten)]
    pub question: Question,
}

/// The main question.
#[derive(Debug, Args)]
pub struct Question {
    /// Objects of this type: a qualified name, a bare class name, or a glob over qualified names
    #[arg(short, long = "type", value_name = "NAME")]
    pub types: Vec<String>,
    /// The object with this address, decimal or hexadecimal
    #[arg(long = "id", value_name = "ADDRESS")]
    pub ids: Vec<String>,
    /// How chains are searched.
    #[command(flatten)]
    pub search: SearchArguments,
    /// What if this reference went? An expression as answers print it, such as `app.cache.items`, or OWNER.NAME
    ///
    /// Says what that frees, and shows what still holds the rest. `[…]` or `[*]` stands for all items.
    #[arg(long, value_name = "EXPRESSION")]
    pub without: Vec<String>,
    /// Do not compute retained sizes: faster on a large dump
    #[arg(long)]
    pub no_retained: bool,
    /// Show every hop: no folding of dictionaries, tuples and cells
    #[arg(long)]
    pub raw: bool,
    /// Ways shown and drawn of each type, at most 50 drawn in all; 0 for no limit
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = numbers::limit, allow_negative_numbers = true)]
    pub limit: usize,
    /// What to make; text and JSON go to standard output, pictures into files
    #[arg(long, value_name = "FORMATS", value_delimiter = ',', default_value = "text,dot,png")]
    pub format: Vec<OutputFormat>,
    /// Write no files
    #[arg(long)]
    pub no_files: bool,
    /// What draws SVG and PNG
    #[arg(long, value_enum, default_value_t = Renderer::Embedded)]
    pub renderer: Renderer,
    /// What all questions understand.
    #[command(flatten)]
    pub common: Common,
}

/// How chains are searched.
#[derive(Debug, Default, Args)]
pub struct SearchArguments {
    /// Only these roots, in one search: kinds (`module`, `frame`, …, `all`), or `KIND:NAME` with globs
    ///
    /// Without this, modules are asked first; what no module leads to is searched from thread frames, and what is left
    /// from all other roots.
    #[arg(long, value_name = "KINDS")]
    pub roots: Vec<String>,
    /// Do not follow references that match OWNER.NAME, such as `sys.modules` or `*.__globals__`
    ///
    /// OWNER is a type (qualified or bare) or a module's name, NAME an attribute; both may have `*` and `?`.
    #[arg(long, value_name = "OWNER.NAME")]
    pub exclude: Vec<String>,
    /// A file with further known holders, one a line: `selector | what it is | what releases it`
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub holders: Option<PathBuf>,
}

/// What all questions understand.
#[derive(Debug, Args)]
pub struct Common {
    /// Refuse a damaged dump instead of reading it as far as it goes
    #[arg(long)]
    pub strict: bool,
    /// Threads, at most 1024; 0 for one a core
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u16).range(0..=1024), allow_negative_numbers = true)]
    pub threads: u16,
    /// Memory that may be taken, such as 8GiB, or `none` for no limit; by default what is free
    ///
    /// A dump that needs more is answered without retained sizes where that fits, and refused otherwise.
    #[arg(long, value_name = "SIZE")]
    pub memory: Option<Limit>,
    /// Directory of the index, instead of beside the dump
    ///
    /// Reading a large dump leaves an index, `DUMP.rtx`, from which further questions are answered at once. It is beside the
    /// dump, or in the user's cache (`$XDG_CACHE_HOME/retainers`) where that directory cannot be written.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub index: Option<PathBuf>,
    /// Neither read nor write an index
    #[arg(long, conflicts_with = "index")]
    pub no_index: bool,
    /// No progress, no remarks on standard error
    #[arg(short, long)]
    pub quiet: bool,
    /// Colours: on a terminal only, always, or never
    #[arg(long, value_enum, default_value_t = Colour::Auto, value_name = "WHEN")]
    pub color: Colour,
}

/// `retainers export`.
#[derive(Debug, Args)]
pub struct Export {
    /// The heap dump; `-` reads standard input
    #[arg(value_name = "DUMP", value_hint = ValueHint::FilePath)]
    pub dump: PathBuf,
    /// Where to write: a file ending in `.csv` or `.jsonl`; `-` writes CSV to standard output
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub output: PathBuf,
    /// Count the distance from these roots instead of modules (as for the main question)
    #[arg(long, value_name = "KINDS")]
    pub roots: Vec<String>,
    /// What all questions understand.
    #[command(flatten)]
    pub common: Common,
}

/// `retainers cut`.
#[derive(Debug, Args)]
pub struct CutArguments {
    /// Which objects, and from which roots.
    #[command(flatten)]
    pub which: Which,
    /// Give up beyond this many references
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = numbers::count, allow_negative_numbers = true)]
    pub max: usize,
    /// What all questions understand.
    #[command(flatten)]
    pub common: Common,
}

/// `retainers growth`.
#[derive(Debug, Args)]
pub struct GrowthArguments {
    /// Heap dumps of one process, oldest first; two are a difference, three and more a trend
    ///
    /// Dumps that say when they were taken are put in that order, whatever the order on the command line.
    #[arg(value_name = "DUMP", required = true, num_args = 2.., value_hint = ValueHint::FilePath)]
    pub dumps: Vec<PathBuf>,
    /// Only objects of this type (as for the main question); by default what grew most
    #[arg(short, long = "type", value_name = "NAME")]
    pub types: Vec<String>,
    /// What makes a row of the table
    #[arg(long, value_enum, default_value_t = By::Type)]
    pub by: By,
    /// How chains are searched.
    #[command(flatten)]
    pub search: SearchArguments,
    /// Ways shown that grew; 0 for all
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = numbers::limit, allow_negative_numbers = true)]
    pub limit: usize,
    /// Print JSON instead of text
    #[arg(long)]
    pub json: bool,
    /// Draw the chains, and the plot of what grew, into this directory; or the plot into one file (`.png`, `.svg`)
    #[arg(short, long, value_name = "DIR|FILE", value_hint = ValueHint::AnyPath)]
    pub output: Option<PathBuf>,
    /// What all questions understand.
    #[command(flatten)]
    pub common: Common,
}

/// `retainers check`.
#[derive(Debug, Args)]
#[command(after_help = CHECK_CODES)]
pub struct CheckArguments {
    /// The heap dump
    #[arg(value_name = "DUMP", value_hint = ValueHint::FilePath)]
    pub dump: PathBuf,
    /// An earlier dump, with which `--max-growth` and `--no-new-signatures` compare; of the same process or of another run
    #[arg(long, value_name = "OLD", value_hint = ValueHint::FilePath)]
    pub baseline: Option<PathBuf>,
    /// At most N objects of a type (named as for the main question; all that a glob matches count together)
    #[arg(long, value_name = "TYPE=N")]
    pub max: Vec<String>,
    /// The objects of a type retain at most so much together, such as `Cache=50MiB`
    #[arg(long, value_name = "TYPE=SIZE")]
    pub max_retained: Vec<String>,
    /// At most N objects of a type more than in the baseline
    #[arg(long, value_name = "TYPE=N")]
    pub max_growth: Vec<String>,
    /// No way of being held that the baseline does not have: of a type, or of the program's own and installed packages' types
    #[arg(long, value_name = "TYPE", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    pub no_new_signatures: Vec<String>,
    /// A file of rules, one a line: `max Session=1`, `no-new-signatures app.*`, `allow 9f2c01d5ab37  # why`
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub rules: Vec<PathBuf>,
    /// What is held in the way of this fingerprint is meant to be, and does not count
    #[arg(long, value_name = "FINGERPRINT")]
    pub allow: Vec<String>,
    /// How chains are searched.
    #[command(flatten)]
    pub search: SearchArguments,
    /// Print JSON instead of text
    #[arg(long)]
    pub json: bool,
    /// Write JUnit XML: a rule is a test case
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub junit: Option<PathBuf>,
    /// Write SARIF 2.1.0 for code scanning
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub sarif: Option<PathBuf>,
    /// Print GitHub annotations too
    #[arg(long, conflicts_with = "json")]
    pub github: bool,
    /// Draw the chains of what violates the rules into this directory; or the first into one file (`.png`, `.svg`, `.dot`)
    #[arg(short, long, value_name = "DIR|FILE", value_hint = ValueHint::AnyPath)]
    pub output: Option<PathBuf>,
    /// What all questions understand.
    #[command(flatten)]
    pub common: Common,
}

const CHECK_CODES: &str = "Exit codes:
  0  all rules hold
  1  a rule is violated
  2  failure: unreadable dump, bad argument or rule, unwritable file";

/// `retainers watch`.
#[derive(Debug, Args)]
pub struct WatchArguments {
    /// The process, by its number in this pid namespace; or a file of samples (mprof's `.dat`), which is judged as it is
    #[arg(value_name = "PID|FILE", required_unless_present = "command", value_hint = ValueHint::FilePath)]
    pub target: Option<String>,
    /// Not the process itself, but the Python process below it, as of a server that starts workers
    #[arg(long, conflicts_with = "command")]
    pub child: bool,
    /// What to run and watch until it ends
    #[arg(last = true, value_name = "COMMAND", conflicts_with = "target", value_hint = ValueHint::CommandWithArguments)]
    pub command: Vec<OsString>,
    /// From one sample to the next
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = watch::interval)]
    pub interval: Duration,
    /// How long to watch, such as 90s, 10m or 2h; until the process ends, or Ctrl-C, without this
    #[arg(long = "for", value_name = "TIME", value_parser = watch::duration)]
    pub time: Option<Duration>,
    /// Directory for the samples (`watch-PID.dat`), the plot and the dumps; the current one by default
    #[arg(short, long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub output: Option<PathBuf>,
    /// Take heap dumps at these times, such as 0,10m,20m
    #[arg(long, value_name = "TIMES", value_delimiter = ',', value_parser = watch::duration)]
    pub dump_at: Vec<Duration>,
    /// Take heap dumps when the memory grows (`growth`: one to compare with, one when growth is sure, one when it has grown
    /// as much again), or once it is above a size (`rss>2GiB`)
    #[arg(long, value_name = "WHEN", value_delimiter = ',', value_parser = watch::DumpWhen::parse)]
    pub dump_when: Vec<watch::DumpWhen>,
    /// No data of the program in the dumps: no text, no number, no key of a dictionary, no command line
    #[arg(long)]
    pub no_values: bool,
    /// Ways shown that grew from dump to dump; 0 for all
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = numbers::limit, allow_negative_numbers = true)]
    pub limit: usize,
    /// Print JSON instead of text
    #[arg(long)]
    pub json: bool,
    /// What all questions understand.
    #[command(flatten)]
    pub common: Common,
}

/// `retainers index`.
#[derive(Debug, Args)]
pub struct IndexArguments {
    /// The heap dump
    #[arg(value_name = "DUMP", value_hint = ValueHint::FilePath)]
    pub dump: PathBuf,
    /// What all questions understand.
    #[command(flatten)]
    pub common: Common,
}

/// `retainers capture`.
#[derive(Debug, Args)]
pub struct CaptureArguments {
    /// The process, by its number in this pid namespace; of a wrapper (`timeout`, a shell, …), the one Python process below it
    #[arg(value_name = "PID", value_parser = numbers::pid, allow_negative_numbers = true, required_unless_present = "name", conflicts_with = "name")]
    pub pid: Option<i32>,
    /// The process, by a text in its command line; several, or nothing to do, and all that match are listed
    #[arg(long, value_name = "TEXT")]
    pub name: Option<String>,
    /// Not the process itself, but the Python process below it, as of a server that starts workers
    #[arg(long)]
    pub child: bool,
    /// Where the dump goes: compressed where the name ends in `.gz` or `.zst`; `-` writes it to standard output
    ///
    /// May be left out where a question is asked (`--type`, `--id`): the dump is a temporary file then.
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub output: Option<PathBuf>,
    /// Write no data of the program: no text, no number, no key of a dictionary, no command line
    #[arg(long)]
    pub no_values: bool,
    /// The process writes by itself and stands still until the dump is done, instead of a forked child of it
    #[arg(long)]
    pub no_fork: bool,
    /// How to get in: the safest way that works, the remote-execution protocol of CPython 3.14 and later, or injected calls
    #[arg(long, value_enum, default_value_t = Way::Auto)]
    pub via: Way,
    /// Seconds until the capture is given up; the process goes on either way [default: 300, of which 20 to get in]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub timeout: Option<u64>,
    /// Directory for the pictures of the answer
    #[arg(long, value_name = "DIR", default_value = ".", value_hint = ValueHint::DirPath)]
    pub pictures: PathBuf,
    /// What is asked about the dump at once.
    #[command(flatten)]
    pub question: Question,
}

/// How to get into a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Way {
    /// The safest way that works
    Auto,
    /// The remote-execution protocol of CPython 3.14 and later
    RemoteExec,
    /// Calls that its main thread is made to make (ptrace); nothing needs to be installed
    Inject,
}

/// `retainers redact`.
#[derive(Debug, Args)]
pub struct RedactArguments {
    /// The heap dump, of records a line; `-` reads standard input
    #[arg(value_name = "DUMP", value_hint = ValueHint::FilePath)]
    pub dump: PathBuf,
    /// Where to write: compressed where the name ends in `.gz` or `.zst`; `-` writes to standard output
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub output: PathBuf,
    /// Leave keys of dictionaries readable in the names of references
    ///
    /// Without this, `['ann@example.org']` becomes `[<str 17>]`: one number for one key, in the whole dump. Names of
    /// attributes, of variables and of modules stay either way.
    #[arg(long)]
    pub keep_keys: bool,
    /// No progress, no remarks on standard error
    #[arg(short, long)]
    pub quiet: bool,
}

/// `retainers agent`.
#[derive(Debug, Args)]
pub struct AgentArguments {
    /// Where to write instead of standard output
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub output: Option<PathBuf>,
    /// The native core instead: the shared library that makes the agent fast, to be put beside it
    #[arg(long)]
    pub native: bool,
}

/// `retainers suspects`.
#[derive(Debug, Args)]
pub struct SuspectsArguments {
    /// Which dump.
    #[command(flatten)]
    pub whole: Whole,
    /// Suspects shown, at most 20 are worked out; 0 for all of them
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = numbers::limit, allow_negative_numbers = true)]
    pub limit: usize,
    /// A file with further known holders
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub holders: Option<PathBuf>,
    /// What all questions understand.
    #[command(flatten)]
    pub common: Common,
}

/// `retainers summary`.
#[derive(Debug, Args)]
pub struct SummaryArguments {
    /// Which dump.
    #[command(flatten)]
    pub whole: Whole,
    /// What makes a group
    #[arg(long, value_enum, default_value_t = By::Type)]
    pub by: By,
    /// What comes first
    #[arg(long, value_enum, default_value_t = Sort::Retained)]
    pub sort: Sort,
    /// Groups shown; 0 for all
    #[arg(long, value_name = "N", default_value_t = 25, value_parser = numbers::limit, allow_negative_numbers = true)]
    pub limit: usize,
    /// What all questions understand.
    #[command(flatten)]
    pub common: Common,
}

/// What makes a group of a summary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum By {
    /// The qualified type
    Type,
    /// The module of the type
    Module,
    /// The root that keeps the object alive by itself
    Root,
    /// Where it was allocated
    Site,
}

/// What comes first in a summary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Sort {
    /// Bytes retained
    Retained,
    /// Bytes of the objects themselves
    Shallow,
    /// Number of objects
    Count,
    /// Name
    Name,
}

/// `retainers tree`.
#[derive(Debug, Args)]
pub struct TreeArguments {
    /// Which dump.
    #[command(flatten)]
    pub whole: Whole,
    /// Levels shown
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = numbers::count, allow_negative_numbers = true)]
    pub depth: usize,
    /// Percent of the reachable bytes that an object must retain to be shown
    #[arg(long, value_name = "PERCENT", default_value_t = 0.5, value_parser = numbers::percent, allow_negative_numbers = true)]
    pub threshold: f64,
    /// Siblings of one type that are grouped
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = numbers::count, allow_negative_numbers = true)]
    pub group: usize,
    /// What all questions understand.
    #[command(flatten)]
    pub common: Common,
}

/// `retainers object`.
#[derive(Debug, Args)]
pub struct ObjectArguments {
    /// Which dump.
    #[command(flatten)]
    pub whole: Whole,
    /// The object's address, decimal or hexadecimal, or its id as the dump writes it
    #[arg(value_name = "ADDRESS")]
    pub address: String,
    /// What all questions understand.
    #[command(flatten)]
    pub common: Common,
}

/// A dump as a whole, and where drawings go.
#[derive(Debug, Args)]
pub struct Whole {
    /// The heap dump; `-` reads standard input
    #[arg(value_name = "DUMP", value_hint = ValueHint::FilePath)]
    pub dump: PathBuf,
    /// Only these roots: kinds (`module`, `frame`, …, `all`), or `KIND:NAME` with globs
    #[arg(long, value_name = "KINDS")]
    pub roots: Vec<String>,
    /// Print JSON instead of text
    #[arg(long)]
    pub json: bool,
    /// Draw into this directory as well; or into one file, as its name ends
    #[arg(short, long, value_name = "DIR|FILE", value_hint = ValueHint::AnyPath)]
    pub output: Option<PathBuf>,
}

/// A dump and objects in it.
#[derive(Debug, Args)]
pub struct Which {
    /// The heap dump; `-` reads standard input
    #[arg(value_name = "DUMP", value_hint = ValueHint::FilePath)]
    pub dump: PathBuf,
    /// Objects of this type (as for the main question)
    #[arg(short, long = "type", value_name = "NAME")]
    pub types: Vec<String>,
    /// The object with this address
    #[arg(long = "id", value_name = "ADDRESS")]
    pub ids: Vec<String>,
    /// Only these roots: kinds (`module`, `frame`, …, `all`), or `KIND:NAME` with globs
    #[arg(long, value_name = "KINDS")]
    pub roots: Vec<String>,
    /// Do not follow references that match OWNER.NAME
    #[arg(long, value_name = "OWNER.NAME")]
    pub exclude: Vec<String>,
    /// Print JSON instead of text
    #[arg(long)]
    pub json: bool,
}

/// An output of the main question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
    /// Words on standard output
    Text,
    /// A Graphviz file for each way
    Dot,
    /// A drawing for each way, scalable
    Svg,
    /// A drawing for each way
    Png,
    /// The whole answer for machines, on standard output (into a file beside the pictures when text is asked for too)
    Json,
}

/// What draws.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Renderer {
    /// Built in; needs nothing
    Embedded,
    /// The system's `dot`
    Graphviz,
}

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Colour {
    /// When standard output is a terminal and NO_COLOR is not set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}
