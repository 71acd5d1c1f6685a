//! The MAC that binds an entry to all before it, and the one of a checkpoint.

use std::fmt;
use std::sync::Arc;

use crate::crypto::MacKey;
use crate::store::chain::{Linker, Tag};

/// Computes the tags of the audit trail.
#[derive(Clone)]
pub struct AuditLinker(Arc<MacKey>);

impl AuditLinker {
    pub(in crate::vault) fn new(key: Arc<MacKey>) -> AuditLinker {
        AuditLinker(key)
    }

    /// The MAC of a text of this kind. Kinds keep apart what the same key signs.
    pub(super) fn sign(&self, kind: &str, parts: &[&[u8]]) -> Tag {
        let mut message = Vec::with_capacity(512);
        for part in [kind.as_bytes()].iter().chain(parts) {
            message.extend_from_slice(&(part.len() as u64).to_be_bytes());
            message.extend_from_slice(part);
        }
        self.0.tag(&message)
    }
}

impl Linker for AuditLinker {
    fn link(&self, chain: &[u8], number: u64, before: &Tag, entry: &[u8]) -> Tag {
        self.sign("entry", &[chain, &number.to_be_bytes(), before, entry])
    }
}

impl fmt::Debug for AuditLinker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuditLinker")
    }
}
