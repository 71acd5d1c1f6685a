//! A disk that loses power: what was synced is there, and of the rest whatever the cut left.
//!
//! A file's bytes are stable once a sync of that file began after they were written and returned; a name is
//! stable once its directory was synced so. Everything else is, at a cut, there or not: each write as a
//! whole or by sectors, each name by itself or in the order in which a journaling file system commits them.

use std::collections::{BTreeMap, HashMap};
use std::fs::{File, OpenOptions, Permissions};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::log::{Bytes, Record};
use crate::random::Random;

const SECTOR: usize = 512;

/// What a cut leaves of what was not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// All of it: no cut, but a kill.
    Kill,
    /// Nothing.
    Nothing,
    /// Each write as a whole or not at all; names in their order.
    Whole,
    /// Each sector by itself, each name by itself.
    Torn,
}

impl Cut {
    pub(crate) const ALL: [Cut; 4] = [Cut::Kill, Cut::Nothing, Cut::Whole, Cut::Torn];
}

/// The files and directories under one root.
pub(crate) struct Disk {
    root: PathBuf,
    files: Vec<Content>,
    dirs: Vec<Names>,
    by_inode: HashMap<u64, Node>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Node {
    File(usize),
    Dir(usize),
}

/// A file: what is stable of it, and what was done since.
#[derive(Default)]
struct Content {
    stable: Vec<u8>,
    pending: Vec<(usize, Change)>,
}

enum Change {
    Write(usize, Bytes),
    Length(usize),
}

/// A directory: the names that are stable, those that a process sees, and what lies between.
#[derive(Default, Clone)]
struct Names {
    stable: BTreeMap<String, Node>,
    seen: BTreeMap<String, Node>,
    pending: Vec<(usize, NameChange)>,
}

#[derive(Clone)]
struct NameChange {
    removed: Option<String>,
    put: Option<(String, Node)>,
}

impl Disk {
    /// The disk as it is, all of it stable.
    pub(crate) fn load(root: &Path) -> Disk {
        let root = root.canonicalize().expect("it exists");
        let mut disk = Disk { root, files: Vec::new(), dirs: Vec::new(), by_inode: HashMap::new() };
        let path = disk.root.clone();
        disk.load_dir(&path);
        disk
    }

    fn load_dir(&mut self, path: &Path) -> Node {
        let index = self.dirs.len();
        self.dirs.push(Names::default());
        let inode = std::fs::metadata(path).expect("readable").ino();
        self.by_inode.insert(inode, Node::Dir(index));
        for entry in std::fs::read_dir(path).expect("readable") {
            let entry = entry.expect("readable");
            let kind = entry.file_type().expect("a kind");
            let node = if kind.is_dir() {
                self.load_dir(&entry.path())
            } else if kind.is_file() {
                let inode = entry.metadata().expect("readable").ino();
                let stable = std::fs::read(entry.path()).expect("readable");
                self.files.push(Content { stable, pending: Vec::new() });
                self.by_inode.insert(inode, Node::File(self.files.len() - 1));
                Node::File(self.files.len() - 1)
            } else {
                // A socket.
                continue;
            };
            let name = entry.file_name().into_string().expect("text");
            self.dirs[index].stable.insert(name.clone(), node);
            self.dirs[index].seen.insert(name, node);
        }
        Node::Dir(index)
    }

    /// Does what a process did, at its place in the log.
    pub(crate) fn apply(&mut self, place: usize, record: Record) {
        match record {
            Record::Write { inode, offset, bytes } => {
                let offset = usize::try_from(offset).expect("an offset");
                self.change(place, inode, Change::Write(offset, bytes));
            }
            Record::Truncate { inode, length } => {
                let length = usize::try_from(length).expect("a length");
                self.change(place, inode, Change::Length(length));
            }
            Record::Made { inode, path, is_dir } => {
                let node = if is_dir {
                    self.dirs.push(Names::default());
                    Node::Dir(self.dirs.len() - 1)
                } else {
                    self.files.push(Content::default());
                    Node::File(self.files.len() - 1)
                };
                self.by_inode.insert(inode, node);
                let (dir, name) = self.parent(&path);
                self.rename_in(dir, place, NameChange { removed: None, put: Some((name, node)) });
            }
            Record::Rename { from, to } => self.rename(place, &from, &to),
            Record::Remove { path } => {
                let (dir, name) = self.parent(&path);
                self.rename_in(dir, place, NameChange { removed: Some(name), put: None });
            }
            Record::Sync { inode, begun } => self.sync(inode, usize::try_from(begun).expect("a place")),
            Record::Answer { .. } => {}
        }
    }

    fn change(&mut self, place: usize, inode: u64, change: Change) {
        match self.by_inode.get(&inode) {
            Some(Node::File(file)) => self.files[*file].pending.push((place, change)),
            other => panic!("a write to what is no file: {other:?}"),
        }
    }

    fn rename(&mut self, place: usize, from: &Path, to: &Path) {
        let ((dir, old), (other, new)) = (self.parent(from), self.parent(to));
        let node = self.dirs[dir].seen[&old];
        if dir == other {
            self.rename_in(dir, place, NameChange { removed: Some(old), put: Some((new, node)) });
        } else {
            self.rename_in(other, place, NameChange { removed: None, put: Some((new, node)) });
            self.rename_in(dir, place, NameChange { removed: Some(old), put: None });
        }
    }

    fn rename_in(&mut self, dir: usize, place: usize, change: NameChange) {
        change.apply(&mut self.dirs[dir].seen);
        self.dirs[dir].pending.push((place, change));
    }

