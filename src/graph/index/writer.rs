//! Writes an index: sections one after the other, then the hashes of their blocks, at last the header.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use bytemuck::Pod;
use rayon::prelude::*;

use super::header::{Entry, Header, LENGTH, MAX_NAME, MAX_SECTIONS, padded};
use super::identity::Identity;
use super::{ALIGNMENT, BLOCK, hash};

/// Bytes that are hashed and written at a time: few enough to be in a cache still when they are written.
const PIECE: usize = 1 << 20;

/// An index that is being written, under a temporary name. Unless it is [finished](IndexWriter::finish), nothing is left of
/// it.
///
/// It is not synced to the disk: a block that a crash of the machine takes away fails its hash, and the index is made anew.
#[derive(Debug)]
pub struct IndexWriter {
    file: File,
    path: PathBuf,
    temporary: PathBuf,
    position: u64,
    sections: Vec<Entry>,
    hashes: Vec<u64>,
    is_finished: bool,
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
        let temporary = temporary_beside(path);
        let mut file = File::create(&temporary)?;
        let position = LENGTH as u64;
        let sought = file.seek(SeekFrom::Start(position));
        let writer = Self {
            file,
            path: path.to_owned(),
            temporary,
            position,
            sections: Vec::new(),
            hashes: Vec::new(),
            is_finished: false,
        };
        sought.map(|_| writer)
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
        self.file.seek(SeekFrom::Start(0))?;
        self.file.write_all(&header.write())?;
        fs::rename(&self.temporary, &self.path)?;
        self.is_finished = true;
        Ok(self.position)
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.position += bytes.len() as u64;
        Ok(())
    }

    fn align(&mut self) -> io::Result<()> {
        let padding = self.position.next_multiple_of(ALIGNMENT) - self.position;
        self.put(&[0; ALIGNMENT as usize][..place(padding)?])
    }
}

impl Drop for IndexWriter {
    fn drop(&mut self) {
        if !self.is_finished {
            // what could not be written may not be removable either
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

fn place(position: u64) -> io::Result<usize> {
    usize::try_from(position).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))
}

fn temporary_beside(path: &Path) -> PathBuf {
    let mut hidden = OsString::from(".");
    hidden.push(path.file_name().unwrap_or_default());
    hidden.push(format!(".{}.part", std::process::id()));
    path.with_file_name(hidden)
}
