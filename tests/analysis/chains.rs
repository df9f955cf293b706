//! Signatures: grouping, wildcards, folding, fingerprints, and the heaps that break naive code.

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::{Arc, Mutex};

use retainers::analysis::chains::{Detail, Options, Signature, chains};
use retainers::analysis::select::{Query, select};
use retainers::graph::{Description, Records, ReferenceSlot};

use super::Asked;
use crate::support::heap::{heap, load};

fn signatures(sketch: &str, of: &'static str) -> Vec<Signature> {
    let heap = heap(sketch);
    let (_, answer) = Asked { types: Box::leak(Box::new([of])), ..Asked::types(&[]) }.answer(&heap);
    answer.types[0].signatures.clone()
}

#[test]
fn the_answer_reads_as_a_person_would_say_it() {
    let heap = heap(
        "
        module app.main .signal -> sig
        sig: blinker.Signal __dict__ -> sd
        sd: dict ['receivers'] -> rec
        rec: dict [101] -> f1, [102] -> f2
        f1: function __closure__ -> t1
        f2: function __closure__ -> t2
        t1: tuple [0] -> c1
        t2: tuple [0] -> c2
        c1: cell cell_contents -> s1
        c2: cell cell_contents -> s2
        s1: app.Session
        s2: app.Session
        ",
    );
    let text = Asked::types(&["Session"]).text(&heap);
    let lines: Vec<&str> = text.lines().filter(|line| line.starts_with("  ") && !line.starts_with("     ")).collect();
    let shown: Vec<&str> = lines.iter().map(|line| line.split("  ").nth(1).unwrap().trim()).collect();
    let expected = [
        "module app.main",
        "│ .signal",
        "├ blinker.Signal",
        "│ .receivers[…]",
        "├ function",
        "│ .__closure__[0].cell_contents",
        "╰▶ app.Session ×2",
    ];
    assert_eq!(shown, expected, "{text}");
    assert!(text.contains("app.main.signal.receivers[…].__closure__[0].cell_contents"), "{text}");
    assert!(text.contains("5 plumbing objects folded"), "{text}");
}

#[test]
fn keys_and_indices_are_wild_but_attributes_are_not() {
    let ways = signatures(
        "module app .cache -> c, .a -> x, .b -> y\nc: dict ['k1'] -> s1, ['k2'] -> s2\nx: list [0] -> s3\ny: list [5] -> s4\ns1: T\ns2: T\ns3: T\ns4: T",
        "T",
    );
    let counts: Vec<usize> = ways.iter().map(|way| way.objects.len()).collect();
    assert_eq!(counts, [2, 1, 1]);
    assert!(ways[0].steps[2].reference.as_ref().unwrap().differs);
    assert!(!ways[1].steps[2].reference.as_ref().unwrap().differs);
}

#[test]
fn a_key_that_all_chains_share_is_shown() {
    let heap = heap(
        "module app .rows -> l\nl: list [0] -> d1, [1] -> d2\nd1: dict ['upload'] -> s1\nd2: dict ['upload'] -> s2\ns1: T\ns2: T",
    );
    let text = Asked::types(&["T"]).text(&heap);
    assert!(text.contains("app.rows[…]['upload']"), "{text}");
}

#[test]
fn fingerprints_do_not_depend_on_addresses_order_or_keys() {
    let one = signatures("module app .cache -> c\nc: dict ['k1'] -> s1\ns1: T", "T");
    let other =
        signatures("x: int\nz: T\nc: dict ['k7'] -> z, ['k9'] -> w\nw: T\nmodule app .other -> x, .cache -> c", "T");
    assert_eq!(one[0].fingerprint, other[0].fingerprint);
    let renamed = signatures("module app .store -> c\nc: dict ['k1'] -> s1\ns1: T", "T");
    assert_ne!(one[0].fingerprint, renamed[0].fingerprint);
    assert_eq!(one[0].fingerprint.len(), 12);
}

#[test]
fn a_target_that_is_a_root_and_one_behind_another_are_both_answered() {
    let ways = signatures("root module app -> m\nm: module .next -> n\nn: module", "module");
    assert_eq!(ways.iter().map(|way| way.length).collect::<Vec<_>>(), [0, 1]);
}

#[test]
fn self_references_cycles_and_parallel_references_are_harmless() {
    let ways = signatures("module app .a -> x\nx: T .me -> x, .me2 -> x, .other -> y\ny: T .back -> x, .b -> x", "T");
    assert_eq!(ways.iter().map(|way| way.length).collect::<Vec<_>>(), [2, 3]);
    assert!(ways.iter().all(|way| way.equally_short == 1));
}

