//! Is it a leak, what grows, and who holds what grows?
//!
//! Several dumps of one process, in order of time, are compared with the last of them: two are a difference, three and more
//! a trend. A leak shows as a *way of being held* ([signature](super::chains)) that has more objects in each dump than in
//! the one before. Only two heaps are in memory at any time, whatever the number of dumps.
//!
//! Which objects are the same is known by their addresses ([`matching`]). What grows is found in the last dump, among the
//! objects that the first one did not have (`units`): each of the program's own and of installed packages' types that grew
//! stands below another one, or on its own. Of those that grow in step (a connection, its session, the session's state) one
//! is named: the innermost that keeps more than half of the memory. New objects without any such type (strings in a list)
//! are named by the container that was there before. Then the ways in which these are held are counted in every dump
//! (`ways`).
//!
//! Dumps of different processes have no objects in common. Then types and ways alone are compared, and the answer says so.

mod curves;
mod data;
mod lengths;
pub mod matching;
mod report;
mod series;
mod tally;
mod units;
mod ways;

pub use self::lengths::GrownContainer;
use self::lengths::Lengths;
use self::matching::{Matching, match_objects};
pub use self::series::{DumpFacts, Kinship, by_time, epoch_seconds};
use self::tally::Tally;
pub use self::tally::Trend;
use self::units::{First, Unit, find_units, worth_naming};
use self::ways::Counted;
pub use self::ways::GrownWay;
use super::chains::Options;
use super::kept::dominator_tree;
use super::marks::Marks;
use super::retaining::Retaining;
use super::select::{Query, select};
use super::summary::{Amount, By, has_sites};
use crate::error::Result;
use crate::graph::{Heap, ObjectId};

/// How to compare.
#[derive(Debug, Clone, Default)]
pub struct GrowthOptions {
    /// Which roots count, what is excluded, known holders.
    pub chains: Options,
    /// Only objects of these types; all that grow where none is named.
    pub types: Vec<String>,
    /// What makes a row of the table.
    pub by: By,
}

/// What grew over a series of dumps.
#[derive(Debug, Clone)]
pub struct Growth {
    /// The dumps, in order.
    pub dumps: Vec<DumpFacts>,
    /// Ways of being held that have more objects in the last dump than in the first, the most telling first.
    pub ways: Vec<GrownWay>,
    /// Containers that were longer in every dump and on none of these ways, those with the most new items first.
    pub containers: Vec<GrownContainer>,
    /// Of the types that were looked at: ways that have fewer objects than in the first dump, and ways that are gone.
    pub shrunk: (u64, u64),
    /// All groups of all dumps, those that grew most first.
    pub groups: Vec<Trend>,
    /// What makes a group.
    pub by: By,
    /// Lines of code that allocated what is in the dumps, those that grew most first; `None` where no dump says.
    pub sites: Option<Vec<Trend>>,
    /// Objects of the last dump that the first did not have.
    pub new: Option<Amount>,
    /// Those of them that a dump between the two has: allocated after the first dump, and still there. `None` for fewer than
    /// three dumps of one process.
    pub survivors: Option<Amount>,
}

/// Compares `last` with `earlier` dumps, which `open` loads one after the other: number 0 is the first.
///
/// Time: that of the dominators, O(m log n), of each dump, and of a look at each of its references.
///
/// # Errors
/// Those of `open`.
pub fn growth(
    last: &Heap,
    earlier: usize,
    open: &mut dyn FnMut(usize) -> Result<Heap>,
    options: &GrowthOptions,
) -> Result<Growth> {
    let mut survey = Survey::new(last, earlier, options);
    for number in 0..earlier {
        survey.add(number, &open(number)?);
    }
    Ok(survey.finish())
}

/// A comparison under way.
struct Survey<'a> {
    last: &'a Heap,
    options: &'a GrowthOptions,
    /// What is known of each dump; of the last from the beginning.
    dumps: Vec<Option<Dump>>,
    /// What is looked at, known once the first dump is.
    units: Vec<Unit>,
    /// Objects of the last dump that the first did not have.
    new: Option<Marks>,
    /// Those of them that are in a dump between.
    survivors: Option<Marks>,
    /// Containers that are longer than in the first dump.
    lengths: Lengths,
}

/// What stays of a dump when its heap is gone.
struct Dump {
    facts: DumpFacts,
    types: Tally,
    /// The groups that were asked for, where these are not types.
    groups: Option<Tally>,
    sites: Option<Tally>,
    /// The objects of each unit.
    counted: Vec<Counted>,
}

impl Dump {
    fn new(heap: &Heap, kinship: Kinship, matching: Option<&Matching>, options: &GrowthOptions) -> Self {
        let roots = &options.chains.roots;
        Self {
            facts: DumpFacts::new(heap, roots, kinship, matching),
            types: Tally::new(heap, roots, By::Type),
            groups: matches!(options.by, By::Module | By::Root).then(|| Tally::new(heap, roots, options.by)),
            sites: has_sites(heap).then(|| Tally::new(heap, roots, By::Site)),
            counted: Vec::new(),
        }
    }
}

impl<'a> Survey<'a> {
    fn new(last: &'a Heap, earlier: usize, options: &'a GrowthOptions) -> Self {
        let mut dumps: Vec<Option<Dump>> = (0..earlier).map(|_| None).collect();
        dumps.push(Some(Dump::new(last, Kinship::Itself, None, options)));
        Self { last, options, dumps, units: Vec::new(), new: None, survivors: None, lengths: Lengths::default() }
    }

