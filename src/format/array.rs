//! Records one after another, in JSON arrays or in none, on one line or on many, read in pieces in parallel.

use super::learned::Learned;
use super::python::{Piece, table_for};
use super::record::Record;
use super::repair;
use super::scan::{BYTE_ORDER_MARK, Scanner, first_document};
use super::split::{self, Beginning, Stop};
use crate::progress::Progress;
use crate::source::Source;

/// Bytes of a piece. Each is a table of its own later.
pub(super) const PIECE: usize = 4 << 20;

/// Reads records, whatever brackets and commas stand between them: one array, several, or none. `piece` is the number of bytes
/// in a piece.
pub(super) fn read(source: &Source, piece: usize, progress: &Progress) -> Vec<Piece> {
    let bytes: &[u8] = source;
    let first = first_document(bytes);
    let mut scanner = Scanner::new(bytes, first);
    let is_array = scanner.peek() == Some(b'[');
    while scanner.take(b'[') {}
    scanner.peek();
    let start = scanner.position();
    let beginning = Beginning::of_list(bytes, start, false);
    let mut pieces = Vec::new();
    let mut ends = Piece::default();
    if first > BYTE_ORDER_MARK.len() {
        ends.damage.broken(0, "expected a record");
    }
    pieces.push(ends);
    split::read(
        bytes,
        start,
        piece.max(1),
        beginning.as_ref(),
        |start, limit| {
            let (read, stop, end) = read_piece(source, start, limit, beginning.as_ref());
            ((read, end - start), stop)
        },
        |(piece, length): (Piece, usize)| {
            progress.advance(length as u64);
            progress.add_objects(piece.table.len() as u64);
            pieces.push(piece);
        },
    );
    if is_array && bytes.trim_ascii_end().last() != Some(&b']') {
        let mut end = Piece::default();
        end.damage.cut_off = Some(format!("the array is not closed at byte {}", bytes.len()));
        pieces.push(end);
    }
    pieces
}

/// Reads records from `start` on, up to the first that begins at or after `limit`, and tells where that stopped.
fn read_piece(source: &Source, start: usize, limit: usize, beginning: Option<&Beginning<'_>>) -> (Piece, Stop, usize) {
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
        pass_brackets(&mut scanner);
        let place = scanner.position();
        if place >= limit {
            break Stop::At(place);
        }
        if scanner.peek().is_none() {
            break Stop::End;
        }
        if let (end, true) = learned.read(bytes, place, place + 1, &mut piece.table) {
            scanner.seek(end);
            continue;
        }
        let before = piece.table.len();
        match piece.record(&mut scanner, &mut record, place) {
            Ok(()) if piece.table.len() > before && learned.is_curious() => {
                learned.learn(bytes, place, scanner.position());
            }
            Ok(()) => {}
            Err(malformed) => {
                // what is left out has no strings to show
                scanner.lone_surrogates = 0;
                if malformed.offset >= bytes.len() {
                    piece.damage.cut_off = Some(format!("the last record breaks off at byte {}", bytes.len()));
                    break Stop::End;
                }
                piece.damage.broken(malformed.offset as u64, format!("expected {}", malformed.expected));
                if !repair::go_on(bytes, &mut scanner, place, &malformed, beginning) {
                    break Stop::End;
                }
            }
        }
    };
    piece.add_recognised(learned.found());
    (piece, stop, scanner.position())
}

/// Moves the cursor to what is neither white space nor stands between records: where one array ends, another may begin.
fn pass_brackets(scanner: &mut Scanner<'_>) {
    while let Some(b',' | b'[' | b']') = scanner.peek() {
        scanner.seek(scanner.position() + 1);
    }
}
