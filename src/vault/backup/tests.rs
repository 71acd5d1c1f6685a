//! A backup is whole, or it is refused.

use std::fs;
use std::sync::Arc;

use tempfile::TempDir;

use super::*;
use crate::crypto::KdfParameters;
use crate::model::{Actor, Format, Id, Operator, Permissions, Reach, Scope};
use crate::vault::access::Credential;
use crate::vault::{Caller, NamedEnvironment, Need, NewDefinition, Precondition, SetValue, SubjectIds};

const OPERATOR: Operator = Operator { uid: 0 };

fn passphrase() -> Passphrase {
    "a passphrase for tests".to_owned().into()
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

fn caller<N: Need>(org: Id) -> Caller<N> {
    Caller::new(org, Actor::Operator, Reach::All, Credential::ApiKey(Permissions::ALL)).unwrap()
}

/// A store with so many values, half of them encrypted, two versions of each.
async fn store(dir: &Path, values: usize) -> Opened {
    let passphrase = passphrase();
    let made = crate::vault::create(
        dir,
        &passphrase,
        KdfParameters::FLOOR,
        Policy::for_tests(),
        async |vault: &Vault| vault.create_org(OPERATOR, "acme".parse().unwrap()).await,
    );
    let (opened, org) = made.await.unwrap();
    for number in 0..values {
        let new = NewDefinition {
            name: format!("V{number}").parse().unwrap(),
            description: Default::default(),
            scope: Scope::Org,
            format: Format::String,
            encrypted: number % 2 == 0,
            required: false,
        };
        let definition = opened.vault.create_definition(&caller(org.id), new).await.unwrap().id;
        let named = NamedEnvironment { query: Some("test"), header: None };
        let at = opened.vault.enter(caller(org.id), named).await.unwrap();
        for version in 1..=2 {
            let request = SetValue {
                definition: Some(definition),
                ids: SubjectIds::default(),
                value: format!("text {version} of {number}").into(),
                precondition: Precondition::default(),
            };
            opened.vault.set_value(&at, &request).await.unwrap();
        }
    }
    opened
}

fn back_up(opened: &Opened, path: &Path) {
    let mut bytes = Vec::new();
    let mut take = |piece: Vec<u8>| {
        bytes.extend(piece);
        ControlFlow::Continue(())
    };
    opened.back_up(Timestamp::now(), &mut take, &mut |_, _| {}).unwrap();
    fs::write(path, bytes).unwrap();
}

/// A backup of a store with so many values, and the keys that open it.
fn backup_of(values: usize) -> (TempDir, PathBuf, Arc<Keyring>) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("backup");
    block_on(async {
        let opened = store(&dir.path().join("store"), values).await;
        back_up(&opened, &path);
        opened.engine.close().unwrap();
    });
    let keyring = BackupReader::open(&path, &passphrase()).unwrap().keyring;
    (dir, path, keyring)
}

/// Verifies these bytes, with keys that are known: deriving them each time would take most of it.
fn check(bytes: &[u8], at: &Path, keyring: &Arc<Keyring>) -> Result<BackupSummary, BackupError> {
    fs::write(at, bytes).unwrap();
    let known = keyring.clone();
    verify_opened(at, BackupReader::open_with(at, |_| Ok(known))?, &mut |_, _| {})
}

#[test]
fn a_backup_with_any_byte_changed_is_refused() {
    let (dir, path, keyring) = backup_of(2);
    let whole = fs::read(&path).unwrap();
    let found = verify(&path, &passphrase(), &mut |_, _| {}).unwrap().found;
    assert_eq!((found.count(Tree::Values), found.count(Tree::ValueVersions), found.sealed), (2, 2, 2));
    let keyring_ends = 48 + 190;
    let changed = dir.path().join("changed");
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        // Only the passphrase finds out what was changed in the keyring.
        let verified = if at < keyring_ends {
            fs::write(&changed, &bytes).unwrap();
            verify(&changed, &passphrase(), &mut |_, _| {})
        } else {
            check(&bytes, &changed, &keyring)
        };
        assert!(verified.is_err(), "byte {at} of {}", whole.len());
    }
}

#[test]
fn any_of_many_bits_changed_in_a_larger_backup_is_noticed() {
    let (dir, path, keyring) = backup_of(300);
    let whole = fs::read(&path).unwrap();
    let changed = dir.path().join("changed");
    let opens = |bytes: &[u8]| check(bytes, &changed, &keyring);
    assert!(opens(&whole).is_ok());
    // A step that is no power of two meets every bit of a byte, and every part of the file.
    let bits = whole.len() * 8;
    for bit in (48 + 190) * 8..bits {
        if bit % (bits / 400 + 1) == 7 {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(opens(&bytes).is_err(), "bit {bit}");
        }
    }
}

