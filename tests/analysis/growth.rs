//! Growth: what grows is named first, what does not is not named, and objects are matched only where something speaks for it.

use proptest::prelude::*;
use retainers::analysis::growth::matching::match_objects;
use retainers::analysis::growth::{Growth, GrowthOptions, by_time, epoch_seconds, growth};
use retainers::format::retainers::about;
use retainers::graph::{Heap, ObjectId};
use serde_json::json;

use super::page;
use crate::support::heap::{load, try_load};

/// A program in one moment: a registry of sessions, each with a list of its own, and a list of texts.
#[derive(Debug, Clone)]
struct Moment {
    header: serde_json::Value,
    /// Numbers of the open sessions, each of which has its address from its number.
    sessions: Vec<u64>,
    texts: u64,
    /// Added to every address: another process.
    moved: u64,
}

impl Moment {
    fn new(sessions: impl IntoIterator<Item = u64>) -> Self {
        Self { header: json!({}), sessions: sessions.into_iter().collect(), texts: 2, moved: 0 }
    }

    fn with(self, header: serde_json::Value) -> Self {
        Self { header, ..self }
    }

    fn dump(&self) -> String {
        let at = |address: u64| address + self.moved;
        let session = |number: u64| at(0x1000 + number * 0x100);
        let list = |number: u64| at(0x1080 + number * 0x100);
        let text = |number: u64| at(0x100_0000 + number * 0x40);
        let sessions: Vec<u64> = self.sessions.iter().map(|&number| session(number)).collect();
        let texts: Vec<u64> = (0..self.texts).map(text).collect();
        let names = |count: usize| (0..count).map(|place| format!("[{place}]")).collect::<Vec<_>>();
        let mut lines = vec![
            header(&self.header),
            json!({"address": at(16), "type": "module", "name": "app", "size": 72, "refs": [at(32)], "edges": ["__dict__"]})
                .to_string(),
            json!({"address": at(32), "type": "dict", "size": 64, "refs": [at(48), at(64)], "edges": ["['open']", "['log']"]})
                .to_string(),
            json!({"address": at(48), "type": "dict", "size": 64, "refs": sessions, "edges": names(sessions.len())}).to_string(),
            json!({"address": at(64), "type": "list", "size": 56, "refs": texts, "edges": names(texts.len())}).to_string(),
        ];
        for &number in &self.sessions {
            lines.push(
                json!({"address": session(number), "type": "app.Session", "size": 48,
                       "refs": [list(number)], "edges": [".items"]})
                .to_string(),
            );
            lines.push(json!({"address": list(number), "type": "list", "size": 1000}).to_string());
        }
        lines.extend(texts.iter().map(|text| json!({"address": text, "type": "str", "size": 60}).to_string()));
        lines.push(json!({"root": "module", "name": "app", "object": at(16)}).to_string());
        lines.push(json!({"end": {"objects": 4 + 2 * sessions.len() + texts.len()}}).to_string());
        lines.join("\n") + "\n"
    }
}

/// A header with these keys, the version of the format first.
fn header(keys: &serde_json::Value) -> String {
    let keys = keys.to_string();
    if keys == "{}" { "{\"retainers\":1}".to_owned() } else { keys.replacen('{', "{\"retainers\":1,", 1) }
}

fn compared(dumps: &[String]) -> (Growth, Heap) {
    compared_by(dumps, &GrowthOptions::default())
}

fn compared_by(dumps: &[String], options: &GrowthOptions) -> (Growth, Heap) {
    let (last, earlier) = dumps.split_last().unwrap();
    let last = load(last.as_bytes());
    let found = growth(&last, earlier.len(), &mut |number| Ok(load(earlier[number].as_bytes())), options).unwrap();
    (found, last)
}

fn text((found, last): &(Growth, Heap)) -> String {
    page(&found.report(last, 5))
}

