//! What the journal reads back after it was cut or damaged.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::*;
use crate::store::Tree;
use crate::store::embedded::logged::{Bytes, Logged};

const SEGMENT: u64 = 16 << 10;
const INSTANCE: Instance = Instance([7; 16]);

fn frame(revision: u64) -> FrameBuffer {
    let value = vec![u8::try_from(revision % 251).unwrap(); 700];
    let mut frame = FrameBuffer::default();
    frame.begin(Revision(revision));
    frame.push([Logged::Put(Tree::Values, Bytes(b"key"), Bytes(&value))].into_iter());
    frame
}

fn append(journal: &mut Journal, revision: u64) {
    journal.append(&mut frame(revision)).unwrap();
}

fn resume(dir: &Path) -> Journal {
    let end = read(dir, INSTANCE, Revision(0), &mut |_, _| Ok(())).unwrap();
    Journal::resume(dir, INSTANCE, end, SEGMENT).unwrap()
}

/// A journal with the commits 1 to `commits`, one a frame.
fn journal_of(commits: u64) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    Journal::create(dir.path(), INSTANCE, Revision(0), SEGMENT).unwrap();
    let mut journal = resume(dir.path());
    (1..=commits).for_each(|revision| append(&mut journal, revision));
    dir
}

/// The last commit that is read, after a check that all before it are.
fn last(dir: &Path) -> Result<u64, OpenError> {
    let mut seen = 0;
    let end = read(dir, INSTANCE, Revision(0), &mut |revision, writes| {
        seen += 1;
        assert_eq!(revision.0, seen);
        assert_eq!(writes[0].value().unwrap(), vec![u8::try_from(seen % 251).unwrap(); 700]);
        Ok(())
    })?;
    assert_eq!(end.last.0, seen);
    Ok(seen)
}

fn segments(dir: &Path) -> Vec<PathBuf> {
    segment::list(dir).unwrap().into_iter().map(|(_, path)| path).collect()
}

fn cut(path: &Path, len: u64) {
    std::fs::OpenOptions::new().write(true).open(path).unwrap().set_len(len).unwrap();
}

