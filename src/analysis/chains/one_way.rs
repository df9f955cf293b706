//! One way of an answer by itself: what growth and checks show of each.

use super::pictures::way_name;
use super::report::Detail;
use super::{Chains, Signature, TypeAnswer};
use crate::analysis::select::Selection;
use crate::graph::Heap;
use crate::report::{Block, Picture};

impl Chains {
    /// The answer about one way of a type alone; without a way, about the objects that no root reaches.
    pub fn alone(&self, answer: &TypeAnswer, way: Option<&Signature>) -> Self {
        let part = TypeAnswer {
            type_id: answer.type_id,
            count: answer.count,
            shallow_size: answer.shallow_size,
            retained: answer.retained,
            signatures: way.into_iter().cloned().collect(),
            further: (0, 0),
            unreached: if way.is_none() { answer.unreached.clone() } else { Vec::new() },
        };
        Self {
            types: vec![part],
            excluded_references: self.excluded_references,
            reachable: self.reachable,
            freed: None,
        }
    }

    /// The only way of such an answer.
    pub fn only_way(&self) -> Option<(&TypeAnswer, &Signature)> {
        let answer = self.types.first()?;
        Some((answer, answer.signatures.first()?))
    }

    /// Such an answer in words and as a picture: the chain without a number, which is that of its way among all; or what is
    /// said of objects that no root reaches.
    pub fn one_way(&self, heap: &Heap) -> (Vec<Block>, Option<Picture>) {
        let detail = Detail { limit: 1, data: false, ..Detail::default() };
        let report = self.report(heap, &Selection::default(), detail);
        let without_number = |block: Block| match block {
            Block::Chain(mut chain) => {
                if chain.heading.first().is_some_and(|span| span.text.starts_with('[')) {
                    chain.heading.remove(0);
                }
                Some(Block::Chain(chain))
            }
            Block::Line(_) => Some(block),
            // how many there are in all ways
            _ => None,
        };
        let picture = report.pictures.into_iter().next().map(|picture| match self.only_way() {
            Some((answer, way)) => Picture { name: way_name(heap, answer, way, None), ..picture },
            None => picture,
        });
        (report.blocks.into_iter().filter_map(without_number).collect(), picture)
    }
}
