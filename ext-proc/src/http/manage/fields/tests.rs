//! Bodies, field by field.

use super::*;

fn fields(body: &str) -> Fields {
    Fields::parse(body.as_bytes()).unwrap()
}

#[test]
fn a_field_is_absent_null_or_set() {
    let fields = fields(r#"{"a": null, "b": "x"}"#);
    assert_eq!(fields.text("a"), Ok(Given::Null));
    assert_eq!(fields.text("b"), Ok(Given::Value("x".to_owned())));
    assert_eq!(fields.text("c"), Ok(Given::Absent));
}

#[test]
fn a_wrong_type_names_its_field() {
    let fields = fields(r#"{"n": -1, "m": {"x": 1.5}, "t": [1], "p": "2mo", "b": "yes"}"#);
    let errors = [
        fields.count("n").map(drop),
        fields.dollars("n").map(drop),
        fields.counts("m").map(drop),
        fields.texts("t").map(drop),
        fields.period("p").map(drop),
        fields.flag("b").map(drop),
    ];
    let params = errors.map(|error| error.unwrap_err().param.unwrap());
    assert_eq!(params, ["n", "n", "m", "t", "p", "b"]);
}

#[test]
fn a_body_that_is_no_object_is_refused() {
    for body in ["", "[]", "{", "1"] {
        assert_eq!(
            Fields::parse(body.as_bytes()).unwrap_err().status(),
            400,
            "{body}"
        );
    }
}

#[test]
fn amounts_are_read_exactly() {
    let fields = fields(r#"{"a": 0.1, "b": 1e-05, "c": "12.50", "d": 10}"#);
    let nanos =
        ["a", "b", "c", "d"].map(|name| fields.dollars(name).unwrap().value().unwrap().nanos());
    assert_eq!(nanos, [100_000_000, 10_000, 12_500_000_000, 10_000_000_000]);
}

#[test]
fn a_budget_of_a_model_is_read_in_each_of_litellm_s_forms() {
    let fields = fields(
        r#"{"b": {"x": {"budget_limit": 1, "time_period": "1d"}, "y": {"max_budget": 2}, "z": 3}}"#,
    );
    let budgets = fields.model_budgets("b").unwrap().value().unwrap();
    let dollars: Vec<_> = budgets
        .values()
        .map(|b| b.limit.nanos() / 1_000_000_000)
        .collect();
    assert_eq!(dollars, [1, 2, 3]);
    assert!(budgets["x"].period.is_some());
}