    fn sync(&mut self, inode: u64, begun: usize) {
        match self.by_inode.get(&inode) {
            Some(Node::File(file)) => {
                let file = &mut self.files[*file];
                let later = file.pending.split_off(file.pending.partition_point(|(place, _)| *place < begun));
                for (_, change) in std::mem::replace(&mut file.pending, later) {
                    change.apply(&mut file.stable);
                }
            }
            Some(Node::Dir(dir)) => {
                let dir = &mut self.dirs[*dir];
                let later = dir.pending.split_off(dir.pending.partition_point(|(place, _)| *place < begun));
                for (_, change) in std::mem::replace(&mut dir.pending, later) {
                    change.apply(&mut dir.stable);
                }
            }
            None => panic!("a sync of a file that nobody made"),
        }
    }

    /// The directory of a path, as a process sees it, and the name in it.
    fn parent(&self, path: &Path) -> (usize, String) {
        let inner = path.strip_prefix(&self.root).expect("below the root");
        let mut names: Vec<&str> = inner.iter().map(|name| name.to_str().expect("text")).collect();
        let name = names.pop().expect("not the root itself").to_owned();
        let mut dir = 0;
        for step in names {
            match self.dirs[dir].seen.get(step) {
                Some(Node::Dir(next)) => dir = *next,
                other => panic!("{}: {step} is {other:?}", path.display()),
            }
        }
        (dir, name)
    }

    /// Puts in place of what is under the root what a cut leaves.
    pub(crate) fn materialise(&self, cut: Cut, random: &mut Random) {
        for entry in std::fs::read_dir(&self.root).expect("readable") {
            let path = entry.expect("readable").path();
            let removed =
                if path.is_dir() { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
            removed.expect("removed");
        }
        // How much of what is not stable survives; all and nothing are among the chances.
        let keep = *random.pick(&[0, 50, 300, 500, 700, 950, 1000]);
        let last = self.dirs.iter().filter_map(|dir| dir.pending.last()).map(|(place, _)| *place).max();
        let ordered = random.index(last.unwrap_or(0) + 2);
        self.write_dir(0, &self.root, &mut Left { cut, keep, ordered, random });
    }

    fn write_dir(&self, dir: usize, path: &Path, left: &mut Left<'_>) {
        let dir = &self.dirs[dir];
        let mut names = dir.stable.clone();
        for (place, change) in &dir.pending {
            let there = match left.cut {
                Cut::Kill => true,
                Cut::Nothing => false,
                Cut::Whole => *place < left.ordered,
                Cut::Torn => left.random.chance(left.keep),
            };
            if there {
                change.apply(&mut names);
            }
        }
        for (name, node) in names {
            let path = path.join(name);
            match node {
                Node::File(file) => write_file(&path, &self.files[file].after(left)),
                Node::Dir(inner) => {
                    std::fs::create_dir(&path).expect("created");
                    std::fs::set_permissions(&path, Permissions::from_mode(0o700)).expect("set");
                    self.write_dir(inner, &path, left);
                }
            }
        }
    }
}

/// What a cut leaves.
struct Left<'r> {
    cut: Cut,
    keep: u64,
    /// Names changed before this place are changed.
    ordered: usize,
    random: &'r mut Random,
}

impl Content {
    fn after(&self, left: &mut Left<'_>) -> Vec<u8> {
        let mut bytes = self.stable.clone();
        for (_, change) in &self.pending {
            match left.cut {
                Cut::Kill => change.apply(&mut bytes),
                Cut::Nothing => {}
                Cut::Whole if left.random.chance(left.keep) => change.apply(&mut bytes),
                Cut::Whole => {}
                Cut::Torn => change.tear(&mut bytes, left),
            }
        }
        bytes
    }
}

impl Change {
    fn apply(&self, file: &mut Vec<u8>) {
        match self {
            Change::Length(length) => file.resize(*length, 0),
            Change::Write(offset, bytes) => put(file, *offset, bytes, 0, bytes.len()),
        }
    }

    /// Leaves some sectors of it. The length may have grown without the bytes.
    fn tear(&self, file: &mut Vec<u8>, left: &mut Left<'_>) {
        let Change::Write(offset, bytes) = self else {
            if left.random.chance(left.keep) {
                self.apply(file);
            }
            return;
        };
        let end = offset + bytes.len();
        if end > file.len() && left.random.chance(left.keep) {
            file.resize(end, 0);
        }
        let mut from = 0;
        while from < bytes.len() {
            let to = ((offset + from) / SECTOR * SECTOR + SECTOR - offset).min(bytes.len());
            if left.random.chance(left.keep) {
                put(file, *offset, bytes, from, to);
            }
            from = to;
        }
    }
}

fn put(file: &mut Vec<u8>, offset: usize, bytes: &Bytes, from: usize, to: usize) {
    if file.len() < offset + to {
        file.resize(offset + to, 0);
    }
    let target = &mut file[offset + from..offset + to];
    match bytes {
        Bytes::Zeros(_) => target.fill(0),
        Bytes::Some(bytes) => target.copy_from_slice(&bytes[from..to]),
    }
}

impl NameChange {
    fn apply(&self, names: &mut BTreeMap<String, Node>) {
        if let Some(name) = &self.removed {
            names.remove(name);
        }
        if let Some((name, node)) = &self.put {
            names.insert(name.clone(), *node);
        }
    }
}

/// Writes a file without taking room for its zeros.
fn write_file(path: &Path, bytes: &[u8]) {
    const PIECE: usize = 64 << 10;
    let file: File = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).expect("created");
    file.set_len(bytes.len() as u64).expect("its length is set");
    for (index, piece) in bytes.chunks(PIECE).enumerate() {
        if piece != &[0; PIECE][..piece.len()] {
            file.write_all_at(piece, (index * PIECE) as u64).expect("written");
        }
    }
}
