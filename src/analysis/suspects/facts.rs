//! What is what in a heap: which objects are classes, which are namespaces, what has a name in the source, whose code it is.
//!
//! Decided from the objects, never from names: a class is an object whose type derives from `type`. One pass over the
//! objects and one over the dominator tree, O(n + m); records are read of modules and classes only.

use rayon::prelude::*;
use rustc_hash::FxHashMap;

use crate::analysis::dominators::{Dominators, Holder};
use crate::analysis::marks::Marks;
use crate::analysis::origin::{Origin, TypeOrigins};
use crate::graph::{Heap, HeapGraph, ObjectId, ReferenceKind, TypeId};

/// Rounds in which classes of classes of classes are looked for.
const META_LEVELS: usize = 4;

/// What the search for suspects knows of each object.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) origins: TypeOrigins,
    /// Objects whose type derives from `type`.
    pub(super) is_class: Marks,
    /// Dictionaries of modules and classes.
    pub(super) is_namespace: Marks,
    /// What a module or class has under a name: it is there because the source says so.
    pub(super) is_named: Marks,
    /// Roots of any kind.
    pub(super) is_root: Marks,
    /// Functions of which there are several of one piece of code, or whose globals are no module's: made at run time.
    pub(super) is_closure: Marks,
    /// For each object, the best origin among it and what it keeps alive by itself.
    pub(super) below: Vec<Origin>,
    /// For each object, whose code it is by itself.
    pub(super) own: Vec<Origin>,
    kinds: Vec<Kind>,
}

/// What the objects of a type are, as far as that decides how they are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Text, numbers, and what else has no parts that can change.
    Constant,
    /// `tuple`, `frozenset`: as changeable as their parts.
    Frozen,
    /// `dict`, `list`, `set`, `collections.deque` and their like, of which all references are items.
    Container,
    /// What holds a program together: modules, code, descriptors.
    Plumbing,
    Function,
    /// Refers to a function, code, or another such object, and belongs to the same module: methods, generators, frames.
    OfCode,
    Instance,
}

impl Kind {
    fn of(name: &str) -> Self {
        match name {
            "str" | "bytes" | "int" | "float" | "bool" | "complex" | "NoneType" | "ellipsis" | "range" | "slice" => {
                Self::Constant
            }
            "tuple" | "frozenset" => Self::Frozen,
            "dict" | "list" | "set" | "collections.deque" | "collections.OrderedDict" | "collections.defaultdict" => {
                Self::Container
            }
            "module"
            | "code"
            | "cell"
            | "builtin_function_or_method"
            | "wrapper_descriptor"
            | "method-wrapper"
            | "method_descriptor"
            | "getset_descriptor"
            | "member_descriptor"
            | "classmethod_descriptor"
            | "classmethod"
            | "staticmethod"
            | "property"
            | "mappingproxy"
            | "_abc._abc_data"
            | "_abc_data" => Self::Plumbing,
            "function" => Self::Function,
            "method" | "instancemethod" | "generator" | "coroutine" | "async_generator" | "frame" | "traceback"
            | "functools.partial" => Self::OfCode,
            _ => Self::Instance,
        }
    }
}

impl Facts {
    pub(super) fn new(heap: &Heap, tree: &Dominators) -> Self {
        let graph = &heap.graph;
        let count = graph.object_count();
        let origins = TypeOrigins::new(heap);
        let kinds: Vec<Kind> = graph.types().map(|(_, name)| Kind::of(name)).collect();
        let is_class_type = class_types(heap);
        let is_class = Marks::where_each(count, |object| is_class_type[graph.type_of(object).index()]);
        let is_root = Marks::of(count, graph.roots().iter().map(|root| root.object));
        let spaces = Namespaces::new(heap, &is_class, &origins);
        let is_namespace = Marks::of(count, spaces.of_modules.keys().chain(&spaces.of_classes).copied());
        let named = is_namespace.iter().flat_map(|space| graph.referents(space));
        let is_named = Marks::of(count, named);
        let code = Code::new(graph, &kinds, &spaces);
        let mut facts = Self {
            origins,
            is_class,
            is_namespace,
            is_named,
            is_root,
            is_closure: code.is_closure,
            below: Vec::new(),
            own: Vec::new(),
            kinds,
        };
        facts.own =
            (0..count).into_par_iter().map(|row| facts.origin_of(heap, ObjectId::at(row), &code.of_code)).collect();
        facts.below = facts.best_below(graph, tree);
        facts
    }

