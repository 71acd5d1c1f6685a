//! One commit group as bytes: a header that proves it whole, the batches, zeros up to the next sector.
//!
//! ```text
//!  0  8  mark of the segment          (random: bytes that a client chose cannot look like a frame)
//!  8  8  revision of the first batch  (little-endian, as all numbers of the journal)
//! 16  4  length of the payload
//! 20  4  number of batches
//! 24  4  zero
//! 28  4  CRC-32C of bytes 0..28 and the payload, started from the segment's seed
//! 32  …  payload: for each batch, postcard of its writes
//! ```
//! The padding is outside the checksum: nothing is lost when it is damaged.

use crate::store::Revision;
use crate::store::embedded::logged::Logged;

/// Frames begin on multiples of this, so that no sector with acknowledged bytes is written to again.
pub(super) const SECTOR: usize = 512;
/// Bytes before a frame's payload.
pub(super) const HEADER: usize = 32;
const CHECKED: usize = 28;

/// What makes the frames of one segment its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seal {
    pub(super) mark: [u8; 8],
    pub(super) seed: u32,
}

/// A frame in the making; its buffer serves one group after the other.
#[derive(Debug, Default)]
pub(in crate::store::embedded) struct FrameBuffer {
    bytes: Vec<u8>,
    first: u64,
    batches: u32,
}

impl FrameBuffer {
    /// Buffers beyond this are given back after use.
    const KEEP: usize = 8 << 20;

    /// Starts a frame whose first batch is commit `first`.
    pub(in crate::store::embedded) fn begin(&mut self, first: Revision) {
        self.bytes.clear();
        self.bytes.shrink_to(Self::KEEP);
        self.bytes.resize(HEADER, 0);
        self.first = first.0;
        self.batches = 0;
    }

    /// Adds the next batch.
    pub(in crate::store::embedded) fn push<'a>(&mut self, writes: impl ExactSizeIterator<Item = Logged<'a>>) {
        self.encode(
            &u32::try_from(writes.len()).expect("a batch of u32::MAX writes is beyond the size limit"),
        );
        for write in writes {
            self.encode(&write);
        }
        self.batches += 1;
    }

    fn encode(&mut self, value: &impl serde::Serialize) {
        postcard::to_io(value, &mut self.bytes)
            .expect("a vector takes all bytes, and no field has an unknown length");
    }

    /// The revision of the first batch.
    pub(super) fn first(&self) -> Revision {
        Revision(self.first)
    }

    /// Bytes that the frame takes in a segment.
    pub(super) fn len(&self) -> u64 {
        padded(self.bytes.len())
    }

    /// The finished frame.
    pub(super) fn seal(&mut self, seal: Seal) -> &[u8] {
        let payload = u32::try_from(self.bytes.len() - HEADER)
            .expect("groups are far below 4 GiB: see MAX_BATCH_BYTES");
        self.bytes[0..8].copy_from_slice(&seal.mark);
        self.bytes[8..16].copy_from_slice(&self.first.to_le_bytes());
        self.bytes[16..20].copy_from_slice(&payload.to_le_bytes());
        self.bytes[20..24].copy_from_slice(&self.batches.to_le_bytes());
        let crc = checksum(seal, &self.bytes[..CHECKED], &self.bytes[HEADER..]);
        self.bytes[CHECKED..HEADER].copy_from_slice(&crc.to_le_bytes());
        self.bytes.resize(self.bytes.len().next_multiple_of(SECTOR), 0);
        &self.bytes
    }
}

/// What a frame's header says.
#[derive(Debug, Clone, Copy)]
pub(super) struct FrameHeader {
    pub(super) first: Revision,
    pub(super) payload: usize,
    pub(super) batches: u32,
    raw: [u8; HEADER],
}

impl FrameHeader {
    /// The header, if these bytes begin with this segment's mark.
    pub(super) fn parse(bytes: &[u8], seal: Seal) -> Option<FrameHeader> {
        let raw: [u8; HEADER] = bytes.get(..HEADER)?.try_into().ok()?;
        if raw[0..8] != seal.mark {
            return None;
        }
        Some(FrameHeader {
            first: Revision(u64::from_le_bytes(raw[8..16].try_into().expect("eight bytes"))),
            payload: u32::from_le_bytes(raw[16..20].try_into().expect("four bytes")) as usize,
            batches: u32::from_le_bytes(raw[20..24].try_into().expect("four bytes")),
            raw,
        })
    }

    /// Bytes that the frame takes in its segment.
    pub(super) fn len(&self) -> u64 {
        padded(HEADER + self.payload)
    }

    /// Whether `payload` is what was written with this header.
    pub(super) fn holds(&self, payload: &[u8], seal: Seal) -> bool {
        let stored = u32::from_le_bytes(self.raw[CHECKED..].try_into().expect("four bytes"));
        stored == checksum(seal, &self.raw[..CHECKED], payload)
    }
}

/// The batches of a payload whose checksum held.
pub(super) fn decode(payload: &[u8], batches: u32) -> Result<Vec<Vec<Logged<'_>>>, postcard::Error> {
    let mut rest = payload;
    let mut decoded = Vec::new();
    for _ in 0..batches {
        let (writes, after) = postcard::take_from_bytes(rest)?;
        decoded.push(writes);
        rest = after;
    }
    if rest.is_empty() { Ok(decoded) } else { Err(postcard::Error::DeserializeBadEncoding) }
}

fn checksum(seal: Seal, header: &[u8], payload: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c_append(seal.seed, header), payload)
}

fn padded(len: usize) -> u64 {
    len.next_multiple_of(SECTOR) as u64
}