#[test]
fn what_grows_in_every_step_is_named_with_its_holder() {
    let dumps = [0..2, 0..4, 0..7].map(|sessions| Moment::new(sessions).dump());
    let found = compared(&dumps);
    let way = &found.0.ways[0];
    assert_eq!((way.type_name.as_str(), &way.counts[..]), ("app.Session", &[2, 4, 7][..]));
    assert!(way.grew_in_every_step() && !way.is_new());
    // a session and its list
    assert_eq!(way.retained, [Some(2 * 1048), Some(4 * 1048), Some(7 * 1048)]);
    // of those that the first dump does not have, two are in the second
    assert_eq!(way.survivors, Some(2));
    assert_eq!(found.0.survivors.unwrap().objects, 4);
    let page = text(&found);
    assert!(page.starts_with("3 dumps: app.Session grew in every step\n"), "{page}");
    assert!(page.contains("growth 1  2 → 4 → 7 app.Session: grew in every step, +2.5 a dump"), "{page}");
    assert!(page.contains("app.open[…]"), "{page}");
}

#[test]
fn what_comes_and_goes_has_not_grown() {
    // as many sessions in each dump, other ones
    let dumps = [0..4, 2..6, 4..8].map(|sessions| Moment::new(sessions).dump());
    let (found, last) = compared(&dumps);
    assert!(found.ways.is_empty() && !found.has_grown(), "{:?}", found.ways);
    // and yet there are new objects: four sessions and their lists, half of which the second dump has
    assert_eq!(found.new.unwrap().objects, 8);
    assert_eq!(found.survivors.unwrap().objects, 4);
    assert!(text(&(found, last)).contains("nothing has grown"));
}

#[test]
fn a_way_that_grew_and_shrank_again_is_not_said_to_grow_in_every_step() {
    let dumps = [0..2, 0..9, 0..5].map(|sessions| Moment::new(sessions).dump());
    let found = compared(&dumps);
    assert!(!found.0.ways[0].grew_in_every_step());
    assert!(text(&found).contains("2 → 9 → 5 app.Session: grew in 1 of 2 steps"), "{}", text(&found));
}

#[test]
fn texts_that_pile_up_in_a_list_are_named_by_the_list() {
    let dumps = [10, 40, 70].map(|texts| Moment { texts, ..Moment::new(0..3) }.dump());
    let found = compared(&dumps);
    let way = &found.0.ways[0];
    assert_eq!((way.type_name.as_str(), &way.counts[..]), ("str", &[10, 40, 70][..]));
    assert!(text(&found).contains("app.log[…]"), "{}", text(&found));
}

