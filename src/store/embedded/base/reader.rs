//! Reads a base's parts, each with its checksum.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use super::{
    BaseRecord, CHUNK_HEADER, CHUNK_LIMIT, Doing, FORMAT, HEADER, Instance, MAGIC, OpenError, Revision,
    TRAILER, damaged,
};

/// A base that is being read.
#[derive(Debug)]
pub(in crate::store::embedded) struct Reader {
    path: PathBuf,
    from: BufReader<File>,
    crc: u32,
    /// Length of the file.
    len: u64,
    /// How much of it was read.
    pub(super) bytes: u64,
}

impl Reader {
    pub(in crate::store::embedded) fn open(path: &Path) -> Result<Reader, OpenError> {
        let file = File::open(path).doing("open", path)?;
        let len = file.metadata().doing("read", path)?.len();
        Ok(Reader {
            path: path.to_owned(),
            from: BufReader::with_capacity(1 << 16, file),
            crc: 0,
            len,
            bytes: 0,
        })
    }

    fn take(&mut self, into: &mut [u8]) -> Result<(), OpenError> {
        match self.from.read_exact(into) {
            Ok(()) => {}
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Err(self.cut_short()),
            Err(e) => return Err(e).doing("read", &self.path),
        }
        self.bytes += into.len() as u64;
        Ok(())
    }

    pub(super) fn header(&mut self, instance: Instance) -> Result<Revision, OpenError> {
        let mut header = [0; HEADER];
        self.take(&mut header)?;
        self.crc = crc32c::crc32c_append(self.crc, &header);
        parse_header(&header, instance, &self.path)
    }

    /// The next chunk's payload and number of records; `None` at the trailer.
    pub(super) fn chunk(&mut self, payload: &mut Vec<u8>) -> Result<Option<u32>, OpenError> {
        let mut header = [0; CHUNK_HEADER];
        self.take(&mut header[..4])?;
        let len = u32::from_le_bytes(header[0..4].try_into().expect("four bytes")) as usize;
        if len == 0 {
            return Ok(None);
        }
        if len > CHUNK_LIMIT {
            return Err(self.bad_chunk());
        }
        self.take(&mut header[4..])?;
        // Before memory is taken for what a damaged number says.
        if len as u64 > self.len.saturating_sub(self.bytes) {
            return Err(self.cut_short());
        }
        payload.resize(len, 0);
        self.take(payload)?;
        let crc = u32::from_le_bytes(header[8..12].try_into().expect("four bytes"));
        if crc != crc32c::crc32c_append(crc32c::crc32c(&header[..8]), payload) {
            return Err(self.bad_chunk());
        }
        self.crc = crc32c::crc32c_append(crc32c::crc32c_append(self.crc, &header), payload);
        Ok(Some(u32::from_le_bytes(header[4..8].try_into().expect("four bytes"))))
    }

    pub(super) fn decode<'b>(&self, payload: &'b [u8], count: u32) -> Result<Vec<BaseRecord<'b>>, OpenError> {
        let mut rest = payload;
        let mut records = Vec::new();
        for _ in 0..count {
            let (record, after) = postcard::take_from_bytes(rest).map_err(|_| self.bad_chunk())?;
            records.push(record);
            rest = after;
        }
        if rest.is_empty() { Ok(records) } else { Err(self.bad_chunk()) }
    }

    fn cut_short(&self) -> OpenError {
        damaged(&self.path, "it is cut short")
    }

    fn bad_chunk(&self) -> OpenError {
        damaged(&self.path, format_args!("the part that ends at byte {} does not hold", self.bytes))
    }

    /// Checks the trailer against what was read: the number of records, and their highest revision. Returns
    /// the last commit of which the base may show something.
    pub(super) fn trailer(&mut self, records: u64, highest: Revision) -> Result<Revision, OpenError> {
        // Its first four bytes are those that said that no chunk follows.
        let mut trailer = [0; TRAILER];
        self.take(&mut trailer[4..])?;
        let crc = u32::from_le_bytes(trailer[20..24].try_into().expect("four bytes"));
        let reached = Revision(u64::from_le_bytes(trailer[12..20].try_into().expect("eight bytes")));
        let whole = crc == crc32c::crc32c_append(self.crc, &trailer[..20])
            && trailer[4..12] == records.to_le_bytes()
            && highest <= reached;
        if whole { Ok(reached) } else { Err(damaged(&self.path, "the checksum of the whole does not hold")) }
    }
}

/// The start of the base with this header.
pub(super) fn parse_header(
    header: &[u8; HEADER],
    instance: Instance,
    path: &Path,
) -> Result<Revision, OpenError> {
    if header[0..8] != *MAGIC {
        return Err(damaged(path, "it does not begin like a base"));
    }
    let crc = u32::from_le_bytes(header[36..40].try_into().expect("four bytes"));
    if crc != crc32c::crc32c(&header[..36]) {
        return Err(damaged(path, "the checksum of its header does not hold"));
    }
    let found = u32::from_le_bytes(header[8..12].try_into().expect("four bytes"));
    if found > FORMAT {
        return Err(OpenError::Newer { file: path.to_owned(), found, known: FORMAT });
    }
    if header[12..28] != instance.0 {
        return Err(damaged(path, "it belongs to another store"));
    }
    Ok(Revision(u64::from_le_bytes(header[28..36].try_into().expect("eight bytes"))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_longer_than_the_file_takes_no_memory() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("base");
        let mut bytes = vec![0; CHUNK_HEADER + 100];
        bytes[..4].copy_from_slice(&(500_u32 << 20).to_le_bytes());
        std::fs::write(&path, bytes).unwrap();
        let mut payload = Vec::new();
        let read = Reader::open(&path).unwrap().chunk(&mut payload);
        assert!(matches!(read, Err(OpenError::Damaged(_))), "{read:?}");
        assert_eq!(payload.capacity(), 0);
    }
}
