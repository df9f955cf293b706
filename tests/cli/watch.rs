//! `retainers watch` as a person types it.

use crate::support::command::{Ran, Workshop};

/// Judges a file of `fixtures/mprof`.
fn judged(name: &str, more: &[&str]) -> (Workshop, Ran) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/mprof").join(name);
    let workshop = Workshop::new();
    let ran = workshop.run(&[&["watch", path.to_str().unwrap()], more].concat());
    (workshop, ran)
}

#[test]
fn a_leak_that_mprof_recorded_is_growth_and_exit_code_1() {
    let (workshop, ran) = judged("leak.dat", &[]);
    assert_eq!(ran.code, 1, "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.starts_with("leak: growth of 3"), "{}", ran.stdout);
    assert!(ran.stdout.contains("MiB/h (95 % confidence 3"), "{}", ran.stdout);
    assert!(ran.stdout.contains("what stays when garbage is collected went from "), "{}", ran.stdout);
    assert!(workshop.files().is_empty(), "nothing is written unasked: {:?}", workshop.files());
}

#[test]
fn garbage_and_warm_up_are_no_growth_and_exit_code_0() {
    let (workshop, ran) = judged("plateau.dat", &["-o", "plots"]);
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.starts_with("plateau: plateau\n"), "{}", ran.stdout);
    assert!(ran.stdout.contains("up to 2 child processes"), "{}", ran.stdout);
    let svg = String::from_utf8(workshop.read("plots/plateau.svg")).unwrap();
    assert!(svg.contains("all, with children"), "{svg}");
    assert!(workshop.read("plots/plateau.png").starts_with(b"\x89PNG"));
}

#[test]
fn too_few_samples_are_told_and_exit_code_0() {
    let (_, ran) = judged("short.dat", &[]);
    assert_eq!(ran.code, 0);
    assert!(ran.stdout.starts_with("short: too short to tell\n  12 samples over 55 s"), "{}", ran.stdout);
}

#[test]
fn the_verdict_is_there_for_machines() {
    let (_, ran) = judged("leak.dat", &["--json"]);
    let json = ran.json();
    assert_eq!((ran.code, &json["outcome"], &json["schema"]), (1, &"growth".into(), &1.into()));
    let an_hour = json["bytes_per_hour"]["middle"].as_f64().unwrap() / 1_048_576.0;
    assert!((an_hour - 36.0).abs() < 3.0, "{an_hour}");
    assert_eq!(json["samples"].as_array().unwrap().len(), 180);
    assert_eq!(json["samples"][1]["at"], 5.0);
}

#[test]
fn failures_are_exit_code_2_with_a_reason() {
    let workshop = Workshop::new();
    workshop.write("broken.dat", "CMDLINE x\nMEM 1.0 2.0\nMEM much 3.0\n");
    for (arguments, reason) in [
        (&["watch", "missing.dat"][..], "cannot read `missing.dat`"),
        (&["watch", "broken.dat"], "mprof, byte 22: line 3: expected `MEM MiB seconds`, with numbers"),
        (&["watch", "0"], if cfg!(target_os = "linux") { "a number of 1 or more" } else { "needs Linux" }),
        (
            &["watch", "2147483647"],
            if cfg!(target_os = "linux") { "there is none with this number" } else { "needs Linux" },
        ),
        (&["watch", "1", "--dump-when", "never"], "expected `growth`, or a size such as `rss>2GiB`"),
        (&["watch", "1", "--for", "soon"], "expected a time such as 90s, 10m or 2h"),
        (&["watch", "1", "--for", "1e9h"], "expected a time"),
        (&["watch", "1", "--for", "99999999d"], "longer than ten years"),
        (&["watch", "1", "--interval", "0"], "at least 10ms"),
        (&["watch"], "required"),
        (&["watch", "1", "--", "true"], "cannot be used with"),
    ] {
        let ran = workshop.run(arguments);
        assert_eq!(ran.code, 2, "{arguments:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(reason), "{arguments:?}: {}", ran.stderr);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_command_is_watched_until_it_ends() {
    let workshop = Workshop::new();
    let ran = workshop.run(&["watch", "--interval", "20ms", "--", "sh", "-c", "echo from the command; exit 3"]);
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("from the command\n"), "{}", ran.stdout);
    assert!(ran.stdout.contains(": too short to tell"), "{}", ran.stdout);
    assert!(ran.stdout.contains("the command: exit status: 3"), "{}", ran.stdout);
    let endings: Vec<String> =
        workshop.files().iter().filter_map(|name| Some(name.rsplit_once('.')?.1.to_owned())).collect();
    assert_eq!(endings, ["dat", "png", "svg"]);
    let ran = workshop.run(&["watch", "--", "./not-there"]);
    assert_eq!((ran.code, ran.stderr.contains("cannot read `./not-there`")), (2, true), "{}", ran.stderr);
}
