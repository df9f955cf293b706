//! What the generated process has in memory: modules and functions, and regions of rows, documents, tables, caches and
//! linked lists, among them sessions that a signal keeps alive.

use super::class::{
    BOOL, BYTES, CELL, CODE, DICT, FLOAT, FUNCTION, INT, LIST, METHOD, MODULE, NODE, NONE, REPORT_SESSION, ROW_STATE,
    ROWS, SESSION_STATE, SIGNAL, STR, TUPLE, TYPE,
};
use super::objects::{Object, World};
use super::random::Random;

/// Integers that CPython makes once.
const SMALL_INTEGERS: usize = 262;
/// Indexes in the base, whose items lie all over the heap.
const INDEXES: usize = 16;
/// Rows in a hundred that stand in an index.
const INDEXED: usize = 10;
/// Rows in a hundred that refer to a parent, and how far back it is at most.
const WITH_PARENT: usize = 40;
const PARENT_REACH: usize = 1_000;
/// Nested documents are at most this deep.
const DOCUMENT_DEPTH: usize = 3;
/// Functions of a module.
const FUNCTIONS: usize = 10;

/// A kind of region.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Region {
    /// Objects of an ORM.
    Rows,
    /// Nested dictionaries and lists, as from JSON.
    Documents,
    /// A list of tuples.
    Table,
    /// A cache with a doubly linked list, as that of `functools`.
    Cache,
    /// A singly linked list, two objects to a node.
    List,
}

/// The kinds of regions, in this order again and again.
pub const REGIONS: [Region; 15] = [
    Region::List,
    Region::Rows,
    Region::Documents,
    Region::Rows,
    Region::Table,
    Region::Rows,
    Region::Documents,
    Region::Rows,
    Region::Cache,
    Region::Rows,
    Region::Table,
    Region::Documents,
    Region::Rows,
    Region::Rows,
    Region::Table,
];

/// Makes a heap.
#[derive(Debug)]
pub struct Maker {
    /// The objects.
    pub world: World,
    random: Random,
    constants: Constants,
    types: Types,
    /// The dictionary of the module that holds the regions, and its keys so far.
    app: (Object, Vec<Object>),
    /// The dictionary of all modules, and its keys so far.
    modules: (Object, Vec<Object>),
    indexes: Vec<Object>,
    /// What keeps the sessions.
    signal: Option<Signal>,
}

/// A signal that keeps closed sessions.
#[derive(Debug)]
struct Signal {
    namespace: Object,
    code: Object,
    receivers: Object,
    keys: Vec<Object>,
}

/// Objects that are referred to from everywhere.
#[derive(Debug)]
struct Constants {
    none: Object,
    booleans: [Object; 2],
    integers: Vec<Object>,
    words: Vec<Object>,
}

#[derive(Debug)]
struct Types {
    node: Object,
    row_state: Object,
    rows: Vec<Object>,
    signal: Object,
    report_session: Object,
    session_state: Object,
}

impl Maker {
    /// A process of about `objects` objects that has imported its modules, and nothing else.
    pub fn new(objects: usize, seed: u64) -> Self {
        let mut world = World::new(seed);
        let constants = constants(&mut world, (objects / 300).clamp(200, 10_000));
        let modules = world.base_object(&DICT, 0);
        let app = world.base_object(&DICT, 0);
        let types = types(&mut world);
        let indexes = (0..INDEXES).map(|_| world.base_object(&LIST, 0)).collect();
        let random = Random::new(seed);
        let mut maker = Self {
            world,
            random,
            constants,
            types,
            app: (app, Vec::new()),
            modules: (modules, Vec::new()),
            indexes,
            signal: None,
        };
        maker.import("app", app);
        for (place, index) in maker.indexes.clone().into_iter().enumerate() {
            maker.hold(&format!("index_{place}"), index);
        }
        for number in 0..(objects / 3_000).clamp(10, 1_000) {
            maker.library(number);
        }
        maker
    }

    /// Adds a region of about `objects` objects, a few dozens more at most, which the module `app` holds.
    pub fn region(&mut self, number: usize, objects: usize) {
        let kind = REGIONS[number % REGIONS.len()];
        let top = match kind {
            Region::List => self.list(objects),
            Region::Cache => self.cache(objects),
            Region::Rows | Region::Documents | Region::Table => self.collection(kind, objects),
        };
        self.hold(&format!("{kind:?}_{number}").to_lowercase(), top);
    }

