//! A segment ready before it is needed, so that no commit waits while zeros are written.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use super::segment::{self, Segment};
use crate::store::embedded::files;
use crate::store::embedded::instance::Instance;

/// Makes spares on a thread of its own.
#[derive(Debug)]
pub(super) struct Spares {
    maker: Maker,
    ready: Option<Receiver<Segment>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Clone)]
struct Maker {
    dir: PathBuf,
    instance: Instance,
    len: u64,
}

impl Spares {
    /// Starts making spares of `len` bytes in `dir`.
    pub(super) fn start(dir: PathBuf, instance: Instance, len: u64) -> io::Result<Spares> {
        let maker = Maker { dir, instance, len };
        // No buffer: the maker holds one finished spare in its hand and makes no second.
        let (give, ready) = sync_channel(0);
        let thread = std::thread::Builder::new().name("store-spares".into()).spawn({
            let maker = maker.clone();
            move || maker.run(&give)
        })?;
        Ok(Spares { maker, ready: Some(ready), thread: Some(thread) })
    }

    /// A segment with room for a frame of `needed` bytes.
    pub(super) fn take(&mut self, needed: u64) -> io::Result<Segment> {
        if needed > self.maker.len {
            return self.maker.make(0, needed);
        }
        if let Some(Ok(segment)) = self.ready.as_ref().map(Receiver::recv) {
            return Ok(segment);
        }
        // The maker has given up, on a full disk most likely. Number 0 is never one of its own.
        let segment = self.maker.make(0, self.maker.len)?;
        self.restart()?;
        Ok(segment)
    }

    fn restart(&mut self) -> io::Result<()> {
        self.stop();
        *self = Spares::start(self.maker.dir.clone(), self.maker.instance, self.maker.len)?;
        Ok(())
    }

    fn stop(&mut self) {
        self.ready = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::warn!("the thread that prepares journal segments panicked");
        }
    }
}

impl Drop for Spares {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Maker {
    fn make(&self, number: u64, len: u64) -> io::Result<Segment> {
        let path = segment::spare(&self.dir, number);
        // Half a spare would only take the space that is missing.
        Segment::prepare(&path, self.instance, len).inspect_err(|_| discard(&path))
    }

    fn run(self, give: &SyncSender<Segment>) {
        for number in 1.. {
            match self.make(number, self.len) {
                Ok(spare) => {
                    if let Err(unwanted) = give.send(spare) {
                        discard(&unwanted.0.path);
                        return;
                    }
                }
                Err(e) => {
                    tracing::warn!("no spare journal segment could be made: {e}");
                    return;
                }
            }
        }
    }
}

fn discard(path: &Path) {
    if let Err(e) = files::remove_file(path) {
        tracing::debug!("a spare journal segment stays until the next start: {e}");
    }
}