/// Refused, naming the file, with every file as it was.
fn check_damaged(dir: &Path, file: &Path) {
    let contents = || segments(dir).iter().map(|path| std::fs::read(path).unwrap()).collect::<Vec<_>>();
    let before = contents();
    match last(dir) {
        Err(OpenError::Damaged(text)) => {
            let name = file.file_name().unwrap().to_str().unwrap();
            assert!(text.contains(name), "{text} names {name}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(contents(), before);
}

/// Where the frames of commits 1 to n end in the first segment.
fn end_of(commits: u64) -> u64 {
    START + commits * 1024
}

#[test]
fn a_journal_cut_at_any_length_after_its_last_synced_frame_has_all_before_it() {
    let dir = journal_of(4);
    let path = &segments(dir.path())[0];
    let whole = std::fs::read(path).unwrap();
    for len in end_of(3)..=end_of(4) + 2 {
        std::fs::write(path, &whole[..usize::try_from(len).unwrap()]).unwrap();
        // The bytes of a frame behind its payload are padding.
        let found = last(dir.path()).unwrap();
        assert!(found == 3 || found == 4 && len > end_of(3) + 700, "{len}: {found}");
        if len % 97 == 0 || len >= end_of(4) - 3 {
            append(&mut resume(dir.path()), found + 1);
            assert_eq!(last(dir.path()).unwrap(), found + 1, "{len}");
            segments(dir.path())[1..].iter().for_each(|path| std::fs::remove_file(path).unwrap());
        }
    }
}

#[test]
fn a_cut_segment_is_followed_by_a_new_one() {
    let dir = journal_of(3);
    cut(&segments(dir.path())[0], end_of(3) - 200);
    let mut journal = resume(dir.path());
    (4..40).for_each(|revision| append(&mut journal, revision));
    drop(journal);
    assert_eq!(last(dir.path()).unwrap(), 39);
}

#[test]
fn a_flipped_byte_in_a_frame_that_another_follows_is_damage() {
    let dir = journal_of(3);
    let path = &segments(dir.path())[0];
    let whole = std::fs::read(path).unwrap();
    let second = usize::try_from(end_of(1)).unwrap();
    for at in (0..frame::HEADER).chain((frame::HEADER..700).step_by(61)) {
        // Bytes 24..28 are zero and checked like the rest.
        let mut bytes = whole.clone();
        bytes[second + at] ^= 0x10;
        std::fs::write(path, bytes).unwrap();
        check_damaged(dir.path(), path);
    }
}

#[test]
fn a_frame_cut_short_in_an_earlier_segment_is_damage() {
    let dir = journal_of(30);
    let all = segments(dir.path());
    assert!(all.len() > 2);
    cut(&all[0], end_of(3) - 600);
    check_damaged(dir.path(), &all[0]);
}

#[test]
fn anything_after_the_last_frame_is_tolerated() {
    let dir = journal_of(3);
    let path = &segments(dir.path())[0];
    let mut bytes = std::fs::read(path).unwrap();
    let end = usize::try_from(end_of(3)).unwrap();
    bytes[end..].fill(0xa5);
    // A header that was torn, and a whole one whose payload never came.
    bytes.copy_within(end - 1024..end - 1024 + frame::HEADER, end);
    std::fs::write(path, bytes).unwrap();
    assert_eq!(last(dir.path()).unwrap(), 3);
    append(&mut resume(dir.path()), 4);
    assert_eq!(last(dir.path()).unwrap(), 4);
}

#[test]
fn a_missing_segment_is_damage() {
    for gone in [0, 1] {
        let dir = journal_of(30);
        let all = segments(dir.path());
        std::fs::remove_file(&all[gone]).unwrap();
        assert!(matches!(last(dir.path()), Err(OpenError::Damaged(_))));
    }
}

#[test]
fn a_segment_that_is_named_after_no_commit_is_none() {
    let dir = tempfile::tempdir().unwrap();
    Journal::create(dir.path(), INSTANCE, Revision(0), SEGMENT).unwrap();
    let segment = &segments(dir.path())[0];
    std::fs::rename(segment, segment.with_file_name("00000000000000000000.journal")).unwrap();
    assert!(matches!(last(dir.path()), Err(OpenError::Damaged(_))));
}

#[test]
fn a_damaged_header_and_a_stranger_are_refused() {
    let dir = journal_of(3);
    let path = &segments(dir.path())[0];
    let whole = std::fs::read(path).unwrap();
    for at in 0..52 {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        std::fs::write(path, bytes).unwrap();
        check_damaged(dir.path(), path);
    }
    std::fs::write(path, whole).unwrap();
    let stranger = read(dir.path(), Instance([8; 16]), Revision(0), &mut |_, _| Ok(()));
    assert!(matches!(stranger, Err(OpenError::Damaged(_))));
}

#[test]
fn a_segment_is_freed_only_when_all_of_it_is_covered() {
    let dir = journal_of(30);
    let second = segment::list(dir.path()).unwrap()[1].0;
    free(dir.path(), Revision(second.0 - 2)).unwrap();
    assert_eq!(last(dir.path()).unwrap(), 30);
    free(dir.path(), Revision(second.0 - 1)).unwrap();
    assert_eq!(segment::list(dir.path()).unwrap()[0].0, second);
    assert!(read(dir.path(), INSTANCE, Revision(second.0 - 1), &mut |_, _| Ok(())).is_ok());
}

#[test]
fn a_frame_that_the_disk_has_no_room_for_leaves_nothing() {
    let dir = journal_of(3);
    let mut journal = resume(dir.path());
    journal.segment.file = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    match journal.append(&mut frame(4)) {
        Err(AppendError::Failed(error)) => assert_eq!(error.kind(), io::ErrorKind::StorageFull),
        other => panic!("{other:?}"),
    }
    drop(journal);
    assert_eq!(last(dir.path()).unwrap(), 3);
    append(&mut resume(dir.path()), 4);
    assert_eq!(last(dir.path()).unwrap(), 4);
}