#[test]
fn a_buffer_that_swells_in_its_place_is_named_and_a_list_with_more_items_is_not_told_twice() {
    let dump = |bytes: u64| {
        let moment = Moment::new(0..3).dump();
        // the log is a buffer
        let list = moment.lines().find(|line| line.contains(r#""address":64,"#)).unwrap();
        let buffer = json!({"address": 64, "type": "bytearray", "size": 57, "external": bytes}).to_string();
        moment.replace(list, &buffer)
    };
    let found = compared(&[dump(100 << 10), dump(300 << 10), dump(5 << 20)]);
    assert_eq!(found.0.ways.len(), 1);
    let way = &found.0.ways[0];
    assert_eq!((way.type_name.as_str(), &way.counts[..]), ("bytearray", &[1, 1, 1][..]));
    assert!(way.has_swollen() && way.grew_in_every_step());
    let page = text(&found);
    assert!(page.contains("growth 1  1 bytearray of 100.1 KiB → 300.1 KiB → 5.0 MiB: grew in every step"), "{page}");
    assert!(page.contains(".log"), "{page}");
    // a little more is no finding
    assert!(compared(&[dump(5 << 20), dump((5 << 20) + 2000)]).0.ways.is_empty());
    let lists = [2, 30_000].map(|texts| {
        let moment = Moment { texts, ..Moment::new(0..3) }.dump();
        moment.replace(r#""size":56"#, &format!(r#""size":{}"#, 56 + texts * 8))
    });
    let ways = compared(&lists).0.ways;
    assert_eq!(ways.iter().map(|way| way.type_name.as_str()).collect::<Vec<_>>(), ["str"]);
}

#[test]
fn a_cache_that_fills_comes_after_a_leak_that_is_smaller() {
    let dump = |count: u64| {
        let at = |kind: u64, number: u64| 0x1000 * kind + number * 0x20;
        let all = |kind: u64| (0..count).map(|number| at(kind, number)).collect::<Vec<_>>();
        let mut lines = vec![
            json!({"address": 16, "type": "module", "name": "lib.web", "size": 72, "refs": [32, 48], "edges": [".cached", ".open"]}),
            json!({"address": 32, "type": "functools._lru_cache_wrapper", "size": 64, "refs": all(1)}),
            json!({"address": 48, "type": "list", "size": 64, "refs": all(2)}),
        ];
        for (kind, name, size) in [(1, "lib.web.Parsed", 4000), (2, "lib.web.Session", 1000)] {
            lines.extend(all(kind).iter().map(|address| json!({"address": address, "type": name, "size": size})));
        }
        lines.push(json!({"root": "module", "name": "lib.web", "object": 16}));
        let lines: String = lines.iter().map(|line| format!("{line}\n")).collect();
        format!("{}\n{lines}{}\n", header(&json!({})), json!({"end": {"objects": 3 + 2 * count}}))
    };
    let found = compared(&[dump(10), dump(20), dump(30)]).0;
    let names: Vec<&str> = found.ways.iter().map(|way| way.type_name.as_str()).collect();
    assert_eq!(names, ["lib.web.Session", "lib.web.Parsed"]);
}

#[test]
fn asked_for_a_type_only_that_is_told() {
    let dumps = [(2, 10), (5, 30)].map(|(sessions, texts)| Moment { texts, ..Moment::new(0..sessions) }.dump());
    let only = |name: &str| GrowthOptions { types: vec![name.to_owned()], ..GrowthOptions::default() };
    let of_session = compared_by(&dumps, &only("Session")).0;
    assert!(of_session.ways.iter().all(|way| way.type_name == "app.Session") && of_session.ways.len() == 1);
    let of_text = compared_by(&dumps, &only("str")).0;
    assert_eq!(of_text.ways[0].counts, [10, 30]);
    assert!(compared_by(&dumps, &only("app.Nothing")).0.ways.is_empty());
}

#[test]
fn dumps_of_different_processes_are_compared_by_type_and_way_and_that_is_said() {
    let first = Moment::new(0..2).with(json!({"pid": 7})).dump();
    let last = Moment { moved: 0x7000_0000, ..Moment::new(0..5) }.with(json!({"pid": 8})).dump();
    let found = compared(&[first, last.clone()]);
    assert!(found.0.new.is_none() && found.0.survivors.is_none());
    assert_eq!(found.0.ways[0].counts, [2, 5]);
    let page = text(&found);
    assert!(page.starts_with("2 dumps of different processes: app.Session grew\n"), "{page}");
    assert!(page.contains("process 7, not 8"), "{page}");
    // without numbers of processes, the addresses of modules tell
    let first = Moment::new(0..2).dump();
    let last = Moment { moved: 0x7000_0000, ..Moment::new(0..5) }.dump();
    assert!(text(&compared(&[first, last])).contains("only 0 of 1 modules are at the same address"));
}

#[test]
fn a_dump_that_is_cut_off_is_told_with_what_that_means() {
    let first = Moment::new(0..6).dump();
    let cut = &first[..first.rfind("app.Session").unwrap() + 3];
    let found = compared(&[cut.to_owned(), first.clone()]);
    let page = text(&found);
    assert!(page.contains("note: dump 1 (test)") && page.contains("what it lacks may show as growth"), "{page}");
    let page = text(&compared(&[first.clone(), cut.to_owned()]));
    assert!(page.contains("what it lacks does not show as growth"), "{page}");
}

#[test]
fn the_same_dump_thrice_is_recognised() {
    let dump = Moment::new(0..6).dump();
    let found = compared(&[dump.clone(), dump.clone(), dump]);
    assert!(!found.0.has_grown());
    assert!(text(&found).contains("dump 1 (test) and dump 2 (test) are one and the same dump"), "{}", text(&found));
}

#[test]
fn a_process_that_grows_without_its_objects_is_told_so() {
    let memory = |anonymous: u64, used: u64| json!({"pid": 7, "rss": anonymous, "anonymous": anonymous, "arenas": 90 << 20, "arenas_used": used});
    let dumps = [
        Moment::new(0..2).with(memory(100 << 20, 80 << 20)).dump(),
        Moment::new(0..3).with(memory(300 << 20, 85 << 20)).dump(),
    ];
    let page = text(&compared(&dumps));
    assert!(page.contains("the process grew by 200.0 MiB, all objects together by 1.0 KiB"), "{page}");
    assert!(page.contains("neither in objects nor in the interpreter's arenas"), "{page}");
}

/// The row of the object with this address.
fn row(heap: &Heap, address: u64) -> ObjectId {
    heap.graph.objects().find(|&object| heap.graph.address(object) == address).unwrap()
}

/// What becomes of the object at address 64 of `before`, as `after` has it: its match, and how many are unsure and used again.
fn fate(before: &[serde_json::Value], after: &[serde_json::Value]) -> (bool, u64, u64) {
    let dump = |objects: &[serde_json::Value]| {
        let mut lines = vec![json!({"retainers": 1}).to_string()];
        lines.extend(objects.iter().map(ToString::to_string));
        load((lines.join("\n") + "\n").as_bytes())
    };
    let (before, after) = (dump(before), dump(after));
    let matching = match_objects(&before.graph, &after.graph);
    let is_matched = matching.earlier(row(&after, 64)) == Some(row(&before, 64));
    (is_matched, matching.unsure, matching.used_again)
}

#[test]
fn an_address_is_believed_only_where_a_connection_speaks_for_it() {
    let object = |address: u64, type_name: &str, size: u64, refs: &[u64]| json!({"address": address, "type": type_name, "size": size, "refs": refs});
    let kept = object(16, "a.Kept", 48, &[]);
    let before = [kept.clone(), object(64, "a.Node", 48, &[16]), object(32, "list", 80, &[64])];
    // it refers to what it referred to, although it is larger
    let same = [kept.clone(), object(64, "a.Node", 96, &[16]), object(32, "list", 80, &[64])];
    assert!(fate(&before, &same).0);
    // another type at the address
    let other_type = [kept.clone(), object(64, "a.Other", 48, &[16])];
    assert!(!fate(&before, &other_type).0);
    // same type and size, but it refers to a new object, and the list that held it has gone
    let reused = [kept.clone(), object(80, "a.Fresh", 48, &[]), object(64, "a.Node", 48, &[80])];
    // (who referred to `kept` has gone too: of it only the size is known)
    assert_eq!(fate(&before, &reused), (false, 1, 1));
    // nothing is known of it but its size, and whoever held it has gone
    let lone = [object(64, "a.Leaf", 48, &[])];
    assert_eq!(fate(&[object(64, "a.Leaf", 48, &[]), object(32, "list", 80, &[64])], &lone), (true, 1, 0));
    // not even the size
    assert_eq!(fate(&[object(64, "a.Leaf", 56, &[]), object(32, "list", 80, &[64])], &lone), (false, 0, 1));
}

#[test]
fn times_are_read_and_put_dumps_in_order() {
    assert_eq!(epoch_seconds("1970-01-01T00:00:00Z"), Some(0));
    assert_eq!(epoch_seconds("2026-11-26T06:33:41.5Z"), Some(1_795_674_821));
    assert_eq!(epoch_seconds("2000-02-29T23:59:59Z"), Some(951_868_799));
    for wrong in
        ["", "2026-11-26", "2026-13-01T00:00:00Z", "2026-11-26T24:00:00Z", "2026-11-26T06:33:41+01:00", "x-y-zT::Z"]
    {
        assert_eq!(epoch_seconds(wrong), None, "{wrong}");
    }
    let told = |time: &str, pid: u64| about(header(&json!({"pid": pid, "time": time})).as_bytes());
    let (noon, one) = ("2026-11-26T12:00:00Z", "2026-11-26T13:00:00Z");
    assert_eq!(by_time(&[told(one, 7), told(noon, 7)]), Some((vec![1, 0], true)));
    assert_eq!(by_time(&[told(noon, 7), told(one, 7)]), Some((vec![0, 1], false)));
    assert_eq!(by_time(&[told(one, 7), told(noon, 8)]), None);
    assert_eq!(by_time(&[told(one, 7), told("yesterday", 7)]), None);
    assert_eq!(by_time(&[told(one, 7), None]), None);
}

/// A random heap of a few types, by its objects' types and references, and which of them are modules.
fn random() -> impl Strategy<Value = String> {
    (2u64..30).prop_flat_map(|count| {
        let types = prop::collection::vec(0..4usize, count as usize);
        let references = prop::collection::vec((0..count, 0..count), 0..60);
        (types, references, prop::collection::btree_set(0..count, 0..4)).prop_map(|(types, references, roots)| {
            let names = ["app.X", "app.Y", "list", "str"];
            let mut lines = vec![json!({"retainers": 1}).to_string()];
            for (object, &kind) in (0u64..).zip(&types) {
                let refs: Vec<u64> =
                    references.iter().filter(|(from, _)| *from == object).map(|(_, to)| to * 16 + 16).collect();
                lines.push(
                    json!({"address": object * 16 + 16, "type": names[kind], "size": 40 + object, "refs": refs})
                        .to_string(),
                );
            }
            lines.extend(roots.iter().map(|root| {
                json!({"root": "module", "name": format!("r{root}"), "object": root * 16 + 16}).to_string()
            }));
            lines.join("\n") + "\n"
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn nothing_has_grown_between_a_dump_and_itself(dump in random(), copies in 2usize..5) {
        let (found, last) = compared(&vec![dump; copies]);
        prop_assert!(found.ways.is_empty());
        prop_assert!(!found.has_grown());
        prop_assert!(found.groups.iter().all(|group| !group.has_changed()));
        prop_assert_eq!(found.shrunk, (0, 0));
        prop_assert_eq!(found.new.unwrap().objects, 0);
        prop_assert!(text(&(found, last)).contains("nothing has grown"));
    }

    #[test]
    fn damaged_dumps_are_compared_as_far_as_they_go(
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20),
        cut in any::<prop::sample::Index>(),
        is_first in any::<bool>(),
    ) {
        let whole = Moment::new(0..8).dump();
        let mut bytes = whole.clone().into_bytes();
        flips.iter().for_each(|(place, byte)| bytes[place.index(whole.len())] = *byte);
        bytes.truncate(whole.len() / 2 + cut.index(whole.len() / 2));
        let (Ok(damaged), whole) = (try_load(&bytes), load(whole.as_bytes())) else { return Ok(()) };
        let (last, first) = if is_first { (whole, damaged) } else { (damaged, whole) };
        let mut first = Some(first);
        let found = growth(&last, 1, &mut |_| Ok(first.take().unwrap()), &GrowthOptions::default()).unwrap();
        prop_assert_eq!(found.dumps.len(), 2);
        prop_assert!(!text(&(found, last)).is_empty());
    }

    #[test]
    fn numbers_of_any_two_dumps_are_those_of_the_dumps(first in random(), last in random()) {
        let (found, heap) = compared(&[first.clone(), last]);
        let before = load(first.as_bytes());
        let count = |heap: &Heap, name: &str| {
            heap.graph.objects().filter(|&object| heap.graph.type_name_of(object) == name).count() as u64
        };
        for group in &found.groups {
            prop_assert_eq!(&group.counts[..], &[count(&before, &group.name), count(&heap, &group.name)][..]);
        }
        for way in &found.ways {
            // as many may retain more: in so small a heap a few bytes are much
            prop_assert!(way.counts[0] < way.counts[1] || way.has_swollen());
            prop_assert!(way.counts[1] <= count(&heap, &way.type_name));
        }
        // no two objects are the same earlier one, and the same ones have address and type in common
        let matching = match_objects(&before.graph, &heap.graph);
        let mut seen = std::collections::BTreeSet::new();
        for object in heap.graph.objects() {
            if let Some(earlier) = matching.earlier(object) {
                prop_assert!(seen.insert(earlier));
                prop_assert_eq!(before.graph.address(earlier), heap.graph.address(object));
                prop_assert_eq!(before.graph.type_name_of(earlier), heap.graph.type_name_of(object));
            }
        }
        prop_assert_eq!(matching.len(), seen.len() as u64);
        prop_assert!(matching.unsure <= matching.len());
    }
}
