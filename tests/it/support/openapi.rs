//! The served description as a judge: every answer that the suite receives must be one it describes.

use std::net::SocketAddr;
use std::sync::Mutex;

use serde_json::Value;

use super::{Connection, Response};

static DOCUMENT: Mutex<Option<&'static Value>> = Mutex::new(None);

/// Checks an answer against the description; does nothing while there is none, or for what it does not list.
pub(crate) fn check_response(address: SocketAddr, method: &str, target: &str, response: &Response) {
    let path = target.split('?').next().unwrap_or_default();
    if path == "/openapi.json" {
        return;
    }
    let Some(document) = document(address) else { return };
    if let Err(problem) = conforms(document, method, path, response) {
        panic!(
            "{method} {path} answered what /openapi.json does not describe: {problem}\n{}",
            response.text()
        );
    }
}

/// Whether the answer is one that the description has for this method and path.
pub(crate) fn conforms(
    document: &Value,
    method: &str,
    path: &str,
    response: &Response,
) -> Result<(), String> {
    let Some(item) = path_item(document, path) else { return Ok(()) };
    let verb = if method == "HEAD" { "get".to_owned() } else { method.to_ascii_lowercase() };
    let Some(operation) = item.get(&verb) else { return Ok(()) };
    let responses = &operation["responses"];
    let status = response.status.to_string();
    let family = format!("{}XX", &status[..1]);
    let described = [status.as_str(), family.as_str(), "default"]
        .iter()
        .find_map(|name| responses.get(*name))
        .ok_or_else(|| format!("no status {status}"))?;
    let described = dereference(document, described);
    if method == "HEAD" || matches!(response.status, 204 | 304) {
        return Ok(());
    }
    let Some(content) = described.get("content").and_then(Value::as_object) else {
        return if response.body.is_empty() { Ok(()) } else { Err(format!("no content for {status}")) };
    };
    let kind =
        response.header("content-type").unwrap_or_default().split(';').next().unwrap_or_default().trim();
    let media = content.get(kind).ok_or_else(|| format!("no content type {kind} for {status}"))?;
    if kind != "application/json" {
        return Ok(());
    }
    let body = serde_json::from_slice(&response.body).map_err(|error| error.to_string())?;
    match media.get("schema") {
        Some(schema) => matches(document, schema, &body, "$"),
        None => Err(format!("no schema for {status}")),
    }
}

/// The description that the server at `address` serves, once it does.
fn document(address: SocketAddr) -> Option<&'static Value> {
    let mut known = DOCUMENT.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if known.is_none() {
        *known = fetch(address).map(|document| &*Box::leak(Box::new(document)));
    }
    *known
}

fn fetch(address: SocketAddr) -> Option<Value> {
    let mut connection = Connection::open(address).ok()?;
    connection.write(format!("GET /openapi.json HTTP/1.1\r\nhost: {address}\r\n\r\n").as_bytes()).ok()?;
    let response = connection.read("GET").ok()?;
    if response.status == 200 { serde_json::from_slice(&response.body).ok() } else { None }
}

fn path_item<'a>(document: &'a Value, path: &str) -> Option<&'a Value> {
    let paths = document.get("paths")?.as_object()?;
    let fixed = paths.get(path);
    fixed.or_else(|| paths.iter().find(|(template, _)| fits(template, path)).map(|(_, item)| item))
}

fn fits(template: &str, path: &str) -> bool {
    let (template, path): (Vec<&str>, Vec<&str>) = (template.split('/').collect(), path.split('/').collect());
    template.len() == path.len()
        && template
            .iter()
            .zip(&path)
            .all(|(wanted, given)| wanted == given || (wanted.starts_with('{') && !given.is_empty()))
}

fn dereference<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    let mut value = value;
    while let Some(reference) = value.get("$ref").and_then(Value::as_str) {
        value = reference
            .strip_prefix('#')
            .and_then(|pointer| document.pointer(pointer))
            .unwrap_or_else(|| panic!("/openapi.json refers to {reference}, which is not there"));
    }
    value
}

/// Whether `value` is one that `schema` describes; `at` names the place for the reader.
fn matches(document: &Value, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
    let schema = dereference(document, schema);
    if let Some(allowed) = schema.as_bool() {
        return if allowed { Ok(()) } else { Err(format!("{at}: nothing is allowed here")) };
    }
    check_type(schema, value, at)?;
    check_choice(document, schema, value, at)?;
    check_text(schema, value, at)?;
    if let Some(object) = value.as_object() {
        check_object(document, schema, object, at)?;
    }
    if let (Some(items), Some(array)) = (schema.get("items"), value.as_array()) {
        for (index, item) in array.iter().enumerate() {
            matches(document, items, item, &format!("{at}[{index}]"))?;
        }
    }
    for (bound, holds) in [("minimum", f64::ge as fn(&f64, &f64) -> bool), ("maximum", f64::le)] {
        if let (Some(bound), Some(number)) = (schema.get(bound).and_then(Value::as_f64), value.as_f64())
            && !holds(&number, &bound)
        {
            return Err(format!("{at}: {number} is beyond {bound}"));
        }
    }
    Ok(())
}