#[test]
fn a_backup_cut_prolonged_or_put_together_anew_is_refused() {
    let (dir, path, keyring) = backup_of(300);
    let whole = fs::read(&path).unwrap();
    let changed = dir.path().join("changed");
    let opens = |bytes: &[u8]| check(bytes, &changed, &keyring);
    for len in (0..whole.len()).step_by(97).chain(whole.len() - 40..whole.len()) {
        assert!(opens(&whole[..len]).is_err(), "cut to {len}");
    }
    assert!(opens(&[&whole[..], b"x"].concat()).is_err());
    let head = 48 + 190;
    let mut pieces = Vec::new();
    let mut at = head;
    while at < whole.len() {
        let len = u32::from_le_bytes(whole[at + 1..at + 5].try_into().unwrap()) as usize;
        pieces.push(&whole[at..at + 5 + len]);
        at += 5 + len;
    }
    let put = |order: &[usize]| {
        [&[&whole[..head]], order.iter().map(|i| pieces[*i]).collect::<Vec<_>>().as_slice()].concat().concat()
    };
    let last = pieces.len() - 1;
    assert!(opens(&put(&(0..=last).collect::<Vec<_>>())).is_ok());
    assert!(opens(&put(&[last])).is_err(), "only its end");
    assert!(opens(&put(&(0..last).collect::<Vec<_>>())).is_err(), "without its end");
    let mut twice: Vec<usize> = (0..=last).collect();
    twice.insert(0, 0);
    assert!(opens(&put(&twice)).is_err(), "a piece twice");
}

#[test]
fn a_backup_of_a_later_format_is_refused_by_number() {
    let (_dir, path, _) = backup_of(1);
    let mut bytes = fs::read(&path).unwrap();
    bytes[8] = 2;
    fs::write(&path, bytes).unwrap();
    let refused = verify(&path, &passphrase(), &mut |_, _| {});
    assert!(matches!(refused, Err(BackupError::Newer { found: 2, known: 1, .. })), "{refused:?}");
}

#[test]
fn a_wrong_passphrase_and_what_is_no_backup_are_told_apart() {
    let (dir, path, _) = backup_of(1);
    let refusal = |path: &Path, text: &str| {
        verify(path, &text.to_owned().into(), &mut |_, _| {}).unwrap_err().to_string()
    };
    assert!(refusal(&path, "another passphrase").ends_with("the passphrase does not open this backup"));
    let other = dir.path().join("other");
    fs::write(&other, vec![b'x'; 1000]).unwrap();
    assert!(refusal(&other, "a passphrase for tests").ends_with("it does not begin like a backup"));
    fs::write(&other, "").unwrap();
    assert!(refusal(&other, "a passphrase for tests").ends_with("it is cut short"));
    assert!(refusal(dir.path(), "a passphrase for tests").ends_with("it is no regular file"));
    let pipe = dir.path().join("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRUSR).unwrap();
    assert!(refusal(&pipe, "a passphrase for tests").ends_with("it is no regular file"));
    assert!(refusal(&dir.path().join("absent"), "a passphrase for tests").contains("absent"));
}

#[test]
fn a_restored_store_has_every_record_but_sessions_and_is_another_store() {
    block_on(async {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("backup");
        let opened = store(&dir.path().join("store"), 20).await;
        back_up(&opened, &path);
        let records = |opened: &Opened| {
            let mut all = Vec::new();
            let read = opened.engine.snapshot().unwrap().read(|tree, key, revision, value| {
                // Not what the restored store began with.
                if revision.0 < LEAP {
                    all.push((tree, key.to_vec(), revision, value.to_vec()));
                }
                ControlFlow::Continue(())
            });
            assert!(read.unwrap());
            all
        };
        let target = dir.path().join("restored");
        let restored = restore(OPERATOR, &target, &path, &passphrase(), Policy::for_tests(), &mut |_, _| {})
            .await
            .unwrap()
            .0;
        assert_eq!(records(&restored), records(&opened));
        // Beside its entry on the trail: which backup it was made of.
        let summary = verify(&path, &passphrase(), &mut |_, _| {}).unwrap();
        assert_eq!(restored.vault.last_backup().await.unwrap(), Some(summary.created_at));
        assert_ne!(restored.engine.instance(), opened.engine.instance());
        let last = opened.engine.stats().last_revision.0;
        assert_eq!(restored.engine.stats().last_revision, Revision(last + LEAP + 2));
        restored.engine.close().unwrap();
        let again =
            restore(OPERATOR, &target, &path, &passphrase(), Policy::for_tests(), &mut |_, _| {}).await;
        assert!(matches!(again, Err(BackupError::Exists(_))));
        let reopened = crate::vault::open(&target, &passphrase(), Policy::for_tests()).await.unwrap();
        assert_eq!(records(&reopened), records(&opened));
    });
}
