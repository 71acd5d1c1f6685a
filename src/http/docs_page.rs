//! The API's description as a page for people: one document, no script, nothing loaded.

use std::fmt::Write as _;

use serde_json::Value;

/// The page's only style sheet; the page's policy allows it by its hash.
pub(super) const STYLE: &str = include_str!("docs.css");

/// Writes the page of an OpenAPI document.
pub(super) fn render(document: &Value) -> String {
    Page { document, html: String::new() }.write()
}

struct Page<'a> {
    document: &'a Value,
    html: String,
}

impl<'a> Page<'a> {
    fn write(mut self) -> String {
        let info = &self.document["info"];
        let title = format!("{} {}", text(&info["title"]), text(&info["version"]));
        self.push(&format!(
            "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
             <title>{title}</title><style>{STYLE}</style></head><body>\
             <header><h1>{title}</h1><p>{}</p><p>{}</p>\
             <p><a href=\"/openapi.json\">This document as OpenAPI 3.1</a></p></header>",
            text(&info["summary"]),
            prose(&info["description"]),
        ));
        self.credentials();
        let groups: Vec<&Value> = list(&self.document["tags"]).collect();
        self.contents(&groups);
        self.push("<main>");
        for tag in groups {
            let name = text(&tag["name"]);
            self.push(&format!("<h2>{name}</h2><p>{}</p>", prose(&tag["description"])));
            for (path, method, operation) in self.operations(tag) {
                self.operation(path, method, operation);
            }
        }
        self.push("</main></body></html>");
        self.html
    }

    fn push(&mut self, html: &str) {
        self.html.push_str(html);
    }

    fn credentials(&mut self) {
        let rows = entries(&self.document["components"]["securitySchemes"]).map(|(name, scheme)| {
            let shown = scheme["name"].as_str().unwrap_or("Authorization: Bearer");
            row(&[code(shown), escape(name), prose(&scheme["description"])])
        });
        let rows = rows.collect();
        self.table("Credentials", &["header", "scheme", ""], rows);
    }

    fn contents(&mut self, groups: &[&Value]) {
        self.push("<nav><ul>");
        for tag in groups {
            for (path, method, operation) in self.operations(tag) {
                let id = text(&operation["operationId"]);
                let (method, path) = (escape(method), escape(path));
                let summary = text(&operation["summary"]);
                self.push(&format!(
                    "<li><a href=\"#{id}\"><code>{method} {path}</code></a> \
                     <span class=\"quiet\">{summary}</span></li>"
                ));
            }
        }
        self.push("</ul></nav>");
    }

    /// The operations of a tag: path, method, operation.
    fn operations(&self, tag: &Value) -> Vec<(&'a str, &'a str, &'a Value)> {
        let of_path = |(path, item): (&'a str, &'a Value)| {
            entries(item).map(move |(method, operation)| (path, method, operation))
        };
        let tagged = |operation: &Value| list(&operation["tags"]).any(|name| *name == tag["name"]);
        let all = entries(&self.document["paths"]).flat_map(of_path);
        all.filter(|(_, _, operation)| tagged(operation)).collect()
    }

    fn operation(&mut self, path: &str, method: &str, operation: &'a Value) {
        self.push(&format!(
            "<section id=\"{}\"><h3><span class=\"method\">{}</span> <code>{}</code></h3><p>{}.</p><p>{}</p>",
            text(&operation["operationId"]),
            escape(&method.to_uppercase()),
            escape(path),
            text(&operation["summary"]),
            prose(&operation["description"]),
        ));
        let parameters = list(&operation["parameters"]).map(|one| self.follow(one)).map(|one| {
            let needed = if one["required"] == true { "required" } else { "" };
            row(&[
                code(&one["name"]),
                text(&one["in"]),
                self.kind(&one["schema"]),
                needed.into(),
                prose(&one["description"]),
            ])
        });
        let parameters = parameters.collect();
        self.table("Parameters", &["name", "in", "type", "", ""], parameters);
        let body = &operation["requestBody"]["content"]["application/json"]["schema"];
        self.schema("Body", body);
        let (good, failed): (Vec<_>, Vec<_>) = entries(&operation["responses"])
            .map(|(status, response)| (status, self.follow(response)))
            .partition(|(status, _)| status.starts_with(['2', '3']));
        let lines = |all: &[(&str, &Value)]| {
            all.iter().map(|(status, one)| row(&[code(*status), prose(&one["description"])])).collect()
        };
        self.table("Responses", &["status", ""], lines(&good));
        for (_, response) in &good {
            for (kind, media) in entries(&response["content"]) {
                if kind == "application/json" {
                    self.schema("Response body", &media["schema"]);
                }
            }
        }
        self.table("Errors", &["status", "code"], lines(&failed));
        self.push("</section>");
    }