    /// Adds a list of exactly `objects` objects, itself included.
    pub fn filling(&mut self, objects: usize) {
        let list = self.world.object(&LIST, objects);
        for _ in 1..objects {
            let text = self.text();
            self.world.refer(list, text);
        }
        self.hold_without_name(list);
    }

    /// Adds `count` sessions that were closed and are still alive: a lambda that a signal calls closes over a method of
    /// theirs. As in Streamlit 0.84 to 1.0 (blinker's `Signal.receivers`).
    pub fn sessions(&mut self, count: usize) {
        let namespace = self.world.base_object(&DICT, 0);
        self.import("app.signals", namespace);
        let signal = self.world.base_object(&SIGNAL, 2);
        let (attributes, receivers) = (self.world.base_object(&DICT, 0), self.world.base_object(&DICT, 0));
        self.world.refer_all(signal, &[attributes, self.types.signal]);
        let key = self.word("on_config_parsed");
        self.world.map_all(namespace, &[(key, signal)]);
        let entries = [(self.word("receivers"), receivers), (self.word("doc"), self.constants.none)];
        self.world.map_all(attributes, &entries);
        let code = self.world.base_text(&CODE, "<lambda>");
        self.world.refer_all(code, &[self.constants.none, self.constants.none, self.constants.words[0]]);
        self.signal = Some(Signal { namespace, code, receivers, keys: Vec::new() });
        self.later_sessions(count);
    }

    /// Adds sessions that were closed since.
    pub fn later_sessions(&mut self, count: usize) {
        let Some(mut signal) = self.signal.take() else { return };
        for _ in 0..count {
            let (key, callback) = self.session(signal.namespace, signal.code);
            self.world.refer(signal.receivers, callback);
            signal.keys.push(key);
        }
        self.signal = Some(signal);
    }

    /// Gives the signal its receivers and the dictionaries of modules their keys. Nothing can be added to them after that.
    pub fn close(&mut self) {
        if let Some(signal) = self.signal.take() {
            // after all of the values
            self.world.refer_all(signal.receivers, &signal.keys);
        }
        for (dictionary, keys) in [&mut self.app, &mut self.modules] {
            self.world.refer_all(*dictionary, &std::mem::take(keys));
        }
    }

    /// A session; returns the key of its callback and the callback.
    fn session(&mut self, globals: Object, code: Object) -> (Object, Object) {
        let world = &mut self.world;
        let state = world.object(&SESSION_STATE, 4);
        let session = world.object(&REPORT_SESSION, 2);
        let attributes = world.object(&DICT, 6);
        let (method, cell, closure) = (world.object(&METHOD, 2), world.object(&CELL, 1), world.object(&TUPLE, 1));
        let callback = world.object(&FUNCTION, 7);
        let none = self.constants.none;
        world.refer_all(session, &[attributes, self.types.report_session]);
        world.refer_all(method, &[callback, session]);
        world.refer(cell, method);
        world.refer(closure, cell);
        let name = self.constants.words[1];
        world.refer_all(callback, &[code, globals, name, none, none, name, closure]);
        let (old, new, user) = (self.document(1), self.document(1), self.text());
        self.world.refer_all(state, &[old, new, user, self.types.session_state]);
        let (id, client) = (self.text(), self.document(0));
        let entries =
            [("_session_state", state), ("id", id), ("_client", client), ("_closed", self.constants.booleans[1])];
        let entries = entries.map(|(key, value)| (self.word(key), value));
        self.world.map_all(attributes, &entries);
        let key = self.world.base_text(&INT, &callback.address.to_string());
        (key, callback)
    }

    fn collection(&mut self, kind: Region, objects: usize) -> Object {
        let list = self.world.object(&LIST, objects / 8);
        let mut recent = Vec::new();
        while self.world.region.len() < objects {
            let item = match kind {
                Region::Rows => self.row(&mut recent),
                Region::Documents => self.document(DOCUMENT_DEPTH),
                _ => self.tuple(),
            };
            self.world.refer(list, item);
        }
        list
    }

