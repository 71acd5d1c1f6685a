//! The forms that answers are made of.

use serde_json::Value;

/// The names of an object's fields, in alphabetical order.
#[track_caller]
fn fields(value: &Value) -> Vec<&str> {
    let mut names: Vec<&str> = value
        .as_object()
        .unwrap_or_else(|| panic!("no object: {value}"))
        .keys()
        .map(String::as_str)
        .collect();
    names.sort_unstable();
    names
}

/// Checks that an object has exactly the fields that are named, in any order.
#[track_caller]
pub(crate) fn check_fields(value: &Value, expected: &str) {
    let mut expected: Vec<&str> = expected.split_whitespace().collect();
    expected.sort_unstable();
    assert_eq!(fields(value), expected, "{value}");
}

/// Checks that a value is an id: 24 lower-case hex digits.
#[track_caller]
pub(crate) fn check_id(value: &Value) -> String {
    let id = value.as_str().unwrap_or_else(|| panic!("no id: {value}"));
    assert!(
        id.len() == 24 && id.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)),
        "no id: {id}"
    );
    id.to_owned()
}

/// Checks that a value is a time: RFC 3339, UTC, milliseconds.
#[track_caller]
pub(crate) fn check_time(value: &Value) -> String {
    let time = value.as_str().unwrap_or_else(|| panic!("no time: {value}"));
    let form: String = time.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    assert_eq!(form, "0000-00-00T00:00:00.000Z", "{time}");
    time.to_owned()
}

/// Checks a page's envelope against the list it is a page of, and returns its docs.
#[track_caller]
pub(crate) fn check_page(body: &Value, page: u64, limit: u64, total: u64) -> Vec<Value> {
    let pages = total.div_ceil(limit).max(1);
    let expected = serde_json::json!({
        "totalDocs": total,
        "limit": limit,
        "page": page,
        "totalPages": pages,
        "pagingCounter": (page - 1) * limit + 1,
        "hasPrevPage": page > 1,
        "hasNextPage": page < pages,
        "prevPage": if page > 1 { Some((page - 1).min(pages)) } else { None },
        "nextPage": if page < pages { Some(page + 1) } else { None },
    });
    let mut envelope = body.clone();
    let object = envelope.as_object_mut().expect("an object");
    let docs = object.remove("docs").expect("docs");
    object.remove("status");
    assert_eq!(envelope, expected);
    let docs = docs.as_array().expect("docs is an array").clone();
    let here = if page > pages { 0 } else { (total - (page - 1) * limit).min(limit) };
    assert_eq!(docs.len() as u64, here, "{body}");
    docs
}
