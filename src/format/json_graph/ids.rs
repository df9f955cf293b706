//! Ids that are no numbers, found by their text.

use std::cmp::Ordering;
use std::io;

use super::fields::Texts;
use crate::graph::column::Column;
use crate::graph::index::{Index, IndexWriter, Unusable, ascending, below};

/// The numbers of texts of ids.
#[derive(Debug)]
pub(super) enum Ids {
    /// As they were read.
    Read(Texts),
    /// Where they lie in an index.
    Stored(StoredIds),
}

/// Texts of ids in an index, where the graph keeps them too: what is asked for is found by binary search.
#[derive(Debug)]
pub(super) struct StoredIds {
    /// Where each text starts, and the last one ends.
    offsets: Column<u64>,
    text: Column<u8>,
    /// Numbers of the texts in the order of their bytes.
    order: Column<u32>,
}

impl Ids {
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Read(texts) => texts.is_empty(),
            Self::Stored(ids) => ids.order.is_empty(),
        }
    }

    pub(super) fn find(&self, text: &str) -> Option<u32> {
        match self {
            Self::Read(texts) => texts.find(text),
            Self::Stored(ids) => ids.find(text.as_bytes()),
        }
    }

    /// Appends what the graph does not keep of them to an index.
    pub(super) fn store(&self, writer: &mut IndexWriter) -> io::Result<()> {
        match self {
            _ if self.is_empty() => Ok(()),
            Self::Read(texts) => {
                let texts = texts.in_order();
                let mut order: Vec<u32> = (0..).take(texts.len()).collect();
                order.sort_unstable_by_key(|&number| texts[number as usize]);
                writer.section("ids.order", &order)
            }
            Self::Stored(ids) => writer.section("ids.order", &ids.order),
        }
    }

    /// The ids of an index; as many as the graph has, and their addresses from `first_named` on exist.
    pub(super) fn restore(index: &Index, first_named: u64) -> Result<Self, Unusable> {
        let Some(bytes) = index.bytes_of("ids.text") else {
            return Ok(Self::Read(Texts::default()));
        };
        let count = index.bytes_of("ids.order").ok_or(Unusable::Damaged)? / size_of::<u32>();
        first_named.checked_add(count as u64).ok_or(Unusable::Damaged)?;
        Ok(Self::Stored(StoredIds {
            offsets: index.column("ids.offsets", count + 1, ascending::<u64>(bytes as u64))?,
            text: index.column("ids.text", bytes, |_| true)?,
            order: index.column("ids.order", count, below::<u32>(count as u64))?,
        }))
    }
}

impl StoredIds {
    fn find(&self, wanted: &[u8]) -> Option<u32> {
        let (mut low, mut end) = (0, self.order.len());
        while low < end {
            let middle = low.midpoint(end);
            let number = self.order.get(middle);
            match self.text(number as usize).cmp(wanted) {
                Ordering::Less => low = middle + 1,
                Ordering::Equal => return Some(number),
                Ordering::Greater => end = middle,
            }
        }
        None
    }

    #[expect(clippy::cast_possible_truncation, reason = "checked: within the text, which is mapped")]
    fn text(&self, number: usize) -> &[u8] {
        self.text.range(self.offsets.get(number) as usize..self.offsets.get(number + 1) as usize)
    }
}