    /// A row of a table, with what an ORM keeps beside it.
    fn row(&mut self, recent: &mut Vec<Object>) -> Object {
        let table = self.random.small_below(ROWS.len());
        let row = self.world.object(&ROWS[table], 21);
        let (state, tags, history) = (self.row_state(), self.tags(), self.history());
        let (id, email) = (self.world.object(&INT, 0), self.text());
        let (status, active) =
            (self.constants.words[self.random.below(17)], self.constants.booleans[self.random.below(2)]);
        let has_parent = !recent.is_empty() && self.random.chance(WITH_PARENT);
        let parent = if has_parent {
            recent[recent.len() - 1 - self.random.below(recent.len().min(PARENT_REACH))]
        } else {
            self.constants.none
        };
        self.world.refer_all(row, &[state, id, email, status, active, parent, tags, history]);
        self.world.refer_all(row, &self.constants.words[3..6]);
        self.world.refer_all(row, &[self.constants.none; 9]);
        self.world.refer(row, self.types.rows[table]);
        if self.random.chance(INDEXED) {
            let index = self.indexes[self.random.below(INDEXES)];
            self.world.refer(index, row);
        }
        recent.push(row);
        row
    }

    fn row_state(&mut self) -> Object {
        let (state, cache) = (self.world.object(&ROW_STATE, 4), self.world.object(&DICT, 0));
        let [_, no] = self.constants.booleans;
        self.world.refer_all(state, &[self.constants.words[2], no, cache, self.types.row_state]);
        state
    }

    fn tags(&mut self) -> Object {
        let tags = self.world.object(&TUPLE, 2);
        for _ in 0..2 {
            let word = self.constants.words[self.random.small_below(self.constants.words.len())];
            self.world.refer(tags, word);
        }
        tags
    }

    /// What happened to a row: a list of one tuple.
    fn history(&mut self) -> Object {
        let (history, event) = (self.world.object(&LIST, 1), self.world.object(&TUPLE, 4));
        self.world.refer(history, event);
        let version = self.constants.integers[self.random.small_below(SMALL_INTEGERS)];
        self.world.refer_all(event, &[version, self.constants.none, self.constants.none, self.constants.none]);
        history
    }

    /// A dictionary or list of values, which may be such themselves.
    fn document(&mut self, depth: usize) -> Object {
        let is_list = self.random.chance(25);
        let length = if is_list { 1 + self.random.below(8) } else { 2 + self.random.below(6) };
        let document = self.world.object(if is_list { &LIST } else { &DICT }, length);
        let first_key = self.random.small_below(self.constants.words.len() - length);
        for _ in 0..length {
            let value = if depth > 0 && self.random.chance(25) { self.document(depth - 1) } else { self.scalar() };
            self.world.refer(document, value);
        }
        if !is_list {
            self.world.refer_all(document, &self.constants.words[first_key..first_key + length]);
        }
        document
    }

    fn scalar(&mut self) -> Object {
        match self.random.below(100) {
            0..30 => self.text(),
            30..36 => self.world.object(&FLOAT, 0),
            36..42 => self.world.object(&INT, 0),
            42..76 => self.constants.none,
            76..82 => self.constants.booleans[self.random.below(2)],
            82..94 => self.constants.integers[self.random.small_below(SMALL_INTEGERS)],
            _ => self.constants.words[self.random.small_below(self.constants.words.len())],
        }
    }

    /// A line of a table.
    fn tuple(&mut self) -> Object {
        let tuple = self.world.object(&TUPLE, 7);
        let (text, number) = (self.text(), self.world.object(&FLOAT, 0));
        let small = self.constants.integers[self.random.small_below(SMALL_INTEGERS)];
        self.world.refer_all(tuple, &[text, number, small]);
        self.world.refer_all(tuple, &[self.constants.none; 4]);
        tuple
    }

    fn list(&mut self, objects: usize) -> Object {
        let first = self.world.object(&NODE, 3);
        let mut node = first;
        for _ in 1..objects / 2 {
            let next = self.world.object(&NODE, 3);
            self.node(node, next);
            node = next;
        }
        self.node(node, self.constants.none);
        first
    }

    fn node(&mut self, node: Object, next: Object) {
        let value = self.world.object(&INT, 0);
        self.world.refer_all(node, &[value, next, self.types.node]);
    }

