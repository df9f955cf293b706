//! Files of samples, ours and mprof's.

use retainers::watch::mprof::{read, write};
use retainers::watch::series::{Capture, Sample, Series};

const MIB: u64 = 1 << 20;

#[test]
fn what_was_written_is_read_again() {
    let sample = |second: u32, children| Sample {
        at: 1_700_000_000.0 + f64::from(second) * 0.5,
        resident: 100 * MIB + u64::from(second) * 4096,
        unique: (second > 3).then_some(80 * MIB),
        swap: if second > 5 { 12 << 10 } else { 0 },
        of_children: u64::from(children) * MIB,
        children,
    };
    let samples = (0..10).map(|second| sample(second, second % 3)).collect();
    let captures = vec![Capture { from: 1_700_000_001.25, to: 1_700_000_002.5 }];
    let series = Series { command: "python app.py --port 80".to_owned(), samples, captures };
    let text = write(&series);
    assert!(text.starts_with("CMDLINE python app.py --port 80\nMEM 100.000000 1700000000.0000\n"), "{text}");
    assert_eq!(read(text.as_bytes()).unwrap(), series);
}

#[test]
fn a_file_of_mprof_is_read() {
    let text = "CMDLINE python3 train.py\nMEM 10.500000 1600000000.1000\nCHLD 0 2.000000 1600000000.1010\n\
                CHLD 1 3.000000 1600000000.1011\nFUNC __main__.f 10.0000 1600000000.1 12.0 1600000000.2 1\n\
                MEM 11.000000 1600000000.2000\r\n";
    let series = read(text.as_bytes()).unwrap();
    assert_eq!(series.command, "python3 train.py");
    assert_eq!(series.samples.len(), 2);
    assert_eq!((series.samples[0].children, series.samples[0].of_children), (2, 5 * MIB));
    assert_eq!(series.samples[0].total(), 15 * MIB + MIB / 2);
    assert_eq!(series.samples[1].total(), 11 * MIB);
}

#[test]
fn a_line_that_says_something_else_is_told_with_its_place() {
    for (line, reason) in [
        ("MEM x 12", "expected `MEM MiB seconds`"),
        ("MEM 12", "expected `MEM MiB seconds`"),
        ("MEM 1 2 3", "expected `MEM MiB seconds`"),
        ("MEM nan 12", "expected `MEM MiB seconds`"),
        ("MEM inf 12", "expected `MEM MiB seconds`"),
        ("MEM 1e300 12", "expected `MEM MiB seconds`"),
        ("MEM -3 12", "memory is negative"),
        ("MEM 3 1", "earlier than the line before"),
        ("CHLD 0 x 12", "expected `CHLD number MiB seconds`"),
        ("CHLD", "expected `CHLD number MiB seconds`"),
        ("CHLDN -1 12", "out of range"),
        ("DUMP 1", "expected `DUMP seconds seconds`"),
        ("USS \u{1b}[31m 4", "expected `USS MiB seconds`"),
    ] {
        let start = "CMDLINE x\nMEM 1.0 10.0\n";
        let error = read(format!("{start}{line}\n").as_bytes()).unwrap_err().to_string();
        assert!(error.starts_with(&format!("mprof, byte {}: line 3: ", start.len())), "{line}: {error}");
        assert!(error.contains(reason), "{line}: {error}");
    }
    assert!(
        read(b"CHLD 0 1 2\n").unwrap_err().to_string().contains("line 1: a line `MEM MiB seconds` must come before")
    );
    assert!(read(b"").unwrap_err().to_string().contains("no line `MEM MiB seconds`"));
    assert!(read(b"\xff\xfe\x00MEM").unwrap_err().to_string().contains("no line"));
}

#[test]
fn more_dumps_than_anyone_takes_are_refused() {
    let text = format!("MEM 1 10\n{}", "DUMP 10 11\n".repeat(201));
    assert!(read(text.as_bytes()).unwrap_err().to_string().contains("line 202: more than 200 dumps"));
    assert_eq!(read(&text.as_bytes()[..text.len() - 11]).unwrap().captures.len(), 200);
}

#[test]
fn a_command_cannot_write_lines() {
    let series =
        Series { command: "x\nMEM 5 5\r\n".to_owned(), samples: vec![Sample::default()], captures: Vec::new() };
    assert_eq!(read(write(&series).as_bytes()).unwrap().samples.len(), 1);
}
