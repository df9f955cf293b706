//! Heap dumps of any size with the shape of real Python heaps, the same ones for the same seed.
//!
//! What real heaps have in common, measured on CPython processes of up to seven million objects, and what is made here:
//! 94 % of the objects have one referrer, about half refer to nothing, the bulk of the references leads to a few objects
//! (`None` alone has up to a third), and linked structures are as deep as they are long. An ORM's rows, documents, tables,
//! a cache and linked lists make up the mass; closed sessions that a signal still refers to are what is to be found.
//! [`families`] has the shapes on which algorithms are at their worst.
//!
//! A dump is written region by region, so memory does not grow with it; only module-level objects are kept to the end.

mod address;
mod class;
pub mod families;
mod objects;
mod output;
mod random;
mod structures;

use std::fmt;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

pub use output::Format;
pub use random::{Random, mixed};

use families::Shape;
use objects::{Part, Texts, View};
use output::Output;
use structures::{Maker, REGIONS};

/// Objects of a region at most: a linked list of 100 000 nodes.
const LARGEST_REGION: usize = 200_000;
/// Objects that a region may have beyond what was asked for.
const SLACK: usize = 500;
/// The fewest objects that a realistic heap has room for.
pub const FEWEST_OBJECTS: usize = 10_000;
/// Objects to a session that leaks, where nothing else is asked for.
const OBJECTS_A_SESSION: usize = 3_000;
/// How hard gzip and zstd try.
const GZIP_LEVEL: u32 = 1;
const ZSTD_LEVEL: i32 = 3;

/// What to write.
#[derive(Debug, Clone, clap::Args)]
pub struct Plan {
    /// Exactly so many objects; at least 10000 in a realistic heap
    #[arg(long, value_name = "N", default_value_t = 300_000)]
    pub objects: usize,
    /// Sessions that leak; by default one to 3000 objects
    #[arg(long, value_name = "N")]
    pub sessions: Option<usize>,
    /// The same heap at a later moment, after so many sessions more; beyond the number of objects
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub later_sessions: usize,
    /// Another number makes another heap
    #[arg(long, value_name = "N", default_value_t = 42)]
    pub seed: u64,
    /// What the heap looks like
    #[arg(long, value_enum, default_value_t = Shape::Heap)]
    pub shape: Shape,
    /// How to write it
    #[arg(long, value_enum, default_value_t = Format::Lines)]
    pub format: Format,
    /// Leave out what a capture may not know: names of references, reference counts
    #[arg(long)]
    pub no_names: bool,
    /// Lines in random order; all of them are held in memory
    #[arg(long)]
    pub shuffle: bool,
}

/// What was written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Census {
    /// Objects.
    pub objects: usize,
    /// References.
    pub references: usize,
    /// Objects that refer to nothing.
    pub leaves: usize,
    /// Objects with one referrer.
    pub single: usize,
    /// Objects with two.
    pub double: usize,
    /// References to each of the ten objects with the most of them, the most first.
    pub most: Vec<usize>,
    /// References in the longest chain that is made on purpose.
    pub depth: usize,
}

impl Plan {
    /// Objects that leak.
    pub fn sessions(&self) -> usize {
        self.sessions.unwrap_or((self.objects / OBJECTS_A_SESSION).max(10))
    }

