//! `docs/migration.md`, command by command: each of its shell blocks is run, with another server in the place of the hosted
//! platform, and a program in the place of Vault that prints what Vault prints.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Client, Server};

/// The text of the shell blocks under a heading of the page; those before the first heading for `""`.
fn commands(heading: &str) -> String {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/migration.md")).unwrap();
    let mut sections = page.split("\n## ");
    let section = match heading {
        "" => sections.next(),
        heading => sections.find_map(|section| section.strip_prefix(heading)),
    };
    let section = section.unwrap_or_else(|| panic!("no section `{heading}`"));
    let blocks: Vec<&str> =
        section.split("```sh\n").skip(1).map(|block| block.split("```").next().unwrap()).collect();
    assert!(!blocks.is_empty(), "no commands under `{heading}`");
    blocks.concat()
}

/// Somebody's machine, with coffer and the stand-in for Vault on its `PATH`.
struct Machine {
    dir: TempDir,
    server: Server,
}

impl Machine {
    fn new() -> Machine {
        let machine = Machine { dir: TempDir::new().unwrap(), server: Server::start() };
        fs::create_dir(machine.dir.path().join("bin")).unwrap();
        symlink(env!("CARGO_BIN_EXE_coffer"), machine.dir.path().join("bin/coffer")).unwrap();
        machine
    }

    fn file(&self, name: &str, text: &str) {
        fs::write(self.dir.path().join(name), text).unwrap();
    }

    /// Runs what stands first on the page, and then under a heading, as one script.
    #[track_caller]
    fn follow(&self, heading: &str, variables: &[(&str, &str)]) -> String {
        let script = format!("set -euo pipefail\n{}{}", commands(""), commands(heading));
        let path = format!("{}/bin:{}", self.dir.path().display(), std::env::var("PATH").unwrap());
        let run = Command::new("bash")
            .args(["-c", &script])
            .current_dir(self.dir.path())
            .env_clear()
            .envs([("PATH", &*path), ("HOME", self.dir.path().to_str().unwrap())])
            .env("COFFER_URL", format!("http://{}", self.server.address()))
            .env("COFFER_API_KEY", &self.server.store().test_key)
            .envs(variables.iter().copied())
            .output()
            .unwrap();
        let (out, err) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
        assert!(run.status.success(), "{heading}: {}\n{out}{err}", run.status);
        out.into_owned()
    }

    /// What a program sees, by name.
    fn sees(&self, query: &[(&str, &str)]) -> Value {
        seen(&self.server.test(), query)
    }
}

