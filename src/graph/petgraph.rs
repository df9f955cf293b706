//! petgraph's visit traits on the heap graph, so that any of its algorithms runs on a heap.
//!
//! A node is an [`ObjectId`]; an edge is a strong reference, named by its position among all references. Never run
//! `petgraph::algo::dominators::simple_fast` on a large heap: it is quadratic on a list that is held at both ends.

use petgraph::Direction;
use petgraph::visit::{
    Data, EdgeRef, GraphBase, GraphProp, IntoEdgeReferences, IntoEdges, IntoNeighbors, IntoNeighborsDirected,
    IntoNodeIdentifiers, NodeCompactIndexable, NodeCount, NodeIndexable, VisitMap, Visitable,
};

use super::{HeapGraph, ObjectId};

/// Which objects a petgraph algorithm has visited: one bit an object.
#[derive(Debug, Clone, Default)]
pub struct Visited(Vec<u64>);

/// A strong reference as a petgraph edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reference {
    source: ObjectId,
    target: ObjectId,
    position: usize,
}

/// Iterates over objects in dump order.
pub type Objects = std::iter::Map<std::ops::Range<usize>, fn(usize) -> ObjectId>;

/// Iterates over referents or referrers.
pub type Neighbours<'g> = std::iter::Map<std::slice::Iter<'g, u32>, fn(&u32) -> ObjectId>;

impl VisitMap<ObjectId> for Visited {
    fn visit(&mut self, object: ObjectId) -> bool {
        let (word, bit) = (object.index() / 64, 1 << (object.index() % 64));
        let is_new = self.0[word] & bit == 0;
        self.0[word] |= bit;
        is_new
    }

    fn is_visited(&self, object: &ObjectId) -> bool {
        self.0[object.index() / 64] >> (object.index() % 64) & 1 == 1
    }

    fn unvisit(&mut self, object: ObjectId) -> bool {
        let was = self.is_visited(&object);
        self.0[object.index() / 64] &= !(1 << (object.index() % 64));
        was
    }
}

impl EdgeRef for Reference {
    type NodeId = ObjectId;
    type EdgeId = usize;
    type Weight = ();

    fn source(&self) -> ObjectId {
        self.source
    }

    fn target(&self) -> ObjectId {
        self.target
    }

    fn weight(&self) -> &() {
        &()
    }

    fn id(&self) -> usize {
        self.position
    }
}

impl GraphBase for HeapGraph {
    type NodeId = ObjectId;
    type EdgeId = usize;
}

impl Data for HeapGraph {
    type NodeWeight = ();
    type EdgeWeight = ();
}

impl GraphProp for HeapGraph {
    type EdgeType = petgraph::Directed;
}

impl NodeCount for HeapGraph {
    fn node_count(&self) -> usize {
        self.object_count()
    }
}

impl NodeIndexable for HeapGraph {
    fn node_bound(&self) -> usize {
        self.object_count()
    }

    fn to_index(&self, object: ObjectId) -> usize {
        object.index()
    }

    fn from_index(&self, index: usize) -> ObjectId {
        ObjectId::at(index)
    }
}

impl NodeCompactIndexable for HeapGraph {}

impl Visitable for HeapGraph {
    type Map = Visited;

    fn visit_map(&self) -> Visited {
        Visited(vec![0; self.object_count().div_ceil(64)])
    }

    fn reset_map(&self, map: &mut Visited) {
        map.0.clear();
        map.0.resize(self.object_count().div_ceil(64), 0);
    }
}

impl IntoNodeIdentifiers for &HeapGraph {
    type NodeIdentifiers = Objects;

    fn node_identifiers(self) -> Objects {
        (0..self.object_count()).map(ObjectId::at)
    }
}

fn object_id(row: &u32) -> ObjectId {
    ObjectId(*row)
}

impl<'g> IntoNeighbors for &'g HeapGraph {
    type Neighbors = Neighbours<'g>;

    fn neighbors(self, object: ObjectId) -> Neighbours<'g> {
        self.forward().row(object).iter().map(object_id)
    }
}

impl<'g> IntoNeighborsDirected for &'g HeapGraph {
    type NeighborsDirected = Neighbours<'g>;

    fn neighbors_directed(self, object: ObjectId, direction: Direction) -> Neighbours<'g> {
        match direction {
            Direction::Outgoing => self.forward().row(object).iter().map(object_id),
            Direction::Incoming => self.reverse().row(object).iter().map(object_id),
        }
    }
}

impl<'g> IntoEdgeReferences for &'g HeapGraph {
    type EdgeRef = Reference;
    type EdgeReferences = Box<dyn Iterator<Item = Reference> + 'g>;

    fn edge_references(self) -> Self::EdgeReferences {
        Box::new(self.objects().flat_map(|object| references_of(self, object)))
    }
}

impl<'g> IntoEdges for &'g HeapGraph {
    type Edges = Box<dyn Iterator<Item = Reference> + 'g>;

    fn edges(self, object: ObjectId) -> Self::Edges {
        Box::new(references_of(self, object))
    }
}

fn references_of(graph: &HeapGraph, source: ObjectId) -> impl Iterator<Item = Reference> + '_ {
    graph.forward().range(source).map(move |position| Reference {
        source,
        target: graph.forward().target(position),
        position,
    })
}
