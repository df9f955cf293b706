//! Places where things pile up, each kind in a small heap.

use retainers::analysis::chains::Options;
use retainers::analysis::suspects::{Place, Suspects, suspects};

use crate::support::heap::heap;

fn of(sketch: &str) -> Suspects {
    suspects(&heap(sketch), &Options::default())
}

/// `['k0'] -> NAME0, …`
fn entries(name: &str, count: usize) -> String {
    (0..count).map(|number| format!("['k{number}'] -> {name}{number}")).collect::<Vec<_>>().join(", ")
}

fn objects(name: &str, of_type: &str, count: usize) -> String {
    (0..count).map(|number| format!("\n{name}{number}: {of_type}")).collect()
}

#[test]
fn two_containers_that_hold_the_same_objects_are_one_suspect() {
    let both = entries("o", 30);
    let orders = objects("o", "app.Order", 30);
    let found = of(&format!("module app .by_id -> a, .by_name -> b\na: dict {both}\nb: dict {both}{orders}"));
    assert_eq!(found.suspects.len(), 1, "{found:?}");
    let suspect = &found.suspects[0];
    let mut places = vec![suspect.expression.clone().unwrap()];
    places.extend(suspect.together_with.iter().filter_map(|other| other.expression.clone()));
    places.sort();
    assert_eq!(places, ["app.by_id", "app.by_name"]);
    assert_eq!((suspect.type_name.as_str(), suspect.count), ("app.Order", 30));
}

#[test]
fn a_name_that_ends_like_that_of_a_metaclass_says_nothing() {
    let found =
        of(&format!("module app .files -> f\nf: dict {}{}", entries("m", 12), objects("m", "app.FileMeta", 12)));
    assert_eq!(found.suspects[0].type_name, "app.FileMeta");
    assert!(!found.suspects[0].are_classes);
}

#[test]
fn attributes_whose_names_differ_in_digits_are_one_place() {
    let names: Vec<String> = (0..20).map(|number| format!(".job_{number} -> j{number}")).collect();
    let found = of(&format!("module app .APP -> a\na: app.App {}{}", names.join(", "), objects("j", "app.Job", 20)));
    let suspect = &found.suspects[0];
    assert_eq!(suspect.place, Place::Names);
    assert_eq!(suspect.expression.as_deref(), Some("app.APP.job_*"));
    assert_eq!(suspect.count, 20);
}

#[test]
fn the_copies_of_many_types_in_one_list_are_that_list() {
    let items: Vec<String> = (0..60).map(|number| format!("[{number}] -> e{number}")).collect();
    let events: String = (0..60).map(|number| format!("\ne{number}: app.Event{number}")).collect();
    let found = of(&format!("module app .log -> l\nl: list {}{events}", items.join(", ")));
    assert_eq!(found.suspects[0].expression.as_deref(), Some("app.log"));
    assert_eq!(found.suspects[0].items, 60);
}

#[test]
fn objects_that_hang_on_each_other_are_one_structure() {
    let nodes: String = (0..200).map(|number| format!("\nn{number}: app.Node .next -> n{}", number + 1)).collect();
    let found = of(&format!("module app .HEAD -> n0{nodes}\nn200: app.Node"));
    let suspect = &found.suspects[0];
    assert_eq!((suspect.place, suspect.count), (Place::Linked, 201));
    assert_eq!(suspect.expression.as_deref(), Some("app.HEAD"));
}

#[test]
fn nothing_is_said_to_accumulate_where_nothing_does() {
    let found = of("module app .a -> x\nx: app.Thing");
    assert!(found.suspects.is_empty() && found.is_clean);
}
