//! What the command line reads: its configuration.

use super::mutation::mutate;
use super::{Target, shown};
use crate::random::Random;
use crate::support::{Config, Store};

/// Inputs in one batch; each starts a process.
const INPUTS: u64 = 10;

pub(super) fn targets() -> Vec<Box<dyn Target>> {
    vec![Box::new(Configuration(Store::uninitialized(&Config::new())))]
}

/// A configuration file that is nearly right.
struct Configuration(Store);

impl Target for Configuration {
    fn name(&self) -> &'static str {
        "config.toml"
    }

    fn batch(&mut self, random: &mut Random) -> u64 {
        let whole = include_str!("../../../config.toml").as_bytes().to_vec();
        let samples = [Config::new().render().into_bytes(), whole];
        for _ in 0..INPUTS {
            let text = mutate(&samples, random);
            std::fs::write(self.0.config_path(), &text).expect("written");
            // There is no store, wherever it says that one is.
            let finished = self.0.coffer(["keys", "list"]);
            let is_clear = finished.stderr.starts_with("error: ") && !finished.stderr.contains("panicked");
            let is_clear = is_clear || finished.stderr.contains("\"level\":\"ERROR\"");
            assert!(
                is_clear && matches!(finished.code, Some(1 | 2)),
                "FOUND: `{}`: {finished:?}",
                shown(&text)
            );
        }
        INPUTS
    }
}