    fn add(&mut self, number: usize, heap: &Heap) {
        let kinship = series::kinship(heap, self.last);
        let matching = (kinship == Kinship::SameProcess).then(|| match_objects(&heap.graph, &self.last.graph));
        let mut dump = Dump::new(heap, kinship, matching.as_ref(), self.options);
        if number == 0 {
            self.new = matching.as_ref().map(|matching| {
                Marks::where_each(self.last.graph.object_count(), |object| matching.earlier(object).is_none())
            });
            let first = self.new.as_ref().zip(matching.as_ref()).map(|(new, matching)| First { heap, matching, new });
            self.units = self.chosen_units(&dump.types, first.as_ref());
        } else if let (Some(new), Some(matching)) = (&self.new, &matching) {
            let count = self.last.graph.object_count();
            let survivors = self.survivors.get_or_insert_with(|| Marks::of(count, std::iter::empty()));
            new.iter().filter(|&object| matching.earlier(object).is_some()).for_each(|object| {
                survivors.insert(object);
            });
        }
        match &matching {
            Some(matching) if number == 0 => self.lengths = Lengths::new(self.last, heap, matching),
            Some(matching) => self.lengths.add(self.last, heap, matching),
            // of another process: no container is known to be the same
            None => self.lengths = Lengths::default(),
        }
        let options = &self.options.chains;
        let objects = |unit: &Unit| unit.objects_in(heap, self.last, matching.as_ref(), &options.roots);
        dump.counted = self.units.iter().map(|unit| Counted::of(heap, &objects(unit), options)).collect();
        self.dumps[number] = Some(dump);
    }

    /// Chooses what is looked at, from the first dump and the last.
    fn chosen_units(&self, before: &Tally, first: Option<&First<'_>>) -> Vec<Unit> {
        let Some(last) = self.dumps.last().and_then(Option::as_ref) else { return Vec::new() };
        if self.options.types.is_empty() {
            find_units(self.last, &self.options.chains.roots, first, before, &last.types)
        } else {
            let query = Query { types: self.options.types.clone(), ids: Vec::new() };
            select(&self.last.graph, &query).groups.iter().map(|group| Unit::of_type(group.type_id)).collect()
        }
    }

    fn finish(mut self) -> Growth {
        let lengths = std::mem::take(&mut self.lengths);
        let (new, survivors) = (self.new.as_ref().map(|marks| self.amount(marks)), self.outlived());
        let (ways, shrunk) = self.ways();
        let steps = ways.iter().flat_map(|way| &way.chains.types).flat_map(|answer| &answer.signatures);
        let told: rustc_hash::FxHashSet<ObjectId> =
            steps.flat_map(|held| held.steps.iter().map(|step| step.object)).collect();
        let is_all = self.options.types.is_empty();
        let is_told = |object| !is_all || told.contains(&object);
        let containers = lengths.grown(self.last, &self.options.chains, is_told);
        let mut facts = Vec::new();
        let (mut types, mut groups, mut sites) = (Vec::new(), Vec::new(), Vec::new());
        for dump in self.dumps.into_iter().flatten() {
            facts.push(dump.facts);
            types.push(dump.types);
            groups.extend(dump.groups);
            sites.extend(dump.sites);
        }
        // where one dump says where its objects were allocated and another does not, all would seem to have grown
        let sites = (sites.len() == facts.len()).then(|| tally::trends(&sites));
        Growth {
            ways,
            containers,
            shrunk,
            groups: if groups.len() == facts.len() { tally::trends(&groups) } else { tally::trends(&types) },
            by: self.options.by,
            sites,
            dumps: facts,
            new,
            survivors,
        }
    }

    fn outlived(&self) -> Option<Amount> {
        self.survivors.as_ref().map(|marks| self.amount(marks))
    }

    /// Those of the objects that roots reach.
    fn amount(&self, marks: &Marks) -> Amount {
        let graph = &self.last.graph;
        let tree = dominator_tree(self.last, &Retaining::all(graph), &self.options.chains.roots);
        let mut amount = Amount::default();
        marks.iter().filter(|&object| tree.is_reachable(object)).for_each(|object| {
            amount.add(1, graph.shallow_size(object).saturating_add(graph.external_size(object)));
        });
        amount
    }

    fn ways(&self) -> (Vec<GrownWay>, (u64, u64)) {
        let options = &self.options.chains;
        let (mut ways, mut shrunk) = (Vec::new(), (0, 0));
        let tree = dominator_tree(self.last, &Retaining::all(&self.last.graph), &options.roots);
        let worth_naming = worth_naming(tree.reachable_size());
        for (place, unit) in self.units.iter().enumerate() {
            let objects = unit.objects_in(self.last, self.last, None, &options.roots);
            let counted: Vec<&Counted> =
                self.dumps.iter().flatten().filter_map(|dump| dump.counted.get(place)).collect();
            let judge = ways::Judge { survivors: self.survivors.as_ref(), worth_naming };
            let (grown, less) = ways::grown_ways(self.last, unit, &objects, &counted, &judge, options);
            ways.extend(grown);
            shrunk = (shrunk.0 + less.0, shrunk.1 + less.1);
        }
        ways.retain(|way| !ways::has_ended(self.last, way));
        ways::rank(self.last, &mut ways);
        (ways, shrunk)
    }
}
