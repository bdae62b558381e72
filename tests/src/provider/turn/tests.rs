//! What the model says to what it is asked.

use super::*;

fn asked(said: &str) -> Asked {
    Asked {
        said: said.into(),
        ..Asked::default()
    }
}

#[test]
fn the_pieces_of_an_answer_are_its_words_and_concatenate_to_it() {
    let turn = answer(&asked("hello  big\nworld"), &Form::default());
    assert_eq!(turn.text(), "You said: hello  big\nworld");
    assert_eq!(turn.usage.output, count(&turn.text()));
}

#[test]
fn an_answer_stops_at_the_limit() {
    let limited = Asked {
        max_tokens: Some(3),
        ..asked("a b c")
    };
    let turn = answer(&limited, &Form::default());
    assert_eq!(
        (turn.text().as_str(), turn.finish),
        ("You said: a", Finish::Length)
    );
}

#[test]
fn an_answer_stops_at_a_stop_sequence() {
    let stopped = Asked {
        stop: vec!["b".into()],
        ..asked("a b c")
    };
    let turn = answer(&stopped, &Form::default());
    assert_eq!(turn.text(), "You said: a ");
    assert_eq!(turn.finish, Finish::Sequence("b".into()));
}

#[test]
fn all_words_but_the_first_are_cited() {
    let form = Form {
        cites: true,
        ..Form::default()
    };
    let turn = answer(&asked("a b"), &form);
    let cited: Vec<_> = turn.citations.iter().map(|c| turn.cited(c)).collect();
    let pair = |before: &str, text: &str| (before.to_owned(), text.to_owned());
    assert_eq!(cited, [pair("You", " said: a"), pair("You said: a", " b")]);
}

#[test]
fn tools_are_called_when_the_text_names_them() {
    let tool = |name: &str| Tool {
        name: name.into(),
        schema: json!({"type": "object", "properties": {"n": {"type": "integer"}}}),
    };
    let turn = answer(
        &Asked {
            tools: vec![tool("weather"), tool("time")],
            ..asked("use weather and time")
        },
        &Form::default(),
    );
    assert_eq!(turn.calls.len(), 2);
    assert_eq!(turn.calls[0].arguments, json!({"n": 42}));
}

fn followed(results: &[&str]) -> Vec<(String, Value)> {
    let tool = |name: &str| Tool {
        name: name.into(),
        schema: json!({"type": "object"}),
    };
    let said = r#"call look with {"at": "call move with {}"}, after door call move with {}"#;
    let turn = answer(
        &Asked {
            tools: vec![tool("look"), tool("move")],
            results: results.iter().map(|&text| text.to_owned()).collect(),
            ..asked(said)
        },
        &Form::default(),
    );
    let calls = turn.calls.into_iter();
    calls.map(|call| (call.name, call.arguments)).collect()
}

#[test]
fn orders_are_followed_one_after_the_other() {
    let look = ("look".to_owned(), json!({"at": "call move with {}"}));
    assert_eq!(followed(&[]), [look]);
    assert_eq!(followed(&["a door"]), [("move".to_owned(), json!({}))]);
    assert_eq!(followed(&["a wall"]), []);
}