    pub(super) fn kind(&self, graph: &HeapGraph, object: ObjectId) -> Kind {
        self.kind_of_type(graph.type_of(object))
    }

    pub(super) fn kind_of_type(&self, type_id: TypeId) -> Kind {
        self.kinds.get(type_id.index()).copied().unwrap_or(Kind::Instance)
    }

    /// Whose code an object is by itself. What the source has a name for is nobody's: it does not pile up.
    fn origin_of(&self, heap: &Heap, object: ObjectId, code: &FxHashMap<ObjectId, Origin>) -> Origin {
        let graph = &heap.graph;
        if self.is_class.has(object) {
            let is_made = !self.is_named.has(object) && !self.is_root.has(object);
            let name = is_made.then(|| heap.describe(object).name).flatten();
            return name.map_or(Origin::StandardLibrary, |name| self.origins.of_name(&name));
        }
        let of_code = |function: ObjectId| {
            let codes = graph.referents(function).filter_map(|target| code.get(&target).copied());
            codes.min().unwrap_or(Origin::StandardLibrary)
        };
        match self.kind(graph, object) {
            Kind::Constant | Kind::Frozen | Kind::Container | Kind::Plumbing => Origin::StandardLibrary,
            Kind::Function if self.is_closure.has(object) => of_code(object),
            Kind::Function => Origin::StandardLibrary,
            Kind::OfCode => {
                let is_function =
                    |target: &ObjectId| matches!(self.kind(graph, *target), Kind::Function | Kind::OfCode);
                let through = graph.referents(object).take(PARTS).filter(is_function).map(of_code);
                through.chain([of_code(object)]).min().unwrap_or(Origin::StandardLibrary)
            }
            Kind::Instance => self.origins.of_type(graph.type_of(object)),
        }
    }

    fn best_below(&self, graph: &HeapGraph, tree: &Dominators) -> Vec<Origin> {
        let mut below = self.own.clone();
        for object in tree.top_down().rev() {
            let Some(Holder::Object(holder)) = tree.immediate_dominator(object) else { continue };
            let is_shut = self.is_class.has(holder)
                || self.is_namespace.has(holder)
                || matches!(self.kind(graph, holder), Kind::Plumbing | Kind::Function)
                    && !self.is_closure.has(holder)
                    && graph.type_name_of(holder) != "cell";
            // classes and modules hold user objects by their nature: what hangs below them speaks for itself
            if !is_shut {
                below[holder.index()] = below[holder.index()].min(below[object.index()]);
            }
        }
        below
    }
}

/// References of a method, a frame or a partial that are looked at for its function.
const PARTS: usize = 16;

/// By type, whether its objects are classes: the type is `type`, or derives from it.
fn class_types(heap: &Heap) -> Vec<bool> {
    let graph = &heap.graph;
    let by_name: FxHashMap<&str, usize> = graph.types().map(|(type_id, name)| (name, type_id.index())).collect();
    let mut is_class: Vec<bool> = graph.types().map(|(_, name)| name == "type").collect();
    let is_type = |object: &ObjectId| heap.describe(*object).name.as_deref() == Some("type");
    let Some(of_types) = graph.objects_of(&is_class).into_iter().find(is_type) else {
        // a dump that does not name classes: the metaclasses that Python itself has
        let known = ["type", "abc.ABCMeta", "enum.EnumMeta", "enum.EnumType", "ABCMeta", "EnumMeta", "EnumType"];
        return graph.types().map(|(_, name)| known.contains(&name)).collect();
    };
    let mut seen = Marks::of(graph.object_count(), std::iter::empty());
    for _ in 0..META_LEVELS {
        let classes: Vec<ObjectId> =
            graph.objects_of(&is_class).into_iter().filter(|&class| seen.insert(class)).collect();
        if classes.is_empty() {
            break;
        }
        for class in classes.into_iter().filter(|&class| derives_from(graph, class, of_types)) {
            let name = heap.describe(class).name;
            if let Some(&place) = name.and_then(|name| by_name.get(name.as_str())) {
                is_class[place] = true;
            }
        }
    }
    is_class
}

