//! Heap dumps of any size with the shape of real Python heaps, the same ones for the same seed.
//!
//! What real heaps have in common, measured on CPython processes of up to seven million objects, and what is made here:
//! 94 % of the objects have one referrer, about half refer to nothing, the bulk of the references leads to a few objects
//! (`None` alone has up to a third), and linked structures are as deep as they are long. An ORM's rows, documents, tables,
//! a cache and linked lists make up the mass; closed sessions that a signal still refers to are what is to be found.
//!
//! A dump is written region by region, so memory does not grow with it; only module-level objects are kept to the end.

mod address;
mod class;
mod objects;
mod output;
mod random;
mod structures;

use std::io::{self, Write};

pub use output::Format;

use objects::{Part, Texts, View};
use output::Output;
use structures::{Maker, REGIONS};

/// Objects of a region at most: a linked list of 100 000 nodes.
const LARGEST_REGION: usize = 200_000;
/// Objects that a region may have beyond what was asked for.
const SLACK: usize = 500;
/// The fewest objects that a heap has room for.
pub const FEWEST_OBJECTS: usize = 10_000;

/// What to write.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Exactly so many objects; at least [`FEWEST_OBJECTS`].
    pub objects: usize,
    /// Sessions that leak.
    pub sessions: usize,
    /// Another number, another heap.
    pub seed: u64,
    /// How to write it.
    pub format: Format,
    /// Whether references have names.
    pub has_names: bool,
}

/// What was written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Census {
    /// Objects.
    pub objects: usize,
    /// References.
    pub references: usize,
    /// Objects that refer to nothing.
    pub leaves: usize,
    /// Objects with one referrer.
    pub single: usize,
    /// References to the object with the most of them.
    pub most: usize,
}

impl Plan {
    /// Writes the dump.
    ///
    /// # Errors
    /// `out` fails.
    pub fn write(&self, out: &mut impl Write) -> io::Result<Census> {
        let mut output = Output::new(out, self.format, self.has_names);
        let mut census = Census::default();
        let (passes, end) = self.format.passes();
        for &(start, pass) in passes {
            output.frame(start)?;
            census = self.pass(|object| output.object(object, pass))?;
        }
        output.frame(end)?;
        Ok(census)
    }

    /// Makes the heap and shows each object once.
    fn pass(&self, mut show: impl FnMut(View<'_>) -> io::Result<()>) -> io::Result<Census> {
        let objects = self.objects.max(FEWEST_OBJECTS);
        let region = (objects / REGIONS.len()).min(LARGEST_REGION);
        let mut maker = Maker::new(objects, self.seed);
        let mut census = Census::default();
        maker.sessions(self.sessions);
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
        maker.close();
        census.show(std::mem::take(&mut maker.world.base), &maker.world.texts, &mut show)?;
        Ok(census)
    }
}

impl Census {
    /// Shows and counts all objects of a part.
    fn show(
        &mut self,
        mut part: Part,
        texts: &Texts,
        show: &mut impl FnMut(View<'_>) -> io::Result<()>,
    ) -> io::Result<()> {
        self.objects += part.len();
        self.references += part.reference_count();
        part.views(texts).try_for_each(|object| {
            self.leaves += usize::from(object.targets().len() == 0);
            self.single += usize::from(object.count == 1);
            self.most = self.most.max(object.count as usize);
            show(object)
        })
    }
}
