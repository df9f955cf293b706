//! The graph in an index: its columns as they are, the small rest as lists.

use std::io;

use serde::{Deserialize, Serialize};

use super::address::Addresses;
use super::csr::Csr;
use super::grouped::{Grouped, SectionNames};
use super::index::{Index, IndexWriter, Unusable};
use super::names::Names;
use super::types::Types;
use super::{HeapGraph, ObjectId, Places, Root, RootKind, Sizes, WeakReference};

const PLACES: SectionNames = ["places", "places.groups", "places.wide"];
const FORWARD: SectionNames = ["forward.offsets", "forward.groups", "forward.wide"];
const REVERSE: SectionNames = ["reverse.offsets", "reverse.groups", "reverse.wide"];

/// What has text in it.
#[derive(Serialize, Deserialize)]
struct Texts {
    /// By number.
    types: Vec<String>,
    roots: Vec<StoredRoot>,
    /// Address of the first id that is no number, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    first_named: Option<u64>,
}

#[derive(Serialize, Deserialize)]
struct StoredRoot {
    object: u32,
    kind: String,
    name: Option<String>,
}

impl HeapGraph {
    /// Appends the graph to an index.
    ///
    /// # Errors
    /// What the system says.
    pub fn store(&self, writer: &mut IndexWriter) -> io::Result<()> {
        self.addresses.store(writer)?;
        self.types.store(writer, self.type_names.len())?;
        self.sizes.store(writer, ["sizes", "sizes.wide"])?;
        match &self.places {
            Places::Grouped(places) => places.store(writer, PLACES)?,
            places @ Places::Based { .. } => {
                Grouped::<u16>::of(places.len(), |row| places.get(row)).store(writer, PLACES)?
            }
        }
        self.forward.store(writer, FORWARD, "forward.targets")?;
        self.reverse.store(writer, REVERSE, "reverse.sources")?;
        let weak: Vec<[u32; 2]> = self.weak.iter().map(|weak| [weak.source.0, weak.target.0]).collect();
        writer.section("weak", &weak)?;
        writer.section("external", &pairs(&self.external))?;
        self.store_named_ids(writer)?;
        let root = |root: &Root| StoredRoot {
            object: root.object.0,
            kind: root.kind.word().to_owned(),
            name: root.name.as_deref().map(ToOwned::to_owned),
        };
        let types = self.type_names.iter().map(ToOwned::to_owned).collect();
        let first_named = (!self.named_ids.is_empty()).then_some(self.first_named);
        writer.json("texts", &Texts { types, roots: self.roots.iter().map(root).collect(), first_named })
    }

    /// Where ids are no numbers, their texts one after the other, and where each starts.
    fn store_named_ids(&self, writer: &mut IndexWriter) -> io::Result<()> {
        if self.named_ids.is_empty() {
            return Ok(());
        }
        let ends = self.named_ids.iter().scan(0, |end, text| {
            *end += text.len() as u64;
            Some(*end)
        });
        let offsets: Vec<u64> = std::iter::once(0).chain(ends).collect();
        writer.section("ids.offsets", &offsets)?;
        writer.section("ids.text", self.named_ids.concat().as_bytes())
    }

    /// Looks at all numbers of a graph that comes from an index, so that damage is known. O(n + m).
    pub fn check(&self) {
        self.addresses.check();
        self.types.check();
        self.sizes.check();
        if let Places::Grouped(places) = &self.places {
            places.check();
        }
        self.forward.check();
        self.reverse.check();
    }

    /// The graph of an index. Its columns are checked when they are looked at, everything else is here.
    ///
    /// # Errors
    /// [`Unusable::Damaged`] when something is missing, cannot be read, or names what is not there.
    pub fn restore(index: &Index) -> Result<Self, Unusable> {
        let texts: Texts = index.json("texts")?;
        let mut type_names = Names::default();
        texts.types.iter().for_each(|name| _ = type_names.intern(name));
        let roots: Vec<Root> = texts
            .roots
            .into_iter()
            .map(|root| Root {
                object: ObjectId(root.object),
                kind: RootKind::from_word(&root.kind),
                name: root.name.map(Into::into),
            })
            .collect();
        let named_ids = restore_named_ids(index)?;
        let first_named = texts.first_named.unwrap_or(0);
        if named_ids.is_empty() != texts.first_named.is_none()
            || first_named.checked_add(named_ids.len() as u64).is_none()
        {
            return Err(Unusable::Damaged);
        }
        let weak: Vec<[u32; 2]> = index.rows("weak")?;
        let external = sorted_pairs(index, "external")?;
        let graph = Self {
            addresses: Addresses::restore(index)?,
            types: Types::restore(index, type_names.len())?,
            sizes: Sizes::restore(index, index.object_count(), ["sizes", "sizes.wide"], |_, _| true)?,
            places: Places::Grouped(Grouped::restore(index, index.object_count(), PLACES)?),
            forward: Csr::restore(index, FORWARD, "forward.targets")?,
            reverse: Csr::restore(index, REVERSE, "reverse.sources")?,
            weak: weak
                .into_iter()
                .map(|[source, target]| WeakReference { source: ObjectId(source), target: ObjectId(target) })
                .collect(),
            external: external.into_iter().map(|(row, bytes)| (ObjectId(row), bytes)).collect(),
            roots,
            named_ids,
            first_named,
            type_names,
        };
        let mentioned = graph.roots.iter().map(|root| root.object);
        let mentioned = mentioned.chain(graph.weak.iter().flat_map(|weak| [weak.source, weak.target]));
        let mut mentioned = mentioned.chain(graph.external.iter().map(|(object, _)| *object));
        let all_exist = mentioned.all(|object| object.index() < index.object_count());
        (all_exist && graph.type_names.len() == texts.types.len()).then_some(graph).ok_or(Unusable::Damaged)
    }
}

fn restore_named_ids(index: &Index) -> Result<Vec<Box<str>>, Unusable> {
    if !index.has("ids.text") {
        return Ok(Vec::new());
    }
    let text = std::str::from_utf8(index.bytes("ids.text")?).map_err(|_| Unusable::Damaged)?;
    let offsets: Vec<u64> = index.rows("ids.offsets")?;
    let place = |offset: u64| usize::try_from(offset).ok();
    let id = |ends: &[u64]| text.get(place(ends[0])?..place(ends[1])?).map(Into::into);
    // none outside the text or within a letter, and no end before its start
    offsets.windows(2).map(id).collect::<Option<_>>().ok_or(Unusable::Damaged)
}

/// Pairs of row and value.
pub(super) fn pairs<K: Copy + Into<u32>>(pairs: &[(K, u64)]) -> Vec<[u64; 2]> {
    pairs.iter().map(|&(row, value)| [u64::from(row.into()), value]).collect()
}

/// Pairs of row and value, by row.
pub(super) fn sorted_pairs(index: &Index, name: &str) -> Result<Vec<(u32, u64)>, Unusable> {
    let pairs: Vec<[u64; 2]> = index.rows(name)?;
    let narrow = |[row, value]: [u64; 2]| u32::try_from(row).ok().map(|row| (row, value));
    let pairs: Option<Vec<(u32, u64)>> = pairs.into_iter().map(narrow).collect();
    pairs.filter(|pairs| pairs.is_sorted_by_key(|(row, _)| *row)).ok_or(Unusable::Damaged)
}