/// Whether `class` has `base` in its `__mro__`: the tuple that begins with the class itself.
fn derives_from(graph: &HeapGraph, class: ObjectId, base: ObjectId) -> bool {
    let mut tuples = graph.referents(class).filter(|&target| graph.type_name_of(target) == "tuple");
    tuples.any(|tuple| {
        let mut items = graph.referents(tuple);
        items.next() == Some(class) && items.any(|item| item == base)
    })
}

/// Dictionaries of names that the source gives.
struct Namespaces {
    of_modules: FxHashMap<ObjectId, Origin>,
    of_classes: Vec<ObjectId>,
}

impl Namespaces {
    fn new(heap: &Heap, is_class: &Marks, origins: &TypeOrigins) -> Self {
        let graph = &heap.graph;
        let is_module: Vec<bool> = graph.types().map(|(_, name)| name == "module").collect();
        let modules = graph.objects_of(&is_module);
        let of_modules = modules.into_iter().filter_map(|module| {
            let space = namespace_of(heap, module)?;
            let name = heap.describe(module).name.unwrap_or_default();
            Some((space, origins.of_name(&name)))
        });
        let classes: Vec<ObjectId> = is_class.iter().collect();
        let of_classes = classes.into_par_iter().filter_map(|class| namespace_of(heap, class)).collect();
        Self { of_modules: of_modules.collect(), of_classes }
    }
}

/// The dictionary of an object's attributes.
pub(super) fn namespace_of(heap: &Heap, object: ObjectId) -> Option<ObjectId> {
    let mut found = None;
    let mut unnamed = None;
    heap.for_each_reference(object, |_, target, name| match name.kind {
        ReferenceKind::Namespace => found = found.or(Some(target)),
        ReferenceKind::Unknown if heap.graph.type_name_of(target) == "dict" => unnamed = unnamed.or(Some(target)),
        _ => {}
    });
    found.or(unnamed)
}

/// Functions and what they are made of.
struct Code {
    /// Whose each piece of code is, by the modules of the functions that have it.
    of_code: FxHashMap<ObjectId, Origin>,
    is_closure: Marks,
}

impl Code {
    fn new(graph: &HeapGraph, kinds: &[Kind], spaces: &Namespaces) -> Self {
        let is_function: Vec<bool> = kinds.iter().map(|&kind| kind == Kind::Function).collect();
        let functions = graph.objects_of(&is_function);
        let mut by_code: FxHashMap<ObjectId, (u32, Origin)> = FxHashMap::default();
        let mut found: Vec<(ObjectId, Option<ObjectId>, bool)> = Vec::with_capacity(functions.len());
        for function in functions {
            let code = graph.referents(function).find(|&target| graph.type_name_of(target) == "code");
            let module = graph.referents(function).find_map(|target| spaces.of_modules.get(&target).copied());
            if let Some(code) = code {
                let known = by_code.entry(code).or_insert((0, Origin::StandardLibrary));
                known.0 += 1;
                known.1 = known.1.min(module.unwrap_or(Origin::ThirdParty));
            }
            found.push((function, code, module.is_none() && !spaces.of_modules.is_empty()));
        }
        let is_many =
            |code: &Option<ObjectId>| code.and_then(|code| by_code.get(&code)).is_some_and(|known| known.0 > 1);
        let closures = found.iter().filter(|(_, code, has_no_module)| is_many(code) || *has_no_module);
        let is_closure = Marks::of(graph.object_count(), closures.map(|(function, _, _)| *function));
        Self { of_code: by_code.into_iter().map(|(code, (_, origin))| (code, origin)).collect(), is_closure }
    }
}
