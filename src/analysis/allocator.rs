//! Leak or allocator: is the process's memory in its live objects at all?
//!
//! A process can be large while its heap is small. Then no object is to blame: the interpreter's allocator keeps arenas for
//! objects that are long dead (one survivor keeps 256 KiB or 1 MiB), the C library's allocator does the same with what is
//! larger than 512 bytes, or an extension has memory that no Python object stands for. The header of a dump tells what the
//! process had when it was taken; against that stand the sizes of all objects, reachable or not.
//!
//! Arenas: CPython's `Objects/obmalloc.c`; what of them is in use is what `sys._debugmallocstats` says.

use serde_json::{Value, json};

use crate::counts::{bytes_text, share_text};
use crate::graph::{About, Heap};

/// The memory of a process beside that of its objects, bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProcessMemory {
    /// What the process has for itself: resident and not of a file where the dump says so, all that is resident otherwise;
    /// and what of it is swapped out.
    pub process: u64,
    /// All objects of the dump with what they hold outside the heap.
    pub live: u64,
    /// The interpreter's arenas, and what of them is in use.
    pub arenas: Option<(u64, u64)>,
}

/// Where the memory of a process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In live objects, as far as the numbers tell: an object is to blame.
    Objects,
    /// In arenas whose objects are dead.
    Arenas,
    /// Neither in objects nor in arenas: the C library's allocator, or native code.
    Native,
    /// Not in live objects; the dump does not tell of arenas.
    Elsewhere,
}

/// Less than this is what an interpreter with a few libraries takes for itself.
const WORTH_TELLING: u64 = 64 << 20;

impl ProcessMemory {
    /// From the header and all objects of a dump; `None` where the header tells no memory, or where the dump is cut off.
    pub fn new(heap: &Heap) -> Option<Self> {
        if heap.damage.cut_off.is_some() {
            return None;
        }
        // nothing is added up where there is nothing to compare it with
        Self::of(&heap.about, 0)?;
        let graph = &heap.graph;
        let live = graph.objects().fold(0u64, |sum, object| {
            sum.saturating_add(graph.shallow_size(object)).saturating_add(graph.external_size(object))
        });
        Self::of(&heap.about, live)
    }

    /// From the header of a dump, and the size of its objects.
    pub fn of(about: &About, live: u64) -> Option<Self> {
        let process = about.anonymous.or(about.resident)?.saturating_add(about.swap.unwrap_or(0));
        let arenas = about.arenas.zip(about.arenas_used).filter(|(all, used)| used <= all);
        Some(Self { process, live, arenas })
    }

    /// What no live object explains.
    pub fn unexplained(&self) -> u64 {
        self.process.saturating_sub(self.live)
    }

    /// Bytes of arenas that are not in use.
    pub fn unused_in_arenas(&self) -> u64 {
        self.arenas.map_or(0, |(all, used)| all - used)
    }

    /// Where most of the memory is: elsewhere than in objects only where these are less than half of it, and the rest is
    /// more than an interpreter takes for itself.
    pub fn place(&self) -> Place {
        place(self.process, self.live, self.arenas.map(|_| self.unused_in_arenas()))
    }

    /// The verdict in a sentence or two, where the memory is not in the objects.
    pub fn verdict(&self) -> Option<String> {
        let place = self.place();
        let part = share_text(self.live, self.process);
        let cause = cause(place, self.unexplained(), self.unused_in_arenas())?;
        Some(format!(
            "this is hardly a leak of objects: the process has {}, all objects together {} ({part}). {cause}",
            bytes_text(self.process),
            bytes_text(self.live),
        ))
    }

    /// For machines.
    pub fn data(&self) -> Value {
        json!({
            "process": self.process,
            "live_objects": self.live,
            "arenas": self.arenas.map(|(all, _)| all),
            "arenas_used": self.arenas.map(|(_, used)| used),
            "memory_is_in": match self.place() {
                Place::Objects => "objects",
                Place::Arenas => "arenas",
                Place::Native => "native",
                Place::Elsewhere => "elsewhere",
            },
        })
    }
}

/// The verdict on how the memory of a process changed from `first` to `last`, where the change is not in the objects.
pub fn change_verdict(first: &ProcessMemory, last: &ProcessMemory) -> Option<String> {
    let more = last.process.saturating_sub(first.process);
    let live = last.live.saturating_sub(first.live);
    let unused =
        first.arenas.and(last.arenas).map(|_| last.unused_in_arenas().saturating_sub(first.unused_in_arenas()));
    let cause = cause(place(more, live, unused), more.saturating_sub(live), unused.unwrap_or(0))?;
    Some(format!(
        "hardly a leak of objects: from the first dump to the last the process grew by {}, all objects together by {}. \
         {cause}",
        bytes_text(more),
        bytes_text(live),
    ))
}

fn place(process: u64, live: u64, unused_in_arenas: Option<u64>) -> Place {
    let unexplained = process.saturating_sub(live);
    if unexplained < WORTH_TELLING || live >= process / 2 {
        return Place::Objects;
    }
    match unused_in_arenas {
        None => Place::Elsewhere,
        Some(unused) if unused >= unexplained / 2 => Place::Arenas,
        Some(_) => Place::Native,
    }
}

/// What the bytes are that no object explains, of which some are blocks of arenas that are not in use.
fn cause(place: Place, unexplained: u64, unused_in_arenas: u64) -> Option<String> {
    match place {
        Place::Objects => None,
        Place::Arenas => Some(format!(
            "{} are free blocks in the interpreter's arenas: objects that came in a burst are dead, but survivors between \
             them keep the arenas (fragmentation)",
            bytes_text(unused_in_arenas)
        )),
        Place::Native => {
            let native = bytes_text(unexplained.saturating_sub(unused_in_arenas));
            let in_arenas = if unused_in_arenas >= WORTH_TELLING {
                format!("; {} more are free blocks in its arenas", bytes_text(unused_in_arenas))
            } else {
                String::new()
            };
            Some(format!(
                "{native} are neither in objects nor in the interpreter's arenas: the C library's allocator keeps what was \
                 freed (try MALLOC_ARENA_MAX=2, or malloc_trim), or native code of an extension has it (memray --native tells \
                 which){in_arenas}"
            ))
        }
        Place::Elsewhere => Some(
            "The rest is fragmentation of an allocator, or native memory of an extension; the dump does not tell of arenas"
                .to_owned(),
        ),
    }
}