/// A doubly linked list that is held at both ends.
fn linked_list(length: u64) -> String {
    let mut dump = String::from("{\"retainers\":1}\n");
    let (first, last) = (1000, 1000 + (length - 1) * 16);
    writeln!(
        dump,
        r#"{{"address":16,"type":"module","name":"app","size":72,"refs":[32],"edges":["__dict__"],"root":"module"}}"#
    )
    .unwrap();
    writeln!(
        dump,
        r#"{{"address":32,"type":"dict","size":72,"refs":[{first},{last}],"edges":["['head']","['tail']"]}}"#
    )
    .unwrap();
    for node in 0..length {
        let at = first + node * 16;
        let before = if node == 0 { at } else { at - 16 };
        let after = if node + 1 == length { at } else { at + 16 };
        writeln!(
            dump,
            r#"{{"address":{at},"type":"Node","size":64,"refs":[{before},{after}],"edges":[".before",".after"]}}"#
        )
        .unwrap();
    }
    writeln!(dump, r#"{{"end":{{"objects":{}}}}}"#, length + 2).unwrap();
    dump
}

#[test]
fn a_long_linked_list_is_few_ways_and_no_recursion() {
    let heap = load(linked_list(200_000).as_bytes());
    let asked = Asked::types(&["Node"]);
    let (_, answer) = asked.answer(&heap);
    let ways = &answer.types[0].signatures;
    assert!(ways.len() < 20, "{} ways", ways.len());
    assert_eq!(ways.iter().map(|way| way.objects.len()).sum::<usize>(), 200_000);
    let longest = ways.iter().max_by_key(|way| way.longest).unwrap();
    assert!(longest.longest > 99_000 && longest.objects.len() > 99_000);
    let text = asked.text(&heap);
    assert!(text.contains("… "), "{text}");
}

#[test]
fn the_middle_of_a_list_is_shown_folded() {
    let heap = load(linked_list(2_001).as_bytes());
    let (selection, answer) = {
        let query = retainers::analysis::select::Query { types: Vec::new(), ids: vec![(1000 + 1000 * 16).to_string()] };
        let selection = retainers::analysis::select::select(&heap.graph, &query);
        let answer = retainers::analysis::chains::chains(&heap, &selection, &Default::default());
        (selection, answer)
    };
    assert_eq!(answer.types[0].signatures[0].length, 1002);
    let detail = retainers::analysis::chains::Detail { limit: 1, ..Default::default() };
    let report = answer.report(&heap, &selection, detail);
    let picture = &report.pictures[0];
    assert!(picture.graph.node_count() < 10, "{}", picture.graph.node_count());
    assert_eq!(report.data["signatures"][0]["steps"].as_array().unwrap().len(), 1003);
}

#[test]
fn held_from_outside_is_found_behind_the_direct_referrers() {
    let dump = r#"{"address":16,"type":"T","size":8,"rc":1,"refs":[]}
{"address":32,"type":"method","size":8,"rc":1,"refs":[16],"edges":["__self__"]}
{"address":48,"type":"module","size":8,"name":"app","refs":[]}
"#;
    let heap = load(dump.as_bytes());
    let text = Asked::types(&["T"]).text(&heap);
    assert!(text.contains("direct referrers: method.__self__ ×1"), "{text}");
    assert!(text.contains("held from outside the dump: method 0x20"), "{text}");
}

#[test]
fn a_dump_without_roots_says_so() {
    let heap =
        load(b"{\"address\": 1, \"type\": \"T\", \"refs\": [2]}\n{\"address\": 2, \"type\": \"T\", \"refs\": []}\n");
    let text = Asked::types(&["T"]).text(&heap);
    assert!(text.contains("marks no roots and has no modules"), "{text}");
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words(&text).contains("mark one with `\"root\": true` in its record"), "{text}");
    let graph = load(br#"{"nodes":[{"id":1,"type":"T"},{"id":2,"type":"T"}],"links":[{"source":1,"target":2}]}"#);
    let told = Asked::types(&["T"]).text(&graph);
    assert!(words(&told).contains("or list the ids of all under `roots` of the graph"), "{told}");
    assert!(text.contains("2 are not reachable from any root"), "{text}");
}

/// Counts how often the text of a record is read.
struct Counting {
    records: Box<dyn Records>,
    read: Arc<Mutex<HashMap<u64, u32>>>,
}

impl Counting {
    fn count(&self, place: u64) {
        *self.read.lock().unwrap().entry(place).or_default() += 1;
    }
}

impl Records for Counting {
    fn describe(&self, place: u64, type_name: &str) -> Description {
        self.count(place);
        self.records.describe(place, type_name)
    }

    fn references(&self, place: u64, type_name: &str, visit: &mut dyn FnMut(ReferenceSlot)) {
        self.count(place);
        self.records.references(place, type_name, visit);
    }
}

#[test]
fn a_holders_record_is_not_read_again_for_each_chain_that_leads_through_it() {
    for own_types in [false, true] {
        let names = |name: &str| if own_types { format!("app.Session{name}") } else { "app.Session".to_owned() };
        let edges: Vec<String> = (0..600).map(|number| format!(".a{number} -> s{number}")).collect();
        let objects: String = (0..600).map(|number| format!("s{number}: {}\n", names(&number.to_string()))).collect();
        let mut heap = heap(&format!("module app .cache -> c\nc: app.Cache {}\n{objects}", edges.join(", ")));
        let read: Arc<Mutex<HashMap<u64, u32>>> = Arc::default();
        let records = std::mem::replace(&mut heap.records, Box::new(NoRecords));
        heap.records = Box::new(Counting { records, read: Arc::clone(&read) });
        let selection = select(&heap.graph, &Query { types: vec!["app.Session*".to_owned()], ids: Vec::new() });
        let answer = chains(&heap, &selection, &Options { retained: true, ..Options::default() });
        let report = answer.report(&heap, &selection, Detail { limit: usize::MAX, pictures: 50, ..Detail::default() });
        assert_eq!(answer.types.iter().map(|answer| answer.signatures.len()).sum::<usize>(), 600);
        assert!(report.blocks.len() >= 600);
        let most = read.lock().unwrap().values().copied().max().unwrap();
        // each thread may be the first to read it
        let few = 20 + u32::try_from(rayon::current_num_threads()).unwrap();
        assert!(most <= few, "a record is read {most} times");
    }
}

struct NoRecords;

impl Records for NoRecords {
    fn describe(&self, _: u64, _: &str) -> Description {
        Description::default()
    }

    fn references(&self, _: u64, _: &str, _: &mut dyn FnMut(ReferenceSlot)) {}
}
