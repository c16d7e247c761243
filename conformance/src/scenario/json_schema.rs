//! The JSON Schemas that are checked in, generated from the types: for editors to complete and check by.

use schemars::JsonSchema;

/// The schema of what is written in this form. What it is about comes first, as a reader expects.
pub fn of<T: JsonSchema>() -> String {
    let schema = schemars::schema_for!(T);
    let mut text = serde_json::to_string_pretty(&schema).expect("a schema is plain JSON");
    text.push('\n');
    text
}
