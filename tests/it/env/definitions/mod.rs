//! `/env/definitions…`

mod create;
mod delete;
mod get;
mod list;
mod patch;

/// The fields of a definition in a list; inside `{"definition": …}` there are two more.
const DEFINITION: &str = "_id org_id name description scope var_format encrypted required created_by updated_by createdAt updatedAt";
