//! JSON Schema, as far as `/openapi.json` uses it, and stricter: where a schema names properties and does not speak of others, there
//! must be no others. A published document cannot say that, since clients have to ignore what they do not know.

use serde_json::{Map, Value};

/// What a schema may have. A keyword that is not here would be a promise that nobody checks.
pub const KEYWORDS: [&str; 20] = [
    "$ref",
    "additionalProperties",
    "const",
    "description",
    "enum",
    "format",
    "items",
    "maxItems",
    "maximum",
    "minItems",
    "minLength",
    "minimum",
    "oneOf",
    "prefixItems",
    "properties",
    "required",
    "title",
    "type",
    "x-events",
    "default",
];

/// Why a value is not what a schema says, and where in it; none if it is.
pub fn violation(root: &Value, schema: &Value, value: &Value) -> Option<String> {
    Checker { root }.check(schema, value, "").err()
}

struct Checker<'document> {
    root: &'document Value,
}

type Checked = Result<(), String>;

impl Checker<'_> {
    fn check(&self, schema: &Value, value: &Value, at: &str) -> Checked {
        let Value::Object(schema) = schema else {
            return fits(schema == true, at, || "nothing may be here".to_owned());
        };
        if let Some(Value::String(target)) = schema.get("$ref") {
            let target = self.root.pointer(&target[1..]);
            self.check(target.expect("the document's references lead somewhere"), value, at)?;
        }
        fixed(schema, value, at)?;
        one_of_types(schema, value, at)?;
        if let Some(Value::Array(choices)) = schema.get("oneOf") {
            self.check_choices(choices, value, at)?;
        }
        match value {
            Value::Object(fields) => self.check_object(schema, fields, at),
            Value::Array(items) => self.check_array(schema, items, at),
            Value::String(text) => check_text(schema, text, at),
            Value::Number(number) => check_number(schema, number.as_f64(), at),
            Value::Null | Value::Bool(_) => Ok(()),
        }
    }

    fn check_choices(&self, choices: &[Value], value: &Value, at: &str) -> Checked {
        let refusals: Vec<String> =
            choices.iter().filter_map(|choice| self.check(choice, value, at).err()).collect();
        let fitting = choices.len() - refusals.len();
        fits(fitting == 1, at, || format!("{fitting} of the choices fit: {}", refusals.join("; ")))
    }

    fn check_object(
        &self,
        schema: &Map<String, Value>,
        fields: &Map<String, Value>,
        at: &str,
    ) -> Checked {
        let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
        for name in required.filter_map(Value::as_str) {
            fits(fields.contains_key(name), at, || format!("`{name}` is missing"))?;
        }
        let known = schema.get("properties").and_then(Value::as_object);
        let others = schema.get("additionalProperties");
        for (name, value) in fields {
            let inside = format!("{at}/{name}");
            match (known.and_then(|known| known.get(name)), others) {
                (Some(schema), _) | (None, Some(schema)) => self.check(schema, value, &inside)?,
                (None, None) if known.is_some() => {
                    return Err(format!("{inside} is not described"));
                }
                (None, None) => {}
            }
        }
        Ok(())
    }

    fn check_array(&self, schema: &Map<String, Value>, items: &[Value], at: &str) -> Checked {
        let count = items.len() as f64;
        let bounds = || format!("it has {count} items");
        fits(number_of(schema, "minItems").is_none_or(|min| count >= min), at, bounds)?;
        fits(number_of(schema, "maxItems").is_none_or(|max| count <= max), at, bounds)?;
        let first = schema.get("prefixItems").and_then(Value::as_array);
        let first = first.map_or(&[][..], Vec::as_slice);
        for (index, item) in items.iter().enumerate() {
            if let Some(schema) = first.get(index).or_else(|| schema.get("items")) {
                self.check(schema, item, &format!("{at}/{index}"))?;
            }
        }
        Ok(())
    }
}

fn fits(does: bool, at: &str, why: impl FnOnce() -> String) -> Checked {
    let place = if at.is_empty() { "the whole" } else { at };
    if does { Ok(()) } else { Err(format!("{place}: {}", why())) }
}

fn fixed(schema: &Map<String, Value>, value: &Value, at: &str) -> Checked {
    if let Some(only) = schema.get("const") {
        fits(value == only, at, || format!("{value} is not {only}"))?;
    }
    if let Some(Value::Array(members)) = schema.get("enum") {
        fits(members.contains(value), at, || format!("{value} is none of {members:?}"))?;
    }
    Ok(())
}

fn one_of_types(schema: &Map<String, Value>, value: &Value, at: &str) -> Checked {
    let types: Vec<&str> = match schema.get("type") {
        Some(Value::Array(types)) => types.iter().filter_map(Value::as_str).collect(),
        Some(Value::String(one)) => vec![one],
        _ => return Ok(()),
    };
    let is = |name: &str| match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        other => panic!("JSON has no type {other}"),
    };
    fits(types.iter().any(|name| is(name)), at, || format!("{value} is no {}", types.join(" or ")))
}

fn check_text(schema: &Map<String, Value>, text: &str, at: &str) -> Checked {
    let length = text.chars().count() as f64;
    let is_long_enough = number_of(schema, "minLength").is_none_or(|min| length >= min);
    fits(is_long_enough, at, || format!("{text:?} is too short"))?;
    if schema.get("format").is_some_and(|format| format == "date-time") {
        let is_time = humantime::parse_rfc3339(text).is_ok();
        fits(is_time, at, || format!("{text:?} is no time as RFC 3339 has them"))?;
    }
    Ok(())
}

fn check_number(schema: &Map<String, Value>, number: Option<f64>, at: &str) -> Checked {
    let number = number.expect("it is finite");
    let min = number_of(schema, "minimum").is_none_or(|min| number >= min);
    let max = number_of(schema, "maximum").is_none_or(|max| number <= max);
    fits(min && max, at, || format!("{number} is out of its bounds"))
}

fn number_of(schema: &Map<String, Value>, keyword: &str) -> Option<f64> {
    schema.get(keyword).and_then(Value::as_f64)
}
