//! Leak or allocator: the verdict on numbers that a person can check.

use retainers::analysis::allocator::{Place, ProcessMemory, change_verdict};
use retainers::graph::About;
use serde_json::json;

use crate::support::heap::load;

const MIB: u64 = 1 << 20;

fn memory(process: u64, live: u64, arenas: Option<(u64, u64)>) -> ProcessMemory {
    ProcessMemory {
        process: process * MIB,
        live: live * MIB,
        arenas: arenas.map(|(all, used)| (all * MIB, used * MIB)),
    }
}

#[test]
fn a_large_heap_is_to_blame_itself() {
    assert_eq!(memory(1000, 700, None).place(), Place::Objects);
    // what an interpreter takes for itself is no finding, however small the heap
    assert_eq!(memory(60, 2, None).place(), Place::Objects);
    // sizes may come out larger than the process, where memory is shared with a parent
    assert_eq!(memory(100, 400, None).place(), Place::Objects);
    assert_eq!(memory(1000, 700, None).verdict(), None);
}

#[test]
fn a_small_heap_in_a_big_process_is_told_with_the_cause_that_the_numbers_show() {
    let dead = memory(1000, 50, Some((900, 60)));
    assert_eq!(dead.place(), Place::Arenas);
    let words = dead.verdict().unwrap();
    assert!(words.contains("the process has 1000.0 MiB, all objects together 50.0 MiB (5.0 %)"), "{words}");
    assert!(words.contains("840.0 MiB are free blocks"), "{words}");
    let native = memory(1000, 50, Some((60, 50)));
    assert_eq!(native.place(), Place::Native);
    assert!(native.verdict().unwrap().contains("memray --native"));
    let unknown = memory(1000, 50, None);
    assert_eq!(unknown.place(), Place::Elsewhere);
    assert!(unknown.verdict().unwrap().contains("the dump does not tell of arenas"));
}

#[test]
fn growth_outside_of_objects_is_told_and_growth_of_objects_is_not() {
    let (first, last) = (memory(100, 20, Some((30, 25))), memory(400, 30, Some((40, 30))));
    let words = change_verdict(&first, &last).unwrap();
    assert!(words.contains("the process grew by 300.0 MiB, all objects together by 10.0 MiB"), "{words}");
    assert_eq!(change_verdict(&first, &memory(400, 250, Some((260, 250)))), None);
    assert_eq!(change_verdict(&first, &first), None);
    assert_eq!(change_verdict(&last, &first), None);
}

#[test]
fn the_header_says_what_the_process_has_and_the_objects_what_is_live() {
    let about = About { resident: Some(70), anonymous: Some(50), swap: Some(9), ..About::default() };
    assert_eq!(ProcessMemory::of(&about, 5).map(|memory| (memory.process, memory.unexplained())), Some((59, 54)));
    let only_resident = About { resident: Some(70), ..About::default() };
    assert_eq!(ProcessMemory::of(&only_resident, 5).map(|memory| memory.process), Some(70));
    assert_eq!(ProcessMemory::of(&About::default(), 5), None);
    // more in use than there is: neither is believed
    let impossible = About { resident: Some(70), arenas: Some(5), arenas_used: Some(6), ..About::default() };
    assert_eq!(ProcessMemory::of(&impossible, 5).and_then(|memory| memory.arenas), None);
    let header = r#"{"retainers":1,"rss":99,"anonymous":80,"swap":4,"arenas":64,"arenas_used":30}"#;
    let lines =
        [json!({"address": 16, "type": "int", "size": 28}), json!({"address": 32, "type": "bytearray", "size": 56})];
    let objects: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let dump = format!("{header}\n{objects}{{\"end\":{{\"objects\":2}}}}\n");
    let memory = ProcessMemory::new(&load(dump.as_bytes())).unwrap();
    assert_eq!((memory.process, memory.live, memory.arenas), (84, 84, Some((64, 30))));
}
