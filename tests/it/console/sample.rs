//! A store with something to look at.

use serde_json::json;

use crate::support::{Client, Server};

/// What a small company keeps: three environments, variables of every scope, values here and missing there.
pub(super) struct Sample {
    pub(super) server: Server,
    /// A key for every environment, with every permission.
    pub(super) key: String,
    /// Ids of definitions.
    pub(super) base_url: String,
    pub(super) database_url: String,
    pub(super) smtp_host: String,
    /// The id of a key.
    pub(super) key_id: String,
    pub(super) customer_token: String,
}

impl Sample {
    pub(super) fn start() -> Sample {
        let server = Server::start();
        let store = server.store();
        store.coffer(["environments", "add", "staging"]).ok();
        let every = "read,write,manage,reveal,admin";
        let key =
            store.create_key(&["--environment", "all", "--permissions", every, "--name", "Maya Lindqvist"]);
        store.create_key(&[
            "--environment",
            "production",
            "--permissions",
            "read,reveal",
            "--name",
            "billing service",
        ]);
        store.create_key(&["--environment", "test", "--name", "continuous integration", "--expires", "30d"]);
        let client = server.anonymous().key(&key);
        let (test, production, staging) = (
            client.with("environment", "test"),
            client.with("environment", "production"),
            client.with("environment", "staging"),
        );
        let define = |name: &str, scope: &str, format: &str, encrypted: bool, required: bool, about: &str| {
            client.define(&json!({
                "name": name, "scope": scope, "var_format": format, "encrypted": encrypted,
                "required": required, "description": about,
            }))
        };
        let base_url = define("API_BASE_URL", "org", "url", false, true, "Where the public API answers");
        let database_url =
            define("DATABASE_URL", "org", "string", true, true, "The main database, with its password");
        let pool =
            define("DB_POOL_SIZE", "org", "number", false, false, "Connections that each process opens");
        let smtp = define("SMTP_HOST", "org", "string", false, false, "");
        let stripe =
            define("STRIPE_SECRET_KEY", "org", "string", true, true, "Rotated each quarter by finance");
        let banner = define(
            "STATUS_BANNER",
            "org",
            "string",
            false,
            false,
            "Shown on top of every page; several lines",
        );
        define("FEATURE_FLAGS", "workspace", "string", false, false, "A JSON object");
        let customer_token = define(
            "CRM_TOKEN",
            "linked_account",
            "string",
            true,
            false,
            "The customer's own token for its CRM",
        );
        let region = define("REGION", "linked_account", "string", false, false, "");
        let webhook = define("WEBHOOK_URL", "workflow", "url", false, false, "");
        for (at, url, size) in [
            (&test, "https://api.test.acme.example/v1", "4"),
            (&staging, "https://api.staging.acme.example/v1", "8"),
            (&production, "https://api.acme.example/v1", "32"),
        ] {
            at.set(&base_url, url);
            at.set(&pool, size);
        }
        test.set(&database_url, "postgres://app:not-a-secret@db.test.acme.example/app");
        production.set(&database_url, "postgres://app:not-a-secret-either@db.acme.example/app");
        for host in ["mail.acme.example", "smtp.acme.example", "smtp2.acme.example"] {
            production.set(&smtp, host);
        }
        production.set(&stripe, "sk_live_not_a_secret");
        test.set(&banner, "We are moving to a new data centre on Sunday.\nSome pages will be slow between 02:00 and 04:00 UTC.");
        for (account, name) in [
            ("user_12345", "Northwind Traders"),
            ("mark@acme.com", "Mark at Acme"),
            ("cust-7f3a", "Contoso"),
            ("عميل-٤٢", "شركة المثال"),
        ] {
            let body =
                json!({ "account_id": account, "name": name, "udf": { "plan": "pro", "since": "2024" } });
            test.post("/linked-account", &body).send().ok();
        }
        set_for(&test, &customer_token, "linked_account_id", "user_12345", "crm-token");
        set_for(&test, &region, "linked_account_id", "user_12345", "eu-central");
        set_for(&test, &region, "linked_account_id", "cust-7f3a", "us-east");
        set_for(&test, &webhook, "workflow_id", "nightly-sync", "https://hooks.acme.example/nightly");
        let keys = server.anonymous().key(&key).get("/admin/keys").query("limit", "100").send().ok();
        let ci = keys["docs"].as_array().unwrap().iter().find(|key| key["name"] == "continuous integration");
        let key_id = ci.unwrap()["_id"].as_str().unwrap().to_owned();
        Sample { server, key, base_url, database_url, smtp_host: smtp, key_id, customer_token }
    }
}

fn set_for(client: &Client, definition: &str, field: &str, id: &str, value: &str) {
    client.set_for(definition, field, id, value);
}
