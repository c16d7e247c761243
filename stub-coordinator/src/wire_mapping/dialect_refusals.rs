//! How a dialect says that something is refused. The API does by problem details (RFC 9457) with a code.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::mapping_file::{RefusalForm, RefusalTable};
use super::member_names::MemberNames;
use super::message_place::{MessageArea, MessagePlace, put};
use crate::contract::problem::Problem;

/// What a dialect's refusal is sent as where the mapping does not say.
const JSON: &str = "application/json";
/// What the API's is.
pub(super) const PROBLEM: &str = "application/problem+json";

/// How refusals are written.
#[derive(Debug)]
pub(super) struct DialectRefusals {
    content_type: String,
    /// Where the parts of a refusal stand. None: it is written as the API does.
    parts: Option<RefusalParts>,
    codes: BTreeMap<String, CodeForm>,
}

/// Places of the dialect's body.
#[derive(Debug)]
struct RefusalParts {
    code: Option<MessagePlace>,
    detail: Option<MessagePlace>,
    field: Option<MessagePlace>,
}

/// How one refusal is written.
#[derive(Debug)]
struct CodeForm {
    status: Option<u16>,
    code: Option<String>,
    body: Option<Value>,
}

/// A refusal in either form.
#[derive(Debug)]
pub(super) struct RefusalText {
    pub(super) status: u16,
    pub(super) content_type: String,
    pub(super) body: Value,
}

impl DialectRefusals {
    pub(super) fn new(table: RefusalTable) -> Result<DialectRefusals, String> {
        let place = |text: Option<String>| match text {
            None => Ok(None),
            Some(text) => match MessagePlace::parse(&text)? {
                place if place.area == MessageArea::Body && place.wildcards() == 0 => Ok(Some(place)),
                place => Err(format!("[refusals]: `{place}` is no place in the body")),
            },
        };
        let own = table.code.is_some() || table.detail.is_some() || table.field.is_some();
        let parts = RefusalParts {
            code: place(table.code)?,
            detail: place(table.detail)?,
            field: place(table.field)?,
        };
        let content_type = table.content_type.unwrap_or_else(|| match own {
            true => JSON.to_owned(),
            false => PROBLEM.to_owned(),
        });
        let mut codes = BTreeMap::new();
        for (code, form) in table.codes {
            if !Problem::codes().any(|known| known == code) {
                return Err(format!("[refusals.codes]: the API has no code `{code}`"));
            }
            codes.insert(code, CodeForm::new(form)?);
        }
        Ok(DialectRefusals {
            content_type,
            parts: own.then_some(parts),
            codes,
        })
    }

    /// A problem of the API in the dialect. It names the member at fault as the client knows it.
    pub(super) fn to_dialect(&self, names: &MemberNames, status: u16, problem: &Value) -> RefusalText {
        let mut problem = problem.clone();
        if let Some(field) = problem["field"].as_str().map(str::to_owned) {
            let theirs = names.in_dialect(&field);
            if let Some(detail) = problem["detail"].as_str() {
                let detail = detail.replace(&format!("`{field}`"), &format!("`{theirs}`"));
                problem["detail"] = json!(detail);
            }
            problem["field"] = json!(theirs);
        }
        let code = problem["code"].as_str().unwrap_or_default().to_owned();
        let form = self.codes.get(&code);
        // A status that a fault chose is not the one that the mapping speaks of.
        let usual = Problem::status_of(&code) == Some(status);
        let status = form
            .and_then(|form| form.status)
            .filter(|_| usual)
            .unwrap_or(status);
        let word = form.and_then(|form| form.code.as_deref()).unwrap_or(&code);
        let body = match (form.and_then(|form| form.body.clone()), &self.parts) {
            (Some(body), _) => body,
            (None, Some(parts)) => parts.body(word, &problem),
            (None, None) => {
                let word = json!(word);
                problem["code"] = word;
                problem
            }
        };
        RefusalText {
            status,
            content_type: self.content_type.clone(),
            body,
        }
    }

    /// A refusal of the dialect as the API's problem; none where the answer is no refusal.
    pub(super) fn to_api(&self, names: &MemberNames, status: u16, body: &Value) -> Option<RefusalText> {
        let whole = self.codes.iter().find(|(_, form)| {
            form.body.as_ref() == Some(body) && form.status.is_none_or(|wanted| wanted == status)
        });
        if whole.is_none() && status < 400 {
            return None;
        }
        let at = |place: &Option<MessagePlace>| {
            let place = place.as_ref()?;
            let pointer: String = place.to_string();
            Some(body.pointer(&pointer)?.as_str()?.to_owned())
        };
        let (word, detail, field) = match &self.parts {
            Some(parts) => (at(&parts.code), at(&parts.detail), at(&parts.field)),
            None => {
                let text = |name: &str| body[name].as_str().map(str::to_owned);
                (text("code"), text("detail"), text("field"))
            }
        };
        let code = whole
            .map(|(code, _)| code.clone())
            .or_else(|| self.code_of(status, word.as_deref()))
            .or(word)
            .unwrap_or_else(|| Problem::code_of(status).to_owned());
        let mapped = self.codes.get(&code).and_then(|form| form.status) == Some(status);
        let status = Problem::status_of(&code)
            .filter(|_| mapped || status < 400)
            .unwrap_or(status);
        let mut problem = Problem::with_status(status, &code, detail.unwrap_or_default());
        if let Some(field) = field {
            problem = problem.on(&names.in_api(&field));
        }
        Some(RefusalText {
            status,
            content_type: PROBLEM.to_owned(),
            body: json!(problem),
        })
    }

    /// The API's code for a word of the dialect; without a word, the one that has this status alone.
    fn code_of(&self, status: u16, word: Option<&str>) -> Option<String> {
        let fits = |form: &CodeForm| match (word, &form.code) {
            (Some(word), Some(code)) => code == word && form.status.is_none_or(|wanted| wanted == status),
            (None, _) => form.status == Some(status) && form.body.is_none(),
            (Some(_), None) => false,
        };
        let found = self.codes.iter().find(|(_, form)| fits(form));
        found.map(|(code, _)| code.clone())
    }
}

impl RefusalParts {
    fn body(&self, word: &str, problem: &Value) -> Value {
        let mut body = json!({});
        let mut set = |place: &Option<MessagePlace>, value: &Value| {
            if let (Some(place), false) = (place, value.is_null()) {
                put(&mut body, &place.steps, value.clone());
            }
        };
        set(&self.code, &json!(word));
        set(&self.detail, &problem["detail"]);
        set(&self.field, &problem["field"]);
        body
    }
}

impl CodeForm {
    fn new(form: RefusalForm) -> Result<CodeForm, String> {
        Ok(CodeForm {
            status: form.status,
            code: form.code,
            body: form.body.map(|text| json_of(&text)).transpose()?,
        })
    }
}

/// A body that a mapping writes as JSON in a text, as TOML has no null.
pub(super) fn json_of(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| format!("`{text}` is no JSON: {error}"))
}
