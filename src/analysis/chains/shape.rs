//! When are two chains the same way of being held?
//!
//! The shape of a chain is its root's kind and name, then type and reference name of each step, with indices, keys of
//! mappings and members of sets left out: `cache['a'][3]` and `cache['b'][7]` are the same way. Keys of attribute
//! dictionaries are names and stay. A stretch of up to four steps that repeats eight times in a row counts as one, so that
//! the nodes of a long linked list are one way and not thousands.
//!
//! Shapes are numbered by hash-consing (parent shape, step), top down: O(1) for each object of the tree but for the look
//! back that finds repetitions.

use rustc_hash::FxHashMap;

use super::tree::ChainTree;
use crate::graph::names::Names;
use crate::graph::{HeapGraph, ReferenceKind, ReferenceName, Root, RootKind, TypeId};

/// Longest stretch of steps whose repetition is recognised.
const LONGEST_PERIOD: usize = 4;
/// Repetitions that count as one.
const REPETITIONS: usize = 8;

/// The shapes of all chains of a tree.
#[derive(Debug)]
pub struct Shapes {
    /// Shape of each object of the tree.
    pub of_object: Vec<u32>,
    /// For each object of the tree, whether it is the dictionary of somebody's attributes.
    pub is_namespace: Vec<bool>,
    steps: Vec<ShapeStep>,
    words: Names,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct ShapeStep {
    /// `NO_PARENT` for a root.
    parent: u32,
    /// Reference name without what differs, or the root's kind and name.
    word: u32,
    type_id: TypeId,
}

const NO_PARENT: u32 = u32::MAX;

impl Shapes {
    /// Numbers the shapes of a tree.
    pub fn new(graph: &HeapGraph, tree: &ChainTree) -> Self {
        let mut shapes = Self {
            of_object: Vec::with_capacity(tree.objects.len()),
            is_namespace: Vec::with_capacity(tree.objects.len()),
            steps: Vec::new(),
            words: Names::default(),
        };
        let mut numbers: FxHashMap<ShapeStep, u32> = FxHashMap::default();
        for (place, &object) in tree.objects.iter().enumerate() {
            let holder = tree.holders[place] as usize;
            let type_id = graph.type_of(object);
            let (parent, word, is_namespace) = if holder == place {
                let root = u32::try_from(place).ok().and_then(|place| tree.roots.get(&place));
                (NO_PARENT, root.map_or_else(String::new, root_word), false)
            } else {
                let name = &tree.names[place];
                let word = step_word(name, shapes.is_namespace[holder]);
                (shapes.of_object[holder], word, opens_namespace(name))
            };
            let step = ShapeStep { parent, word: shapes.words.intern(&word), type_id };
            let shape = shapes.number(step, &mut numbers);
            shapes.of_object.push(shape);
            shapes.is_namespace.push(is_namespace);
        }
        shapes
    }

    fn number(&mut self, step: ShapeStep, numbers: &mut FxHashMap<ShapeStep, u32>) -> u32 {
        if let Some(&known) = numbers.get(&step) {
            return known;
        }
        if let Some(folded) = self.repeated(step) {
            return folded;
        }
        let number = u32::try_from(self.steps.len()).unwrap_or(u32::MAX - 1);
        self.steps.push(step);
        numbers.insert(step, number);
        number
    }

    /// The shape one period before `step`, when `step` ends the last of [`REPETITIONS`] equal stretches.
    fn repeated(&self, step: ShapeStep) -> Option<u32> {
        (1..=LONGEST_PERIOD)
            .find_map(|period| self.repeats(step, period).then(|| self.above(step.parent, period - 1))?)
    }

    fn repeats(&self, step: ShapeStep, period: usize) -> bool {
        let mut recent: Vec<(u32, TypeId)> = vec![(step.word, step.type_id)];
        let mut at = step.parent;
        while recent.len() < period * REPETITIONS {
            let Some(above) = self.steps.get(at as usize).filter(|above| above.parent != NO_PARENT) else {
                return false;
            };
            let step = (above.word, above.type_id);
            if recent.len() >= period && recent[recent.len() - period] != step {
                return false;
            }
            recent.push(step);
            at = above.parent;
        }
        true
    }

    fn above(&self, shape: u32, levels: usize) -> Option<u32> {
        (0..levels).try_fold(shape, |shape, _| {
            self.steps.get(shape as usize).map(|step| step.parent).filter(|&parent| parent != NO_PARENT)
        })
    }

    /// A short hash of a shape that is the same in every dump: twelve hexadecimal digits of FNV-1a over its words and
    /// type names, the root first.
    pub fn fingerprint(&self, graph: &HeapGraph, shape: u32) -> String {
        let mut steps = Vec::new();
        let mut at = shape;
        while let Some(step) = self.steps.get(at as usize) {
            steps.push(step);
            at = step.parent;
        }
        let mut hash = Fnv::default();
        for step in steps.into_iter().rev() {
            hash.write(self.words.get(step.word).as_bytes());
            hash.write(b"\0");
            hash.write(graph.type_name(step.type_id).as_bytes());
            hash.write(b"\n");
        }
        hash.finish()
    }
}

/// FNV-1a with 64 bits (Fowler, Noll, Vo), folded to 48.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    fn finish(&self) -> String {
        format!("{:012x}", (self.0 >> 48 ^ self.0) & 0xffff_ffff_ffff)
    }
}

/// What of a root's name is the same in every process: line numbers and thread numbers are left out.
fn root_word(root: &Root) -> String {
    let name = root.name.as_deref().unwrap_or("");
    let stable: String = match root.kind {
        RootKind::Module => name.to_owned(),
        _ => name.chars().filter(|letter| !letter.is_ascii_digit()).collect(),
    };
    format!("{} {stable}", root.kind.word())
}

fn step_word(name: &ReferenceName, in_namespace: bool) -> String {
    match name.kind {
        _ if name.is_wild(in_namespace) => name.wildcard().to_owned(),
        ReferenceKind::Unknown => "?".to_owned(),
        _ => name.attribute(in_namespace).unwrap_or(&name.text).to_owned(),
    }
}

/// References whose target is a dictionary of names.
pub fn opens_namespace(name: &ReferenceName) -> bool {
    let last = name.text.rsplit('.').next().unwrap_or("");
    name.kind == ReferenceKind::Namespace
        || matches!(last, "__globals__" | "__builtins__" | "f_globals" | "f_locals" | "f_builtins" | "func_globals")
}
