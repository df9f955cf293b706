//! `--exclude`: references that do not count.

use retainers::analysis::exclude::ReferencePattern;

use super::Asked;
use crate::support::heap::heap;

const TWO_WAYS: &str = "
    module sys .modules -> mods
    mods: dict ['app'] -> app
    module app .cache -> cache, .handler -> h
    h: app.Handler .call -> f
    f: function __globals__ -> app.__dict__, __closure__ -> c
    c: tuple [0] -> cell
    cell: cell cell_contents -> s
    cache: app.Cache __dict__ -> cd
    cd: dict ['items'] -> list
    list: list [0] -> s
    s: app.Session
";

fn expression(exclude: &'static [&'static str]) -> String {
    let heap = heap(TWO_WAYS);
    let text = Asked { exclude, ..Asked::types(&["Session"]) }.text(&heap);
    let line = text.lines().find(|line| line.trim_start().starts_with("app.") || line.contains("not reachable"));
    line.unwrap_or_else(|| panic!("{text}")).trim().to_owned()
}

#[test]
fn an_attribute_of_a_type_is_found_on_the_object_or_in_its_dict() {
    assert_eq!(expression(&[]), "app.cache.items[0]");
    for pattern in ["app.Cache.items", "Cache.items", "app.Cac*.items", "*.items", "app.cache"] {
        let other: &'static [&'static str] = Box::leak(Box::new([&*pattern.to_owned().leak()]));
        assert_eq!(expression(other), "app.handler.call.__closure__[0].cell_contents", "{pattern}");
    }
}

#[test]
fn both_ways_excluded_leave_the_object_unreached() {
    assert!(expression(&["app.cache", "function.__closure__"]).starts_with("1 is not reachable"));
}

#[test]
fn the_attribute_of_a_module_is_found_in_its_dict() {
    let heap = heap("module sys .modules -> mods\nmods: dict ['x'] -> s\ns: app.Session");
    let text = Asked { exclude: &["sys.modules"], ..Asked::types(&["Session"]) }.text(&heap);
    assert!(text.contains("not reachable"), "{text}");
    assert!(text.contains("1 reference excluded"), "{text}");
}

#[test]
fn patterns_without_owner_or_name_are_refused() {
    for text in ["modules", ".x", "x.", ""] {
        assert!(ReferencePattern::parse(text).is_err(), "{text}");
    }
}
