//! Writes an index: sections one after the other, then the hashes of their blocks, at last the header.

use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;

use bytemuck::Pod;
use rayon::prelude::*;

use super::header::{Entry, Header, LENGTH, MAX_NAME, MAX_SECTIONS, padded};
use super::identity::Identity;
use super::{ALIGNMENT, BLOCK, hash};
use crate::sink::whole::{Readers, WholeFile};

/// Bytes that are hashed and written at a time: few enough to be in a cache still when they are written.
const PIECE: usize = 1 << 20;

/// An index that is being written, under a temporary name. Unless it is [finished](IndexWriter::finish), nothing is left of
/// it. Nobody but the user may write to it: another's index is not believed.
///
/// It is not synced to the disk: a block that a crash of the machine takes away fails its hash, and the index is made anew.
#[derive(Debug)]
pub struct IndexWriter {
    file: WholeFile,
    position: u64,
    sections: Vec<Entry>,
    hashes: Vec<u64>,
}

impl IndexWriter {
    /// Begins the index that is to be at `path`.
    ///
    /// # Errors
    /// What the system says, and on a big-endian machine always.
    pub fn create(path: &Path) -> io::Result<Self> {
        if cfg!(target_endian = "big") {
            return Err(io::Error::from(io::ErrorKind::Unsupported));
        }
        let mut file = WholeFile::create(path, Readers::NoOtherWriters)?;
        let position = LENGTH as u64;
        file.file().seek(SeekFrom::Start(position))?;
        Ok(Self { file, position, sections: Vec::new(), hashes: Vec::new() })
    }

    /// Appends a section. Its name is short and given once; there are fewer than 82 sections.
    ///
    /// # Errors
    /// What the system says.
    pub fn section<T: Pod + Sync>(&mut self, name: &str, values: &[T]) -> io::Result<()> {
        debug_assert!(name.len() <= MAX_NAME && self.sections.iter().all(|entry| entry.name != padded(name)));
        if self.sections.len() == MAX_SECTIONS {
            return Err(io::Error::from(io::ErrorKind::InvalidInput));
        }
        self.align()?;
        let bytes: &[u8] = bytemuck::cast_slice(values);
        self.sections.push(Entry {
            name: padded(name),
            offset: place(self.position)?,
            bytes: bytes.len(),
            first_hash: self.hashes.len(),
            width: size_of::<T>(),
        });
        for piece in bytes.chunks(PIECE) {
            self.hashes.par_extend(piece.par_chunks(BLOCK).with_min_len(128).map(hash));
            self.put(piece)?;
        }
        Ok(())
    }

    /// Appends a section in JSON.
    ///
    /// # Errors
    /// What the system says.
    pub fn json(&mut self, name: &str, value: &impl serde::Serialize) -> io::Result<()> {
        self.section(name, &serde_json::to_vec(value)?)
    }

    /// Gives the file its header and its name. Returns its size in bytes.
    ///
    /// # Errors
    /// What the system says; nothing is left then.
    pub fn finish(mut self, dump: Identity, objects: usize, references: usize) -> io::Result<u64> {
        self.align()?;
        let hashes = place(self.position)?;
        let table: Vec<u8> = self.hashes.iter().flat_map(|hash| hash.to_le_bytes()).collect();
        self.put(&table)?;
        let header = Header {
            dump,
            objects,
            references,
            hashes,
            hash_of_hashes: hash(&table),
            length: place(self.position)?,
            sections: std::mem::take(&mut self.sections),
        };
        self.file.file().seek(SeekFrom::Start(0))?;
        self.file.file().write_all(&header.write())?;
        self.file.finish(false)?;
        Ok(self.position)
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.file().write_all(bytes)?;
        self.position += bytes.len() as u64;
        Ok(())
    }

    fn align(&mut self) -> io::Result<()> {
        let padding = self.position.next_multiple_of(ALIGNMENT) - self.position;
        self.put(&[0; ALIGNMENT as usize][..place(padding)?])
    }
}

fn place(position: u64) -> io::Result<usize> {
    usize::try_from(position).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))
}