fn seen(client: &Client, query: &[(&str, &str)]) -> Value {
    let request = client.get("/env/resolve").query("reveal", "true");
    let found = query.iter().fold(request, |request, (name, value)| request.query(name, value)).send().ok();
    let variables = found["variables"].as_array().unwrap().iter();
    variables
        .map(|one| (one["name"].as_str().unwrap().to_owned(), one["value"].clone()))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

#[test]
fn from_the_hosted_platform() {
    let platform = Server::start();
    let there = platform.test();
    // More than one page of them.
    for number in 0..120 {
        let id = there.define_string(&format!("SETTING_{number}"), "org");
        there.set(&id, &format!("{number} $ \"quoted\"\nlines"));
    }
    let url = there
        .define(&json!({ "name": "API", "scope": "workspace", "var_format": "url", "description": "where" }));
    there.set(&url, "https://api.example/");
    there.set(&there.define_encrypted("BILLING_TOKEN", "workspace"), "s3cr3t");
    let account = "mark+x@acme.com";
    let body = json!({ "account_id": account, "name": "Mark", "udf": { "plan": "gold" } });
    there.post("/linked-account", &body).send().ok();
    there.set_for(&there.define_string("REGION", "linked_account"), "linked_account_id", account, "eu");
    there.set_for(
        &there.define_encrypted("PASSWORD", "linked_account"),
        "linked_account_id",
        account,
        "hidden",
    );
    there.set_for(&there.define_string("STEP", "workflow"), "workflow_id", "flow 1", "first");
    let id = there.define_string("STEPS", "workflow");
    there.set_for(&id, "workflow_id", "onboarding", "7");

    let machine = Machine::new();
    let printed = machine.follow(
        "From the hosted platform",
        &[
            ("REFERENCE_URL", &format!("http://{}", platform.address())),
            ("REFERENCE_KEY", &platform.store().test_key),
            ("WORKFLOWS", "onboarding"),
            ("BILLING_TOKEN", "s3cr3t"),
        ],
    );
    assert!(printed.contains("BILLING_TOKEN") && printed.contains("PASSWORD"), "{printed}");
    assert!(!printed.contains("s3cr3t") && !printed.contains("hidden"), "{printed}");
    let contexts: [&[(&str, &str)]; 2] = [&[], &[("workflow_id", "onboarding")]];
    for context in contexts {
        assert_eq!(machine.sees(context), seen(&there, context));
    }
    let mut expected = seen(&there, &[("linked_account_id", account)]);
    expected.as_object_mut().unwrap().remove("PASSWORD");
    assert_eq!(
        machine.sees(&[("linked_account_id", account)]),
        expected,
        "all but what cannot be read there"
    );

    let here = machine.server.test();
    let moved = here.get("/linked-account/mark%2Bx@acme.com").send().ok();
    assert_eq!((&moved["name"], &moved["udf"][0]["key_value"]), (&json!("Mark"), &json!("gold")));
    let definition = here.get("/env/definitions").query("names", "API").send().ok();
    assert_eq!(
        (&definition["docs"][0]["var_format"], &definition["docs"][0]["description"]),
        (&json!("url"), &json!("where"))
    );
    let hidden = here.get("/env/definitions").query("names", "PASSWORD").send().ok();
    assert_eq!(hidden["docs"][0]["encrypted"], true);
}

#[test]
fn from_vault() {
    let machine = Machine::new();
    // What `vault kv get` and `vault kv list` print, as far as it is used.
    let vault = r#"#!/bin/sh
case "$*" in
"kv get -format=json secret/app")
    printf '%s\n' '{"data":{"data":{"DATABASE_PASSWORD":"it'"'"'s \"so\"\n$1","RETRIES":3,"FLAGS":{"a":true}},"metadata":{"version":2}}}' ;;
"kv list -format=json secret/customers") echo '["acme","former/","mark@acme.com"]' ;;
"kv get -format=json secret/customers/acme") echo '{"data":{"data":{"CRM_TOKEN":"one"},"metadata":{}}}' ;;
"kv get -format=json secret/customers/mark@acme.com") echo '{"data":{"data":{"CRM_TOKEN":"two"},"metadata":{}}}' ;;
*) echo "not expected: $*" >&2 && exit 1 ;;
esac
"#;
    machine.file("bin/vault", vault);
    fs::set_permissions(machine.dir.path().join("bin/vault"), Permissions::from_mode(0o755)).unwrap();
    machine.follow("From Vault KV", &[]);
    let app = json!({ "DATABASE_PASSWORD": "it's \"so\"\n$1", "RETRIES": "3", "FLAGS": "{\"a\":true}" });
    assert_eq!(machine.sees(&[]), app);
    for (customer, token) in [("acme", "one"), ("mark@acme.com", "two")] {
        assert_eq!(machine.sees(&[("linked_account_id", customer)])["CRM_TOKEN"], token);
    }
    let definitions = machine.server.test().get("/env/definitions").send().ok();
    let definitions = definitions["docs"].as_array().unwrap();
    assert!(
        definitions.len() == 4 && definitions.iter().all(|one| one["encrypted"] == true),
        "{definitions:?}"
    );
}

#[test]
fn from_dotenv() {
    let machine = Machine::new();
    machine.file(
        ".env",
        "# the app\nexport DATABASE_URL=postgres://db/app\nSESSION_SECRET='it is # hidden'\nMOTD=\"two\\nlines\"\nAPI_KEY=k$1\n \texport  db_pass = p\n",
    );
    let printed = machine.follow("From `.env` files", &[]);
    assert!(!printed.contains("hidden"), "{printed}");
    assert_eq!(
        machine.sees(&[]),
        json!({ "DATABASE_URL": "postgres://db/app", "SESSION_SECRET": "it is # hidden", "MOTD": "two\nlines", "API_KEY": "k$1", "db_pass": "p" })
    );
    let definitions = machine.server.test().get("/env/definitions").send().ok();
    for one in definitions["docs"].as_array().unwrap() {
        assert_eq!(
            one["encrypted"] == true,
            ["SESSION_SECRET", "API_KEY", "db_pass"].iter().any(|name| one["name"] == *name),
            "{one}"
        );
    }
    assert!(!machine.dir.path().join("secrets.env").exists());
}
