//! One JSON array of records, on one line or on many, read in pieces in parallel.

use memchr::memchr;

use super::learned::Learned;
use super::python::{Piece, table_for};
use super::record::Record;
use super::scan::Scanner;
use super::split::{self, Beginning, Stop};
use crate::progress::Progress;
use crate::source::Source;

/// Bytes of a piece. Each is a table of its own later.
pub(super) const PIECE: usize = 4 << 20;

/// Reads an array of records. After a record that cannot be read, reading goes on with the next line that starts one.
/// `piece` is the number of bytes in a piece.
pub(super) fn read(source: &Source, piece: usize, progress: &Progress) -> Vec<Piece> {
    let bytes: &[u8] = source;
    let mut scanner = Scanner::new(bytes, memchr(b'[', bytes).map_or(0, |bracket| bracket + 1));
    scanner.peek();
    let start = scanner.position();
    let beginning = Beginning::of_item(bytes, start);
    let mut pieces = Vec::new();
    split::read(
        bytes,
        start,
        piece.max(1),
        beginning.as_ref(),
        |start, limit| {
            let (read, stop, end) = read_piece(source, start, limit);
            ((read, end - start), stop)
        },
        |(piece, length): (Piece, usize)| {
            progress.advance(length as u64);
            progress.add_objects(piece.table.len() as u64);
            pieces.push(piece);
        },
    );
    pieces
}

/// Reads records from `start` on, up to the first that begins at or after `limit`, and tells where that stopped.
fn read_piece(source: &Source, start: usize, limit: usize) -> (Piece, Stop, usize) {
    let bytes: &[u8] = source;
    let range = start..limit.clamp(start, bytes.len().max(start));
    let mut piece = Piece::default();
    piece.table = table_for(bytes, &range, b'{');
    let mut window = source.window(range);
    window.move_to(start);
    let mut record = Record::default();
    let mut learned = Learned::default();
    let mut scanner = Scanner::new(bytes, start);
    let stop = loop {
        while scanner.take(b',') {}
        let place = scanner.position();
        if place >= limit {
            break Stop::At(place);
        }
        match scanner.peek() {
            Some(b'{') => {}
            Some(b']') => break Stop::End,
            Some(_) => {
                piece.damage.broken(place as u64, "expected a record");
                if !next_record(bytes, &mut scanner) {
                    break Stop::End;
                }
                continue;
            }
            None => {
                piece.damage.cut_off = Some(format!("the array is not closed at byte {}", bytes.len()));
                break Stop::End;
            }
        }
        if let (end, true) = learned.read(bytes, place, place + 1, &mut piece.table) {
            scanner.seek(end);
            continue;
        }
        let before = piece.table.len();
        let read = piece.record(&mut scanner, &mut record, place);
        if read.is_ok() && piece.table.len() > before && learned.is_curious() {
            learned.learn(bytes, place, scanner.position());
        }
        if let Err(malformed) = read {
            // what is left out has no strings to show
            scanner.lone_surrogates = 0;
            if malformed.offset >= bytes.len() {
                piece.damage.cut_off = Some(format!("the last record breaks off at byte {}", bytes.len()));
                break Stop::End;
            }
            piece.damage.broken(malformed.offset as u64, format!("expected {}", malformed.expected));
            scanner.seek(malformed.offset.max(place + 1));
            if !next_record(bytes, &mut scanner) {
                break Stop::End;
            }
        }
    };
    piece.add_recognised(learned.found());
    (piece, stop, scanner.position())
}

/// Moves to the next line that begins with `{`.
fn next_record(bytes: &[u8], scanner: &mut Scanner<'_>) -> bool {
    while let Some(distance) = bytes.get(scanner.position()..).and_then(|rest| memchr(b'\n', rest)) {
        scanner.seek(scanner.position() + distance + 1);
        let mut ahead = scanner.clone();
        let _ = ahead.take(b',');
        if ahead.peek() == Some(b'{') {
            scanner.seek(ahead.position());
            return true;
        }
    }
    false
}
