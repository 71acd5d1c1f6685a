//! What a document shows, against what was printed. `…` stands for what differs from run to run: a word with it
//! (`6b05…1bed`, `tk_VtH_…`) is the name of one thing, which is the same wherever the word stands again, and which
//! goes into the commands after it. Times, and `…` alone, stand for anything each time.

use std::collections::HashMap;

use regex::Regex;

/// The things that a document has shown so far.
#[derive(Default)]
pub(super) struct Names(HashMap<String, String>);

impl Names {
    /// `command` with the things in the place of their names.
    pub(super) fn put_into(&self, command: &str) -> Result<String, String> {
        let mut unknown = None;
        let whole = name().replace_all(command, |found: &regex::Captures<'_>| {
            self.0.get(&found[0]).cloned().unwrap_or_else(|| {
                unknown = Some(found[0].to_owned());
                String::new()
            })
        });
        match unknown {
            Some(unknown) => Err(format!("nothing before it has shown what `{unknown}` is")),
            None => Ok(whole.into_owned()),
        }
    }

    /// Whether `printed` is what is shown; learns the names that stand in it.
    pub(super) fn learn(&mut self, shown: &str, printed: &str) -> bool {
        let shown = shown.trim_end();
        let (mut pattern, mut learnt, mut end) = (r"\A".to_owned(), Vec::new(), 0);
        for found in name().find_iter(shown) {
            let word = found.as_str();
            pattern += &regex::escape(&shown[end..found.start()]);
            end = found.end();
            let time = word.ends_with('Z') && word.contains('T') && word.starts_with("20");
            match self.0.get(word) {
                Some(known) => pattern += &regex::escape(known),
                None if time => pattern += r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z",
                None if word == "…" => pattern += "(?s:.*?)",
                None => {
                    let kind = word.find(['_', '.']).map_or("", |at| &word[..=at]);
                    let kind = if word.find('…') < word.find(['_', '.']) { "" } else { kind };
                    pattern += &format!("({}[A-Za-z0-9_+/.=-]+)", regex::escape(kind));
                    learnt.push(word.to_owned());
                }
            }
        }
        pattern += &regex::escape(&shown[end..]);
        pattern += r"\s*\z";
        let pattern = Regex::new(&pattern).expect("escaped but for what is written here");
        let Some(found) = pattern.captures(printed) else { return false };
        for (index, word) in learnt.into_iter().enumerate() {
            let thing = found[index + 1].to_owned();
            if self.0.entry(word).or_insert_with(|| thing.clone()) != &thing {
                return false;
            }
        }
        true
    }
}

fn name() -> Regex {
    Regex::new(r"[A-Za-z0-9_+/.-]*…[A-Za-z0-9_]*").expect("valid")
}

#[test]
fn what_is_left_out_is_the_same_thing_each_time() {
    let mut names = Names::default();
    assert!(names.learn(
        "id 6b…1 key tk_V…\nat 2026-11-24T…Z, … more",
        "id abc key tk_x-y\nat 2031-01-02T03:04:05.678Z, 12 more\n"
    ));
    assert_eq!(names.put_into("get 6b…1 -H 'key: tk_V…'").unwrap(), "get abc -H 'key: tk_x-y'");
    assert!(names.put_into("get 6b…2").is_err());
    assert!(names.learn("6b…1", "abc"));
    assert!(!names.learn("6b…1", "abd"), "another id");
    assert!(!Names::default().learn("tk_V…", "pk_x"), "another kind of key");
    assert!(!Names::default().learn("6b…1 6b…1", "abc abd"), "two things of one name");
    assert!(!Names::default().learn("id", "id and more"));
    assert!(!Names::default().learn("2026-11-24T…Z", "2026-11-24"));
}
