//! Which of several equally short chains is shown, and from which roots.

use super::Asked;
use crate::support::heap::heap;

fn winner(modules: &[(&str, &str)], type_name: &str) -> String {
    let mut dump = String::from("{\"retainers\":1}\n");
    for (place, (name, file)) in modules.iter().enumerate() {
        let at = (place as u64 + 1) * 160;
        for line in [
            serde_json::json!({"root": "module", "name": name, "object": at}),
            serde_json::json!({"address": at, "type": "module", "size": 72, "refs": [at + 16], "edges": ["__dict__"]}),
            serde_json::json!({"address": at + 16, "type": "dict", "size": 72, "refs": [at + 32, 16], "edges": ["['__file__']", "['it']"]}),
            serde_json::json!({"address": at + 32, "type": "str", "size": 72, "value": file, "refs": [], "edges": []}),
        ] {
            dump.push_str(&format!("{line}\n"));
        }
    }
    dump.push_str(&format!("{}\n", serde_json::json!({"address": 16, "type": type_name, "size": 8, "refs": []})));
    dump.push_str("{\"end\":{}}\n");
    let heap = crate::support::heap::load(dump.as_bytes());
    let text = Asked { types: Box::leak(Box::new([&*type_name.to_owned().leak()])), ..Asked::types(&[]) }.text(&heap);
    assert!(text.contains(&format!("{} other chain", modules.len() - 1)), "{text}");
    let line = text.lines().find(|line| line.starts_with("  module ")).unwrap().to_owned();
    line.trim().split(' ').nth(1).unwrap().to_owned()
}

const STANDARD: (&str, &str) = ("abc_std", "/usr/lib/python3.11/abc_std.py");
const INSTALLED: (&str, &str) = ("another", "/srv/venv/lib/python3.11/site-packages/another/__init__.py");
const OWN: (&str, &str) = ("web", "/srv/app/web.py");

#[test]
fn the_programs_own_module_comes_before_installed_ones_and_those_before_the_standard_library() {
    assert_eq!(winner(&[STANDARD, INSTALLED, OWN], "x.T"), "web");
    assert_eq!(winner(&[STANDARD, INSTALLED], "x.T"), "another");
}

#[test]
fn the_package_of_the_type_counts_as_own() {
    let of_type = ("zlib2.core", "/srv/venv/lib/python3.11/site-packages/zlib2/core.py");
    assert_eq!(winner(&[INSTALLED, STANDARD, of_type], "zlib2.models.T"), "zlib2.core");
}

#[test]
fn then_the_name_of_the_root_decides() {
    let other = ("app", "/srv/app/app.py");
    assert_eq!(winner(&[OWN, other], "x.T"), "app");
    assert_eq!(winner(&[other, OWN], "x.T"), "app");
}

#[test]
fn modules_come_first_then_frames_then_other_roots() {
    let sketch = "
        module app .list -> l
        l: list [0] -> a
        a: T
        root frame work -> f
        f: frame f_locals['x'] -> b, f_locals['y'] -> a
        b: T
        root atexit close -> m
        m: method __self__ -> c
        c: T
        d: T
    ";
    let heap = heap(sketch);
    let (_, answer) = Asked::types(&["T"]).answer(&heap);
    let roots: Vec<&str> = answer.types[0].signatures.iter().map(|way| way.root.kind.word()).collect();
    assert_eq!(roots, ["module", "frame", "atexit"]);
    assert_eq!(answer.types[0].unreached.len(), 1);
    let text = Asked::types(&["T"]).text(&heap);
    assert!(text.contains("held by thread frame work"), "{text}");
    assert!(text.contains("no module leads here"), "{text}");
    assert!(text.contains("1 of 4 is not reachable from any root"), "{text}");
}

#[test]
fn chosen_roots_are_asked_together() {
    let sketch = "module app .list -> l\nl: list [0] -> m\nm: list [0] -> a\na: T\nroot frame work -> f\nf: frame f_locals['x'] -> a";
    let heap = heap(sketch);
    let shortest = |roots| Asked { roots, ..Asked::types(&["T"]) }.answer(&heap).1.types[0].signatures[0].clone();
    assert_eq!(shortest(&[]).length, 4);
    assert_eq!(shortest(&["all"]).length, 1);
    assert_eq!(shortest(&["module,frame"]).length, 1);
    assert_eq!(shortest(&["frame:work"]).root.kind.word(), "frame");
    let (_, none) = Asked { roots: &["frame:other*"], ..Asked::types(&["T"]) }.answer(&heap);
    assert_eq!(none.types[0].unreached.len(), 1);
}

#[test]
fn weak_references_never_hold() {
    let heap = heap("module app .registry -> r\nr: weakref.WeakSet .data ~> a\na: T");
    let (_, answer) = Asked::types(&["T"]).answer(&heap);
    assert_eq!(answer.types[0].unreached.len(), 1);
}