    /// A dictionary of links, each a list of previous, next, key and result.
    fn cache(&mut self, objects: usize) -> Object {
        let (cache, ring) = (self.world.object(&DICT, objects / 5), self.world.object(&LIST, 4));
        let mut links = Vec::new();
        while self.world.region.len() < objects {
            let (link, key, result) =
                (self.world.object(&LIST, 4), self.world.object(&TUPLE, 1), self.world.object(&TUPLE, 2));
            let (argument, text) = (self.text(), self.text());
            self.world.refer(key, argument);
            self.world.refer_all(result, &[text, self.constants.none]);
            links.push((link, key, result));
        }
        for (place, &(link, key, result)) in links.iter().enumerate() {
            let previous = place.checked_sub(1).map_or(ring, |place| links[place].0);
            let next = links.get(place + 1).map_or(ring, |(link, _, _)| *link);
            self.world.refer_all(link, &[previous, next, key, result]);
        }
        let ends = [links.last(), links.first()].map(|end| end.map_or(ring, |(link, _, _)| *link));
        self.world.refer_all(ring, &ends);
        let entries: Vec<(Object, Object)> = links.iter().map(|&(link, key, _)| (key, link)).collect();
        self.world.map_all(cache, &entries);
        cache
    }

    /// A module of the library with its functions.
    fn library(&mut self, number: usize) {
        let namespace = self.world.base_object(&DICT, FUNCTIONS);
        self.import(&format!("library.module_{number}"), namespace);
        let functions: Vec<Object> = (0..FUNCTIONS).map(|place| self.function(place, namespace)).collect();
        let keys = self.random.below(self.constants.words.len() - FUNCTIONS);
        self.world.refer_all(namespace, &functions);
        self.world.refer_all(namespace, &self.constants.words[keys..keys + FUNCTIONS]);
    }

    fn function(&mut self, place: usize, globals: Object) -> Object {
        let name = self.constants.words[self.random.small_below(self.constants.words.len())];
        let world = &mut self.world;
        let function = world.base_text(&FUNCTION, &format!("function_{place}"));
        let code = world.base_text(&CODE, &format!("function_{place}"));
        let (instructions, constants, title) =
            (world.base_object(&BYTES, 0), world.base_object(&TUPLE, 2), world.base_object(&STR, 20));
        let none = self.constants.none;
        world.refer_all(constants, &[none, self.constants.integers[place]]);
        world.refer_all(code, &[constants, instructions, name]);
        world.refer_all(function, &[code, globals, name, none, none, title, none]);
        function
    }

    fn import(&mut self, name: &str, namespace: Object) {
        let module = self.world.base_text(&MODULE, name);
        self.world.refer(module, namespace);
        self.world.refer(self.modules.0, module);
        let key = self.word(name);
        self.modules.1.push(key);
    }

    fn hold(&mut self, name: &str, object: Object) {
        self.world.refer(self.app.0, object);
        let key = self.word(name);
        self.app.1.push(key);
    }

    fn hold_without_name(&mut self, object: Object) {
        self.world.refer(self.app.0, object);
        self.app.1.push(self.constants.words[3]);
    }

    fn word(&mut self, text: &str) -> Object {
        self.world.base_text(&STR, text)
    }

    /// A string of its own, mostly short.
    fn text(&mut self) -> Object {
        let length = 4 + self.random.small_below(60);
        self.world.object(&STR, length)
    }
}

fn constants(world: &mut World, words: usize) -> Constants {
    Constants {
        none: world.static_object(&NONE),
        booleans: [world.static_object(&BOOL), world.static_object(&BOOL)],
        integers: (0..SMALL_INTEGERS).map(|_| world.static_object(&INT)).collect(),
        words: (0..words).map(|number| world.base_text(&STR, &format!("word_{number}"))).collect(),
    }
}

fn types(world: &mut World) -> Types {
    let parent = world.static_object(&TYPE);
    let mut make = |name: String| {
        let new = world.base_text(&TYPE, &name);
        let (attributes, bases) = (world.base_object(&DICT, 0), world.base_object(&TUPLE, 2));
        world.refer_all(new, &[attributes, bases, parent]);
        world.refer_all(bases, &[new, parent]);
        new
    };
    Types {
        node: make("app.lists.Node".to_owned()),
        row_state: make("app.orm.RowState".to_owned()),
        rows: ROWS.iter().map(|class| make(format!("app.models.{}", class.name))).collect(),
        signal: make("app.signals.Signal".to_owned()),
        report_session: make("app.sessions.ReportSession".to_owned()),
        session_state: make("app.sessions.SessionState".to_owned()),
    }
}
