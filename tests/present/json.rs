//! JSON output against its schema.

use crate::support::command::Workshop;
use crate::support::heap::dump;

/// Checks `value` against the parts of JSON Schema that ours uses. Returns where it does not fit.
fn misfits(value: &serde_json::Value, schema: &serde_json::Value, root: &serde_json::Value, at: &str) -> Vec<String> {
    if let Some(reference) = schema["$ref"].as_str() {
        let target = root.pointer(reference.trim_start_matches('#')).unwrap();
        return misfits(value, target, root, at);
    }
    if let Some(any) = schema["anyOf"].as_array() {
        let fits = any.iter().any(|one| misfits(value, one, root, at).is_empty());
        return if fits { Vec::new() } else { vec![format!("{at}: fits none: {value}")] };
    }
    let mut found = Vec::new();
    let is_of = |name: &str| match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_u64(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        _ => false,
    };
    let fits = match &schema["type"] {
        serde_json::Value::String(name) => is_of(name),
        serde_json::Value::Array(names) => names.iter().any(|name| is_of(name.as_str().unwrap())),
        _ => true,
    };
    if !fits {
        found.push(format!("{at}: {value} is not {}", schema["type"]));
    }
    if schema["const"] != serde_json::Value::Null && &schema["const"] != value {
        found.push(format!("{at}: {value} is not {}", schema["const"]));
    }
    if let Some(words) = schema["enum"].as_array()
        && !words.contains(value)
    {
        found.push(format!("{at}: {value} is none of {words:?}"));
    }
    for key in schema["required"].as_array().into_iter().flatten() {
        if value.get(key.as_str().unwrap()).is_none() {
            found.push(format!("{at}: {key} is missing"));
        }
    }
    for (key, part) in value.as_object().into_iter().flatten() {
        match schema["properties"].get(key) {
            Some(schema) => found.extend(misfits(part, schema, root, &format!("{at}.{key}"))),
            None if schema["properties"].is_object() && !at.ends_with(".dump") => {
                found.push(format!("{at}.{key} is not in the schema"));
            }
            None => {}
        }
    }
    for part in value.as_array().into_iter().flatten().filter(|_| schema["items"].is_object()) {
        found.extend(misfits(part, &schema["items"], root, &format!("{at}[]")));
    }
    found
}

#[test]
fn every_answer_fits_the_schema() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/chains.schema.json");
    let schema: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let workshop = Workshop::new();
    let sketch = "module app .c -> c, .s -> s1\nc: dict ['k'] -> s2, ['l'] -> s3\ns1: a.S\ns2: a.S\ns3: b.S\ns4: a.S\nx: list [0] -> s4";
    workshop.write("dump", dump(sketch));
    for (arguments, code) in
        [(&["dump", "--type", "S", "--format", "json"][..], 0), (&["dump", "--type", "Sx", "--format", "json"], 1)]
    {
        let ran = workshop.run(arguments);
        assert_eq!(ran.code, code);
        let found = misfits(&ran.json(), &schema, &schema, "$");
        assert!(found.is_empty(), "{found:#?}");
    }
}

#[test]
fn numbers_are_exact() {
    let workshop = Workshop::new();
    workshop.write(
        "dump",
        "{\"address\": 18446744073709551615, \"type\": \"T\", \"size\": 18446744073709551614, \"refs\": []}\n",
    );
    let json = workshop.run(&["dump", "--type", "T", "--format", "json"]).json();
    assert_eq!(json["unreached"][0]["address"], u64::MAX);
    assert_eq!(json["unreached"][0]["size"], u64::MAX - 1);
    assert_eq!(json["types"][0]["shallow_size"], u64::MAX - 1);
}