    fn schema(&mut self, title: &str, schema: &'a Value) {
        let schema = self.follow(schema);
        let required = |name: &str| list(&schema["required"]).any(|one| one == name);
        let rows = entries(&schema["properties"]).map(|(name, property)| {
            let needed = if required(name) { "" } else { "optional" };
            let about = property.get("description").unwrap_or(&self.follow(property)["description"]);
            row(&[code(name), self.kind(property), needed.into(), prose(about)])
        });
        let rows = rows.collect();
        self.table(title, &["field", "type", "", ""], rows);
        for example in list(&schema["examples"]).filter(|example| example.is_object()) {
            let pretty = serde_json::to_string_pretty(example).unwrap_or_default();
            self.push(&format!("<pre>{}</pre>", escape(&pretty)));
        }
    }

    /// A schema in a few words.
    fn kind(&self, schema: &'a Value) -> String {
        let schema = self.follow(schema);
        let choices: Vec<String> = list(&schema["enum"]).map(code).collect();
        if !choices.is_empty() {
            return choices.join(" ");
        }
        if let Some(only) = schema.get("const") {
            return code(only);
        }
        let types = match &schema["type"] {
            Value::Array(types) => types.iter().map(text).collect::<Vec<_>>().join(" or "),
            one => text(one),
        };
        let any: Vec<String> = list(&schema["anyOf"]).map(|one| self.kind(one)).collect();
        match schema.get("items") {
            Some(items) => format!("{types} of {}", self.kind(items)),
            None if any.is_empty() => types,
            None => any.join(" or "),
        }
    }

    /// What a `$ref` refers to, or the value itself.
    fn follow(&self, value: &'a Value) -> &'a Value {
        let target = value["$ref"].as_str().and_then(|text| text.strip_prefix('#'));
        target.and_then(|pointer| self.document.pointer(pointer)).unwrap_or(value)
    }

    fn table(&mut self, title: &str, head: &[&str], rows: Vec<String>) {
        if rows.is_empty() {
            return;
        }
        let head: String = head.iter().fold(String::new(), |mut cells, name| {
            // Writing to a String cannot fail.
            let _ = write!(cells, "<th>{name}</th>");
            cells
        });
        self.push(&format!(
            "<h4>{title}</h4><div class=\"scroll\"><table><thead><tr>{head}</tr></thead><tbody>{}</tbody></table></div>",
            rows.concat()
        ));
    }
}

/// Anything that is shown as text.
trait Shown {
    fn shown(&self) -> String;
}

impl Shown for &str {
    fn shown(&self) -> String {
        (*self).into()
    }
}

impl Shown for &Value {
    fn shown(&self) -> String {
        match self {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        }
    }
}

fn text(value: &Value) -> String {
    escape(&value.shown())
}

fn code(what: impl Shown) -> String {
    format!("<code>{}</code>", escape(&what.shown()))
}

/// Text in which what stands between backticks is code.
fn prose(value: &Value) -> String {
    let parts = escape(&value.shown());
    let parts = parts.split('`').enumerate();
    parts.map(|(at, part)| if at % 2 == 1 { format!("<code>{part}</code>") } else { part.into() }).collect()
}

fn row(cells: &[String]) -> String {
    format!("<tr><td>{}</td></tr>", cells.join("</td><td>"))
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn entries(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value.as_object().into_iter().flatten().map(|(name, value)| (name.as_str(), value))
}

fn escape(text: &str) -> String {
    text.chars().fold(String::new(), |mut escaped, c| {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
        escaped
    })
}
