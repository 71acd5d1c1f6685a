//! The image: what its description promises, and the program under the conditions of one.

use std::fs;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use super::{attempt, output, read, root};

/// What stands behind an instruction, each time that it is there.
fn instructions<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
    text.lines().filter_map(|line| line.trim_start().strip_prefix(name)?.strip_prefix(' ')).collect()
}

/// The words of an instruction in the form of a list.
fn words(list: &str) -> Vec<String> {
    let Ok(Value::Array(words)) = serde_json::from_str(list) else { panic!("no list: {list}") };
    words.iter().map(|word| word.as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_image_is_what_its_description_promises() {
    let text = read("Dockerfile");
    let (_, image) = text.split_once("FROM scratch\n").expect("an image from nothing");
    let user = instructions(image, "USER");
    let [id] = user[..] else { panic!("{user:?}") };
    let numbers: Vec<u32> = id.split(':').map(|number| number.parse().expect("a number")).collect();
    assert!(numbers.len() == 2 && numbers.iter().all(|number| *number > 0), "{id}");
    assert!(instructions(image, "RUN").is_empty(), "there is nothing to run in it");

    let entry = words(instructions(image, "ENTRYPOINT")[0]);
    let commands = instructions(image, "CMD");
    let [check, command] = commands[..] else { panic!("{commands:?}") };
    assert_eq!(words(check), [&entry[..], &["health".to_owned()]].concat());
    assert_eq!(words(command), ["serve"]);

    // What is started is what is copied, and that is there.
    let copied: Vec<(&str, &str)> = instructions(image, "COPY")
        .iter()
        .map(|line| line.trim_start_matches("--from=build ").trim_start_matches(&format!("--chown={id} ")))
        .map(|line| line.split_once(' ').unwrap())
        .collect();
    for (from, _) in &copied {
        if let Some(source) = from.strip_prefix("/source/") {
            assert!(root().join(source).exists(), "{source}");
        } else {
            assert!(from.starts_with("/built/"), "{from}");
        }
    }
    let places: Vec<&str> = copied.iter().map(|(_, to)| *to).collect();
    assert_eq!(places, [entry[0].as_str(), entry[2].as_str(), &words(instructions(image, "VOLUME")[0])[0]]);
    for script in instructions(&text, "RUN").iter().filter_map(|line| line.split(' ').next()) {
        assert!(script == "install" || root().join(script).exists(), "{script}");
    }

    let config: toml::Table = read("contrib/container/config.toml").parse().unwrap();
    assert_eq!(config["storage"]["path"].as_str(), places.last().copied());
    let compose = read("contrib/container/compose.yaml");
    let secret =
        config["encryption"]["passphrase_file"].as_str().unwrap().strip_prefix("/run/secrets/").unwrap();
    for expected in [
        format!("secrets: [{secret}]"),
        format!("store:{}", places[2]),
        "read_only: true".into(),
        "cap_drop: [ALL]".into(),
        "no-new-privileges:true".into(),
        "127.0.0.1:8080:8080".into(),
    ] {
        assert!(compose.contains(&expected), "{expected}");
    }
}

#[test]
fn what_an_image_is_built_from_is_enough_and_has_no_secret() {
    let ignored = read(".dockerignore");
    let rules: Vec<&str> = ignored.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(rules[0], "*", "whatever is not named stays out");
    // The file of the secret, which lies among what comes in.
    let (kept_out, let_in): (Vec<&str>, Vec<&str>) =
        rules[1..].iter().partition(|rule| !rule.starts_with('!'));
    assert_eq!(kept_out, ["contrib/container/passphrase"]);
    assert_eq!(rules.last(), kept_out.last(), "the last rule that fits decides");
    assert!(read("contrib/container/compose.yaml").contains("file: ./passphrase"));
    assert!(read(".gitignore").lines().any(|rule| rule == "/contrib/container/passphrase"));
    let dir = TempDir::new().unwrap();
    for name in let_in {
        let name = name.trim_start_matches('!');
        assert!(!matches!(name, "data" | "config.toml" | "target" | ".git"), "{name}");
        let to = dir.path().join(name);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        output(Command::new("cp").arg("-r").arg(root().join(name)).arg(to));
    }
    // Every file of every target is there.
    let mut cargo = Command::new(env!("CARGO"));
    output(cargo.args(["metadata", "--format-version=1", "--no-deps", "--offline"]).current_dir(dir.path()));
    for script in instructions(&read("Dockerfile"), "RUN").iter().filter_map(|line| line.split(' ').next()) {
        assert!(script == "install" || dir.path().join(script).exists(), "{script}");
    }
    assert!(dir.path().join("contrib/container/config.toml").exists());
}

#[test]
fn the_program_runs_as_in_the_image() {
    attempt("contrib/container/try", env!("CARGO_BIN_EXE_coffer").as_ref());
}
