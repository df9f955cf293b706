//! What `/proc` says.

use retainers::watch::sample::{End, Memory, Sampler, start_of, unique};

#[test]
fn status_is_read() {
    let text = "Name:\tpython3\nState:\tS (sleeping)\nVmRSS:\t   21340 kB\nVmSwap:\t     128 kB\nThreads:\t4\n";
    assert_eq!(Memory::parse(text), Memory { resident: 21_340 << 10, swap: 128 << 10, is_over: false });
    assert!(Memory::parse("Name:\tx\nState:\tZ (zombie)\n").is_over);
    assert_eq!(Memory::parse("VmRSS: 99999999999999999999999 kB\nVmSwap\nState:\n:"), Memory::default());
}

#[test]
fn unique_memory_is_the_private_pages() {
    let text = "55d0-7ffe ---p 00000000 00:00 0 [rollup]\nRss: 9000 kB\nPrivate_Clean: 100 kB\nPrivate_Dirty: 4000 kB\n\
                Private_Hugetlb: 0 kB\nSwap: 5 kB\n";
    assert_eq!(unique(text), 4_100 << 10);
}

#[test]
fn a_program_may_have_any_name() {
    let rest: Vec<String> =
        (3..=52).map(|field| if field == 22 { "8812".to_owned() } else { "7".to_owned() }).collect();
    for name in ["python3", "a) R 1 (b", ") ) )", "\u{fffd}\n"] {
        assert_eq!(start_of(&format!("4242 ({name}) {}", rest.join(" "))), Some(8812), "{name}");
    }
    assert_eq!(start_of("4242 (x) S 1"), None);
    assert_eq!(start_of(""), None);
}

#[test]
fn this_process_has_memory() {
    let own = i32::try_from(std::process::id()).unwrap();
    let sample = Sampler::new(own).unwrap().sample(12.0).unwrap();
    assert!(sample.resident > 1 << 20, "{sample:?}");
    assert!(sample.total() >= sample.resident);
    assert_eq!(sample.at, 12.0);
}

#[test]
fn a_process_that_is_not_there_has_exited() {
    assert_eq!(Sampler::new(i32::MAX).unwrap_err(), End::Exited);
}
