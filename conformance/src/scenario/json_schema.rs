//! The JSON Schemas that are checked in, generated from the types: for editors to complete and check by.

use schemars::JsonSchema;

/// The schema of what is written in this form.
pub fn of<T: JsonSchema>() -> String {
    format!("{:#}\n", schemars::schema_for!(T).to_value())
}
