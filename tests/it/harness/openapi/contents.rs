//! `web/api/openapi.json`, and where in it a request and its answer are.

use std::sync::LazyLock;

use serde_json::{Map, Value};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/web/api/openapi.json");

static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
    let text = std::fs::read_to_string(FILE).expect("the document is in this repository");
    serde_json::from_str(&text).expect("the document is JSON")
});

/// The whole document.
pub fn document() -> &'static Value {
    &DOCUMENT
}

/// The methods of the route of a path as a request has it; none if none is described.
pub fn methods_of(path: &str) -> Option<&'static Map<String, Value>> {
    let paths = document()["paths"].as_object().expect("it has paths");
    let fits = |template: &str| {
        let (template, path) = (template.split('/'), path.split('/'));
        template.clone().count() == path.clone().count()
            && template.zip(path).all(|(part, given)| part == given || part.starts_with('{'))
    };
    // A route without a name in it goes first, as in the router.
    let fitting = paths.iter().filter(|(template, _)| fits(template));
    let found = fitting.min_by_key(|(template, _)| template.matches('{').count());
    found.map(|(_, methods)| methods.as_object().expect("a path has methods"))
}

/// What is referred to, or the thing itself.
pub fn resolved(thing: &'static Value) -> &'static Value {
    match thing["$ref"].as_str() {
        Some(target) => document().pointer(&target[1..]).expect("references lead somewhere"),
        None => thing,
    }
}

/// What an operation says of an answer with this status; failing that, what every request can be answered.
pub fn answer_of(operation: Option<&'static Value>, status: u16) -> Option<&'static Value> {
    let status = status.to_string();
    let own = operation.and_then(|operation| operation["responses"].get(&status));
    let any = || document()["x-responses-of-any-request"].get(&status);
    own.or_else(any).map(resolved)
}
