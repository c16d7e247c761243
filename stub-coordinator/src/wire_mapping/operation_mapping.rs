//! One operation in a dialect.

use serde_json::Value;

use super::dialect_refusals::json_of;
use super::mapping_file::OperationTable;
use super::message_moves::MessageMoves;
use super::message_place::{MessageArea, MessagePlace};
use super::path_template::PathTemplate;
use crate::contract::operation::Operation;

/// The methods that a dialect may use.
const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];

/// One operation in a dialect.
#[derive(Debug)]
pub(super) struct OperationMapping {
    pub(super) operation: Operation,
    pub(super) method: &'static str,
    pub(super) path: PathTemplate,
    /// The API's path.
    pub(super) api_path: PathTemplate,
    pub(super) request: MessageMoves,
    pub(super) answer: MessageMoves,
    /// The status of a success in the dialect, where it is another, and that of the API.
    pub(super) success: Option<(u16, u16)>,
    pub(super) nothing: Option<NothingForm>,
}

/// How the dialect says that there is nothing to do.
#[derive(Debug)]
pub(super) struct NothingForm {
    pub(super) status: u16,
    pub(super) body: Option<Value>,
}

impl OperationMapping {
    pub(super) fn new(
        operation: Operation,
        table: &OperationTable,
        document: &Value,
    ) -> Result<OperationMapping, String> {
        let method = METHODS.into_iter().find(|method| *method == table.method);
        let method = method.ok_or_else(|| {
            let methods = METHODS.join(", ");
            format!("`{}` is no method: write one of {methods}", table.method)
        })?;
        let (_, api_path) = operation.route();
        let constants = &table.constants;
        let nothing = table.nothing.as_ref().map(|nothing| {
            Ok::<_, String>(NothingForm {
                status: nothing.status,
                body: nothing.body.as_deref().map(json_of).transpose()?,
            })
        });
        let mapping = OperationMapping {
            operation,
            method,
            path: PathTemplate::parse(&table.path)?,
            api_path: PathTemplate::parse(api_path)?,
            request: MessageMoves::new(&table.request, &constants.request, &constants.api_request)?,
            answer: MessageMoves::new(&table.answer, &constants.answer, &constants.api_answer)?,
            success: table
                .status
                .map(|status| (status, api_success(operation, document))),
            nothing: nothing.transpose()?,
        };
        mapping.check_paths()?;
        Ok(mapping)
    }

    /// Each place of either path has to come from somewhere.
    fn check_paths(&self) -> Result<(), String> {
        let place = |name: &str| MessagePlace::named(MessageArea::Path, name);
        for name in self.api_path.names() {
            let is_there =
                self.path.names().any(|there| there == name) && !self.request.leaves_out(&place(name));
            if !is_there && !self.request.fills_api(&place(name)) {
                return Err(format!(
                    "say under `request` where `path:{name}` of the API is in the dialect"
                ));
            }
        }
        for name in self.path.names() {
            let is_there = self.api_path.names().any(|there| there == name);
            if !is_there && !self.request.fills_dialect(&place(name)) {
                return Err(format!(
                    "say under `request` or `constants.request` what `path:{name}` is"
                ));
            }
        }
        Ok(())
    }

    pub(super) fn route_is(&self, other: &OperationMapping) -> bool {
        self.method == other.method && self.path == other.path
    }
}

/// The status of the operation's success in the API; 204 says that there is nothing.
fn api_success(operation: Operation, document: &Value) -> u16 {
    let (method, path) = operation.route();
    let responses = &document["paths"][path][method.to_ascii_lowercase()]["responses"];
    let statuses = responses.as_object().into_iter().flatten();
    statuses
        .filter_map(|(status, _)| status.parse::<u16>().ok())
        .filter(|status| (200..300).contains(status) && *status != 204)
        .min()
        .unwrap_or(200)
}