fn check_type(schema: &Value, value: &Value, at: &str) -> Result<(), String> {
    let types: Vec<&str> = match schema.get("type") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).collect(),
        _ => return Ok(()),
    };
    let is = |name: &str| match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => false,
    };
    if types.iter().any(|name| is(name)) { Ok(()) } else { Err(format!("{at}: {value} is no {types:?}")) }
}

fn check_choice(document: &Value, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
    if let Some(values) = schema.get("enum").and_then(Value::as_array)
        && !values.contains(value)
    {
        return Err(format!("{at}: {value} is none of {values:?}"));
    }
    if let Some(only) = schema.get("const")
        && only != value
    {
        return Err(format!("{at}: {value} is not {only}"));
    }
    let fitting =
        |schemas: &[Value]| schemas.iter().filter(|one| matches(document, one, value, at).is_ok()).count();
    for (word, holds) in [
        ("oneOf", (|n, _| n == 1) as fn(usize, usize) -> bool),
        ("anyOf", |n, _| n > 0),
        ("allOf", |n, all| n == all),
    ] {
        if let Some(schemas) = schema.get(word).and_then(Value::as_array)
            && !holds(fitting(schemas), schemas.len())
        {
            return Err(format!("{at}: {value} does not fit {word}"));
        }
    }
    Ok(())
}

fn check_text(schema: &Value, value: &Value, at: &str) -> Result<(), String> {
    let Some(text) = value.as_str() else { return Ok(()) };
    if let Some(pattern) = schema.get("pattern").and_then(Value::as_str) {
        let regex = regex::Regex::new(pattern).map_err(|error| error.to_string())?;
        if !regex.is_match(text) {
            return Err(format!("{at}: {text:?} does not match {pattern}"));
        }
    }
    let length = text.chars().count() as u64;
    let bound = |name: &str| schema.get(name).and_then(Value::as_u64);
    if bound("minLength").is_some_and(|least| length < least)
        || bound("maxLength").is_some_and(|most| length > most)
    {
        return Err(format!("{at}: {length} characters"));
    }
    Ok(())
}

fn check_object(
    document: &Value,
    schema: &Value,
    object: &serde_json::Map<String, Value>,
    at: &str,
) -> Result<(), String> {
    for name in
        schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
    {
        if !object.contains_key(name) {
            return Err(format!("{at}: no {name}"));
        }
    }
    let properties = schema.get("properties").and_then(Value::as_object);
    for (name, value) in object {
        let place = format!("{at}.{name}");
        match (properties.and_then(|known| known.get(name)), schema.get("additionalProperties")) {
            (Some(property), _) => matches(document, property, value, &place)?,
            (None, Some(other)) => matches(document, other, value, &place)?,
            (None, None) => {}
        }
    }
    Ok(())
}

#[test]
fn a_schema_accepts_what_it_describes_and_nothing_else() {
    let schema = serde_json::json!({
        "$defs": { "id": { "type": "string", "pattern": "^[0-9a-f]{2}$" } },
        "type": "object", "required": ["_id"], "additionalProperties": false,
        "properties": {
            "_id": { "$ref": "#/$defs/id" },
            "page": { "type": ["integer", "null"], "minimum": 1 },
            "scope": { "enum": ["org", "workflow"] },
            "one": { "oneOf": [{ "type": "string" }, { "type": "array", "items": { "type": "boolean" } }] },
        }
    });
    let accepts = |value: Value| matches(&schema, &schema, &value, "$").is_ok();
    assert!(accepts(serde_json::json!({ "_id": "0f", "page": null, "scope": "org", "one": [true] })));
    assert!(!accepts(serde_json::json!({})));
    assert!(!accepts(serde_json::json!({ "_id": "0F" })));
    assert!(!accepts(serde_json::json!({ "_id": "0f", "other": 1 })));
    assert!(!accepts(serde_json::json!({ "_id": "0f", "page": 0 })));
    assert!(!accepts(serde_json::json!({ "_id": "0f", "page": 1.5 })));
    assert!(!accepts(serde_json::json!({ "_id": "0f", "scope": "workspace" })));
    assert!(!accepts(serde_json::json!({ "_id": "0f", "one": [1] })));
}