    /// Writes the dump into a file, compressed when its name ends in `.gz` or `.zst`.
    ///
    /// # Errors
    /// The file cannot be written, or lines are to be shuffled of what has none.
    pub fn write_file(&self, path: &Path) -> io::Result<Census> {
        let file = BufWriter::with_capacity(1 << 20, File::create(path)?);
        let census;
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("gz") => {
                let mut out = flate2::write::GzEncoder::new(file, flate2::Compression::new(GZIP_LEVEL));
                census = self.write(&mut out)?;
                out.finish()?.flush()?;
            }
            Some("zst") => {
                let mut out = zstd::Encoder::new(file, ZSTD_LEVEL)?;
                census = self.write(&mut out)?;
                out.finish()?.flush()?;
            }
            _ => {
                let mut out = file;
                census = self.write(&mut out)?;
                out.flush()?;
            }
        }
        Ok(census)
    }

    /// Writes the dump.
    ///
    /// # Errors
    /// `out` fails, or lines are to be shuffled of what has none.
    pub fn write(&self, out: &mut impl Write) -> io::Result<Census> {
        if !self.shuffle {
            return self.write_in_order(out);
        }
        if !self.format.is_lines() {
            return Err(io::Error::other("only lines can be shuffled"));
        }
        let mut text = Vec::new();
        let census = self.write_in_order(&mut text)?;
        out.write_all(&shuffled(&text, self.format.frame_lines(), self.seed))?;
        Ok(census)
    }

    fn write_in_order(&self, out: &mut impl Write) -> io::Result<Census> {
        let mut output = Output::new(out, self.format, !self.no_names);
        let mut census = Census::default();
        for &pass in self.format.passes() {
            output.begin(pass)?;
            census = self.pass(|object| output.object(object, pass))?;
        }
        output.end(&census)?;
        Ok(census)
    }

    /// Makes the heap and shows each object once.
    fn pass(&self, show: impl FnMut(View<'_>) -> io::Result<()>) -> io::Result<Census> {
        match self.shape.family() {
            Some(family) => family.pass(self.objects, show),
            None => self.realistic(show),
        }
    }

    fn realistic(&self, mut show: impl FnMut(View<'_>) -> io::Result<()>) -> io::Result<Census> {
        let objects = self.objects.max(FEWEST_OBJECTS);
        let region = (objects / REGIONS.len()).min(LARGEST_REGION);
        let mut maker = Maker::new(objects, self.seed);
        let mut census = Census { depth: region / 2, ..Census::default() };
        maker.sessions(self.sessions());
        for number in 0.. {
            census.show(std::mem::take(&mut maker.world.region), &maker.world.texts, &mut show)?;
            let room = objects.saturating_sub(census.objects + maker.world.base.len());
            if room <= 2 * SLACK {
                maker.filling(room);
                break;
            }
            maker.region(number, region.min(room - SLACK));
        }
        census.show(std::mem::take(&mut maker.world.region), &maker.world.texts, &mut show)?;
        maker.later_sessions(self.later_sessions);
        census.show(std::mem::take(&mut maker.world.region), &maker.world.texts, &mut show)?;
        maker.close();
        census.show(std::mem::take(&mut maker.world.base), &maker.world.texts, &mut show)?;
        Ok(census)
    }
}

impl Census {
    /// Counts an object.
    fn count(&mut self, object: View<'_>) {
        self.objects += 1;
        self.references += object.targets().len();
        self.leaves += usize::from(object.targets().len() == 0);
        self.single += usize::from(object.count == 1);
        self.double += usize::from(object.count == 2);
        let count = object.count as usize;
        let place = self.most.partition_point(|&most| most >= count);
        if place < 10 {
            self.most.insert(place, count);
            self.most.truncate(10);
        }
    }

    /// Shows and counts all objects of a part.
    fn show(
        &mut self,
        mut part: Part,
        texts: &Texts,
        show: &mut impl FnMut(View<'_>) -> io::Result<()>,
    ) -> io::Result<()> {
        part.views(texts).try_for_each(|object| {
            self.count(object);
            show(object)
        })
    }
}

impl fmt::Display for Census {
    #[expect(clippy::cast_precision_loss, reason = "shown with few digits")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let share = |part: usize, whole: usize| 100.0 * part as f64 / whole.max(1) as f64;
        write!(
            f,
            "{} objects, {} references ({:.2} an object), chains of {} references and more",
            self.objects,
            self.references,
            self.references as f64 / self.objects.max(1) as f64,
            self.depth
        )?;
        if self.most.iter().all(|&count| count == 0) {
            return Ok(());
        }
        write!(
            f,
            "\n{:.0} % refer to nothing, {:.0} % have one referrer, {:.0} % two; {:.0} % of the references lead to one \
             object, {:.0} % to ten",
            share(self.leaves, self.objects),
            share(self.single, self.objects),
            share(self.double, self.objects),
            share(self.most.first().copied().unwrap_or(0), self.references),
            share(self.most.iter().sum(), self.references)
        )
    }
}

/// The lines of `text` in another order, but for `frame.0` lines at the beginning and `frame.1` at the end.
fn shuffled(text: &[u8], frame: (usize, usize), seed: u64) -> Vec<u8> {
    let mut lines: Vec<&[u8]> = text.split_inclusive(|&byte| byte == b'\n').collect();
    let mut random = Random::new(mixed(seed));
    let (first, last) = (frame.0, lines.len() - frame.1);
    for place in (first + 1..last).rev() {
        lines.swap(place, first + random.below(place - first + 1));
    }
    lines.concat()
}
