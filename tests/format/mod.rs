//! Tests of `src/format`: what readers take, what they refuse, and what they make of damage.

mod foreign;
mod hostile;
mod indexed;
mod json_graph;
mod learned;
mod pieces;
mod python;
mod repair;
mod retainers;
mod scan;
mod wild;

use ::retainers::graph::Heap;

/// Type names and addresses in dump order.
pub(crate) fn contents(heap: &Heap) -> Vec<(u64, String)> {
    let objects = heap.graph.objects();
    objects.map(|object| (heap.graph.address(object), heap.graph.type_name_of(object).to_owned())).collect()
}

/// Addresses that the object at `address` refers to.
pub(crate) fn referents(heap: &Heap, address: u64) -> Vec<u64> {
    let object = heap.graph.object_at(address).unwrap();
    heap.graph.referents(object).map(|target| heap.graph.address(target)).collect()
}

/// The names of the references of the object at `address`, in order.
pub(crate) fn names(heap: &Heap, address: u64) -> Vec<String> {
    let mut names = Vec::new();
    let object = heap.graph.object_at(address).unwrap();
    heap.for_each_reference(object, |_, _, name| names.push(name.text.clone()));
    names
}
